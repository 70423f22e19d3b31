"""The kinds of model an artifact can hold.

A kind is a module with `load(directory, manifest) -> PriceModel` and the names of the
files it needs. None of them unpickles anything.
"""

from typing import Protocol

from housing_app.valuation.features import FloatArray


class PriceModel(Protocol):
    """Value feature rows."""

    def log_prices(self, rows: FloatArray) -> FloatArray:
        """Return the (n,) natural logs of the prices of (n, features) rows."""
        ...
