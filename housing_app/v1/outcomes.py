"""Outcomes as they are sent: what a home was sold for, one or many of them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from marshmallow import RAISE, Schema, ValidationError, fields

from housing_app.errors import Problem
from housing_app.outcomes import Report, Verdict
from housing_app.v1 import schemas

PRICES = (1_000, 1_000_000_000)
ID = "[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
LIST = "outcomes"
_ID = re.compile(ID)


class PredictionId(fields.Field[str]):
    """Take a UUID as valuations have."""

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> str:
        if not isinstance(value, str) or not _ID.fullmatch(value):
            raise ValidationError("must be the id of a prediction, a UUID")
        return value.lower()


class Price(fields.Field[float]):
    """Take a price in dollars."""

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValidationError("must be a number")
        if not PRICES[0] <= value <= PRICES[1]:  # nor is NaN
            low, high = PRICES
            raise ValidationError(f"must be between {low:,} and {high:,}")
        return float(value)


class Outcome(Schema):
    """What one home was sold for."""

    prediction_id = PredictionId(required=True)
    sale_price = Price(required=True)
    sale_date = schemas.Day(required=True)


class Envelope(Schema):
    """A list of outcomes."""

    outcomes = fields.Raw(required=True)


_OUTCOME, _ENVELOPE = Outcome(unknown=RAISE), Envelope(unknown=RAISE)


@dataclass(frozen=True)
class Sent:
    """Hold checked outcomes in order."""

    reports: list[Report]
    base: str  # JSON pointer of the list; "" for one without

    def place(self, position: int) -> str:
        """Return the JSON pointer of an outcome."""
        return f"{self.base}/{position}" if self.base else ""


def latest_day() -> date:
    """Return the day it is where the day begins first."""
    return (datetime.now(UTC) + timedelta(hours=14)).date()


def load(payload: Any, most: int, latest: date) -> Sent:
    """Check one outcome or `{"outcomes": […]}`; raise Problem with all errors."""
    if not isinstance(payload, dict):
        raise schemas.invalid([{"pointer": "", "detail": "must be a JSON object"}])
    if LIST not in payload:
        return _checked([payload], "", latest)
    try:
        _ENVELOPE.load(payload)
    except ValidationError as error:
        errors = schemas.pointers("", error.messages_dict, payload)
        raise schemas.invalid(errors) from None
    found = payload[LIST]
    if not isinstance(found, list) or not 1 <= len(found) <= most:
        detail = f"must be a list of at least one and at most {most} outcomes"
        raise schemas.invalid([{"pointer": f"/{LIST}", "detail": detail}])
    return _checked(found, f"/{LIST}", latest)


def _checked(sent: list[Any], base: str, latest: date) -> Sent:
    found, messages = check(sent, latest)
    errors: list[dict[str, str]] = []
    for position in sorted(messages):
        place = f"{base}/{position}" if base else ""
        errors += schemas.pointers(place, messages[position], sent[position])
        if len(errors) > schemas.MAX_ERRORS:
            break
    if errors:
        raise schemas.invalid(errors)
    return Sent([Report(**one) for one in found], base)


def check(
    sent: Sequence[Any], latest: date
) -> tuple[list[dict[str, Any]], dict[int, dict[str, Any]]]:
    """Return outcomes as they are understood, and what is wrong, by position."""
    found: Any
    messages: Any
    try:
        found, messages = _OUTCOME.load(sent, many=True), {}
    except ValidationError as error:
        found, messages = error.valid_data, error.messages
    first: dict[str, Any] = {}
    for position, one in enumerate(found):
        wrong = {}
        if (day := one.get("sale_date")) and day > latest:
            wrong["sale_date"] = ["must not be in the future"]
        is_whole = position not in messages
        if is_whole and one != first.setdefault(one["prediction_id"], one):
            wrong["prediction_id"] = ["comes twice, with another price or date"]
        if wrong:
            messages.setdefault(position, {}).update(wrong)
    return found, messages


def answer(sent: Sent, verdict: Verdict) -> tuple[dict[str, Any], int]:
    """Return the answer's members and its status, or raise Problem."""
    if verdict.is_good:
        members = {"stored": verdict.stored, "known": verdict.known}
        return members, 201 if verdict.stored else 200
    errors = [
        {
            "pointer": f"{sent.place(position)}/prediction_id",
            "detail": "no valuation has this id",
        }
        for position in verdict.unknown
    ]
    name = "unknown-prediction" if errors else "outcome-conflict"
    errors += [
        {
            "pointer": f"{sent.place(position)}/{field}",
            "detail": "another value was reported before",
        }
        for position, fields in sorted(verdict.conflicts.items())
        for field in fields
    ]
    detail = "nothing was stored; what stands in the way is listed below"
    raise Problem(name, detail, errors=schemas.bounded(errors))
