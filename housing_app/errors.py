"""Every error is RFC 9457 `application/problem+json`, rendered here."""

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, NamedTuple

from flask import Flask, Response, g, request
from flask_limiter import RateLimitExceeded
from werkzeug.exceptions import HTTPException

from housing_app.logs import log
from housing_app.valuation.errors import NotReady


class Kind(NamedTuple):
    """Describe a problem type: /problems/<name>."""

    status: int
    title: str


PROBLEMS = {
    "malformed-json": Kind(400, "The body is not JSON"),
    "bad-request": Kind(400, "The request cannot be understood"),
    "not-found": Kind(404, "There is nothing here"),
    "method-not-allowed": Kind(405, "This method is not allowed here"),
    "body-too-large": Kind(413, "The body is too large"),
    "unsupported-media-type": Kind(415, "The body must be application/json"),
    "invalid-request": Kind(422, "The request breaks the rules of its fields"),
    "outside-area": Kind(422, "The home is outside the area the model knows"),
    "rate-limited": Kind(429, "Too many requests"),
    "internal-error": Kind(500, "Something went wrong here"),
    "not-ready": Kind(503, "The service is not ready"),
}
_BY_STATUS = {kind.status: name for name, kind in PROBLEMS.items() if name not in {
    "malformed-json", "outside-area"}}  # fmt: skip


class Problem(Exception):  # noqa: N818 - the term of RFC 9457
    """Answer with a problem; `errors` point at what is wrong in the request."""

    def __init__(
        self,
        name: str,
        detail: str,
        *,
        errors: Sequence[Mapping[str, str]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.detail = detail
        self.errors = list(errors)
        self.headers = dict(headers or {})
        super().__init__(detail)


def render(problem: Problem, status: int | None = None) -> Response:
    """Return the response of a problem."""
    kind = PROBLEMS[problem.name]
    body: dict[str, Any] = {
        "type": f"/problems/{problem.name}",
        "title": kind.title,
        "status": status or kind.status,
        "detail": problem.detail,
        "instance": request.path,
        "request_id": g.get("request_id"),
    }
    if problem.errors:
        body["errors"] = problem.errors
    return Response(
        json.dumps(body) + "\n",
        body["status"],
        problem.headers,
        content_type="application/problem+json",
    )


def init_app(app: Flask) -> None:
    """Render everything that is raised."""
    app.register_error_handler(Problem, render)
    app.register_error_handler(NotReady, _not_ready)
    app.register_error_handler(RateLimitExceeded, _rate_limited)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _unexpected)


def _not_ready(error: NotReady) -> Response:
    return render(Problem("not-ready", str(error), headers={"Retry-After": "5"}))


def _rate_limited(error: RateLimitExceeded) -> Response:
    wait = g.retry_after
    detail = f"the limit is {error.description}; try again in {wait} s"
    return render(Problem("rate-limited", detail, headers={"Retry-After": str(wait)}))


def _http_error(error: HTTPException) -> Response:
    status = error.code or 500
    if status < 400 and error.response is None:
        # A routing redirect (a missing slash) is an answer, not a problem.
        return Response(status=status, headers=error.get_headers())
    name = _BY_STATUS.get(status, "bad-request" if status < 500 else "internal-error")
    known = PROBLEMS[name].status == status
    detail = error.description or (
        PROBLEMS[name].title if known else HTTPStatus(status).phrase
    )
    headers = {k: v for k, v in error.get_headers() if k in {"Allow", "Retry-After"}}
    return render(Problem(name, detail, headers=headers), status)


def _unexpected(error: Exception) -> Response:
    log.error("unexpected error", exc_info=error)
    return render(Problem("internal-error", "The error was logged under this id."))
