"""What a request may hold. Payload only: no model, config or clock.

The home schemas are made from `FEATURES`. A JSON number is taken as a number (3.0 is
3, since many clients write whole numbers so); nothing else is coerced but the zipcode,
which may be a number.
"""

import json
import math
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from marshmallow import RAISE, Schema, ValidationError, fields
from werkzeug.datastructures import MultiDict

from housing_app.errors import Problem
from housing_app.v1 import columns
from housing_app.v1.columns import VALUATION_DATE
from housing_app.valuation import features
from housing_app.valuation.comparables import MOST
from housing_app.valuation.features import (
    FEATURES,
    NAMES,
    ZIPCODE,
    Feature,
    Homes,
    Slot,
    slot_features,
)
from housing_app.valuation.intervals import LEVELS
from housing_app.valuation.predictor import Details

MAX_ERRORS = 100  # more would help nobody and could be made to fill memory


class HomeNumber(fields.Field[float]):
    """Take a JSON number within a feature's limits."""

    def __init__(self, feature: Feature) -> None:
        super().__init__(required=True, allow_none=True)
        self._feature = feature

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> float:
        # bool is an int to Python; to a client it is not a number of rooms.
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValidationError("must be a number or null")
        if isinstance(value, float) and not math.isfinite(value):
            raise ValidationError("must be a finite number")
        if why := self._feature.refuse(value):
            raise ValidationError(why)
        return float(value)


class Zipcode(fields.Field[str]):
    """Take five digits, as a string or as a number (501 is "00501")."""

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> str:
        found = columns.zipcode(value)
        if found is None:
            raise ValidationError("must be a zipcode of five digits")
        return found


class Day(fields.Field[date]):
    """Take an ISO date."""

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> date:
        found = columns.day(value)
        if found is None:
            raise ValidationError("must be a date such as 2015-03-31")
        return found


@cache
def home_schema(slot: Slot) -> Schema:
    """Return the schema of one home of a slot, compiled once."""
    members: dict[str, fields.Field[Any]] = {
        feature.name: HomeNumber(feature) for feature in slot_features(slot)
    }
    members[ZIPCODE] = Zipcode(required=True)
    members[VALUATION_DATE] = Day()
    made: type[Schema] = Schema.from_dict(dict(members), name=f"{slot.title()}Home")
    return made(unknown=RAISE)


class Envelope(Schema):
    """A list of homes and what they share."""

    records = fields.Raw(required=True)
    valuation_date = Day()


_ENVELOPE = Envelope(unknown=RAISE)


@dataclass(frozen=True)
class ValuationRequest:
    """Hold a checked request: homes in order, and the date they share."""

    checked: Homes  # days are NaN where a home names no date
    valuation_date: date | None
    base: str  # JSON pointer of the list of homes; "" for a home without a list

    def __len__(self) -> int:
        return len(self.checked.zipcodes)

    def homes(self, default: date) -> Homes:
        """Return the homes, at `default` where the request names no date."""
        days = self.checked.days
        shared = (self.valuation_date or default).toordinal()
        return self.checked._replace(days=np.where(np.isnan(days), shared, days))

    def pointer(self, index: int, name: str) -> str:
        """Return the JSON pointer of a home's field."""
        return f"{self.base}/{index}/{name}" if self.base else f"/{name}"


def parse_json(body: bytes) -> Any:
    """Parse a body; raise Problem where it is no JSON.

    NaN and Infinity are let through to the fields, whose errors can point at them.
    """
    try:
        # Decoded here because json.loads would guess UTF-16 and let surrogates pass.
        return json.loads(body.decode("utf-8"), object_pairs_hook=_object)
    except _DuplicateName as error:
        raise Problem("malformed-json", f"the name {error} comes twice") from None
    except RecursionError:
        raise Problem("malformed-json", "the JSON is nested too deeply") from None
    except ValueError as error:
        # Python's parser describes the place, never the content.
        detail = getattr(error, "msg", "it is not Unicode text or holds a huge number")
        place = getattr(error, "pos", None)
        where = f" at character {place}" if place is not None else ""
        raise Problem("malformed-json", f"not JSON: {detail}{where}") from None


class _DuplicateName(Exception):  # noqa: N818
    pass


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        counts = Counter(name for name, _ in pairs)
        raise _DuplicateName(json.dumps(counts.most_common(1)[0][0][:60]))
    return found


def load_request(payload: Any, slot: Slot, max_records: int) -> ValuationRequest:
    """Check one home or `{"records": […]}`; raise Problem with all errors."""
    if not isinstance(payload, dict):
        raise invalid([{"pointer": "", "detail": "must be a JSON object"}])
    if "records" not in payload:
        return ValuationRequest(_home(payload, slot), None, "")
    try:
        envelope: Any = _ENVELOPE.load(payload)
    except ValidationError as error:
        raise invalid(pointers("", error.messages_dict, payload)) from None
    records = envelope["records"]
    # Counted before anything is done for each of them.
    if not isinstance(records, list) or not 1 <= len(records) <= max_records:
        most = "" if max_records == sys.maxsize else f" and at most {max_records}"
        detail = f"must be a list of at least one{most} homes"
        raise invalid([{"pointer": "/records", "detail": detail}])
    homes = _homes(records, slot)
    return ValuationRequest(homes, envelope.get(VALUATION_DATE), "/records")


