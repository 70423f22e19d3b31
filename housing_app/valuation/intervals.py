"""Price ranges: conformal calibration in log space.

A home's range is price x exp(multiplier x scale). The multipliers of a level are
quantiles of log(sale price / valuation) / scale on sales the model did not see, so
the stated coverage is the coverage achieved there; the scale is the model's own
measure of how hard a home is to value, or 1.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from housing_app.valuation.features import FloatArray

LEVELS = (0.5, 0.8, 0.9)
DEFAULT_LEVEL = 0.9
# Upper limits of the forecast standard deviation (FSD) for each grade.
GRADES = (("high", 0.13), ("medium", 0.20), ("low", float("inf")))


@dataclass(frozen=True)
class Calibration:
    """Hold the multipliers of each level (low, high) and of the FSD."""

    multipliers: Mapping[float, tuple[float, float]]
    fsd: float

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "Calibration":
        """Read what `to_json` wrote; raise KeyError where a level is missing."""
        levels = stored["multipliers"]
        if any(low > high for low, high in levels.values()):
            raise ValueError("a range ends below its start")
        return cls(
            {level: tuple(levels[str(level)]) for level in LEVELS}, stored["fsd"]
        )

    def to_json(self) -> dict[str, Any]:
        """Return a form that JSON keeps exactly."""
        pairs = {str(level): list(pair) for level, pair in self.multipliers.items()}
        return {"multipliers": pairs, "fsd": self.fsd}

    def bounds(
        self, price: FloatArray, scale: FloatArray, level: float
    ) -> tuple[FloatArray, FloatArray]:
        """Return the ends of the range, in dollars."""
        low, high = self.multipliers[level]
        return price * np.exp(low * scale), price * np.exp(high * scale)


def calibrate(error: FloatArray, scale: FloatArray) -> Calibration:
    """Fit the multipliers on unseen sales.

    error: log(sale price / valuation); scale: each home's, in the same unit. Both
    ends get the finite-sample correction of split conformal prediction.
    """
    score = np.sort(error / scale)
    n = score.size
    if n < 100:
        raise ValueError(f"{n} sales are too few to calibrate a range; 100 are needed")

    def quantile(share: float) -> float:
        # The ends are kept apart from 0 so that a range always holds its price.
        rank = np.ceil((n + 1) * share) if share > 0.5 else np.floor((n + 1) * share)
        return float(score[int(np.clip(rank - 1, 0, n - 1))])

    multipliers = {
        level: (
            min(quantile((1 - level) / 2), -1e-6),
            max(quantile((1 + level) / 2), 1e-6),
        )
        for level in LEVELS
    }
    fsd = (quantile(0.8413) - quantile(0.1587)) / 2
    return Calibration(multipliers, fsd)


def grade(fsd: float) -> str:
    """Return the confidence grade for a forecast standard deviation."""
    return next(name for name, limit in GRADES if fsd <= limit)
