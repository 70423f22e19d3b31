"""The views: parse, value, render."""

import json
import re
from functools import partial
from typing import Any

from flask import Blueprint, Response, current_app, g, request
from gunicorn.http.errors import ParseException
from werkzeug.exceptions import RequestEntityTooLarge

from housing_app import cache, demographics, journal, outcomes, traffic
from housing_app.errors import Problem
from housing_app.extensions import limiter
from housing_app.v1 import answers, descriptions, openapi, schemas
from housing_app.v1 import outcomes as v1_outcomes
from housing_app.valuation import predictor
from housing_app.valuation.features import Slot

blueprint = Blueprint("v1", __name__)
_JSON = "application/json"
_CLIENT_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
# Made once: Flask makes one for each answer.
_encode = json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode


@blueprint.post("/predict")
def predict() -> Response:
    """Value homes from all their fields."""
    return _predict("full")


@blueprint.post("/predict/minimal")
def predict_minimal() -> Response:
    """Value homes from the eight core fields."""
    return _predict("minimal")


def _predict(slot: Slot) -> Response:
    _require_json()
    details = schemas.load_details(request.args)
    body = _body()
    client = _client()
    choice = traffic.choose(slot, client)
    if client and choice.experiment:
        g.arm = choice.experiment, choice.variant, traffic.hashed(client)
    with traffic.answering:
        answer = answers.value_payload(
            schemas.parse_json(body),
            slot,
            details,
            current_app.config,
            choice=choice,
            admit=limiter.spend,
            record=partial(journal.record, slot),
            body=body,
            kept=cache.current(),
        )
    answer["request_id"] = g.request_id
    return Response(_encode(answer) + "\n", content_type=_JSON)


def _client() -> str | None:
    """Return who asks: the token's subject, or who the client says it is."""
    if g.subject:
        return f"s:{g.subject}"
    sent = request.environ.get("HTTP_X_CLIENT_ID", "")
    return f"c:{sent}" if _CLIENT_ID.fullmatch(sent) else None


@blueprint.post("/outcomes")
def report_outcomes() -> tuple[dict[str, Any], int]:
    """Take what homes were sold for: one outcome, or many; all of them, or none.

    The first report of a valuation stays: to repeat it changes nothing, another price
    or date is a conflict.
    """
    _require_json()
    payload = schemas.parse_json(_body())
    most = current_app.config["MAX_RECORDS"]
    sent = v1_outcomes.load(payload, most, v1_outcomes.latest_day())
    limiter.spend(len(sent.reports))
    owner = None if "admin" in g.scopes else g.subject
    who = outcomes.Who(g.subject, owner)
    verdict = outcomes.report(sent.reports, who, journal.current())
    members, status = v1_outcomes.answer(sent, verdict)
    return members | {"request_id": g.request_id}, status


def _require_json() -> None:
    if request.environ.get("CONTENT_TYPE") != _JSON and not request.is_json:
        raise Problem("unsupported-media-type", "send Content-Type: application/json")


def _body() -> bytes:
    length = request.content_length  # None: the body comes in chunks
    limit: int = current_app.config["MAX_CONTENT_LENGTH"]
    if length is not None and length > limit:
        raise RequestEntityTooLarge
    # Werkzeug's own reading takes longer, and would cut chunks at the limit in silence.
    try:
        stream = request.environ["wsgi.input"]
        body: bytes = stream.read(limit + 1 if length is None else length)
    except (OSError, ParseException):
        body, length = b"", 1
    if len(body) < (length or 0):
        raise Problem("bad-request", "the body ended early or is badly cut")
    if len(body) > limit:
        raise RequestEntityTooLarge
    return body


@blueprint.get("/info")
def info() -> dict[str, Any]:
    """Describe the API, its fields and the models that serve."""
    return descriptions.service(current_app.config["VERSION"])


@blueprint.get("/accuracy")
def accuracy() -> dict[str, Any]:
    """Show how accurate the serving models were on sales they had not seen."""
    return descriptions.accuracy(schemas.load_segment(request.args))


@blueprint.get("/zipcodes")
def zipcodes() -> dict[str, Any]:
    """List the zipcodes that were learned from, and where they are."""
    return descriptions.zipcodes()


@blueprint.get("/zipcodes/<zipcode>")
def zipcode_demographics(zipcode: str) -> dict[str, Any]:
    """Show the demographics that are joined to homes of a zipcode."""
    found = demographics.current().row(zipcode)
    if found is None:
        raise Problem("not-found", "no demographics are known for this zipcode")
    model = predictor.current("full")
    area = model.manifest.zipcodes if model else {}
    used = set(model.demographics if model else ())
    return {
        "zipcode": zipcode,
        "demographics": {name: found[name] for name in found if name in used},
        "training_homes": area.get(zipcode, {}).get("count", 0),
        "source": descriptions.source(),
    }


@blueprint.get("/openapi.json")
def openapi_document() -> Response:
    """Describe every route, as an OpenAPI 3.1 document."""
    return Response(openapi.encoded(current_app), mimetype="application/json")
