"""Judge an experiment: a challenger beside the champion, on what homes sold for.

Errors are absolute percentage errors. The verdict rests on their mean, cut at 100 % so
that no single home decides it, and is sound at every look; all else describes.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

from housing_app.training import sequential, significance
from housing_app.training.sequential import Mean
from housing_app.valuation import ratios
from housing_app.valuation.features import FloatArray

ARMS = ("champion", "challenger")
# What there must be before anything is said.
MINIMUMS = {
    "outcomes": 100,  # of each arm, for a verdict: it rests on a normal limit
    "clients": 30,  # of each arm with outcomes, for a verdict: they are what is drawn
    "figures": 5,  # sales a figure stands for: docs/decisions/003
    "expected": 5,  # clients of each arm that the share promises, to check it
}
CUT = 1.0  # of an error
DIFFERENCE = 0.005  # in mean error, which a lasting experiment should show
MISMATCH = 0.001  # the p value below which arms are not what the share says
# What a verdict is, in JSON.
TOO_FEW, NOT_COMPARABLE, NONE = "too-few", "not-comparable", "no-difference-yet"

Figures = dict[str, Any]
Step = Callable[[int], Any]


class Arm(NamedTuple):
    """Hold what is known of one arm; of its sales, a place for each."""

    answers: int  # homes valued
    fallbacks: int  # of them by the fallback
    sold: FloatArray
    price: FloatArray
    clients: Any  # a whole number from 0 on; the request's, where no client is known


class Pairs(NamedTuple):
    """Hold sales that both models valued: one answered, the other looked on."""

    sold: FloatArray
    champion: FloatArray
    challenger: FloatArray
    clients: Any


class Clients(NamedTuple):
    """Count the known clients of each arm, by their latest answer."""

    champion: int = 0
    challenger: int = 0
    moved: int = 0  # of them in both, sooner and later


def steps() -> int:
    """Return how many steps `examine` tells."""
    return 2 * significance.DRAWS


def examine(
    arms: Mapping[str, Arm],
    clients: Clients,
    pairs: Pairs,
    *,
    share: float | None = None,
    alpha: float = 0.05,
    step: Step = lambda count: None,
) -> Figures:
    """Return every figure of an experiment and its verdict."""
    both = [arms[name] for name in ARMS]
    ratio = _ratio(clients, share)
    means = [_mean(arm.sold, arm.price, arm.clients) for arm in both]
    found = means[1].less(means[0])
    is_enough = min(len(arm.sold) for arm in both) >= MINIMUMS["figures"]
    told = verdict(found, means, alpha)
    if ratio.get("is_mismatch"):
        told = {"is": NOT_COMPARABLE, "text": _mismatch(ratio)}
    return {
        "alpha": alpha,
        "arms": dict(zip(ARMS, map(_described, both, means), strict=True)),
        "ratio": ratio,
        "fixed": _fixed(both, step) if is_enough else None,
        "sequence": _sequence(found, alpha) if is_enough else None,
        "verdict": told,
        "paired": _paired(pairs, alpha),
    }


def errors(sold: FloatArray, price: FloatArray) -> FloatArray:
    """Return the absolute percentage errors, as fractions."""
    return np.asarray(np.abs(price / sold - 1))


def _mean(sold: FloatArray, price: FloatArray, clients: Any) -> Mean:
    return sequential.mean(np.minimum(errors(sold, price), CUT), clients)


def _described(arm: Arm, found: Mean) -> Figures:
    n = len(arm.sold)
    described: Figures = {"answers": arm.answers, "fallbacks": arm.fallbacks}
    described |= {"outcomes": n, "clients_with_outcomes": found.clients}
    if n < MINIMUMS["figures"]:
        return described
    figures = {
        "mdape": ratios.mdape(arm.sold, arm.price),
        "ppe10": ratios.ppe(arm.sold, arm.price, 0.10),
        "bias": ratios.bias(arm.sold, arm.price),
        "mean_error": found.value,
    }
    return described | {name: round(figure, 4) for name, figure in figures.items()}


def _ratio(clients: Clients, share: float | None) -> Figures:
    """Check that clients came to the arms as the share says."""
    counts = [clients.champion, clients.challenger]
    found: Figures = {"clients": counts, "moved": clients.moved, "share": share}
    if share is None:
        return found | {"p": None, "unchecked": "the share is not known"}
    expected = [sum(counts) * (1 - share), sum(counts) * share]
    if min(expected) < MINIMUMS["expected"]:
        return found | {"p": None, "unchecked": "too few known clients"}
    p = float(stats.chisquare(counts, expected).pvalue)
    return found | {"p": float(f"{p:.3g}"), "is_mismatch": p < MISMATCH}


def _mismatch(ratio: Figures) -> str:
    champion, challenger = ratio["clients"]
    return (
        f"Arms are not comparable: {challenger:,} of {champion + challenger:,} clients "
        f"came to the challenger, its share is {100 * ratio['share']:g} % (chi-square "
        f"p = {ratio['p']:.2g}). Find out why before anything is read from them"
    )


def _fixed(both: list[Arm], step: Step) -> Figures:
    """Compare the arms as if this were the only look there ever is."""
    champion, challenger = (errors(arm.sold, arm.price) for arm in both)
    clients = both[1].clients, both[0].clients
    return significance.unpaired(challenger, champion, clients, step=step)


def _sequence(found: Mean, alpha: float) -> Figures | None:
    """Return how much higher the challenger's mean error is, sound at every look."""
    radius = sequential.radius(found.variance, alpha)
    if not np.isfinite(radius):
        return None
    return {
        "difference": round(found.value, 5),
        "low": round(found.value - radius, 5),
        "high": round(found.value + radius, 5),
    }


