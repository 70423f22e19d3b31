"""From a payload to the answer; `flask value` gives the same without HTTP."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from os import urandom
from typing import Any

from housing_app import tracing, traffic
from housing_app.cache import Cache
from housing_app.errors import Problem
from housing_app.traffic import Choice
from housing_app.v1 import schemas
from housing_app.valuation import features
from housing_app.valuation.errors import OutsideArea
from housing_app.valuation.features import Slot
from housing_app.valuation.predictor import Details

CURRENCY = "USD"
Homes = Sequence[Mapping[str, Any]]


def value_payload(
    payload: Any,
    slot: Slot,
    details: Details,
    settings: Mapping[str, Any],
    *,
    choice: Choice | None = None,
    admit: Callable[[int], None] = lambda count: None,
    body: bytes = b"",
    kept: Cache | None = None,
    record: Callable[[Homes, dict[str, Any]], None] = lambda homes, answer: None,
) -> dict[str, Any]:
    """Check a payload, value its homes and return the answer's members.

    The model is that of `choice`, the slot's champion unless another was chosen.
    `admit` may refuse so many homes, once they are known to be good. What was asked
    before, in the same `body`, may be found in `kept`. `record` is handed the homes and
    the answer.
    """
    choice = choice or traffic.choose(slot, None)
    valued: tuple[features.Homes, features.FloatArray] | None = None
    key = kept.key(body, slot, details, *choice[:2]) if kept else None
    answer = kept.get(key) if kept else None
    if answer:
        homes = schemas.asked(payload)
        model = answer["model"]
        admit(len(homes))
        traffic.count(
            model["name"], model["version"], model["variant"], slot, len(homes)
        )
    else:
        answer, valued = _value(
            payload, slot, details, settings, choice=choice, admit=admit
        )
        homes = schemas.asked(payload)
        # Another answers while the chosen model cannot, and no longer.
        if kept and answer["model"]["variant"] == choice.variant:
            kept.put(key, answer)
    ids = _ids(len(homes))
    named = [
        {"id": name} | one for name, one in zip(ids, answer["predictions"], strict=True)
    ]
    answer = {**answer, "predictions": named}
    with tracing.step("journal"):
        record(homes, answer)
    if valued:
        traffic.offer(slot, *valued, ids)
    return answer


def _value(
    payload: Any,
    slot: Slot,
    details: Details,
    settings: Mapping[str, Any],
    *,
    choice: Choice,
    admit: Callable[[int], None],
) -> tuple[dict[str, Any], tuple[features.Homes, features.FloatArray]]:
    """Return the answer but for the ids, which are new each time; homes and prices."""
    with tracing.step("validate"):
        request = schemas.load_request(payload, slot, settings["MAX_RECORDS"])
    admit(len(request))
    homes = request.homes(choice.model.valuation_date)
    refuse = settings["REFUSE_OUTSIDE_AREA"]
    try:
        answer = traffic.value(slot, homes, details, choice, refuse_outside=refuse)
    except OutsideArea as error:
        raise _outside(error, request) from None
    found = answer.model.manifest
    days = _iso(homes.days.tolist())
    members = {
        "predictions": _predictions(answer, days, details),
        "interval": details.level,
        "currency": CURRENCY,
        "valuation_date": days[0] if len(set(days)) == 1 else None,
        "model": {
            "name": found.name,
            "version": found.version,
            "variant": answer.variant,
        },
    }
    return members, (homes, answer.valuations.prices)


def _iso(ordinals: list[float]) -> list[str]:
    """Return dates as text; of a thousand homes most have the same."""
    written = {day: date.fromordinal(int(day)).isoformat() for day in set(ordinals)}
    return [written[day] for day in ordinals]


def _ids(count: int) -> list[str]:
    """Return random UUIDs: version 4, at a third of the time of uuid.uuid4."""
    text = urandom(16 * count).hex()
    return [
        f"{text[i : i + 8]}-{text[i + 8 : i + 12]}-4{text[i + 13 : i + 16]}-"
        f"{_VARIANT[text[i + 16]]}{text[i + 17 : i + 20]}-{text[i + 20 : i + 32]}"
        for i in range(0, 32 * count, 32)
    ]


# The two bits that a UUID's variant leaves to chance.
_VARIANT = {digit: "89ab"[int(digit, 16) % 4] for digit in "0123456789abcdef"}


def _outside(error: OutsideArea, request: schemas.ValuationRequest) -> Problem:
    errors = [
        {
            "pointer": request.pointer(index, features.ZIPCODE),
            "detail": "no home of this zipcode was learned from",
        }
        for index in error.positions
    ]
    return Problem("outside-area", str(error), errors=schemas.bounded(errors))


def _predictions(
    answer: traffic.Answer, days: list[str], details: Details
) -> list[dict[str, Any]]:
    found = answer.valuations
    predictions: list[dict[str, Any]] = [
        {
            "price": round(price, 2),
            "low": round(low, 2),
            "high": round(high, 2),
            "fsd": round(fsd, 4),
            "confidence": confidence,
            "valuation_date": day,
            "missing": missing,
            "warnings": warnings,
        }
        for price, low, high, fsd, confidence, day, missing, warnings in zip(
            found.prices.tolist(),
            found.lows.tolist(),
            found.highs.tolist(),
            found.fsds.tolist(),
            found.confidences,
            days,
            found.missing,
            found.warnings,
            strict=True,
        )
    ]
    # Asked for but not known to the model that answered: null.
    for asked, name, values in (
        (details.explain, "explanation", found.explanations),
        (details.comparables, "comparables", found.comparables),
    ):
        if asked:
            for i, prediction in enumerate(predictions):
                prediction[name] = values[i] if values else None
    return predictions
