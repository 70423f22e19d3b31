"""Errors to Sentry: what answers 500, and what makes a model raise.

Nothing of it is loaded unless SENTRY_DSN is set. A report is built from a list of what
may be in it, not by leaving things out: kinds of errors, lines of code, the model, the
id and route of the request. What errors say, variables, bodies and headers may not.
"""

import atexit
import os
import threading
from collections.abc import Mapping
from time import monotonic
from typing import TYPE_CHECKING, Any

import structlog
from flask import Flask, current_app, has_app_context, has_request_context, request

from housing_app import metrics
from housing_app.casts import ConfigError
from housing_app.logs import log

if TYPE_CHECKING:
    from sentry_sdk import Client

_KEY = "housing_app.error_reports"
_TIMEOUT_SECONDS = 5
_LAST_SECONDS = 1.0  # what a worker that ends spends on what waits
_WAITING = 30  # reports
_MOST = 10  # reports a minute of each process: the first ones say it all
_MINUTE = 60.0
_EVENT = ("event_id", "timestamp", "platform", "level", "release", "environment",
          "server_name")  # fmt: skip
_FRAME = ("filename", "abs_path", "module", "function", "lineno", "in_app")
_CODE = ("pre_context", "context_line", "post_context")
_TAGS = ("request_id", "trace_id")


class Reports:
    """Send an app's errors; each process has a client of its own."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._settings = settings
        self._client: Client | None = None
        self._process = 0
        self._lock = threading.Lock()
        self._until, self._left = 0.0, 0

    def start(self) -> "Client":
        """Return this process's client; a thread outlives no fork."""
        if self._client is None or self._process != os.getpid():
            self._client, self._process = _client(self._settings), os.getpid()
            atexit.register(self.stop)  # where no worker's end does it
        return self._client

    def stop(self) -> None:
        """Send what waits, with a bound on how long that may take."""
        found, self._client = self._client, None
        if found is not None and self._process == os.getpid():
            found.close(timeout=_LAST_SECONDS)

    def send(self, error: BaseException, tags: Mapping[str, str]) -> None:
        """Queue a report, unless there were too many of late."""
        from sentry_sdk.utils import event_from_exception

        if not self._may():
            _count("held")
            return
        client = self.start()
        event, hint = event_from_exception(error, client_options=client.options)
        event["tags"] = dict(tags)
        client.capture_event(event, hint=hint)
        _count("queued")

    def _may(self) -> bool:
        with self._lock:
            if monotonic() >= self._until:
                self._until, self._left = monotonic() + _MINUTE, _MOST
            self._left -= 1
            return self._left >= 0


def _client(settings: Mapping[str, Any]) -> "Client":
    # Here, and not above: the extra may not be there.
    from sentry_sdk import Client
    from sentry_sdk.transport import HttpTransport

    class Transport(HttpTransport):
        """Send by a thread, within a time, and count what is lost."""

        TIMEOUT = _TIMEOUT_SECONDS

        def on_dropped_event(self, reason: str) -> None:
            _count("lost")

    return Client(
        dsn=settings["SENTRY_DSN"],
        release=f"housing_app@{settings['VERSION']}",
        environment=settings["HOUSING_ENV"],
        transport=Transport,
        transport_queue_size=_WAITING,
        before_send=_scrubbed,
        # It would patch libraries, read requests and start threads of its own. Personal
        # data (send_default_pii) it leaves alone unless told otherwise.
        default_integrations=False,
        auto_enabling_integrations=False,
        auto_session_tracking=False,
        enable_backpressure_handling=False,
        enable_metrics=False,
        send_client_reports=False,
        spotlight=False,
        debug=False,
        include_local_variables=False,
        max_breadcrumbs=0,
        max_request_body_size="never",
    )


def _scrubbed(event: Any, _hint: object) -> Any:
    """Return an event of what is listed here, whatever the SDK has added."""
    kept = {name: event[name] for name in _EVENT if name in event}
    kept["tags"] = event.get("tags", {})
    kept["exception"] = {
        "values": [_kind(one) for one in event.get("exception", {}).get("values", [])]
    }
    return kept


def _kind(error: Mapping[str, Any]) -> dict[str, Any]:
    frames = (error.get("stacktrace") or {}).get("frames", [])
    names = _FRAME + _CODE
    return {
        "type": error.get("type"),
        "module": error.get("module"),
        "stacktrace": {
            "frames": [{n: frame[n] for n in names if n in frame} for frame in frames]
        },
    }


def _count(result: str) -> None:
    metrics.labelled(metrics.error_reports, result).inc()


def init_app(app: Flask) -> None:
    """Report errors, if SENTRY_DSN says where to."""
    if not app.config["SENTRY_DSN"]:
        return
    try:
        import sentry_sdk.transport  # noqa: F401 - once for all workers
    except ImportError as error:
        raise ConfigError(
            f"SENTRY_DSN: {error.name} is not installed: "
            "pip install 'housing_app[sentry]'"
        ) from None
    app.extensions[_KEY] = Reports(app.config)


def send(error: BaseException, **tags: str) -> None:
    """Report an error of the request under way, if reports are sent."""
    found = current_app.extensions.get(_KEY) if has_app_context() else None
    if found is None:
        return
    context = structlog.contextvars.get_contextvars()
    tags |= {name: context[name] for name in _TAGS if name in context}
    if has_request_context():
        rule = request.url_rule.rule if request.url_rule else "none"
        tags["route"] = rule
    try:
        found.send(error, tags)
    except Exception as failure:  # its answer is on the way, and must not fail again
        log.error("error not reported", exc_info=failure)


def start(app: Flask) -> None:
    """Get ready in a new worker; else its first error does."""
    if found := app.extensions.get(_KEY):
        found.start()


def stop(app: Flask) -> None:
    """Send what waits before a worker ends, with a bound on the time."""
    if found := app.extensions.get(_KEY):
        found.stop()
