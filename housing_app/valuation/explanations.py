"""Why a price is what it is: the model's reasons, as factors and as dollars.

The model adds up reasons of the log price (exact TreeSHAP), from a base that is the
mean of what it learned from. A reason's factor is its exponential: factors multiply
from the base price to the price. Dollars are each reason's share of the way from the
base price to the price, measured along the straight path in log price, where a small
step is worth the price at that point (Aumann & Shapley 1974); they do not depend on
an order and add up to the cent.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from housing_app.valuation.features import FEATURES, FloatArray

LOCATION, MARKET = "location", "valuation_date"
LABELS = {feature.name: feature.label for feature in FEATURES} | {
    LOCATION: "Location",
    "demographics": "Demographics of the zipcode",
    MARKET: "Market at the valuation date",
}
# Columns that are made of fields, and the fields they speak for.
_SPEAKS_FOR = {
    "effective_year": ("yr_built",),
    "age": ("yr_built",),
    "years_since_work": ("yr_built",),
    "lot_relative": ("sqft_lot",),
    "lot_floors": ("sqft_lot",),
    "lot_to_neighbours": ("sqft_lot",),
    "living_per_bedroom": ("sqft_living",),
    "living_relative": ("sqft_living",),
    "grade_living": ("grade", "sqft_living"),
    "months": (MARKET,),
}
_PLACE = ("lat", "long", "east", "north", "north_east", "north_west")


def fields_of(column: str, demographics: Sequence[str]) -> tuple[str, ...]:
    """Return the fields, or the names of `LABELS`, a model's column speaks for."""
    if column in demographics:
        return ("demographics",)
    if column in _SPEAKS_FOR:
        return _SPEAKS_FOR[column]
    if column in LABELS and column not in _PLACE:
        return (column,)
    return (LOCATION,)


def folding(
    columns: Sequence[str], demographics: Sequence[str]
) -> tuple[list[str], FloatArray]:
    """Return names of reasons, and (columns, names) shares of columns in them."""
    spoken = [fields_of(column, demographics) for column in columns]
    names = sorted({name for fields in spoken for name in fields})
    shares = np.zeros((len(columns), len(names)))
    for row, fields in enumerate(spoken):
        for name in fields:
            shares[row, names.index(name)] = 1 / len(fields)
    return names, shares


def explain(
    names: Sequence[str], reasons: FloatArray, bases: FloatArray, prices: FloatArray
) -> list[dict[str, Any]]:
    """Return each home's explanation.

    reasons: (n, names) and bases: (n,) in log price, which add up to the prices'
    logs; prices: (n,) dollars, as answered.
    """
    base_prices = np.exp(bases)
    gap = np.log(prices) - bases
    near = np.abs(gap) < 1e-9
    # The logarithmic mean of the two prices.
    worth = np.where(near, prices, (prices - base_prices) / np.where(near, 1, gap))
    cents = np.rint(100 * reasons * worth[:, None]).astype(np.int64)
    base_cents = np.rint(100 * base_prices).astype(np.int64)
    price_cents = np.rint(100 * prices).astype(np.int64)
    # What rounding leaves over, a few cents, goes to the largest reason.
    left = price_cents - base_cents - cents.sum(axis=1)
    cents[np.arange(len(cents)), np.abs(cents).argmax(axis=1)] += left
    return [
        _told(names, reasons[i], cents[i], int(base_cents[i]))
        for i in range(len(reasons))
    ]


def _told(
    names: Sequence[str],
    reasons: FloatArray,
    cents: npt.NDArray[np.int64],
    base_cents: int,
) -> dict[str, Any]:
    order = np.argsort(-np.abs(cents), kind="stable").tolist()
    factors = np.exp(reasons).tolist()
    return {
        "base_price": base_cents / 100,
        "reasons": [
            {
                "field": names[i],
                "label": LABELS[names[i]],
                "factor": round(factors[i], 4),
                "dollars": int(cents[i]) / 100,
            }
            for i in order
        ],
    }
