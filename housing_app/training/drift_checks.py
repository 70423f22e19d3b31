"""Checks of a drift report that compare shares and errors, and what a check finds."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

from housing_app.training import significance
from housing_app.training.drift_thresholds import LEAST_HOMES, LEAST_OUTCOMES
from housing_app.valuation import intervals, ratios
from housing_app.valuation.artifacts import Manifest
from housing_app.valuation.features import FloatArray

_LEVEL = intervals.DEFAULT_LEVEL
_DRAWN = 4e6  # sales in all draws of a bootstrap, so that it takes seconds


class Sold(NamedTuple):
    """Hold what homes were sold for, and their valuations."""

    sold: FloatArray
    prices: FloatArray
    lows: FloatArray
    highs: FloatArray
    intervals: FloatArray  # the levels of the ranges


class Found(NamedTuple):
    """Hold what a check found; without a value there was too little to look at."""

    check: str
    field: str = ""
    n: int = 0
    value: float | None = None
    usual: float | None = None
    moved: float = 0.0
    p: float = 1.0
    ends: list[float] | None = None  # of the 95 % interval of the value


def rise(
    check: str, field: str, now: tuple[int, int], before: tuple[int, int]
) -> Found:
    """Compare two shares, each as (homes of the kind, homes)."""
    if now[1] < LEAST_HOMES:
        return Found(check, field, now[1])
    value, usual = now[0] / now[1], before[0] / before[1]
    p = _chance(now, before, "greater")
    return Found(check, field, now[1], value, usual, value - usual, p)


def _chance(now: tuple[int, int], before: tuple[int, int], alternative: str) -> float:
    """Return how likely chance makes two shares differ as much (Fisher's test)."""
    table = [[hits, whole - hits] for hits, whole in (now, before)]
    return float(stats.fisher_exact(table, alternative).pvalue)


def accuracy(manifest: Manifest, sold: Sold) -> Iterator[Found]:
    """Yield the figures of reported sales beside those of later sales in training.

    Medians are tested by how many errors lie beyond the usual median: half, as a rule.
    """
    later = manifest.metrics["out_of_time"]
    n, usual = len(sold.sold), later["overall"]
    if n < LEAST_OUTCOMES:
        yield from (Found(check, "", n) for check in ("mdape", "ppe10", "bias"))
    else:
        yield from _errors(sold, usual)
    ranged = sold.intervals == _LEVEL
    size = int(ranged.sum())
    if size < LEAST_OUTCOMES:
        yield Found("coverage", "", size)
        return
    inside = (sold.lows <= sold.sold) & (sold.sold <= sold.highs) & ranged
    promised = later["coverage"][str(_LEVEL)]["achieved"]
    now, before = (int(inside.sum()), size), _hits(promised, usual["n"])
    p, value = _chance(now, before, "less"), now[0] / size
    ends = stats.binomtest(now[0], size).proportion_ci(method="wilson")
    interval = [round(float(end), 4) for end in (ends.low, ends.high)]
    yield Found("coverage", "", size, value, promised, promised - value, p, interval)


def _errors(sold: Sold, usual: Mapping[str, Any]) -> Iterator[Found]:
    n = len(sold.sold)
    draws = int(np.clip(_DRAWN / n, 200, significance.DRAWS))
    ends = significance.intervals(sold.sold, sold.prices, draws)
    ratio = sold.prices / sold.sold
    error, half = np.abs(ratio - 1), _hits(0.5, usual["n"])
    mdape = ratios.mdape(sold.sold, sold.prices)
    ppe10 = ratios.ppe(sold.sold, sold.prices, 0.10)
    bias = ratios.bias(sold.sold, sold.prices)
    worse = int((error > usual["mdape"]).sum()), n
    near = int((error <= 0.10).sum()), n
    above = int((ratio > 1 + usual["bias"]).sum()), n
    for check, value, moved, p in (
        ("mdape", mdape, mdape / usual["mdape"] - 1, _chance(worse, half, "greater")),
        ("ppe10", ppe10, usual["ppe10"] - ppe10,
         _chance(near, _hits(usual["ppe10"], usual["n"]), "less")),
        ("bias", bias, abs(bias - usual["bias"]), _chance(above, half, "two-sided")),
    ):  # fmt: skip
        yield Found(check, "", n, value, usual[check], moved, p, ends[check])


def _hits(share: float, n: int) -> tuple[int, int]:
    return round(share * n), n
