"""One JSON object a line on stdout, a request id in every line, never a payload."""

import logging
import re
import sys
import uuid
from time import perf_counter
from typing import Any

import structlog
from flask import Flask, Response, g, request

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")

log = structlog.get_logger()


class _Stdout:
    """Whatever stdout is when a line is written, so that tests can capture it."""

    def write(self, text: str) -> None:
        sys.stdout.write(text)

    def flush(self) -> None:
        sys.stdout.flush()


def init_app(app: Flask) -> None:
    """Give every request an id and log one line for it."""
    level = logging.getLevelNamesMapping()[app.config["LOG_LEVEL"].upper()]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            # json escapes control characters: no client can forge a line.
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=_Stdout()),  # type: ignore[arg-type]
        cache_logger_on_first_use=False,
    )

    @app.before_request
    def name_request() -> None:
        sent = request.headers.get("X-Request-ID", "")
        g.request_id = sent if _REQUEST_ID.fullmatch(sent) else uuid.uuid4().hex
        g.arrived = perf_counter()
        context: dict[str, Any] = {"request_id": g.request_id}
        trace = _TRACEPARENT.fullmatch(request.headers.get("traceparent", ""))
        if trace and trace[1] != "0" * 32:
            context["trace_id"] = trace[1]
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(**context)

    @app.after_request
    def log_request(response: Response) -> Response:
        response.headers["X-Request-ID"] = g.request_id
        log.info(
            "request",
            method=request.method,
            route=request.url_rule.rule if request.url_rule else None,
            path=request.path,
            status=response.status_code,
            ms=round(1000 * (perf_counter() - g.arrived), 3),
        )
        return response
