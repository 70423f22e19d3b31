"""Traces: one span for each request and one for each of its steps.

Nothing of it is loaded unless OTEL_EXPORTER_OTLP_ENDPOINT is set. Spans hold no
payload, query or address: the route, the path, the status, the request's id, the model.
"""

import atexit
import os
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from time import time_ns
from typing import TYPE_CHECKING, Any, NamedTuple

import structlog
from flask import Flask, Request, Response, g, request

from housing_app.casts import ConfigError

if TYPE_CHECKING:
    from opentelemetry.trace import Span

    from housing_app.otlp import Collector, Exporter

_KEY = "housing_app.tracing"
_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"}
_MOST_CHARACTERS = 512  # of what a client sends


class _Done(NamedTuple):
    name: str
    model: str
    began: int
    ended: int
    error: str


_steps: ContextVar[list[_Done] | None] = ContextVar("steps", default=None)
_NOT_TRACED = nullcontext()


class _Step:
    """Note when a step of a request begins and ends; spans are made of it later."""

    def __init__(self, steps: list[_Done], name: str, model: str) -> None:
        self._steps, self._name, self._model = steps, name, model

    def __enter__(self) -> None:
        self._began = time_ns()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        error = kind.__name__ if kind else ""
        done = _Done(self._name, self._model, self._began, time_ns(), error)
        self._steps.append(done)


def step(name: str, model: str = "") -> AbstractContextManager[None]:
    """Return what times a step of the request under way, if that is traced."""
    steps = _steps.get()
    return _NOT_TRACED if steps is None else _Step(steps, name, model)


class Tracing:
    """Make the spans of an app's requests."""

    def __init__(self, collector: "Collector") -> None:
        # Here, and not above: the extra may not be there.
        from opentelemetry import trace
        from opentelemetry.trace.propagation import tracecontext

        self._api = trace
        self._extract = tracecontext.TraceContextTextMapPropagator().extract
        self._collector = collector
        self._exporter: Exporter | None = None

    def start(self) -> "Exporter":
        """Return this process's exporter; a thread outlives no fork."""
        found = self._exporter
        if found is None or found.process != os.getpid():
            from housing_app import otlp

            found = self._exporter = otlp.Exporter(self._collector)
            atexit.register(self.stop)  # where no worker's end does it
        return found

    def stop(self) -> None:
        """Send what waits."""
        found, self._exporter = self._exporter, None
        if found is not None and found.process == os.getpid():
            found.stop()

    def begin(self) -> None:
        """Begin the span of the request under way, as a child of the caller's."""
        _steps.set(None)
        asked: Request = request._get_current_object()  # type: ignore[attr-defined]
        # Without its tracestate, which is for those whom we would call.
        caller = asked.environ.get("HTTP_TRACEPARENT", "")[:_MOST_CHARACTERS]
        parent = self._extract({"traceparent": caller}) if caller else None
        method = asked.method if asked.method in _METHODS else "_OTHER"
        rule = asked.url_rule.rule if asked.url_rule else ""
        kind = self._api.SpanKind.SERVER
        span = self.start().tracer.start_span(
            f"{method} {rule}".strip(), parent, kind, start_time=time_ns()
        )
        context = span.get_span_context()
        if context.is_valid:
            trace = self._api.format_trace_id(context.trace_id)
            structlog.contextvars.bind_contextvars(trace_id=trace)
        if not span.is_recording():
            return
        span.set_attributes(
            {
                "http.request.method": method,
                "url.path": asked.path[:_MOST_CHARACTERS],
                "url.scheme": asked.scheme,
                "housing_app.request_id": g.request_id,
            }
            | ({"http.route": rule} if rule else {})
        )
        g.span = span
        _steps.set([])

    def end(self, response: Response) -> Response:
        """End the span once the answer has left; its steps become spans then."""
        span, steps = g.pop("span", None), _steps.get()
        _steps.set(None)
        if span is not None:
            span.set_attribute("http.response.status_code", response.status_code)
            if response.status_code >= 500:
                self._fail(span, str(response.status_code))
            response.call_on_close(lambda: self._finish(span, steps or []))
        return response

    def _finish(self, span: "Span", steps: list[_Done]) -> None:
        ended = time_ns()
        context = self._api.set_span_in_context(span)
        tracer = self.start().tracer
        for done in steps:
            about = {"housing_app.model": done.model} if done.model else None
            child = tracer.start_span(
                done.name, context, attributes=about, start_time=done.began
            )
            if done.error:
                self._fail(child, done.error)
            child.end(done.ended)
        span.end(ended)

    def _fail(self, span: "Span", error: str) -> None:
        # The kind alone: what an error says may quote the request.
        span.set_attribute("error.type", error)
        span.set_status(self._api.StatusCode.ERROR)


def init_app(app: Flask) -> None:
    """Trace the requests, if OTEL_EXPORTER_OTLP_ENDPOINT says where to."""
    settings: dict[str, Any] = app.config
    if not settings["OTEL_EXPORTER_OTLP_ENDPOINT"]:
        return
    try:
        from housing_app.otlp import Collector
    except ImportError as error:
        raise ConfigError(
            f"OTEL_EXPORTER_OTLP_ENDPOINT: {error.name} is not installed: "
            "pip install 'housing_app[otel]'"
        ) from None
    found = app.extensions[_KEY] = Tracing(
        Collector(
            settings["OTEL_EXPORTER_OTLP_ENDPOINT"],
            settings["OTEL_EXPORTER_OTLP_HEADERS"],
            settings["OTEL_SERVICE_NAME"],
            settings["VERSION"],
            settings["OTEL_TRACES_SAMPLER_ARG"],
        )
    )
    app.before_request(found.begin)
    app.after_request(found.end)


def start(app: Flask) -> None:
    """Get ready in a new worker; else its first request does."""
    if found := app.extensions.get(_KEY):
        found.start()


def stop(app: Flask) -> None:
    """Send what waits before a worker ends, with a bound on the time."""
    if found := app.extensions.get(_KEY):
        found.stop()
