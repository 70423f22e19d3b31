"""The headers that every answer has, whoever made it."""

from collections.abc import Sequence

from flask import Flask, Response, request

# Whatever a page might come to hold, a browser loads our own styles and nothing else.
_PAGE = (
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
_DATA = "default-src 'none'; frame-ancestors 'none'"
_ALWAYS = (
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
)
_HSTS = "max-age=31536000"
# What a page of an allowed origin may send and read, beside what browsers allow anyway.
_SEND = "Authorization, Content-Type, X-Request-ID, traceparent, tracestate"
_READ = (
    "X-Request-ID, RateLimit, RateLimit-Policy, Retry-After, WWW-Authenticate, "
    "Deprecation, Sunset, Link, Prediction-Recorded, Cache-Status"
)
_PREFLIGHT_SECONDS = "600"


def init_app(app: Flask) -> None:
    """Add the headers; a view's own policy or caching is left as it is."""
    origins: Sequence[str] = app.config["CORS_ORIGINS"]

    @app.after_request
    def add(response: Response) -> Response:
        headers = response.headers
        headers.extend(_ALWAYS)
        is_page = response.mimetype == "text/html"
        headers.setdefault("Content-Security-Policy", _PAGE if is_page else _DATA)
        headers.setdefault("Cache-Control", "no-store")
        if request.is_secure:
            headers["Strict-Transport-Security"] = _HSTS
        if origins:
            _allow(response, origins)
        return response


def _allow(response: Response, origins: Sequence[str]) -> None:
    """Let pages of the listed origins read the answer (CORS)."""
    response.vary.add("Origin")
    origin = request.headers.get("Origin")
    if origin not in origins:
        return
    response.headers["Access-Control-Allow-Origin"] = origin
    response.headers["Access-Control-Expose-Headers"] = _READ
    if request.method == "OPTIONS":
        allowed = response.headers.get("Allow", "")
        response.headers["Access-Control-Allow-Methods"] = allowed
        response.headers["Access-Control-Allow-Headers"] = _SEND
        response.headers["Access-Control-Max-Age"] = _PREFLIGHT_SECONDS
