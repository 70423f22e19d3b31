"""Distributions: nothing in them stands for few homes, and they are compared rightly."""

import json

import numpy as np
import pytest
from scipy import stats

from housing_app.training import distributions
from housing_app.training.distributions import Distribution

RNG = np.random.default_rng


def values(kind, n, seed=1):
    rng = RNG(seed)
    return {
        "smooth": lambda: rng.lognormal(7.5, 0.4, n),
        "grades": lambda: np.clip(np.round(rng.normal(7, 1.2, n)), 1, 13),
        "mostly zero": lambda: np.where(
            rng.random(n) < 0.95, 0, rng.integers(1940, 2015, n)
        ).astype(float),
        "rare ones": lambda: (rng.random(n) < 0.01).astype(float),
        "one value": lambda: np.full(n, 3.0),
        "places": lambda: rng.normal(-122.2, 0.1, n),
    }[kind]()


KINDS = ["smooth", "grades", "mostly zero", "rare ones", "one value", "places"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [5, 60, 700, 20_000])
def test_every_bin_holds_five_homes_and_all_homes_are_in_one(kind, n):
    found = distributions.fit(values(kind, n))
    assert found.counts.min() >= 5
    assert found.counts.sum() == n
    assert len(found.counts) == len(found.edges) + 1 <= 101
    assert (np.diff(found.edges) > 0).all()


def test_the_outermost_values_are_not_kept():
    known = values("smooth", 5_000)
    edges = distributions.fit(known).edges
    assert np.sort(known)[5] < edges[0]
    assert edges[-1] < np.sort(known)[-5]


def test_few_values_have_a_bin_each():
    known = np.repeat([0.0, 1.0, 2.0, 3.0, 4.0], [900, 15, 45, 4, 36])
    found = distributions.fit(known)
    assert found.edges.tolist() == [0, 1, 2], "3 and its four homes go with 4"
    assert found.counts.tolist() == [900, 15, 45, 40]


@pytest.mark.parametrize(("unknown", "told"), [(0, 0), (4, 0), (5, 5), (300, 300)])
def test_fewer_than_five_unknown_are_not_told(unknown, told):
    found = distributions.fit(np.append(values("grades", 500), [np.nan] * unknown))
    assert found.missing == told
    assert found.counts.sum() == 500


def test_a_distribution_comes_back_from_json_the_same():
    found = distributions.fit(np.append(values("places", 3_000), [np.nan] * 9))
    again = Distribution.from_json(json.loads(json.dumps(found.to_json())))
    assert again.edges.tolist() == found.edges.tolist()
    assert again.counts.tolist() == found.counts.tolist()
    assert again.missing == 9


@pytest.mark.parametrize(
    "stored",
    [
        {"edges": [1.0], "counts": [5], "missing": 0},
        {"edges": [2.0, 1.0], "counts": [5, 5, 5], "missing": 0},
    ],
)
def test_what_does_not_fit_together_is_refused(stored):
    with pytest.raises(ValueError, match="fit together"):
        Distribution.from_json(stored)


def compared(usual, now):
    before = distributions.fit(usual)
    counts = distributions.counted(now, before.edges)
    found = distributions.bins(before, counts)
    return before, found, distributions.psi(found), distributions.ks(before, counts)


def test_psi_is_the_sum_over_bins_of_its_definition():
    usual, now = np.repeat([1.0, 2.0], [600, 400]), np.repeat([1.0, 2.0], [150, 250])
    _, _, psi, _ = compared(usual, now)
    before, after = np.array([0.6, 0.4]), np.array([0.375, 0.625])
    expected = np.sum((after - before) * np.log(after / before))
    assert psi.value == pytest.approx(expected, rel=0.01)  # half a home more a bin
    assert psi.p == pytest.approx(
        stats.chi2_contingency([[600, 400], [150, 250]], correction=False).pvalue
    )


@pytest.mark.parametrize("kind", KINDS[:4])
@pytest.mark.parametrize("n", [200, 2_000, 100_000])
def test_bins_of_a_psi_are_ten_or_so_and_hold_enough_on_both_sides(kind, n):
    _, found, _, _ = compared(values(kind, 4_000), values(kind, n, 2))
    assert found.usual.sum() == 4_000
    assert found.now.sum() == n
    assert len(found.usual) <= 10
    share = found.usual.min() / 4_000
    if len(found.usual) > 1:
        assert min(share * n, share * 4_000) >= 10


def test_an_empty_bin_has_a_finite_psi():
    _, found, psi, _ = compared(values("smooth", 4_000), values("smooth", 500) + 3_000)
    assert 0 in found.now.tolist()
    assert 1 < psi.value < 20


@pytest.mark.parametrize("shift", [0.0, 0.05, 0.3])
def test_ks_from_bins_is_near_that_of_all_values_and_never_more(shift):
    usual = values("smooth", 8_000)
    now = values("smooth", 1_500, 2) * np.exp(shift)
    _, _, _, ks = compared(usual, now)
    exact = stats.ks_2samp(usual, now)
    assert exact.statistic - 0.02 < ks.value <= exact.statistic
    assert ks.p >= 0.5 * exact.pvalue


def test_one_value_alone_has_nothing_to_differ_in():
    _, _, psi, ks = compared(values("one value", 900), values("smooth", 300))
    assert psi is None
    assert ks is None


@pytest.mark.parametrize("n", [200, 1_000])
def test_where_nothing_differs_psi_and_ks_are_on_average_what_is_usual(n):
    draws = 400
    pairs = []
    for seed in range(draws):
        usual, now = values("smooth", 2_000, seed), values("smooth", n, draws + seed)
        _, _, psi, ks = compared(usual, now)
        pairs.append((psi.value, psi.usual, ks.value, ks.usual))
    assert len(pairs) == draws == 400
    psi, psi_usual, ks, ks_usual = np.mean(pairs, axis=0)
    assert psi == pytest.approx(psi_usual, rel=0.15)
    assert ks_usual * 0.75 < ks < ks_usual, "the edges miss a little of it"
