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

from housing_app.training import distributions, drift_checks
from housing_app.training.distributions import Distribution
from housing_app.training.drift_checks import Found, Sold
from housing_app.training.drift_thresholds import (
    ALARM,
    FALSE_ALARMS,
    LEAST_HOMES,
    QUIET,
    THRESHOLDS,
    TOO_FEW,
    WARNING,
)
from housing_app.valuation.artifacts import Manifest
from housing_app.valuation.errors import ArtifactError
from housing_app.valuation.features import NAMES, ZIPCODE, FloatArray

PRICE = "price"
Report = dict[str, Any]


class Asked(NamedTuple):
    """Hold homes that were valued, and the answers; each home once."""

    values: FloatArray  # (n, 17) in the order of NAMES, NaN where unknown
    zipcodes: Sequence[str]
    prices: FloatArray
    warnings: Sequence[Sequence[str]]  # codes


class Period(NamedTuple):
    """Name a stretch of time: from the first moment on, up to before the other."""

    start: datetime
    end: datetime


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
    found = [*_warnings(manifest, asked), *drift_checks.accuracy(manifest, sold)]
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
) -> Iterator[Found]:
    """Yield PSI and KS of a column; what plots need goes into `shown`."""
    known = values[~np.isnan(values)]
    if min(len(known), usual.counts.sum()) < LEAST_HOMES:
        yield from (Found(check, name, len(known)) for check in ("psi", "ks"))
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
        yield Found("psi", name, len(known), psi.value, psi.usual, above, psi.p)
    if ks := distributions.ks(usual, now):
        yield Found("ks", name, len(known), ks.value, ks.usual, ks.value, ks.p)


def _shares(counts: FloatArray) -> list[float | None]:
    """Return shares, None where they would tell of fewer than five homes."""
    whole = float(counts.sum())
    least = distributions.LEAST
    return [round(n / whole, 4) if n >= least else None for n in counts.tolist()]


def _missing(name: str, usual: Distribution, values: FloatArray) -> Iterator[Found]:
    if name != PRICE:
        check = "unseen" if name == ZIPCODE else "missing"
        before = usual.missing, int(usual.counts.sum()) + usual.missing
        count = int(np.isnan(values).sum())
        yield drift_checks.rise(check, name, (count, len(values)), before)


def _warnings(manifest: Manifest, asked: Asked) -> Iterator[Found]:
    before = manifest.reference["warnings"].get("", 0), manifest.reference["rows"]
    count = sum(map(bool, asked.warnings))
    yield drift_checks.rise("warnings", "", (count, len(asked.prices)), before)


# --- verdicts -------------------------------------------------------------------------


def _judged(found: Sequence[Found]) -> list[dict[str, Any]]:
    """Return the checks with their levels, in the order of THRESHOLDS."""
    made = sum(one.value is not None for one in found)
    order = list(THRESHOLDS)
    ranked = sorted(found, key=lambda one: order.index(one.check))
    return [_rounded(one) | {"level": _level(one, made)} for one in ranked]


def _level(found: Found, made: int) -> str:
    if found.value is None:
        return TOO_FEW
    limits = THRESHOLDS[found.check]
    # Bonferroni: whatever the checks have to do with each other.
    if found.p * made > FALSE_ALARMS or found.moved < limits.warning:
        return QUIET
    return ALARM if found.moved >= limits.alarm else WARNING


def _rounded(found: Found) -> dict[str, Any]:
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
