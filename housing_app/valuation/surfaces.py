"""Price levels smoothed over the map."""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

# Smoothed over at least eight sales each; see training/locations.py.
SURFACES = ("level_8", "level_20", "level_60", "local_60", "local_200", "per_sqft_15")


class Surfaces(NamedTuple):
    """Hold price levels on a grid of square cells.

    values: (rows to the north, columns to the east, len(SURFACES)) logs of price.
    west, south: the grid's corner; step: a cell's side; all km from the origin.
    """

    values: npt.NDArray[np.float32]
    west: float
    south: float
    step: float

    def at(self, east: FloatArray, north: FloatArray) -> FloatArray:
        """Return (n, len(SURFACES)) bilinear values; NaN where the place is unknown."""
        rows, columns, _ = self.values.shape
        x = np.minimum(np.maximum((east - self.west) / self.step, 0), columns - 1.001)
        y = np.minimum(np.maximum((north - self.south) / self.step, 0), rows - 1.001)
        unknown = np.isnan(x + y)
        x[unknown] = y[unknown] = 0
        i, j = x.astype(np.intp), y.astype(np.intp)
        u, v = (x - i)[:, None], (y - j)[:, None]
        below = self.values[j, i] * (1 - u) + self.values[j, i + 1] * u
        above = self.values[j + 1, i] * (1 - u) + self.values[j + 1, i + 1] * u
        found = below * (1 - v) + above * v
        found[unknown] = np.nan
        return np.asarray(found)

    def at_one(self, east: float, north: float) -> list[float]:
        """Return what `at` does for one place, the same to the last bit."""
        rows, columns, count = self.values.shape
        x = min(max((east - self.west) / self.step, 0.0), columns - 1.001)
        y = min(max((north - self.south) / self.step, 0.0), rows - 1.001)
        if math.isnan(x + y):
            return [np.nan] * count
        i, j = int(x), int(y)
        u, v = x - i, y - j
        (a, b), (c, d) = self.values[j : j + 2, i : i + 2].tolist()
        return [
            (p * (1 - u) + q * u) * (1 - v) + (r * (1 - u) + s * u) * v
            for p, q, r, s in zip(a, b, c, d, strict=True)
        ]
