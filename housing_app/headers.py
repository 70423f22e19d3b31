"""The headers that every answer has, whoever made it."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from flask import Flask, Response, request

# Whatever a page might come to hold, a browser loads our own styles, our icon and
# nothing else.
_PAGE = (
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
# What the pages with a script of ours say instead: that script, and /v1 for it to ask.
SCRIPTED = f"script-src 'self'; connect-src 'self'; {_PAGE}"
_DATA = "default-src 'none'; frame-ancestors 'none'"
_ALWAYS = [
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
]
_HSTS = ("Strict-Transport-Security", "max-age=31536000")
_POLICY = "Content-Security-Policy"
_CACHING = "Cache-Control"
# What a page of an allowed origin may send and read, beside what browsers allow anyway.
_SEND = (
    "Authorization, Content-Type, X-Client-Id, X-Request-ID, traceparent, tracestate"
)
_READ = (
    "X-Request-ID, RateLimit, RateLimit-Policy, Retry-After, WWW-Authenticate, "
    "Deprecation, Sunset, Link, Prediction-Recorded, Cache-Status"
)
_PREFLIGHT_SECONDS = "600"


def init_app(app: Flask) -> None:
    """Add the headers; a view's own policy or caching is left as it is.

    To the list that WSGI is given: Werkzeug's headers take ten times as long.
    """
    answer: Callable[..., Iterable[bytes]] = app.wsgi_app

    def add(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        def start(status: str, headers: list[tuple[str, str]], *failure: Any) -> Any:
            sent = dict(headers)
            added = list(_ALWAYS)
            if _POLICY not in sent:
                is_page = sent.get("Content-Type", "").startswith("text/html")
                added.append((_POLICY, _PAGE if is_page else _DATA))
            if _CACHING not in sent:
                added.append((_CACHING, "no-store"))
            if environ["wsgi.url_scheme"] == "https":
                added.append(_HSTS)
            return start_response(status, headers + added, *failure)

        return answer(environ, start)

    app.wsgi_app = add  # type: ignore[method-assign]
    origins: Sequence[str] = app.config["CORS_ORIGINS"]
    if not origins:
        return

    @app.after_request
    def allow(response: Response) -> Response:
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
