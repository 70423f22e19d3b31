"""Drift: are the homes, the valuations and the errors of today those of training?

Numbers only: what was asked and sold, and a manifest, in; a report, plain JSON, out. A
check speaks up where what it measures moved by more than its threshold (it matters) and
chance would hardly do as much (it is so), all checks of the report taken together.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

from housing_app.training import distributions, significance
from housing_app.training.distributions import Distribution
from housing_app.valuation import intervals, ratios
from housing_app.valuation.artifacts import Manifest
from housing_app.valuation.errors import ArtifactError
from housing_app.valuation.features import NAMES, ZIPCODE, FloatArray

LEAST_HOMES = 200  # fewer say nothing of a distribution
LEAST_OUTCOMES = 100  # fewer say nothing of accuracy
# The chance that a report without any drift warns, at most; shared by its checks.
FALSE_ALARMS = 0.01
QUIET, WARNING, ALARM, TOO_FEW = "quiet", "warning", "alarm", "too few"
PRICE = "price"
_LEVEL = intervals.DEFAULT_LEVEL
_DRAWN = 4e6  # sales in all draws of a bootstrap, so that it takes seconds

Report = dict[str, Any]


class Threshold(NamedTuple):
    """Say from what move on a check warns, and from what on it alarms."""

    check: str
    moved: str  # what is compared with the two
    warning: float
    alarm: float
    why: str


THRESHOLDS = {
    one.check: one
    for one in (
        Threshold("psi", "PSI, less what chance gives so few homes", 0.10, 0.25,
                  "the convention of credit scoring: below 0.1 stable, above 0.25 "
                  "another population"),
        Threshold("ks", "greatest difference of the cumulative shares", 0.10, 0.20,
                  "a tenth, a fifth of the homes lie elsewhere; finds a shift that "
                  "goes one way sooner than PSI"),
        Threshold("missing", "rise of the share of homes without the field",
                  0.05, 0.15,
                  "unknown fields widen ranges; a jump is a client or a form that "
                  "stopped sending one"),
        Threshold("unseen", "rise of the share of homes in zipcodes not learned from",
                  0.02, 0.10,
                  "such valuations are graded low: the model knows nothing of the "
                  "place"),
        Threshold("warnings", "rise of the share of answers with a warning",
                  0.10, 0.25,
                  "one answer in ten, in four more that the service itself doubts"),
        Threshold("mdape", "rise of the median error, relative to the manifest's",
                  0.25, 0.50,
                  "a quarter more is what the minimal model loses against the full "
                  "one; half more is what the baseline does"),
        Threshold("ppe10", "fall of the share valued within 10 %", 0.08, 0.16,
                  "half of, and all of, the way from the champion to the baseline"),
        Threshold("bias", "change of the median error, either way", 0.03, 0.06,
                  "a market moves about as much in half a year, and in a year"),
        Threshold("coverage", "fall of the share of prices inside the 90 % ranges",
                  0.04, 0.08,
                  "one price in seven, in five or six outside, where one in ten is "
                  "promised"),
    )
}  # fmt: skip


class Asked(NamedTuple):
    """Hold homes that were valued, and the answers; each home once."""

    values: FloatArray  # (n, 17) in the order of NAMES, NaN where unknown
    zipcodes: Sequence[str]
    prices: FloatArray
    warnings: Sequence[Sequence[str]]  # codes


class Sold(NamedTuple):
    """Hold what homes were sold for, and their valuations."""

    sold: FloatArray
    prices: FloatArray
    lows: FloatArray
    highs: FloatArray
    intervals: FloatArray  # the levels of the ranges


class Period(NamedTuple):
    """Name a stretch of time: from the first moment on, up to before the other."""

    start: datetime
    end: datetime


class _Found(NamedTuple):
    """Hold what a check found; without a value there was too little to look at."""

    check: str
    field: str = ""
    n: int = 0
    value: float | None = None
    usual: float | None = None
    moved: float = 0.0
    p: float = 1.0
    ends: list[float] | None = None  # of the 95 % interval of the value


def columns(
    asked: Asked, names: Sequence[str], area: Mapping[str, Any]
) -> dict[str, FloatArray]:
    """Return what has a distribution: fields, the zipcode, the log of the price.

    A zipcode outside the area is NaN, as an unknown field is.
    """
    places = [float(z) if z in area else np.nan for z in asked.zipcodes]
    found = dict(zip(NAMES, asked.values.T, strict=True))
    found = {name: found[name] for name in names if name in found}
    return found | {ZIPCODE: np.array(places), PRICE: np.log(asked.prices)}


def warned(asked: Asked) -> dict[str, int]:
    """Return how many homes have a warning of each code, and any ("")."""
    found = Counter(code for codes in asked.warnings for code in set(codes))
    found[""] = sum(map(bool, asked.warnings))
    return {code: n for code, n in found.items() if n >= distributions.LEAST}


def report(manifest: Manifest, slot: str, asked: Asked, sold: Sold) -> Report:
    """Compare what was asked and sold with what a manifest says of its training."""
    usual = _reference(manifest)
    now = columns(asked, list(usual), manifest.zipcodes)
    found = [*_warnings(manifest, asked), *_accuracy(manifest, sold)]
    shown: dict[str, Any] = {}
    for name, before in usual.items():
        found += _missing(name, before, now[name])
        found += _moved(name, before, now[name], shown)
    checks = _judged(found)
    return {
        "model": manifest.name,
        "version": manifest.version,
        "slot": slot,
        "homes": len(asked.prices),
        "outcomes": len(sold.sold),
        "verdict": _verdict(checks, len(asked.prices)),
        "checks": checks,
        "warnings": {
            code: round(n / len(asked.prices), 4)
            for code, n in warned(asked).items()
            if code
        },
        "distributions": shown,
    }


def _reference(manifest: Manifest) -> dict[str, Distribution]:
    if not manifest.reference:
        raise ArtifactError(
            f"{manifest.id}: its manifest has no drift reference: train it again"
        )
    try:
        return {
            name: Distribution.from_json(stored)
            for name, stored in manifest.reference["columns"].items()
        }
    except (KeyError, TypeError, ValueError) as error:
        text = f"{manifest.id}: its drift reference is broken ({error!r})"
        raise ArtifactError(text) from error


# --- checks ---------------------------------------------------------------------------


def _moved(
    name: str, usual: Distribution, values: FloatArray, shown: dict[str, Any]
) -> Iterator[_Found]:
    """Yield PSI and KS of a column; what plots need goes into `shown`."""
    known = values[~np.isnan(values)]
    if min(len(known), usual.counts.sum()) < LEAST_HOMES:
        yield from (_Found(check, name, len(known)) for check in ("psi", "ks"))
        return
    now = distributions.counted(known, usual.edges)
    bins = distributions.bins(usual, now)
    if psi := distributions.psi(bins):
        shown[name] = {
            "edges": bins.edges.tolist(),
            "usual": _shares(bins.usual),
            "now": _shares(bins.now),
        }
        above = max(0.0, psi.value - psi.usual)
        yield _Found("psi", name, len(known), psi.value, psi.usual, above, psi.p)
    if ks := distributions.ks(usual, now):
        yield _Found("ks", name, len(known), ks.value, ks.usual, ks.value, ks.p)


def _shares(counts: FloatArray) -> list[float | None]:
    """Return shares, None where they would tell of fewer than five homes."""
    whole = float(counts.sum())
    least = distributions.LEAST
    return [round(n / whole, 4) if n >= least else None for n in counts.tolist()]


def _missing(name: str, usual: Distribution, values: FloatArray) -> Iterator[_Found]:
    if name != PRICE:
        check = "unseen" if name == ZIPCODE else "missing"
        before = usual.missing, int(usual.counts.sum()) + usual.missing
        count = int(np.isnan(values).sum())
        yield _rise(check, name, (count, len(values)), before)


def _warnings(manifest: Manifest, asked: Asked) -> Iterator[_Found]:
    before = manifest.reference["warnings"].get("", 0), manifest.reference["rows"]
    count = sum(map(bool, asked.warnings))
    yield _rise("warnings", "", (count, len(asked.prices)), before)


def _rise(
    check: str, field: str, now: tuple[int, int], before: tuple[int, int]
) -> _Found:
    """Compare two shares, each as (homes of the kind, homes)."""
    if now[1] < LEAST_HOMES:
        return _Found(check, field, now[1])
    value, usual = now[0] / now[1], before[0] / before[1]
    p = _chance(now, before, "greater")
    return _Found(check, field, now[1], value, usual, value - usual, p)


def _chance(now: tuple[int, int], before: tuple[int, int], alternative: str) -> float:
    """Return how likely chance makes two shares differ as much (Fisher's test)."""
    table = [[hits, whole - hits] for hits, whole in (now, before)]
    return float(stats.fisher_exact(table, alternative).pvalue)


def _accuracy(manifest: Manifest, sold: Sold) -> Iterator[_Found]:
    """Yield the figures of reported sales beside those of later sales in training.

    Medians are tested by how many errors lie beyond the usual median: half, as a rule.
    """
    later = manifest.metrics["out_of_time"]
    n, usual = len(sold.sold), later["overall"]
    if n < LEAST_OUTCOMES:
        yield from (_Found(check, "", n) for check in ("mdape", "ppe10", "bias"))
    else:
        yield from _errors(sold, usual)
    ranged = sold.intervals == _LEVEL
    size = int(ranged.sum())
    if size < LEAST_OUTCOMES:
        yield _Found("coverage", "", size)
        return
    inside = (sold.lows <= sold.sold) & (sold.sold <= sold.highs) & ranged
    promised = later["coverage"][str(_LEVEL)]["achieved"]
    now, before = (int(inside.sum()), size), _hits(promised, usual["n"])
    p, value = _chance(now, before, "less"), now[0] / size
    ends = stats.binomtest(now[0], size).proportion_ci(method="wilson")
    interval = [round(float(end), 4) for end in (ends.low, ends.high)]
    yield _Found("coverage", "", size, value, promised, promised - value, p, interval)


def _errors(sold: Sold, usual: Mapping[str, Any]) -> Iterator[_Found]:
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
        yield _Found(check, "", n, value, usual[check], moved, p, ends[check])


def _hits(share: float, n: int) -> tuple[int, int]:
    return round(share * n), n


# --- verdicts -------------------------------------------------------------------------


def _judged(found: Sequence[_Found]) -> list[dict[str, Any]]:
    """Return the checks with their levels, in the order of THRESHOLDS."""
    made = sum(one.value is not None for one in found)
    order = list(THRESHOLDS)
    ranked = sorted(found, key=lambda one: order.index(one.check))
    return [_rounded(one) | {"level": _level(one, made)} for one in ranked]


def _level(found: _Found, made: int) -> str:
    if found.value is None:
        return TOO_FEW
    limits = THRESHOLDS[found.check]
    # Bonferroni: whatever the checks have to do with each other.
    if found.p * made > FALSE_ALARMS or found.moved < limits.warning:
        return QUIET
    return ALARM if found.moved >= limits.alarm else WARNING


def _rounded(found: _Found) -> dict[str, Any]:
    numbers = {
        name: None if number is None else round(number, 4)
        for name in ("value", "usual", "moved")
        for number in (getattr(found, name),)
    }
    return found._asdict() | numbers | {"p": float(f"{found.p:.3g}")}


def _verdict(checks: Sequence[Mapping[str, Any]], homes: int) -> str:
    """Return the worst level; too few homes are not quiet."""
    levels = {one["level"] for one in checks}
    for level in (ALARM, WARNING):
        if level in levels:
            return level
    return QUIET if homes >= LEAST_HOMES else TOO_FEW
