"""Every error is RFC 9457 `application/problem+json`, rendered here."""

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, NamedTuple

from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException, InternalServerError

from housing_app import error_reports
from housing_app.auth import Refused
from housing_app.database import StoreDown
from housing_app.journal import JournalFull
from housing_app.limits import RateLimited
from housing_app.logs import log
from housing_app.valuation.errors import NotReady


class Kind(NamedTuple):
    """Describe a problem type, as the page /problems/<name> does."""

    status: int
    title: str
    meaning: str  # when it is the answer
    cure: str  # what the client can do


PROBLEMS = {
    "malformed-json": Kind(
        400,
        "The body is not JSON",
        "It does not parse, is nested too deeply, holds a number of thousands of "
        "digits, or a name twice.",
        "Send one JSON object in UTF-8; `detail` names the place.",
    ),
    "bad-request": Kind(
        400,
        "The request cannot be understood",
        "Any other fault of the request; it keeps its own 4xx status.",
        "Read `detail`, and do not repeat the request unchanged.",
    ),
    "unauthorized": Kind(
        401,
        "A token is needed",
        "The token is missing, expired, or not one this service trusts.",
        "Send a good one as `Authorization: Bearer …`; `detail` says what is wrong.",
    ),
    "forbidden": Kind(
        403,
        "The token does not allow this",
        "It lacks the scope of the route.",
        "Ask the operator for a token with the scope that `detail` names.",
    ),
    "not-found": Kind(
        404,
        "There is nothing here",
        "No such route, or no demographics for the zipcode.",
        "Compare the path with the routes of /docs.",
    ),
    "unknown-prediction": Kind(
        404,
        "A valuation is not known",
        "No valuation has this id, or it was made for another client, not recorded, "
        "or deleted meanwhile. Nothing of the request was stored.",
        "Send the `id` of predictions, without what `errors` points at.",
    ),
    "method-not-allowed": Kind(
        405,
        "This method is not allowed here",
        "The route exists and takes other methods.",
        "Use one that the header `Allow` names.",
    ),
    "outcome-conflict": Kind(
        409,
        "Another outcome was reported before",
        "A valuation has an outcome with another price or date, and the first one "
        "stays. Nothing of the request was stored.",
        "Leave out what `errors` points at; the operator can withdraw what is wrong.",
    ),
    "body-too-large": Kind(
        413,
        "The body is too large",
        "It has more bytes than `MAX_CONTENT_LENGTH` allows.",
        "Split the homes over several requests.",
    ),
    "unsupported-media-type": Kind(
        415,
        "The body must be application/json",
        "It came with another `Content-Type`, or with none.",
        "Send `Content-Type: application/json`.",
    ),
    "invalid-request": Kind(
        422,
        "The request breaks the rules of its fields",
        "A field or query parameter is missing, unknown or beyond its limits.",
        "Correct what `errors` lists: every fault, each with its place.",
    ),
    "outside-area": Kind(
        422,
        "The home is outside the area the model knows",
        "Only where the operator set `REFUSE_OUTSIDE_AREA=true`.",
        "Leave out the homes that `errors` points at.",
    ),
    "rate-limited": Kind(
        429,
        "Too many requests",
        "The client used up its share for now.",
        "Wait as many seconds as `Retry-After` says; send many homes in one request.",
    ),
    "internal-error": Kind(
        500,
        "Something went wrong here",
        "A fault of the service; the log has its cause under `request_id`.",
        "Report the `request_id` to the operator.",
    ),
    "not-ready": Kind(
        503,
        "The service is not ready",
        "A model or its data is missing, or a model gives wrong prices.",
        "Try again after as many seconds as `Retry-After` says.",
    ),
    "journal-full": Kind(
        503,
        "The answer could not be recorded",
        "Only with `JOURNAL=required`, while the disk or the spool is full.",
        "Try again after as many seconds as `Retry-After` says.",
    ),
    "store-down": Kind(
        503,
        "The database is not available",
        "It is away, hangs, is full or read-only. Valuations go on without it.",
        "Send the same again after as many seconds as `Retry-After` says.",
    ),
}
# Only what they are raised for by name.
_SPECIAL = {"malformed-json", "outside-area", "journal-full", "unknown-prediction",
            "outcome-conflict", "store-down"}  # fmt: skip
_BY_STATUS = {
    kind.status: name for name, kind in PROBLEMS.items() if name not in _SPECIAL
}


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
    app.register_error_handler(JournalFull, _journal_full)
    app.register_error_handler(StoreDown, _store_down)
    app.register_error_handler(RateLimited, _rate_limited)
    app.register_error_handler(Refused, _refused)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _unexpected)


def _not_ready(error: NotReady) -> Response:
    return render(Problem("not-ready", str(error), headers={"Retry-After": "5"}))


def _journal_full(error: JournalFull) -> Response:
    return render(Problem("journal-full", str(error), headers={"Retry-After": "5"}))


def _store_down(error: StoreDown) -> Response:
    detail = f"the database does not take part now: {error}"
    return render(Problem("store-down", detail, headers={"Retry-After": "5"}))


def _rate_limited(error: RateLimited) -> Response:
    headers = {"Retry-After": str(error.wait)}
    return render(Problem("rate-limited", str(error), headers=headers))


def _refused(error: Refused) -> Response:
    return render(Problem(error.name, str(error), headers=error.headers))


def _http_error(error: HTTPException) -> Response:
    status = error.code or 500
    if isinstance(error, InternalServerError) and error.original_exception:
        # Of what comes after the view; Flask has logged it.
        error_reports.send(error.original_exception)
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
    error_reports.send(error)
    return render(Problem("internal-error", "The error was logged under this id."))
