"""Experiments that are simulated, with a look after every 50 outcomes.

`python tests/training/outcomes_to_come.py` prints the error rates of docs/experiments.md.
"""

import sys
from functools import partial
from pathlib import Path

import numpy as np
from scipy import stats

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))  # run as a script, from wherever

from housing_app.training import sequential  # noqa: E402
from housing_app.training.experiment import (  # noqa: E402
    ARMS,
    CUT,
    Clients,
    _ratio,
    verdict,
)

LOOK = 50
TAILS = 4.0  # degrees of freedom of a t distribution, as errors of log prices have
_USUAL = stats.t.ppf(0.75, TAILS)  # half of its values are nearer to 0


def errors(rng, n, mdape, tails=TAILS):
    return scaled(rng.standard_t(tails, n), mdape)


def scaled(raw, mdape):
    """Return absolute errors of prices whose logs are off by multiples of these."""
    return np.abs(np.exp(np.log1p(mdape) / _USUAL * raw) - 1)


def winner(found, is_challenger, clients, alpha=0.05):
    """Return who is first said to be better, or "" if nobody ever is."""
    cut = np.minimum(found, CUT)
    for seen in range(LOOK, len(found) + 1, LOOK):
        means = [
            sequential.mean(cut[:seen][arm], clients[:seen][arm])
            for arm in (~is_challenger[:seen], is_challenger[:seen])
        ]
        said = verdict(means[1].less(means[0]), means, alpha)["is"]
        if said in ARMS:
            return said
    return ""


def one(rng, n, mdapes, share=0.5, tails=TAILS, alpha=0.05):
    """Simulate an experiment of n outcomes, each of a client of its own."""
    is_challenger = rng.random(n) < share
    both = [errors(rng, n, mdape, tails) for mdape in mdapes]
    return winner(
        np.where(is_challenger, *both[::-1]), is_challenger, np.arange(n), alpha
    )


def of_clients(rng, n, mdape, count, *, known=True, share=0.5):
    """Simulate equal models; homes of some clients are harder to value than others'.

    Each client keeps coming back, and has one arm. known: to the test.
    """
    arm = rng.permutation(count) < share * count
    hardness = np.exp(rng.normal(0, 0.4, count))
    clients = rng.integers(0, count, n)
    found = hardness[clients] * errors(rng, n, mdape)
    return winner(found, arm[clients], clients if known else np.arange(n))


def paired(rng, n, mdapes, alpha=0.05, alike=0.8):
    """Simulate homes that both models value."""
    common = rng.standard_t(TAILS, n)
    cut = []
    for mdape in mdapes:
        # What no model can know of a home is in the errors of both.
        raw = np.sqrt(alike) * common + np.sqrt(1 - alike) * rng.standard_t(TAILS, n)
        cut.append(np.minimum(scaled(raw, mdape), CUT))
    gap, clients = cut[1] - cut[0], np.arange(n)
    for seen in range(LOOK, n + 1, LOOK):
        found = sequential.mean(gap[:seen], clients[:seen])
        if (said := verdict(found, [found], alpha)["is"]) in ARMS:
            return said
    return ""


def voided(rng, clients=5_000, share=0.1):
    """Look at arms that are as they should be after every 50 clients."""
    came = np.cumsum(rng.random(clients) < share)[LOOK - 1 :: LOOK].tolist()
    pairs = zip(range(LOOK, clients + 1, LOOK), came, strict=True)
    looks = (_ratio(Clients(n - found, found), share) for n, found in pairs)
    return any(look.get("is_mismatch") for look in looks)


def rate(simulate, runs, seed=1):
    """Return the share of experiments that end with each winner."""
    rng = np.random.default_rng(seed)
    found = [simulate(rng) for _ in range(runs)]
    return {arm: found.count(arm) / runs for arm in ARMS}


EQUAL, BETTER = (0.082, 0.082), (0.095, 0.082)
PLANS = {
    "equal, half each": partial(one, n=6_000, mdapes=EQUAL),
    "equal, share 0.1": partial(one, n=6_000, mdapes=EQUAL, share=0.1),
    "equal, heavier tails": partial(one, n=6_000, mdapes=EQUAL, tails=2.5),
    "equal, 200 clients": partial(of_clients, n=6_000, mdape=0.082, count=200),
    "the same, clients unknown": partial(
        of_clients, n=6_000, mdape=0.082, count=200, known=False
    ),
    "equal, on the same homes": partial(paired, n=6_000, mdapes=EQUAL),
    "better, half each, 1,000": partial(one, n=1_000, mdapes=BETTER),
    "better, half each, 3,000": partial(one, n=3_000, mdapes=BETTER),
    "better, half each, 6,000": partial(one, n=6_000, mdapes=BETTER),
    "better, share 0.1, 3,000": partial(one, n=3_000, mdapes=BETTER, share=0.1),
    "better, share 0.1, 6,000": partial(one, n=6_000, mdapes=BETTER, share=0.1),
    "better, share 0.1, 12,000": partial(one, n=12_000, mdapes=BETTER, share=0.1),
    "better, on the same homes, 500": partial(paired, n=500, mdapes=BETTER),
}


def main(runs=2_000):
    """Print a Markdown table."""
    print("| Models | champion better | challenger better |")
    print("| --- | ---: | ---: |")
    for name, plan in PLANS.items():
        cells = (f"{100 * share:.1f} %" for share in rate(plan, runs).values())
        print(f"| {name} | {' | '.join(cells)} |", flush=True)
    rng = np.random.default_rng(1)
    found = sum(voided(rng) for _ in range(runs)) / runs
    print(f"\nArms as they should be, not comparable at some look: {100 * found:.1f} %")


if __name__ == "__main__":
    main()
