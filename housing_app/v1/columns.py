"""Check homes by column: quick, and only sure of what is good.

What is anything but plainly good is left to the schema (schemas.py), whose word it is
what is wrong and where; a test holds both to the same answers.
"""

import re
from collections.abc import Callable, Sequence
from datetime import date
from functools import cache
from itertools import chain
from operator import itemgetter
from types import NoneType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from housing_app.valuation.features import (
    NAMES,
    POSITION,
    ZIPCODE,
    FloatArray,
    Homes,
    Slot,
    slot_features,
)

VALUATION_DATE = "valuation_date"
DATES = (date(1900, 1, 1), date(2200, 1, 1))
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_NUMBERS = {int, float, NoneType}  # bool is not among them


def zipcode(value: Any) -> str | None:
    """Return the five digits that a string or a number stands for, or None."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        value = f"{value:05d}"
    if not isinstance(value, str) or len(value) != 5 or not value.isascii():
        return None
    return value if value.isdigit() else None


def day(value: Any) -> date | None:
    """Return the day that an ISO date stands for, or None."""
    try:
        found = date.fromisoformat(value) if _DAY.fullmatch(value) else None
    except (TypeError, ValueError):
        return None
    return found if found and DATES[0] <= found < DATES[1] else None


class _Rules(NamedTuple):
    """Hold the rules of a slot's fields, in their order.

    zero: a good value for each field that allows 0 beside its limits, else 0.
    stepped, steps: the fields that have steps, and these.
    """

    refuse: list[Callable[[float], str | None]]
    numbers: Callable[[Any], tuple[Any, ...]]
    places: list[int]  # in a home's values
    low: FloatArray
    high: FloatArray
    zero: FloatArray
    stepped: list[int]
    steps: FloatArray


@cache
def _rules(slot: Slot) -> _Rules:
    asked = slot_features(slot)
    return _Rules(
        [f.refuse for f in asked],
        itemgetter(*(f.name for f in asked)),
        [POSITION[f.name] for f in asked],
        np.array([f.low for f in asked]),
        np.array([f.high for f in asked]),
        np.array([f.low if f.zero else 0.0 for f in asked]),
        [i for i, f in enumerate(asked) if f.step],
        np.array([f.step for f in asked if f.step]),
    )


def checked(records: Sequence[Any], slot: Slot) -> Homes | None:
    """Return homes that are plainly good, or None; days are NaN where not named."""
    rules = _rules(slot)
    try:
        numbers = list(map(rules.numbers, records))
        zipcodes = _zipcodes([record[ZIPCODE] for record in records])
        days = _days(records, len(rules.places) + 1)
        if zipcodes is None or days is None:
            return None
        if not set(map(type, chain.from_iterable(numbers))) <= _NUMBERS:
            return None
        found = np.array(numbers, dtype=np.float64)
    except (KeyError, TypeError, AttributeError, OverflowError):
        return None
    # Of one home, Python is done before numpy has begun.
    good = _all_good if len(numbers) > 1 else _one_good
    if not good(found, numbers, rules):
        return None
    values = found
    if len(rules.places) < len(NAMES):
        values = np.full((len(found), len(NAMES)), np.nan)
        values[:, rules.places] = found
    return Homes(values, zipcodes, days)


Sent = Sequence[tuple[Any, ...]]


def _one_good(values: FloatArray, sent: Sent, rules: _Rules) -> bool:
    """Say whether all values of one home are unknown, or as they shall be."""
    return not any(
        number is not None and refuse(number)
        for number, refuse in zip(sent[0], rules.refuse, strict=True)
    )


def _all_good(values: FloatArray, sent: Sent, rules: _Rules) -> bool:
    """Say whether all values are unknown, or within their limits and steps."""
    unknown = np.isnan(values)
    count = np.count_nonzero(unknown)
    if count and count != sum(row.count(None) for row in sent):
        return False  # NaN was sent
    inside, stepping = _tried(values, unknown if count else None, rules)
    return bool(inside.all()) and not stepping.any()


def within(values: FloatArray, slot: Slot) -> npt.NDArray[np.bool_]:
    """Return which homes' values are all unknown (NaN) or as they shall be.

    values: (n, 17) in the order of `NAMES`, of which the slot's own are looked at.
    """
    rules = _rules(slot)
    if len(rules.places) < len(NAMES):
        values = values[:, rules.places]
    inside, stepping = _tried(values, np.isnan(values), rules)
    return np.asarray(inside.all(axis=1) & ~stepping.any(axis=1))


def _tried(
    values: FloatArray, unknown: npt.NDArray[np.bool_] | None, rules: _Rules
) -> tuple[npt.NDArray[np.bool_], FloatArray]:
    """Return which values are within their limits, and what is over their steps."""
    values = np.where(values == 0, rules.zero, values)
    if unknown is not None:
        values = np.where(unknown, rules.low, values)
    inside = (values >= rules.low) & (values <= rules.high)
    with np.errstate(invalid="ignore"):  # infinity has no rest
        return inside, values[:, rules.stepped] % rules.steps


def _zipcodes(sent: list[Any]) -> list[str] | None:
    if not set(map(type, sent)) <= {str, int}:
        return None
    known = {value: zipcode(value) for value in set(sent)}
    found = [known[value] for value in sent]
    return None if None in found else found  # type: ignore[return-value]


def _days(records: Sequence[Any], width: int) -> FloatArray | None:
    """Return the ordinals of the valuation dates; None where something is unknown."""
    named = [VALUATION_DATE in record for record in records]
    if sum(map(len, records)) != width * len(records) + sum(named):
        return None  # some record has a member too many, for none has too few
    days = np.empty(len(records))
    days.fill(np.nan)
    if any(named):
        for i, record in enumerate(records):
            if named[i]:
                found = day(record[VALUATION_DATE])
                if found is None:
                    return None
                days[i] = found.toordinal()
    return days
