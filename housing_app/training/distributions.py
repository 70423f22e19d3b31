"""Distributions as they are kept and compared: how many homes lie between which values.

No bin stands for fewer than five homes (docs/decisions/003), and the outermost values
are not kept. What is compared is what can be read from bins: PSI over some ten of them,
and Kolmogorov-Smirnov at their edges.
"""

from typing import Any, NamedTuple

import numpy as np
from scipy import stats

from housing_app.valuation.features import FloatArray

LEAST = 5
_BINS = 50
_VALUES = 100  # so many different ones have a bin each: zipcodes do
_SHARE = 0.1  # of the homes in a bin of the PSI, or more: the ten bins it is known by
_EXPECTED = 10  # homes in a bin, on both sides, from which on chi-square holds
_DIGITS = 5


class Distribution(NamedTuple):
    """Hold how many homes lie above one edge and up to the next, and are unknown."""

    edges: FloatArray  # rising
    counts: FloatArray  # one more than edges: the outer bins are open
    missing: int

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> "Distribution":
        """Read what `to_json` wrote; raise ValueError where it does not fit."""
        edges, counts = (np.array(stored[key], float) for key in ("edges", "counts"))
        if len(counts) != len(edges) + 1 or not (np.diff(edges) > 0).all():
            raise ValueError("edges and counts do not fit together")
        return cls(edges, counts, int(stored["missing"]))

    def to_json(self) -> dict[str, Any]:
        """Return a form that JSON keeps exactly."""
        counts = self.counts.astype(int).tolist()
        return {"edges": self.edges.tolist(), "counts": counts, "missing": self.missing}


class Bins(NamedTuple):
    """Hold the few bins of a PSI: how many homes there usually are, and are now."""

    edges: FloatArray
    usual: FloatArray
    now: FloatArray


class Difference(NamedTuple):
    """Say how far two distributions differ, and how likely chance does as much.

    usual: what to expect where nothing differs.
    """

    value: float
    usual: float
    p: float


def fit(values: FloatArray) -> Distribution:
    """Return the distribution of values, NaN where unknown."""
    known = values[~np.isnan(values)]
    missing = len(values) - len(known)
    edges = _edges(known)
    starts = _merged(counted(known, edges), LEAST, LEAST)
    edges = edges[[start - 1 for start in starts[1:]]]
    return Distribution(
        edges, counted(known, edges), missing if missing >= LEAST else 0
    )


def _edges(known: FloatArray) -> FloatArray:
    """Return the values themselves where they are few, else quantiles; not the last."""
    found = np.unique(known)
    if len(found) > _VALUES:
        shares = np.arange(1, _BINS + 1) / _BINS
        found = np.quantile(known, shares, method="inverted_cdf")
    rounded = [float(f"{value:.{_DIGITS}g}") for value in found.tolist()]
    return np.unique(np.array(rounded, float))[:-1]


def counted(known: FloatArray, edges: FloatArray) -> FloatArray:
    """Return how many values lie in each bin."""
    places = np.searchsorted(edges, known, side="left")
    return np.bincount(places, minlength=len(edges) + 1).astype(float)


def _merged(counts: FloatArray, least: float, rest: float) -> list[int]:
    """Return where groups of neighbouring bins begin that hold `least`.

    What is left at the end is a group of its own if it holds `rest`.
    """
    starts, held = [0], 0.0
    for place, count in enumerate(counts.tolist()):
        if held >= least:
            starts.append(place)
            held = 0.0
        held += count
    if held < rest and len(starts) > 1:
        starts.pop()
    return starts


def bins(usual: Distribution, now: FloatArray) -> Bins:
    """Return the bins of a PSI: as fine as the number of homes on both sides allows."""
    whole, n = usual.counts.sum(), now.sum()
    rest = _EXPECTED * max(1.0, whole / n)
    starts = _merged(usual.counts, max(_SHARE * whole, rest), rest)
    edges = usual.edges[[start - 1 for start in starts[1:]]]
    return Bins(edges, *(np.add.reduceat(c, starts) for c in (usual.counts, now)))


def psi(found: Bins) -> Difference | None:
    """Return the population stability index, None where there is one bin only.

    Without drift it is about (bins - 1) x (1/n + 1/m): few homes alone raise it. Its p
    value is that of the chi-square test on the same bins.
    """
    if not len(found.edges):
        return None
    # Half a home more in each bin, so that an empty one has a logarithm.
    usual, now = (
        (counts + 0.5) / (counts + 0.5).sum() for counts in (found.usual, found.now)
    )
    value = float(np.sum((now - usual) * np.log(now / usual)))
    chance = len(found.edges) * (1 / found.usual.sum() + 1 / found.now.sum())
    table = np.array([found.usual, found.now])
    p = stats.chi2_contingency(table, correction=False).pvalue
    return Difference(value, float(chance), float(p))


def ks(usual: Distribution, now: FloatArray) -> Difference | None:
    """Return the greatest difference of the two cumulative shares, at the edges.

    Between the edges it may be a little greater; so the p value is rather too great.
    """
    if not len(usual.edges):
        return None
    whole, n = usual.counts.sum(), now.sum()
    apart = np.cumsum(now)[:-1] / n - np.cumsum(usual.counts)[:-1] / whole
    value = float(np.abs(apart).max())
    effective = np.sqrt(n * whole / (n + whole))
    # The mean of Kolmogorov's distribution.
    chance = float(np.sqrt(np.pi / 2) * np.log(2) / effective)
    return Difference(value, chance, float(stats.kstwobign.sf(value * effective)))
