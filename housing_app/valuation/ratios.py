"""Accuracy as the field reports it.

Ratio-study figures follow the IAAO Standard on Ratio Studies (2013): a ratio is
predicted over sale price, COD and PRB are taken about the median ratio.
"""

from typing import Any

import numpy as np

from housing_app.valuation.features import FloatArray

IAAO_LIMITS = {"cod": (5.0, 15.0), "prd": (0.98, 1.03), "prb": (-0.05, 0.05)}


def r2(price: FloatArray, predicted: FloatArray) -> float:
    """Return the share of the price variance explained, in dollars."""
    residual = np.sum((price - predicted) ** 2)
    variance = np.sum((price - price.mean()) ** 2)
    return float(1 - residual / variance) if variance else 0.0


def mdape(price: FloatArray, predicted: FloatArray) -> float:
    """Return the median absolute percentage error, as a fraction."""
    return float(np.median(np.abs(predicted / price - 1)))


def ppe(price: FloatArray, predicted: FloatArray, within: float) -> float:
    """Return the share of homes valued within `within` (a fraction) of the price."""
    return float(np.mean(np.abs(predicted / price - 1) <= within))


def bias(price: FloatArray, predicted: FloatArray) -> float:
    """Return the median relative error; negative means valued too low."""
    return float(np.median(predicted / price) - 1)


def cod(price: FloatArray, predicted: FloatArray) -> float:
    """Return the coefficient of dispersion, in percent of the median ratio."""
    ratio = predicted / price
    median = np.median(ratio)
    return float(100 * np.mean(np.abs(ratio - median)) / median)


def prd(price: FloatArray, predicted: FloatArray) -> float:
    """Return the price-related differential; above 1 means regressive."""
    return float(np.mean(predicted / price) / (predicted.sum() / price.sum()))


def prb(price: FloatArray, predicted: FloatArray) -> float:
    """Return the price-related bias: the change of ratio per doubling of value."""
    ratio = predicted / price
    median = np.median(ratio)
    value = np.log2(0.5 * (price + predicted / median))
    slope = np.polyfit(value, (ratio - median) / median, 1)[0]
    return float(slope)


def accuracy(price: FloatArray, predicted: FloatArray) -> dict[str, Any]:
    """Return every figure for one set of sales, rounded for a manifest.

    Fractions (mdape, ppe10, ppe20, bias), percent (cod) and pure numbers.
    """
    figures: dict[str, Any] = {
        "r2": r2(price, predicted),
        "mdape": mdape(price, predicted),
        "ppe10": ppe(price, predicted, 0.10),
        "ppe20": ppe(price, predicted, 0.20),
        "bias": bias(price, predicted),
        "cod": cod(price, predicted),
        "prd": prd(price, predicted),
        "prb": prb(price, predicted),
    }
    return {"n": int(price.size)} | {k: round(v, 4) for k, v in figures.items()}