def verdict(found: Mean, means: Sequence[Mean], alpha: float) -> Figures:
    """Say what a difference, challenger less champion, comes to: in a word and a line.

    `means` are those that have to rest on enough.
    """
    if lacks := _lacks(means):
        return {"is": TOO_FEW, "text": f"Too few: {lacks}"}
    radius = sequential.radius(found.variance, alpha)
    ends = sorted(100 * abs(found.value + end) for end in (radius, -radius))
    if abs(found.value) > radius:
        better, worse = ARMS if found.value > 0 else ARMS[::-1]
        text = (
            f"The {better} is better: its mean error is {100 * abs(found.value):.2f} "
            f"points lower than the {worse}'s ({ends[0]:.2f} to {ends[1]:.2f}, at "
            f"every look with {100 * (1 - alpha):g} % confidence)"
        )
        return {"is": better, "text": text}
    more = sequential.still_needed(found, DIFFERENCE, alpha)
    text = f"No difference found yet: one beyond {ends[1]:.2f} points is ruled out"
    if more:
        text += f"; about {more:,} more outcomes would show one of {100 * DIFFERENCE:g}"
    return {"is": NONE, "needed": more, "text": text}


def _lacks(means: Sequence[Mean]) -> str:
    """Say what is missing for a verdict, if anything."""
    for what, counts in (
        ("outcomes", [found.n for found in means]),
        ("clients", [found.clients for found in means]),
    ):
        if min(counts) < MINIMUMS[what]:
            shown = " and ".join(f"{count:,}" for count in counts)
            each = " of each arm" if len(counts) > 1 else ""
            return f"{shown} {what}, {MINIMUMS[what]}{each} are needed"
    return ""


def _paired(pairs: Pairs, alpha: float) -> Figures | None:
    """Compare the models on the homes that both valued."""
    if len(pairs.sold) < MINIMUMS["figures"]:
        return None
    cut = [
        np.minimum(errors(pairs.sold, price), CUT)
        for price in (pairs.challenger, pairs.champion)
    ]
    found = sequential.mean(cut[0] - cut[1], pairs.clients)
    compared = significance.paired(pairs.sold, pairs.challenger, pairs.champion)
    return {
        "fixed": compared,
        "sequence": _sequence(found, alpha),
        "verdict": verdict(found, [found], alpha),
    }
