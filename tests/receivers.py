"""A real HTTP server that takes what services export: OTLP spans, Sentry's envelopes."""

import gzip
import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
)


class Span(NamedTuple):
    """A span as a collector reads it; ids are hexadecimal."""

    name: str
    trace: str
    id: str
    parent: str
    kind: int
    began: int
    ended: int
    about: dict[str, Any]
    service: dict[str, Any]
    is_error: bool


class Receiver:
    """Take what is sent until the block ends; with `hangs` never answer."""

    def __init__(self, *, hangs: bool = False, status: int = 200) -> None:
        self.bodies: list[tuple[str, dict[str, str], bytes]] = []
        self.status = status
        self._released = threading.Event()
        if not hangs:
            self._released.set()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                outer.bodies.append((self.path, dict(self.headers), body))
                outer._released.wait(60)
                self.send_response(outer.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Be quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}
        )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def dsn(self) -> str:
        return f"http://public@127.0.0.1:{self.port}/7"  # pragma: allowlist secret

    def __enter__(self) -> "Receiver":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def spans(self) -> list[Span]:
        """Return every span that was sent."""
        return [
            _span(span, _values(resource.resource.attributes))
            for path, _, body in list(self.bodies)
            if path == "/v1/traces"
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def events(self) -> list[dict[str, Any]]:
        """Return every event of Sentry's that was sent."""
        found = []
        for path, _, body in list(self.bodies):
            if path == "/api/7/envelope/":
                _, *items = body.decode().splitlines()
                for head, content in zip(items[::2], items[1::2], strict=True):
                    assert json.loads(head)["type"] == "event", head
                    found.append(json.loads(content))
        return found

    def wait(self, found: Callable[[], Any], seconds: float = 15.0) -> Any:
        """Return what `found` finds once it finds anything."""
        deadline = time.monotonic() + seconds
        while not (result := found()):
            assert time.monotonic() < deadline, self.bodies
            time.sleep(0.02)
        return result


def _values(attributes: Any) -> dict[str, Any]:
    return {
        one.key: getattr(one.value, one.value.WhichOneof("value")) for one in attributes
    }


def _span(span: Any, service: dict[str, Any]) -> Span:
    return Span(
        span.name,
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
        span.kind,
        span.start_time_unix_nano,
        span.end_time_unix_nano,
        _values(span.attributes),
        service,
        span.status.code == 2,
    )
