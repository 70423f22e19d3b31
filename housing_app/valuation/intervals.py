"""Price ranges: normalised conformal calibration in log space.

A home's range is price x exp(multiplier x spread). The spread is the model's own
measure of how hard a home is to value. The multipliers of a level are quantiles of
log(sale price / valuation) / spread over sales the model did not see, so the stated
coverage is the coverage achieved there. Homes with more unknown fields have
multipliers of their own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np

from housing_app.valuation.features import FloatArray

LEVELS = (0.5, 0.8, 0.9)
DEFAULT_LEVEL = 0.9
# Upper limits of the forecast standard deviation (FSD) for each grade.
GRADES = (("high", 0.13), ("medium", 0.20), ("low", float("inf")))
MIN_SALES = 100


@dataclass(frozen=True)
class Group:
    """Hold the multipliers of homes with at least `missing` unknown fields."""

    missing: int
    multipliers: Mapping[float, tuple[float, float]]
    fsd: float

    def to_json(self) -> dict[str, Any]:
        """Return a form that JSON keeps exactly."""
        pairs = {str(level): list(pair) for level, pair in self.multipliers.items()}
        return {"missing": self.missing, "multipliers": pairs, "fsd": self.fsd}


@dataclass(frozen=True)
class Calibration:
    """Hold the groups, fewest unknown fields first; the first starts at none."""

    groups: Sequence[Group]

    @classmethod
    def from_json(cls, stored: Sequence[Mapping[str, Any]]) -> "Calibration":
        """Read what `to_json` wrote; raise KeyError where a level is missing."""
        starts = [group["missing"] for group in stored]
        if starts[0] != 0 or any(a >= b for a, b in pairwise(starts)):
            raise ValueError("groups must start at 0 missing fields and rise")
        ends = [pair for group in stored for pair in group["multipliers"].values()]
        if any(not low <= 0 <= high for low, high in ends):
            raise ValueError("a range does not hold its price")
        return cls(
            [
                Group(
                    int(group["missing"]),
                    {
                        level: tuple(group["multipliers"][str(level)])
                        for level in LEVELS
                    },
                    float(group["fsd"]),
                )
                for group in stored
            ]
        )

    def to_json(self) -> list[dict[str, Any]]:
        """Return a form that JSON keeps exactly."""
        return [group.to_json() for group in self.groups]

    @cached_property
    def _starts(self) -> FloatArray:
        return np.array([group.missing for group in self.groups], dtype=np.float64)

    @cached_property
    def _ends(self) -> dict[float, FloatArray]:
        return {
            level: np.array([group.multipliers[level] for group in self.groups])
            for level in LEVELS
        }

    @cached_property
    def _fsds(self) -> FloatArray:
        return np.array([group.fsd for group in self.groups])

    def bounds(
        self, price: FloatArray, spread: FloatArray, missing: FloatArray, level: float
    ) -> tuple[FloatArray, FloatArray]:
        """Return the ends of the range, in dollars."""
        ends = self._ends[level][self._group(missing)]
        ratio = np.exp(ends * spread[:, None])
        return price * ratio[:, 0], price * ratio[:, 1]

    def fsds(self, spread: FloatArray, missing: FloatArray) -> FloatArray:
        """Return forecast standard deviations, in log price."""
        return np.asarray(spread * self._fsds[self._group(missing)])

    def _group(self, missing: FloatArray) -> Any:
        return np.searchsorted(self._starts, missing, side="right") - 1


@dataclass(frozen=True)
class Bands:
    """Hold how much wider than their spread says homes of a price err.

    centers: rising index-free log prices; factors: of the spread, there; between them
    they go over into each other.
    """

    centers: FloatArray
    factors: FloatArray

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "Bands":
        """Read what `to_json` wrote."""
        centers, factors = np.array(stored["centers"]), np.array(stored["factors"])
        rising = centers.size > 0 and bool((np.diff(centers) > 0).all())
        if not rising or len(centers) != len(factors) or not (factors > 0).all():
            raise ValueError("bands do not fit together")
        return cls(centers, factors)

    def to_json(self) -> dict[str, list[float]]:
        """Return a form that JSON keeps exactly."""
        return {"centers": self.centers.tolist(), "factors": self.factors.tolist()}

    def factors_at(self, log_prices: FloatArray) -> FloatArray:
        """Return (n,) factors of the spread."""
        return np.interp(log_prices, self.centers, self.factors)


EVEN = Bands(np.zeros(1), np.ones(1))
_BANDS = 5


def bands(error: FloatArray, spread: FloatArray, log_price: FloatArray) -> Bands:
    """Fit the bands on unseen sales: cheap homes err more than any spread foresees."""
    score = np.abs(error / spread)
    whole = np.quantile(score, DEFAULT_LEVEL)
    edges = np.quantile(log_price, np.linspace(0, 1, _BANDS + 1)[1:-1])
    band = np.searchsorted(edges, log_price, side="right")
    kept = [k for k in range(_BANDS) if (band == k).sum() >= MIN_SALES // 2]
    if not kept or not whole:
        return EVEN
    centers = [float(np.median(log_price[band == k])) for k in kept]
    factors = [
        float(np.quantile(score[band == k], DEFAULT_LEVEL) / whole) for k in kept
    ]
    return Bands(np.array(centers), np.array(factors))


def calibrate(error: FloatArray, spread: FloatArray, missing: int = 0) -> Group:
    """Fit one group's multipliers on unseen sales.

    error: log(sale price / valuation); spread: each home's, in the same unit. Both
    ends get the finite-sample correction of split conformal prediction.
    """
    score = np.sort(error / spread)
    n = score.size
    if n < MIN_SALES:
        raise ValueError(f"{n} sales are too few to calibrate; {MIN_SALES} are needed")

    def quantile(share: float) -> float:
        rank = np.ceil((n + 1) * share) if share > 0.5 else np.floor((n + 1) * share)
        return float(score[int(np.clip(rank - 1, 0, n - 1))])

    # The ends are kept apart from 0 so that a range always holds its price.
    multipliers = {
        level: (
            min(quantile((1 - level) / 2), -1e-6),
            max(quantile((1 + level) / 2), 1e-6),
        )
        for level in LEVELS
    }
    fsd = (quantile(0.8413) - quantile(0.1587)) / 2
    return Group(missing, multipliers, fsd)


def widening(groups: Sequence[Group]) -> list[Group]:
    """Return groups none of which has a narrower range than the one before it.

    What is unknown is paid for, even where chance would have it otherwise.
    """
    found: list[Group] = []
    for group in groups:
        if found:
            before = found[-1]
            multipliers = {
                level: (
                    min(low, before.multipliers[level][0]),
                    max(high, before.multipliers[level][1]),
                )
                for level, (low, high) in group.multipliers.items()
            }
            fsd = max(group.fsd, before.fsd)
            group = Group(group.missing, multipliers, fsd)  # noqa: PLW2901
        found.append(group)
    return found


def grades(fsds: FloatArray) -> list[str]:
    """Return the confidence grade for each forecast standard deviation."""
    names = np.array([name for name, _ in GRADES], dtype=object)
    limits = [limit for _, limit in GRADES]
    found: list[str] = names[np.searchsorted(limits, fsds)].tolist()
    return found


def grade(fsd: float) -> str:
    """Return the confidence grade for a forecast standard deviation."""
    return next(name for name, limit in GRADES if fsd <= limit)