def _home(payload: dict[str, Any], slot: Slot) -> Homes:
    homes = columns.checked([payload], slot)
    if homes is not None:
        return homes
    try:
        home: Any = home_schema(slot).load(payload)
    except ValidationError as error:
        raise invalid(pointers("", error.messages_dict, payload)) from None
    return features.homes([home], None)


def _homes(records: list[Any], slot: Slot) -> Homes:
    homes = columns.checked(records, slot)
    if homes is not None:
        return homes
    try:
        found: Any = home_schema(slot).load(records, many=True)
    except ValidationError as error:
        raise invalid(_record_errors(error.messages, records)) from None
    return features.homes(found, None)


def asked(payload: Any) -> list[dict[str, Any]]:
    """Return the homes of a payload that was checked before, as they were sent."""
    homes: list[dict[str, Any]] = payload.get("records", [payload])
    return homes


def load_details(given: MultiDict[str, str]) -> Details:
    """Check the query parameters `interval`, `explain` and `comparables`."""
    wrong = []
    values: dict[str, Any] = {}
    for name in given:
        sent = given.getlist(name)
        known = PARAMETERS.get(name)
        if known is None:
            wrong.append({"parameter": name[:60], "detail": "unknown parameter"})
        elif len(sent) != 1 or sent[0] not in known.choices:
            wrong.append({"parameter": name, "detail": f"must be {known.words}"})
        else:
            values[known.member] = known.choices[sent[0]]
    if wrong:
        raise invalid(wrong)
    return Details(**values)


SEGMENTS = ("overall", "decile", "zipcode", "month", "missing")


def load_segment(given: MultiDict[str, str]) -> str | None:
    """Check the query parameter `segment`."""
    wrong = [
        {"parameter": name[:60], "detail": "unknown parameter"}
        for name in given
        if name != "segment"
    ]
    sent = given.getlist("segment")
    if len(sent) > 1 or (sent and sent[0] not in SEGMENTS):
        detail = f"must be one of {', '.join(SEGMENTS)}, once"
        wrong.append({"parameter": "segment", "detail": detail})
    if wrong:
        raise invalid(wrong)
    return sent[0] if sent else None


class Parameter(NamedTuple):
    """Describe a query parameter that goes into `Details`."""

    member: str  # of Details
    choices: Mapping[str, Any]
    words: str


PARAMETERS = {
    "interval": Parameter(
        "level",
        {str(level): level for level in LEVELS},
        "one of " + ", ".join(map(str, LEVELS)),
    ),
    "explain": Parameter("explain", {"true": True, "false": False}, "true or false"),
    "comparables": Parameter(
        "comparables",
        {str(count): count for count in range(MOST + 1)},
        f"a whole number from 0 to {MOST}",
    ),
}


def invalid(errors: list[dict[str, str]]) -> Problem:
    """Return the problem of errors that point into the request."""
    plural = "error" if len(errors) == 1 else "errors"
    detail = f"{len(errors)} {plural}, listed below"
    if len(errors) > MAX_ERRORS:
        detail = f"more than {MAX_ERRORS} errors, the first of them listed below"
    return Problem("invalid-request", detail, errors=bounded(errors))


def bounded(errors: list[dict[str, str]]) -> list[dict[str, str]]:
    """Return the first errors, and a word if there are more."""
    if len(errors) <= MAX_ERRORS:
        return errors
    return [*errors[:MAX_ERRORS], {"pointer": "", "detail": "and more, not listed"}]


def _record_errors(messages: Any, records: list[Any]) -> list[dict[str, str]]:
    errors: list[dict[str, str]] = []
    for index, found in sorted(messages.items(), key=lambda item: int(item[0])):
        errors += pointers(f"/records/{index}", found, records[int(index)])
        if len(errors) > MAX_ERRORS:
            break
    return errors


def pointers(base: str, messages: Any, sent: Any) -> list[dict[str, str]]:
    """Return marshmallow's messages as JSON pointers with plain words."""
    if not isinstance(sent, dict):
        return [{"pointer": base, "detail": "must be a JSON object"}]
    errors = []
    # As sent, then what is missing: marshmallow's own order changes from run to run.
    place = {name: index for index, name in enumerate(sent)}
    ordered = sorted(messages.items(), key=lambda item: place.get(item[0], len(place)))
    for name, found in ordered:
        text = found[0] if isinstance(found, list) else str(found)
        if text == "Unknown field.":
            text = "unknown field"
        elif text == "Missing data for required field.":
            text = (
                "is missing (send null if unknown)" if name in NAMES else "is missing"
            )
        elif text == "Field may not be null.":
            text = "must not be null"
        # RFC 6901 escapes; the length of a name is the client's choice.
        escaped = str(name)[:60].replace("~", "~0").replace("/", "~1")
        errors.append({"pointer": f"{base}/{escaped}", "detail": text})
    return errors


def field_table() -> list[dict[str, Any]]:
    """Return the home fields as `/v1/info` describes them."""
    table: list[dict[str, Any]] = [
        {
            "name": feature.name,
            "label": feature.label,
            "unit": feature.unit,
            "minimum": feature.low,
            "maximum": feature.high,
            "step": feature.step,
            "zero_allowed": feature.zero or feature.low == 0,
            "core": feature.core,
            "nullable": True,
            "help": feature.help,
        }
        for feature in FEATURES
    ]
    zipcode = {
        "name": ZIPCODE,
        "label": "Zipcode",
        "unit": "five digits",
        "core": True,
        "nullable": False,
        "help": "U.S. zipcode of the home, as text or number.",
    }
    return [*table, zipcode]
