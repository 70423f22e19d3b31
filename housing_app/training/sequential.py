"""Means that are compared while data still come in: sound at every look.

An asymptotic confidence sequence (Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas,
"Time-uniform central limit theory and asymptotic confidence sequences", 2024) with the
normal mixture of Robbins (1970). Its time is information, one over the variance of what
is estimated: in it the difference of two means moves as a Brownian motion does, however
the sample grows. "Asymptotic": of variances that are estimated from samples of some
size.
"""

from functools import cache
from math import ceil, exp, inf, log, sqrt
from typing import Any, NamedTuple

import numpy as np
from scipy import optimize

from housing_app.valuation.features import FloatArray

# The difference that the boundary is narrowest for. With five times the information,
# or a fifth, it is a tenth wider than one made for that, at most.
_TUNED = 0.01


class Mean(NamedTuple):
    """Hold a mean, and what it rests on."""

    n: int
    clients: int
    value: float
    variance: float  # of the mean; infinite where it cannot be told

    def less(self, other: "Mean") -> "Mean":
        """Return the difference of two means of independent samples."""
        return Mean(
            self.n + other.n,
            self.clients + other.clients,
            self.value - other.value,
            self.variance + other.variance,
        )


def mean(values: FloatArray, clients: Any) -> Mean:
    """Return a mean of values that are independent from client to client only.

    `clients` has a whole number from 0 on for each value.
    """
    n = len(values)
    if not n:
        return Mean(0, 0, 0.0, inf)
    middle = float(values.mean())
    count = int(np.count_nonzero(np.bincount(clients)))
    # What a client adds to the sum beside its share; 0 for those without a value.
    away = np.bincount(clients, values - middle)
    variance = inf
    if count > 1:
        variance = float(away @ away) / n**2 * count / (count - 1)
    return Mean(n, count, middle, variance)


def radius(variance: float, alpha: float) -> float:
    """Return how far off an estimate of a variance may be.

    With probability 1 - alpha no estimate of all the looks is off by more.
    """
    if not 0 < variance < inf:
        return variance
    grown = _mixture(alpha) * variance
    return sqrt(2 * variance * (1 + grown) * log(sqrt(1 + 1 / grown) / alpha))


def _mixture(alpha: float) -> float:
    """Return the information that the mixture adds, as _TUNED wants it."""
    # In the paper's terms: time over rho², where the boundary is narrowest.
    ratio = -2 * log(alpha) + log(1 - 2 * log(alpha))
    time = 2 * (1 + 1 / ratio) * (log(1 + ratio) / 2 - log(alpha)) / _TUNED**2
    return time / ratio


def still_needed(found: Mean, difference: float, alpha: float) -> int | None:
    """Return how many more values would show a difference, come as they came.

    None where nothing is known of their variance.
    """
    if not 0 < found.variance < inf:
        return None
    wanted = _variance(difference, alpha)
    return max(0, ceil(found.n * (found.variance / wanted - 1)))


@cache
def _variance(difference: float, alpha: float) -> float:
    """Return the variance at which the radius is as large as a difference."""

    def beyond(logarithm: float) -> float:
        return radius(exp(logarithm), alpha) - difference

    return exp(optimize.brentq(beyond, log(1e-12), log(1.0)))
