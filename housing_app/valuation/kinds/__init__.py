"""The kinds of model an artifact can hold.

A kind is a module with `load(directory, manifest) -> PriceModel` and the names of the
files it needs. None of them unpickles anything.
"""

from abc import ABC, abstractmethod

import numpy as np

from housing_app.valuation.features import FloatArray


class PriceModel(ABC):
    """Value feature rows: (n, features) floats, in the manifest's order."""

    takes_unknown = False  # NaN in rows; else the predictor fills in typical values

    @abstractmethod
    def log_prices(self, rows: FloatArray) -> FloatArray:
        """Return the (n,) natural logs of the prices."""

    def spreads(
        self, rows: FloatArray, log_prices: FloatArray, missing: FloatArray
    ) -> FloatArray:
        """Return (n,) sizes of the errors to expect, in log price; 1 if not modelled.

        missing: how many fields of each home are unknown.
        """
        return np.ones(len(rows))

    def contributions(self, rows: FloatArray) -> FloatArray | None:
        """Return (n, features + 1) additive reasons of the log prices, base last.

        None where the kind has none.
        """
        return None
