"""What each route takes and answers: the one table that views cannot tell."""

from typing import Literal, NamedTuple

from housing_app import journal
from housing_app.valuation.features import Slot


class Operation(NamedTuple):
    """Describe a route; its words are the view's docstring, its scope auth's.

    body: the slot whose homes it takes, or outcomes. schema: of its JSON answer; media:
    what else it can answer with; also: statuses that need no problem type of their own.
    limited: it counts against the rate limit. headers: of its good answers alone.
    creates: one of those is 201.
    """

    tag: str
    schema: str | None = None
    problems: tuple[str, ...] = ()
    parameters: tuple[str, ...] = ()
    body: Slot | Literal["outcomes"] | None = None
    media: tuple[str, ...] = ()
    also: tuple[int, ...] = ()
    limited: bool = True
    headers: tuple[str, ...] = ()
    creates: bool = False
    name: str = ""  # and summary, of a view that is not ours
    summary: str = ""


TAGS = {
    "Valuation": "Prices of homes.",
    "Outcomes": "What homes were sold for, by the ids of their valuations.",
    "About": "What the service knows, and how well.",
    "Health": "For probes and operators; not rate limited.",
    "Pages": "For people; not rate limited.",
}
_BODY = (
    "malformed-json",
    "bad-request",
    "body-too-large",
    "unsupported-media-type",
    "invalid-request",
)
_HOMES = (*_BODY, "outside-area", "not-ready", "journal-full")
_DETAILS = ("interval", "explain", "comparables")
_HTML = ("text/html",)


def _valuation(slot: Slot) -> Operation:
    return Operation(
        "Valuation",
        "Predictions",
        _HOMES,
        (*_DETAILS, "X-Client-Id"),
        slot,
        headers=(journal.HEADER[0],),
    )


def _health(schema: str, *problems: str) -> Operation:
    return Operation("Health", schema, problems, limited=False)


def _page(schema: str | None = None, *problems: str) -> Operation:
    return Operation("Pages", schema, problems, media=_HTML, limited=False)


# The document keeps this order.
OPERATIONS = {
    "POST /v1/predict": _valuation("full"),
    "POST /v1/predict/minimal": _valuation("minimal"),
    "POST /v1/outcomes": Operation(
        "Outcomes",
        "Reported",
        (*_BODY, "unknown-prediction", "outcome-conflict", "store-down"),
        body="outcomes",
        creates=True,
    ),
    "GET /v1/info": Operation("About", "Info", ("not-ready",)),
    "GET /v1/accuracy": Operation(
        "About", "Accuracy", ("invalid-request",), ("segment",)
    ),
    "GET /v1/zipcodes": Operation("About", "Zipcodes"),
    "GET /v1/zipcodes/<zipcode>": Operation(
        "About", "Zipcode", ("not-found", "not-ready"), ("zipcode",)
    ),
    "GET /v1/openapi.json": Operation("About", "OpenAPI"),
    "GET /health": _health("Health"),
    "GET /health/live": _health("Status"),
    "GET /health/ready": _health("Ready", "not-ready"),
    "GET /health/startup": _health("Ready", "not-ready"),
    "GET /metrics": Operation(
        "Health",
        media=("text/plain", "application/openmetrics-text"),
        limited=False,
        name="metrics",
        summary="Show the metrics of all workers, for Prometheus.",
    ),
    "GET /": _page(),
    "GET /accuracy": _page(),
    "GET /docs": _page(),
    "GET /problems": _page("ProblemTypes"),
    "GET /problems/<name>": _page("ProblemType", "not-found")._replace(
        parameters=("name",)
    ),
    "GET /static/<version>/<path:filename>": Operation(
        "Pages",
        None,
        ("not-found",),
        ("version", "filename"),
        media=("text/css", "text/javascript", "application/json", "image/svg+xml"),
        also=(206, 304, 416),
        limited=False,
    ),
}
