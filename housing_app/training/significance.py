"""Say how sure a figure is: bootstrap intervals and paired tests, seeded.

Sales are drawn with replacement; a home that sold twice counts as two sales.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from scipy import stats

from housing_app.valuation.features import FloatArray

DRAWS = 2000
_SEED = 95
_AT_ONCE = 100  # draws, so that memory stays small
_ENDS = (0.025, 0.975)

Statistic = Callable[[FloatArray, FloatArray], FloatArray]

# Figures of many samples at once: (draws, n) prices and valuations in, (draws,) out.
STATISTICS: dict[str, Statistic] = {
    "mdape": lambda p, v: np.median(np.abs(v / p - 1), axis=1),
    "ppe10": lambda p, v: np.mean(np.abs(v / p - 1) <= 0.10, axis=1),
    "ppe20": lambda p, v: np.mean(np.abs(v / p - 1) <= 0.20, axis=1),
    "bias": lambda p, v: np.median(v / p, axis=1) - 1,
    "cod": lambda p, v: _cod(v / p),
    "prd": lambda p, v: np.mean(v / p, axis=1) / (v.sum(axis=1) / p.sum(axis=1)),
    "prb": lambda p, v: _prb(p, v),  # noqa: PLW0108 - it is defined below
}


def intervals(
    price: FloatArray, predicted: FloatArray, draws: int = DRAWS
) -> dict[str, list[float]]:
    """Return the 95 % bootstrap interval of each of the `STATISTICS`, by name."""
    parts: dict[str, list[FloatArray]] = {name: [] for name in STATISTICS}
    for drawn in _draws(len(price), draws):
        p, v = price[drawn], predicted[drawn]
        for name, statistic in STATISTICS.items():
            parts[name].append(statistic(p, v))
    return {name: _ends(np.concatenate(found)) for name, found in parts.items()}


def paired(
    price: FloatArray, a: FloatArray, b: FloatArray, draws: int = DRAWS
) -> dict[str, Any]:
    """Compare two models' valuations of the same sales.

    mdape: of each; difference: of the medians, a less b, with its 95 % bootstrap
    interval; closer: share of sales that a values closer, where they differ; and the
    p values of Wilcoxon's signed-rank test and of the sign test.
    """
    errors = [np.abs(v / price - 1) for v in (a, b)]
    moved = [
        np.median(errors[0][drawn], axis=1) - np.median(errors[1][drawn], axis=1)
        for drawn in _draws(len(price), draws)
    ]
    low, high = _ends(np.concatenate(moved))
    medians = [float(np.median(error)) for error in errors]
    gap = errors[0] - errors[1]
    gap = gap[gap != 0]
    closer = int((gap < 0).sum())
    tests = {"closer": 0.5, "wilcoxon": 1.0, "sign_test": 1.0}
    if gap.size:
        tests = {
            "closer": round(closer / len(gap), 4),
            "wilcoxon": _rounded(stats.wilcoxon(gap).pvalue),
            "sign_test": _rounded(stats.binomtest(closer, len(gap)).pvalue),
        }
    return {
        "n": len(price),
        "mdape": [round(median, 4) for median in medians],
        "difference": round(medians[0] - medians[1], 4),
        "low": low,
        "high": high,
    } | tests


def unpaired(
    a: FloatArray,
    b: FloatArray,
    clients: tuple[Any, Any],
    draws: int = DRAWS,
    step: Callable[[int], Any] = lambda count: None,
) -> dict[str, Any]:
    """Compare the absolute errors of two models on sales of their own.

    mdape: of each; difference: of the medians, a less b, with its 95 % bootstrap
    interval, for which clients (a whole number from 0 on for each sale) are drawn with
    all their sales; mann_whitney: its p value, as if all sales were independent.
    `step` is told the draws that are done.
    """
    pairs = zip((a, b), clients, strict=True)
    moved = [_medians(*pair, draws, step, seed) for seed, pair in enumerate(pairs)]
    low, high = _ends(moved[0] - moved[1])
    medians = [float(np.median(errors)) for errors in (a, b)]
    return {
        "mdape": [round(median, 4) for median in medians],
        "difference": round(medians[0] - medians[1], 4),
        "low": low,
        "high": high,
        "mann_whitney": _rounded(stats.mannwhitneyu(a, b).pvalue),
    }


def _medians(
    errors: FloatArray,
    clients: Any,
    draws: int,
    step: Callable[[int], Any],
    seed: int,
) -> FloatArray:
    """Return the medians of samples of whole clients."""
    rng = np.random.default_rng((_SEED, seed))
    order = np.argsort(errors)
    _, places = np.unique(clients, return_inverse=True)
    places, count = places[order], int(places.max()) + 1
    found = np.empty(draws)
    for draw in range(draws):
        times = np.bincount(rng.integers(0, count, count), minlength=count)
        before = np.cumsum(times[places])  # how often, up to each error
        found[draw] = errors[order[np.searchsorted(before, (before[-1] + 1) // 2)]]
        step(1)
    return found


def chances(
    price: FloatArray, a: FloatArray, b: FloatArray, draws: int = DRAWS // 4
) -> dict[str, float]:
    """Return the standard error of two models' difference in each of the `STATISTICS`.

    By paired bootstrap: both are judged on the same drawn sales.
    """
    parts: dict[str, list[FloatArray]] = {name: [] for name in STATISTICS}
    for drawn in _draws(len(price), draws):
        p = price[drawn]
        for name, statistic in STATISTICS.items():
            parts[name].append(statistic(p, a[drawn]) - statistic(p, b[drawn]))
    return {
        name: round(float(np.std(np.concatenate(found))), 5)
        for name, found in parts.items()
    }


def _draws(n: int, draws: int) -> Iterator[Any]:
    """Yield (at most _AT_ONCE, n) positions, drawn with replacement."""
    rng = np.random.default_rng(_SEED)
    for start in range(0, draws, _AT_ONCE):
        yield rng.integers(0, n, (min(_AT_ONCE, draws - start), n))


def _ends(found: FloatArray) -> list[float]:
    return [round(float(end), 4) for end in np.quantile(found, _ENDS)]


def _rounded(p: float) -> float:
    return float(f"{p:.3g}")


def _cod(ratio: FloatArray) -> FloatArray:
    median = np.median(ratio, axis=1)
    return np.asarray(100 * np.mean(np.abs(ratio - median[:, None]), axis=1) / median)


def _prb(price: FloatArray, predicted: FloatArray) -> FloatArray:
    ratio = predicted / price
    median = np.median(ratio, axis=1, keepdims=True)
    value = np.log2(0.5 * (price + predicted / median))
    value -= value.mean(axis=1, keepdims=True)
    away = (ratio - median) / median
    return np.asarray((value * away).sum(axis=1) / (value**2).sum(axis=1))
