"""How far two models are apart on the same homes, whatever those sell for."""

from typing import Any

import numpy as np

from housing_app.valuation.features import FloatArray

QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
BEYOND = (0.05, 0.10, 0.20)
LEAST = 5  # homes a figure stands for
THIRDS = ("cheapest third", "middle third", "dearest third")

Figures = dict[str, Any]


def measured(champion: FloatArray, shadow: FloatArray) -> Figures:
    """Return the figures of all homes, and of each third by the champion's price."""
    found = {"all": _figures(champion, shadow)}
    thirds = np.array_split(np.argsort(champion, kind="stable"), len(THIRDS))
    for name, chosen in zip(THIRDS, thirds, strict=True):
        found[name] = _figures(champion[chosen], shadow[chosen])
    return found


def _figures(champion: FloatArray, shadow: FloatArray) -> Figures:
    """Return quantiles of the log ratio, shadow to champion, and how many are apart."""
    found: Figures = {"n": len(champion)}
    if len(champion) < LEAST:
        return found
    away = np.abs(shadow / champion - 1)
    quantiles = np.quantile(np.log(shadow / champion), QUANTILES)
    pairs = zip(QUANTILES, quantiles, strict=True)
    return found | {
        "log_ratio": {f"{q:g}": round(float(value), 4) for q, value in pairs},
        "beyond": {f"{x:g}": round(float(np.mean(away > x)), 4) for x in BEYOND},
    }
