"""Bootstrap intervals and paired tests."""

import numpy as np
import pytest
from scipy import stats

from housing_app.training import significance
from housing_app.valuation import ratios


def valued(n=2_000, noise=0.15, seed=1):
    """Return prices and valuations with errors of that size."""
    rng = np.random.default_rng(seed)
    price = np.exp(rng.normal(13, 0.5, n))
    return price, price * np.exp(rng.normal(0, noise, n))


@pytest.mark.parametrize("name", significance.STATISTICS)
def test_a_statistic_of_one_sample_is_the_figure_of_accuracy(name):
    price, predicted = valued()
    found = significance.STATISTICS[name](price[None], predicted[None])
    assert found.shape == (1,)
    assert found[0] == pytest.approx(ratios.accuracy(price, predicted)[name], abs=6e-5)


@pytest.mark.parametrize("name", significance.STATISTICS)
def test_samples_are_each_judged_alone(name):
    one, other = valued(seed=1), valued(seed=2, noise=0.3)
    both = [np.stack(part) for part in zip(one, other, strict=True)]
    statistic = significance.STATISTICS[name]
    single = [statistic(p[None], v[None])[0] for p, v in (one, other)]
    np.testing.assert_allclose(statistic(*both), single)


@pytest.mark.parametrize("name", significance.STATISTICS)
def test_an_interval_holds_the_figure_and_shrinks_with_more_sales(name):
    widths = []
    for n in (200, 5_000):
        price, predicted = valued(n)
        low, high = significance.intervals(price, predicted, 400)[name]
        assert low <= ratios.accuracy(price, predicted)[name] <= high
        widths.append(high - low)
    assert widths[1] < widths[0] / 3


def test_an_interval_is_as_wide_as_theory_says():
    price, predicted = valued(5_000, noise=0.2)
    low, high = significance.intervals(price, predicted)["bias"]
    # The standard error of a median of normal errors.
    expected = 2 * 1.96 * 0.2 * np.sqrt(np.pi / 2 / 5_000)
    assert high - low == pytest.approx(expected, rel=0.2)


def test_the_same_sales_give_the_same_interval():
    price, predicted = valued()
    first, second = (significance.intervals(price, predicted, 250) for _ in range(2))
    assert first == second


def test_a_model_with_smaller_errors_is_better_for_sure():
    price, good = valued(noise=0.10)
    _, bad = valued(noise=0.20)
    found = significance.paired(price, good, bad)
    assert found["mdape"][0] < found["mdape"][1]
    assert found["low"] <= found["difference"] <= found["high"] < 0
    assert found["wilcoxon"] < 1e-6
    assert found["sign_test"] < 1e-6
    assert found["closer"] > 0.6


def test_the_other_way_round_gives_the_opposite():
    price, a = valued(noise=0.10)
    _, b = valued(noise=0.11, seed=3)
    there, back = significance.paired(price, a, b), significance.paired(price, b, a)
    assert back["difference"] == -there["difference"]
    assert (back["low"], back["high"]) == (-there["high"], -there["low"])
    assert back["wilcoxon"] == there["wilcoxon"]
    assert back["closer"] == pytest.approx(1 - there["closer"], abs=1e-4)


def test_models_that_agree_do_not_differ():
    price, predicted = valued(300)
    found = significance.paired(price, predicted, predicted, 200)
    assert (found["difference"], found["low"], found["high"]) == (0, 0, 0)
    assert (found["wilcoxon"], found["sign_test"], found["closer"]) == (1, 1, 0.5)


def test_equally_good_models_seldom_differ_for_sure():
    sure = 0
    for seed in range(40):
        price, a = valued(300, seed=2 * seed)
        rng = np.random.default_rng(1_000 + seed)
        b = price * np.exp(rng.normal(0, 0.15, 300))
        found = significance.paired(price, a, b, 300)
        sure += not found["low"] <= 0 <= found["high"]
    assert stats.binomtest(sure, 40, 0.05, "greater").pvalue > 0.01


def test_the_p_values_are_those_of_scipy():
    price, a = valued(400)
    _, b = valued(400, noise=0.17, seed=4)
    found = significance.paired(price, a, b, 100)
    gap = np.abs(a / price - 1) - np.abs(b / price - 1)
    assert found["wilcoxon"] == pytest.approx(stats.wilcoxon(gap).pvalue, rel=0.01)
    sign = stats.binomtest(int((gap < 0).sum()), 400).pvalue
    assert found["sign_test"] == pytest.approx(sign, rel=0.01)


def test_chance_is_the_standard_error_of_paired_differences():
    rng = np.random.default_rng(4)
    price = np.exp(rng.normal(13, 0.5, 2_000))
    a = price * np.exp(rng.normal(0, 0.12, 2_000))
    near = a * np.exp(rng.normal(0, 0.01, 2_000))
    far = price * np.exp(rng.normal(0, 0.12, 2_000))
    assert significance.chances(price, a, a) == dict.fromkeys(
        significance.STATISTICS, 0.0
    )
    paired, apart = (significance.chances(price, a, b) for b in (near, far))
    assert all(0 < paired[name] < apart[name] / 2 for name in significance.STATISTICS)
    # Two shares of independent errors: the textbook's standard error.
    share = np.mean(np.abs(a / price - 1) <= 0.1)
    expected = np.sqrt(2 * share * (1 - share) / 2_000)
    assert apart["ppe10"] == pytest.approx(expected, rel=0.15)
