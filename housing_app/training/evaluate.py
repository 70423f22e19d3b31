"""Measure a model on sales it has not seen."""

from datetime import date
from typing import Any

import numpy as np

from housing_app.demographics import Demographics
from housing_app.training.dataset import Sales
from housing_app.valuation import intervals, ratios
from housing_app.valuation.features import FloatArray
from housing_app.valuation.predictor import Predictor

_MIN_ZIPCODE_SALES = 30


def predict(
    predictor: Predictor, sales: Sales, demographics: Demographics, level: float = 0.9
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Value each sale's home at its sale date: prices, lows, highs."""
    joined = demographics.join(sales.homes.zipcodes, predictor.demographics)
    answers = predictor.value(sales.homes, joined, level)
    return answers.prices, answers.lows, answers.highs


def report(
    predictor: Predictor, sales: Sales, demographics: Demographics
) -> dict[str, Any]:
    """Return accuracy overall, by price decile, zipcode and month, and coverage."""
    predicted, _, _ = predict(predictor, sales, demographics)
    first, last = sales.window
    return {
        "from": first.isoformat(),
        "to": last.isoformat(),
        "overall": ratios.accuracy(sales.prices, predicted),
        "coverage": coverage(predictor, sales, demographics),
        "by_decile": by_decile(sales.prices, predicted),
        "by_zipcode": by_zipcode(sales, predicted),
        "by_month": by_month(sales, predicted),
    }


def coverage(
    predictor: Predictor, sales: Sales, demographics: Demographics
) -> dict[str, dict[str, float]]:
    """Return for each level the share of prices inside, and the median width."""
    found = {}
    for level in intervals.LEVELS:
        price, low, high = predict(predictor, sales, demographics, level)
        inside = (low <= sales.prices) & (sales.prices <= high)
        found[str(level)] = {
            "achieved": round(float(inside.mean()), 4),
            "relative_width": round(float(np.median((high - low) / price)), 4),
        }
    return found


def by_decile(price: FloatArray, predicted: FloatArray) -> list[dict[str, Any]]:
    """Return accuracy by decile of the predicted price."""
    edges = np.quantile(predicted, np.linspace(0.1, 0.9, 9))
    decile = np.searchsorted(edges, predicted, side="right")
    return [
        {"decile": d + 1} | ratios.accuracy(price[decile == d], predicted[decile == d])
        for d in range(10)
        if (decile == d).sum() > 1
    ]


def by_zipcode(sales: Sales, predicted: FloatArray) -> dict[str, dict[str, Any]]:
    """Return accuracy of each zipcode with enough sales to say anything."""
    zipcodes = np.asarray(sales.homes.zipcodes)
    names, counts = np.unique(zipcodes, return_counts=True)
    return {
        str(name): ratios.accuracy(
            sales.prices[zipcodes == name], predicted[zipcodes == name]
        )
        for name in names[counts >= _MIN_ZIPCODE_SALES]
    }


def by_month(sales: Sales, predicted: FloatArray) -> dict[str, dict[str, Any]]:
    """Return accuracy by month of sale."""
    days = sales.homes.days.astype(int)
    months = np.array([date.fromordinal(day).strftime("%Y-%m") for day in days])
    return {
        str(month): ratios.accuracy(
            sales.prices[months == month], predicted[months == month]
        )
        for month in np.unique(months)
        if (months == month).sum() > 1
    }
