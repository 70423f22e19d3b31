"""One answer as a line of JSON, and a line as rows of the table `predictions`.

What the homes of a request share is written once, for the sake of the request path.
Lines of the other kind hold what a shadow said, for the table `shadow_valuations`.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

FORMAT = 1  # of the lines; older releases' lines may wait in the spool
_VALUATION_DATE = "valuation_date"
# The members of `predictions` in a line, in their order.
_OWN = ("id", "price", "low", "high", "fsd", "confidence", _VALUATION_DATE, "warnings")
_NUMBERS = ("price", "low", "high", "fsd")

_SHADOW = ("price", "low", "high", "prediction_id")

Homes = Sequence[Mapping[str, Any]]
# Prediction id, price, low, high: what a shadow would have answered.
Shadow = Sequence[tuple[str, float, float, float]]


class Request(NamedTuple):
    """Hold what is known of a request beside its homes."""

    request_id: str
    subject: str | None
    endpoint: str
    at: float  # Unix time
    milliseconds: float
    # The experiment, which arm of it, and a hash of the client.
    arm: tuple[str, str, str] | None = None


class Unreadable(ValueError):  # noqa: N818 - a state of a line
    """Say why a line is no record."""


_encode = json.JSONEncoder(separators=(",", ":"), default=date.isoformat).encode


def line(request: Request, homes: Homes, answer: Mapping[str, Any]) -> bytes:
    """Return an answer and the homes it is about as one line."""
    model = answer["model"]
    record = {
        "format": FORMAT,
        "request_id": request.request_id,
        "at": request.at,
        "subject": request.subject,
        "endpoint": request.endpoint,
        "model": model["name"],
        "version": model["version"],
        "variant": model["variant"],
        "interval": answer["interval"],
        "duration_ms": request.milliseconds,
        "homes": homes,
        "predictions": [
            (
                found["id"],
                found["price"],
                found["low"],
                found["high"],
                found["fsd"],
                found["confidence"],
                found["valuation_date"],
                [warning["code"] for warning in found["warnings"]],
            )
            for found in answer["predictions"]
        ],
    }
    if request.arm:
        record["arm"] = request.arm
    return (_encode(record) + "\n").encode()


def shadow_line(model: str, version: int, at: float, found: Shadow) -> bytes:
    """Return what a shadow said of some predictions as one line."""
    # Not the id first: by that, predictions are looked for among the lines.
    valuations = [(price, low, high, id_) for id_, price, low, high in found]
    record = {"format": FORMAT, "shadow": model, "version": version, "at": at}
    return (_encode(record | {"valuations": valuations}) + "\n").encode()


def rows(text: bytes) -> list[dict[str, Any]]:
    """Return a line's rows, all of one table, or raise Unreadable."""
    try:
        record = json.loads(text)
        if record["format"] != FORMAT:
            raise Unreadable(f"format {record['format']!r} is not of this release")
        if "shadow" in record:
            return _shadow_rows(record)
        shared = _shared(record)
        pairs = zip(record["homes"], record["predictions"], strict=True)
        return [shared | _own(home, found) for home, found in pairs]
    except (LookupError, TypeError, ValueError, OverflowError, OSError) as error:
        raise Unreadable(f"{type(error).__name__}: {error}") from None
    except RecursionError:
        raise Unreadable("it is nested too deeply") from None


def is_shadow(row: Mapping[str, Any]) -> bool:
    """Say whether a row is of the table `shadow_valuations`."""
    return "prediction_id" in row


def _shadow_rows(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    shared = {
        "model": str(record["shadow"]),
        "version": int(record["version"]),
        "valued_at": datetime.fromtimestamp(record["at"], UTC),
    }
    return [
        shared | dict(zip(_SHADOW, (*map(float, numbers), str(id_)), strict=True))
        for *numbers, id_ in record["valuations"]
    ]


def _shared(record: Mapping[str, Any]) -> dict[str, Any]:
    experiment, arm, client = record.get("arm") or (None, None, None)
    return {
        "request_id": str(record["request_id"]),
        "answered_at": datetime.fromtimestamp(record["at"], UTC),
        "subject": record["subject"],
        "endpoint": str(record["endpoint"]),
        "model": str(record["model"]),
        "version": int(record["version"]),
        "variant": str(record["variant"]),
        "interval": float(record["interval"]),
        "duration_ms": float(record["duration_ms"]),
        "experiment": experiment,
        "arm": arm,
        "client": client,
    }


def _own(home: Mapping[str, Any], prediction: Sequence[Any]) -> dict[str, Any]:
    found = dict(zip(_OWN, prediction, strict=True))
    found |= {name: float(found[name]) for name in _NUMBERS}
    fields = home.keys() - {"zipcode", _VALUATION_DATE}
    return found | {
        "id": str(found["id"]),
        "confidence": str(found["confidence"]),
        _VALUATION_DATE: date.fromisoformat(found[_VALUATION_DATE]),
        "zipcode": _zipcode(home["zipcode"]),
        "inputs": {name: _number(home[name]) for name in home if name in fields},
        "warnings": list(found["warnings"]),
    }


def _zipcode(sent: Any) -> str:
    """Return the five digits of what the request's schema takes."""
    return sent if isinstance(sent, str) else f"{int(sent):05d}"


def _number(sent: Any) -> float | None:
    return None if sent is None else float(sent)


def line_of(row: Mapping[str, Any]) -> bytes:
    """Return the line of one row: what `rows` reads as that row."""
    if is_shadow(row):
        found = (row["prediction_id"], row["price"], row["low"], row["high"])
        at = row["valued_at"].timestamp()
        return shadow_line(row["model"], row["version"], at, [found])
    shared = ("request_id", "subject", "endpoint", "model", "version", "variant")
    record = {"format": FORMAT} | {name: row[name] for name in shared}
    record["at"] = row["answered_at"].timestamp()
    record |= {name: row[name] for name in ("interval", "duration_ms")}
    if row["arm"]:
        record["arm"] = (row["experiment"], row["arm"], row["client"])
    record["homes"] = [row["inputs"] | {"zipcode": row["zipcode"]}]
    record["predictions"] = [[row[name] for name in _OWN]]
    return (_encode(record) + "\n").encode()
