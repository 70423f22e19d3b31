"""Score a partition: columns of homes in, columns of prices out.

Plain functions of plain values, so that a cluster's workers can call them by name. The
rules, the prices and the words are those of POST /v1/predict.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from housing_app import demographics
from housing_app.batch import rules
from housing_app.batch.rules import Column, Errors, Flags
from housing_app.demographics import Demographics
from housing_app.v1.columns import VALUATION_DATE
from housing_app.valuation import features, intervals, loading
from housing_app.valuation.features import ZIPCODE, Homes, Slot
from housing_app.valuation.predictor import Details, Predictor, Valuations

# What is told of each home, in this order; then what was asked for beside.
TOLD = (
    "price",
    "low",
    "high",
    "fsd",
    "confidence",
    VALUATION_DATE,
    "missing",
    "warnings",
    "model",
)
EXPLANATION, COMPARABLES = "explanation", "comparables"


class Task(NamedTuple):
    """Say what to score with, in plain values that can travel.

    model: directory of an artifact; demographics: a CSV.
    """

    model: str
    demographics: str
    slot: Slot = "full"
    interval: float = intervals.DEFAULT_LEVEL
    explain: bool = False
    comparables: int = 0
    refuse_outside: bool = False


class Scored(NamedTuple):
    """Hold what became of a partition's rows.

    rows: positions of the homes valued, rising; columns: what is told of them, by name;
    rejected: position -> why it was not valued. Each row is in one of the two.
    """

    rows: Sequence[int]
    columns: dict[str, list[Any]]
    rejected: dict[int, Errors]


def told(task: Task) -> list[str]:
    """Return the names of the columns that are told of each home."""
    names = list(TOLD)
    if task.explain:
        names.append(EXPLANATION)
    if task.comparables:
        names.append(COMPARABLES)
    return names


_ready: dict[tuple[str, str], tuple[Predictor, Demographics]] = {}


def prepare(task: Task, model: Predictor, table: Demographics) -> None:
    """Have this process, and those forked from it, use what is loaded already."""
    _ready[task.model, task.demographics] = model, table


def models(task: Task) -> tuple[Predictor, Demographics]:
    """Return the model and the demographics, loaded and verified once a process."""
    found = _ready.get((task.model, task.demographics))
    return found or _loaded(task.model, task.demographics)


@cache
def _loaded(model: str, table: str) -> tuple[Predictor, Demographics]:
    predictor, joined = loading.load(Path(model)), demographics.load(table)
    joined.fit([(predictor.manifest.id, predictor.demographics)])
    return predictor, joined


def score_partition(
    columns: Mapping[str, Column],
    task: Task,
    refused: Mapping[int, Errors] | None = None,
) -> Scored:
    """Value a partition's homes, all of one length, and say why others are not valued.

    columns: a home's fields by name, lists of what JSON could hold (None is unknown) or
    arrays of numbers (NaN is unknown); `valuation_date` may be among them, all others
    are ignored. refused: rows that could not be read, with the reasons.
    """
    model, table = models(task)
    homes, good, rejected = rules.check(columns, task.slot, refused or {})
    if task.refuse_outside:
        for row in model.outside_area(homes.zipcodes):
            if good[row]:
                good[row] = False
                rejected[row] = [dict(_OUTSIDE)]
    rows = good.nonzero()[0].tolist()
    return Scored(
        rows,
        _valued(_chosen(homes, good, model), model, table, task) if rows else {},
        dict(sorted(rejected.items())),
    )


_OUTSIDE = {
    "pointer": f"/{ZIPCODE}",
    "detail": "no home of this zipcode was learned from",
}


def _chosen(homes: Homes, good: Flags, model: Predictor) -> Homes:
    days = np.where(np.isnan(homes.days), model.valuation_date.toordinal(), homes.days)
    if good.all():
        return homes._replace(days=days)
    zipcodes = [z for z, is_good in zip(homes.zipcodes, good, strict=True) if is_good]
    return Homes(homes.values[good], zipcodes, days[good])


def _valued(
    homes: Homes, model: Predictor, table: Demographics, task: Task
) -> dict[str, list[Any]]:
    joined = table.join(homes.zipcodes, model.demographics)
    details = Details(task.interval, task.explain, task.comparables)
    found = model.value(homes, joined, details, task.slot)
    count = len(homes.zipcodes)
    columns = _columns(found, homes.days)
    columns["model"] = [model.manifest.id] * count
    unknown: list[Any] = [None] * count  # to this kind of model
    if task.explain:
        columns[EXPLANATION] = found.explanations or unknown
    if task.comparables:
        columns[COMPARABLES] = found.comparables or unknown
    return columns


def _columns(found: Valuations, days: features.FloatArray) -> dict[str, list[Any]]:
    ordinals = days.tolist()
    iso = {day: date.fromordinal(int(day)).isoformat() for day in set(ordinals)}
    return {
        "price": rounded(found.prices, 2),
        "low": rounded(found.lows, 2),
        "high": rounded(found.highs, 2),
        "fsd": rounded(found.fsds, 4),
        "confidence": found.confidences,
        VALUATION_DATE: [iso[day] for day in ordinals],
        "missing": found.missing,
        "warnings": [
            [warning["code"] for warning in warnings] if warnings else warnings
            for warnings in found.warnings
        ],
    }


def rounded(values: features.FloatArray, digits: int) -> list[float]:
    """Return what Python's `round` gives, which numpy's does not always."""
    scale = 10.0**digits
    scaled = values * scale
    whole = np.rint(scaled)
    # Where the next half is this near, the product's own rounding may have decided.
    doubtful = np.abs(np.abs(scaled - whole) - 0.5) < 1e-4
    found: list[float] = (whole / scale).tolist()
    for i in doubtful.nonzero()[0].tolist():
        found[i] = round(float(values[i]), digits)
    return found
