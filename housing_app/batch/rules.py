"""Check columns of homes by the rules of the API: what is good, and what is wrong.

As in v1/columns.py what is plainly good is found by column; all other rows are left to
the schema, whose words they are rejected with.
"""

import math
from collections.abc import Mapping, Sequence
from datetime import date
from types import NoneType
from typing import Any

import numpy as np
import numpy.typing as npt
from marshmallow import ValidationError

from housing_app.v1 import columns as plain
from housing_app.v1 import schemas
from housing_app.v1.columns import VALUATION_DATE
from housing_app.valuation import features
from housing_app.valuation.features import (
    NAMES,
    POSITION,
    ZIPCODE,
    FloatArray,
    Homes,
    Slot,
    slot_features,
)

Column = Sequence[Any] | npt.NDArray[Any]
Errors = list[dict[str, str]]
Flags = npt.NDArray[np.bool_]
ABSENT = object()  # in a column: the record has no such member
_NUMBERS = {int, float, NoneType}
NO_ZIPCODE = "00000"


def fields_of(slot: Slot) -> list[str]:
    """Return the names of the fields a home of a slot must have."""
    return [*(feature.name for feature in slot_features(slot)), ZIPCODE]


def check(
    columns: Mapping[str, Column], slot: Slot, refused: Mapping[int, Errors]
) -> tuple[Homes, Flags, dict[int, Errors]]:
    """Return homes, which of them are good, and what is wrong with the others.

    refused: rows that are wrong already. The values of bad homes mean nothing; days are
    NaN where not named.
    """
    count = len(next(iter(columns.values()))) if columns else 0
    values = np.full((count, len(NAMES)), np.nan)
    good = np.ones(count, dtype=bool)
    for feature in slot_features(slot):
        if feature.name in columns:
            found, fits = _numbers(columns[feature.name])
            values[:, POSITION[feature.name]] = found
            good &= fits
        else:
            good[:] = False
    good &= plain.within(values, slot)
    zipcodes, fits = _zipcodes(columns.get(ZIPCODE, [ABSENT] * count))
    good &= fits
    days, fits = _days(columns.get(VALUATION_DATE), count)
    good &= fits
    homes = Homes(values, zipcodes, days)
    rejected = dict(refused)
    good[list(refused)] = False
    for row in (~good).nonzero()[0].tolist():
        if row not in refused:
            errors = _again(homes, row, columns, slot)
            if errors:
                rejected[row] = errors
            else:
                good[row] = True
    return homes, good, rejected


def faults(record: Mapping[str, Any], slot: Slot) -> Errors:
    """Return what is wrong with a record, in the words of the API."""
    try:
        schemas.home_schema(slot).load(record)
    except ValidationError as error:
        return schemas.pointers("", error.messages_dict, record)
    return []


def _again(homes: Homes, row: int, columns: Mapping[str, Column], slot: Slot) -> Errors:
    """Let the schema decide on a row; put the home in its place if it is good."""
    known = (*fields_of(slot), VALUATION_DATE)
    record = {
        name: value
        for name, column in columns.items()
        if name in known and (value := _sent(column, row)) is not ABSENT
    }
    try:
        found: Any = schemas.home_schema(slot).load(record)
    except ValidationError as error:
        return schemas.pointers("", error.messages_dict, record)
    one = features.homes([found], None)
    homes.values[row], homes.days[row] = one.values[0], one.days[0]
    homes.zipcodes[row] = one.zipcodes[0]  # type: ignore[index]
    return []


def _sent(column: Column, row: int) -> Any:
    """Return a value as JSON would have held it."""
    value = column[row]
    if isinstance(value, np.generic):
        value = value.item()
        if isinstance(column, np.ndarray) and _is_nan(value):
            return None  # NaN in an array is unknown
    return value


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _numbers(column: Column) -> tuple[FloatArray, Flags | bool]:
    """Return numbers, NaN where unknown, and where they are plainly what was sent."""
    if isinstance(column, np.ndarray) and column.dtype.kind in "fiu":
        return np.asarray(column, dtype=np.float64), True
    sent = column.tolist() if isinstance(column, np.ndarray) else column
    if set(map(type, sent)) <= _NUMBERS:
        try:
            found = np.array(sent, dtype=np.float64)
        except OverflowError:
            pass
        else:
            unknown = np.isnan(found)
            if np.count_nonzero(unknown) == sent.count(None):
                return found, True
    pairs = [_number(value) for value in sent]
    return np.array([x for x, _ in pairs]), np.array([fits for _, fits in pairs], bool)


def _number(value: Any) -> tuple[float, bool]:
    if value is None:
        return np.nan, True
    if type(value) in _NUMBERS and not _is_nan(value):
        try:
            return float(value), True
        except OverflowError:
            pass
    return np.nan, False


def _zipcodes(column: Column) -> tuple[list[str], Flags | bool]:
    sent = column.tolist() if isinstance(column, np.ndarray) else column
    try:
        known = {value: plain.zipcode(value) for value in set(sent)}
    except TypeError:  # a list or an object among them
        known = {}
    # True is 1 to a dict.
    plainly = None not in known.values() and bool not in set(map(type, sent))
    if known and plainly:
        return [known[value] for value in sent], True  # type: ignore[misc]
    found = [plain.zipcode(value) for value in sent]
    fits = np.array([zipcode is not None for zipcode in found], bool)
    return [zipcode or NO_ZIPCODE for zipcode in found], fits


def _days(column: Column | None, count: int) -> tuple[FloatArray, Flags | bool]:
    days = np.full(count, np.nan)
    if column is None:
        return days, True
    fits = np.ones(count, dtype=bool)
    known: dict[Any, date | None] = {}
    for row, value in enumerate(column):
        if value is ABSENT:
            continue
        if not isinstance(value, str):
            fits[row] = False
            continue
        if value not in known:
            known[value] = plain.day(value)
        found = known[value]
        if found is None:
            fits[row] = False
        else:
            days[row] = found.toordinal()
    return days, fits
