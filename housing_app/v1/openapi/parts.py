"""The document's parts that many routes share."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from housing_app import journal
from housing_app.errors import PROBLEMS
from housing_app.v1 import schemas
from housing_app.v1.openapi.shapes import Shape, ref, text, whole
from housing_app.valuation import intervals

_ABOUT = """\
What a home is worth, how sure we are, and why.

Bodies are JSON in UTF-8, numbers are JSON numbers, money is U.S. dollars. Every error
is a problem (RFC 9457) whose `type` is the address of a page that says what it means.
A method that a route does not take is answered with 405 and `Allow`, a path that leads
nowhere with 404. Within version 1, answers may get new members, which clients ignore;
nothing else changes for a client that works.
"""
SECURITY = {
    "bearerAuth": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "A token with the scope of the route: predict, outcomes or "
        "admin. A service that runs with AUTH=off asks for none.",
    }
}


def info(version: str) -> dict[str, Any]:
    """Return the document's head."""
    return {
        "title": "housing_app",
        "version": version,
        "summary": "House prices over HTTP: every price with an honest range.",
        "description": _ABOUT,
        "license": {"name": "MIT", "identifier": "MIT"},
    }


# --- parameters ----------------------------------------------------------------------

# More than schemas.PARAMETERS, whose values follow from it, can tell.
_QUERY = {
    "interval": ("Level of the ranges.", intervals.DEFAULT_LEVEL),
    "explain": ("Add the reasons of each price, in dollars and as factors.", False),
    "comparables": ("How many of the most similar comparables to add.", 0),
}
_PATH = {
    "zipcode": text("Five digits.", pattern="^[0-9]{5}$"),
    "name": text("What a problem's type ends with.", enum=list(PROBLEMS)),
    "version": text("A name for the files as they are; pages know it."),
    "filename": text("Path of a file.", pattern=r"^[\w./-]+$"),
}
_HEADER = {
    "X-Request-ID": "Name of the request, kept if it is 1 to 128 letters, digits, "
    "dots, hyphens and underscores; else a new one is made.",
    "X-Client-Id": "Who asks, 1 to 128 letters, digits, dots, hyphens and underscores: "
    "in an experiment a client is answered by the same model each time. A token's "
    "subject goes before it.",
    "traceparent": "W3C trace context; its trace id is added to the log.",
}


def parameters() -> dict[str, Shape]:
    """Return all parameters by name."""
    found = {
        name: _parameter("query", name, _of_choices(name), description=said)
        for name, (said, _) in _QUERY.items()
    }
    segment = text(enum=list(schemas.SEGMENTS))
    said = "The one kind of segment to show; all without it."
    found["segment"] = _parameter("query", "segment", segment, description=said)
    for name, shape in _PATH.items():
        found[name] = _parameter("path", name, shape, required=True)
    for name, said in _HEADER.items():
        found[name] = _parameter("header", name, text(), description=said)
    return found


def _parameter(place: str, name: str, shape: Shape, **more: Any) -> Shape:
    return {"name": name, "in": place} | more | {"schema": shape}


def _of_choices(name: str) -> Shape:
    """Return the schema of what `schemas.PARAMETERS` allows."""
    values = list(schemas.PARAMETERS[name].choices.values())
    default = {"default": _QUERY[name][1]}
    if values == [True, False]:
        return {"type": "boolean"} | default
    if values == list(range(len(values))):
        return whole(minimum=0, maximum=len(values) - 1) | default
    return {"type": "number", "enum": values} | default


# --- responses -----------------------------------------------------------------------


def _header(said: str, shape: Shape, example: Any = None) -> Shape:
    shown = {} if example is None else {"example": example}
    return {"description": said, "schema": shape} | shown


HEADERS = {
    "X-Request-ID": _header("Name of the request, also in the log.", text()),
    "RateLimit": _header(
        "What is left of the client's share.", text(), '"default";r=99;t=60'
    ),
    "RateLimit-Policy": _header(
        "The client's share and its window.", text(), '"default";q=100;w=60'
    ),
    "Retry-After": _header("Seconds to wait.", whole(minimum=0), 5),
    "WWW-Authenticate": _header("How to authenticate.", text(), "Bearer"),
    journal.HEADER[0]: _header(
        "The prediction could not be recorded: no outcome can be reported for it.",
        text(enum=[journal.HEADER[1]]),
    ),
    "Cache-Status": _header(
        "Whether it was answered before (RFC 9211).", text(), "housing_app; hit; ttl=42"
    ),
    "Deprecation": _header("Since when (RFC 9745).", text(), "@1767225600"),
    "Sunset": _header(
        "When it ends (RFC 8594).", text(), "Fri, 01 Jan 2027 00:00:00 GMT"
    ),
    "Link": _header("The policy, and what to use instead.", text()),
}
_PROBLEM = "application/problem+json"
_ALSO = {
    401: ["WWW-Authenticate"],
    403: ["WWW-Authenticate"],
    429: ["Retry-After"],
    503: ["Retry-After"],
}


def response(said: str, headers: Sequence[str], content: Shape) -> Shape:
    """Return a response with shared headers."""
    named = {name: {"$ref": f"#/components/headers/{name}"} for name in headers}
    return {"description": said, "headers": named, "content": content}


def problem(names: Sequence[str], headers: Sequence[str]) -> Shape:
    """Return the response of problems that share a status."""
    kinds = [PROBLEMS[name] for name in names]
    types = [f"/problems/{name}" for name in names]
    shape = {
        "allOf": [
            ref("Problem"),
            {"properties": {"type": {"enum": types}}},
        ]
    }
    also = _ALSO.get(kinds[0].status, [])
    said = " ".join(f"{kind.title}. {kind.meaning}" for kind in kinds)
    content = {_PROBLEM: {"schema": shape}}
    return response(said, [*headers, *also], content)


def other(status: int, headers: Sequence[str]) -> Shape:
    """Return a response that HTTP itself defines."""
    content = {_PROBLEM: {"schema": ref("Problem")}} if status >= 400 else {}
    return response(f"{HTTPStatus(status).phrase}.", headers, content)
