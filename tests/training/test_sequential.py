"""The boundary holds at every look, and is not much wider than it has to be."""

from math import inf, sqrt

import numpy as np
import pytest
from scipy import stats
from training import outcomes_to_come as simulated

from housing_app.training import sequential
from housing_app.training.sequential import Mean


def holds_at_most(count, runs, rate):
    """Say whether a rate is not refuted, with 1 % to be wrong."""
    return stats.binomtest(count, runs, rate, "greater").pvalue > 0.01


# --- means ----------------------------------------------------------------------------


def test_the_variance_of_independent_values_is_the_usual_one():
    values = np.random.default_rng(1).normal(0.1, 0.05, 500)
    found = sequential.mean(values, np.arange(500))
    assert (found.n, found.clients) == (500, 500)
    assert found.value == pytest.approx(values.mean())
    assert found.variance == pytest.approx(values.var(ddof=1) / 500)


def test_what_a_client_repeats_counts_once():
    values = np.random.default_rng(1).normal(0.1, 0.05, 100)
    once = sequential.mean(values, np.arange(100))
    often = sequential.mean(np.repeat(values, 7), np.repeat(np.arange(100), 7))
    assert (often.n, often.clients) == (700, 100)
    assert often.variance == pytest.approx(once.variance)


def test_the_variance_is_that_of_means_of_other_clients():
    rng = np.random.default_rng(2)
    means, told = [], []
    for _ in range(400):
        hardness = rng.gamma(4, 0.02, 80)
        clients = rng.integers(0, 80, 600)
        found = sequential.mean(rng.exponential(hardness[clients]), clients)
        means.append(found.value)
        told.append(found.variance)
    assert len(means) == 400
    assert np.mean(told) == pytest.approx(np.var(means), rel=0.2)


def test_nothing_and_one_client_have_no_variance():
    assert sequential.mean(np.zeros(0), np.zeros(0, int)) == Mean(0, 0, 0.0, inf)
    assert sequential.mean(np.ones(9), np.zeros(9, int)).variance == inf
    assert sequential.radius(inf, 0.05) == inf
    assert sequential.still_needed(Mean(9, 1, 1.0, inf), 0.01, 0.05) is None


# --- the boundary ---------------------------------------------------------------------


def test_a_brownian_motion_leaves_the_boundary_as_seldom_as_it_says():
    """Of information from 10,000 on: the minimum of outcomes is about as much."""
    runs, alpha = 2_000, 0.1
    information = np.geomspace(1e4, 1e7, 1_000)
    steps = np.diff(information, prepend=0)
    rng = np.random.default_rng(3)
    radii = [sequential.radius(1 / one, alpha) for one in information]
    paths = np.cumsum(rng.normal(0, np.sqrt(steps), (runs, len(steps))), axis=1)
    left = int((np.abs(paths / information) > radii).any(axis=1).sum())
    assert holds_at_most(left, runs, alpha)
    assert left > 0.4 * alpha * runs, "much wider than it need be"


def test_the_boundary_is_narrowest_for_the_difference_it_is_made_for():
    information = np.geomspace(1e3, 1e8, 2_000)
    widths = [sequential.radius(1 / x, 0.05) * sqrt(x) for x in information]
    best = information[np.argmin(widths)]
    assert sequential.radius(1 / best, 0.05) == pytest.approx(0.01, rel=0.1)
    for times in (0.2, 5):
        here = best * times
        wider = sequential.radius(1 / here, 0.05) * sqrt(here) / min(widths)
        assert 1 < wider < 1.12


@pytest.mark.parametrize("alpha", [0.01, 0.05, 0.2])
def test_with_as_many_more_as_are_needed_the_difference_shows(alpha):
    found = Mean(1_000, 1_000, 0.0, 1.2e-5)
    more = sequential.still_needed(found, 0.005, alpha)
    then = found.variance * found.n / (found.n + more)
    assert sequential.radius(then, alpha) == pytest.approx(0.005, rel=1e-3)
    assert sequential.still_needed(found, 0.5, alpha) == 0


# --- experiments ----------------------------------------------------------------------

RUNS = 400


def test_equal_models_are_told_apart_no_more_often_than_alpha():
    for share in (0.5, 0.1):
        found = simulated.rate(
            lambda rng, s=share: simulated.one(rng, 3_000, simulated.EQUAL, s), RUNS
        )
        wrong = round(RUNS * sum(found.values()))
        assert holds_at_most(wrong, RUNS, 0.05), (share, found)


def test_a_usual_test_at_every_look_would_be_wrong_far_more_often():
    """Or the simulation could not tell a sound test from another."""
    rng = np.random.default_rng(5)
    errors = np.minimum(simulated.errors(rng, (RUNS, 2, 1_500), 0.082), 1)
    seen = np.arange(100, 1_501, simulated.LOOK // 2)
    means = np.cumsum(errors, axis=2)[..., seen - 1] / seen
    variances = np.cumsum(errors**2, axis=2)[..., seen - 1] / seen - means**2
    off = (means[:, 0] - means[:, 1]) / np.sqrt(variances.sum(axis=1) / seen)
    looks = np.abs(off)
    assert np.mean((looks > 1.96).any(axis=1)) > 0.15
    assert looks.shape[0] == RUNS


def test_a_better_challenger_is_found_as_often_as_the_document_says():
    runs = 200
    found = simulated.rate(
        lambda rng: simulated.one(rng, 3_000, simulated.BETTER), runs
    )
    assert found["champion"] <= 0.01
    assert stats.binomtest(round(runs * found["challenger"]), runs, 0.83).pvalue > 0.01


def test_clients_that_differ_do_not_make_equal_models_differ():
    def rate(known):
        return sum(
            simulated.rate(
                lambda rng: simulated.of_clients(rng, 2_000, 0.082, 80, known=known),
                RUNS,
            ).values()
        )

    assert holds_at_most(round(RUNS * rate(known=True)), RUNS, 0.05)
    assert rate(known=False) > 0.1, "they differ enough to mislead who knows of none"


def test_on_the_same_homes_equal_models_are_told_apart_no_more_often():
    found = simulated.rate(
        lambda rng: simulated.paired(rng, 2_000, simulated.EQUAL), RUNS
    )
    assert holds_at_most(round(RUNS * sum(found.values())), RUNS, 0.05)


def test_on_the_same_homes_a_better_challenger_is_found_sooner():
    found = simulated.rate(
        lambda rng: simulated.paired(rng, 500, simulated.BETTER), 100
    )
    assert found["challenger"] > 0.8
