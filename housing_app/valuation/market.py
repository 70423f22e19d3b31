"""The price index: how prices move with the date of valuation."""

from datetime import date

import numpy as np

from housing_app.valuation.features import FloatArray

_START = date(2014, 5, 1).toordinal()
_DAYS_PER_MONTH = 30.4375
_PEAK = 1.5  # months after the start: mid June, when homes sell dearest


def basis(days: FloatArray) -> FloatArray:
    """Return (n, 2): months since May 2014, and the season from -1 to 1."""
    months = (days - _START) / _DAYS_PER_MONTH
    season = np.cos(2 * np.pi / 12 * (months - _PEAK))
    return np.stack([months, season], axis=-1)


def index(days: FloatArray, trend: float, season: float) -> FloatArray:
    """Return log prices relative to the index's base, (n,)."""
    return np.asarray(basis(days) @ np.array([trend, season]))
