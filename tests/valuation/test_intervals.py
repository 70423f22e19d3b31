"""Ranges that hold what they promise."""

import json

import numpy as np
import pytest

from housing_app.valuation import intervals
from housing_app.valuation.intervals import LEVELS, Calibration, calibrate


def skewed(rng, n):
    """Errors as sales have them: few far too low, a long tail of far too high."""
    return 0.1 * (rng.gamma(2.0, size=n) - 2.0) - 0.03


def calibrated(n=500, seed=3):
    return calibrate(skewed(np.random.default_rng(seed), n), np.ones(n))


@pytest.mark.parametrize("level", LEVELS)
def test_a_range_covers_the_stated_share_of_fresh_sales(level):
    rng = np.random.default_rng(20150331)
    n, rounds = 150, 300
    covered = []
    for _ in range(rounds):
        found = calibrate(skewed(rng, n), np.ones(n))
        low, high = found.bounds(np.ones(n), np.ones(n), level)
        sold = np.exp(skewed(rng, n))
        covered.append(np.mean((low <= sold) & (sold <= high)))
    # On average at least the level, and at most two sales in 151 more, give or take
    # the noise of 45,000 draws.
    noise = 3 * np.sqrt(0.25 * 2 / (n * rounds))
    assert level - noise <= np.mean(covered) <= level + 2 / (n + 1) + noise


@pytest.mark.parametrize(("level", "rank"), [(0.5, 750), (0.8, 900), (0.9, 950)])
def test_each_end_is_the_order_statistic_that_covers_its_half(level, rank):
    # Of the 999 errors -499 … 499, the 750th has exactly 750/1,000 below a fresh one.
    found = calibrate(np.arange(-499.0, 500.0), np.ones(999))
    low, high = found.multipliers[level]
    assert high in (rank - 500, rank - 499)
    assert low in (500 - rank, 499 - rank)


@pytest.mark.parametrize("level", LEVELS)
def test_homes_that_are_hard_to_value_get_wider_ranges_of_the_same_coverage(level):
    rng = np.random.default_rng(7)
    scale = rng.uniform(0.05, 0.4, 20_000)
    error = scale * rng.standard_t(4, 20_000)
    found = calibrate(error[:10_000], scale[:10_000])
    low, high = found.bounds(np.ones(10_000), scale[10_000:], level)
    sold = np.exp(error[10_000:])
    inside = (low <= sold) & (sold <= high)
    hard = scale[10_000:] > 0.3
    assert inside[hard].mean() == pytest.approx(level, abs=0.02)
    assert inside[~hard].mean() == pytest.approx(level, abs=0.02)
    assert np.median((high - low)[hard]) > 1.5 * np.median((high - low)[~hard])


def test_a_higher_level_has_a_wider_range_around_the_same_price():
    found = calibrated()
    price, scale = np.array([250_000.0, 1e6]), np.ones(2)
    inner = np.array([price, price])
    for level in sorted(LEVELS):
        outer = np.array(found.bounds(price, scale, level))
        assert (outer[0] < inner[0]).all()
        assert (outer[1] > inner[1]).all()
        inner = outer


def test_bounds_are_multiples_of_the_price_in_log_space():
    found = Calibration({0.9: (-0.2, 0.3)}, 0.1)
    low, high = found.bounds(np.array([100.0]), np.array([2.0]), 0.9)
    assert low[0] == pytest.approx(100 * np.exp(-0.4))
    assert high[0] == pytest.approx(100 * np.exp(0.6))


@pytest.mark.parametrize("shift", [-2.0, 2.0])
def test_a_range_holds_its_price_even_when_every_error_has_one_sign(shift):
    error = skewed(np.random.default_rng(5), 300) + shift
    found = calibrate(error, np.ones(300))
    for level in LEVELS:
        low, high = found.bounds(np.ones(1), np.ones(1), level)
        assert low[0] < 1 < high[0]


def test_ninety_nine_sales_are_too_few_to_calibrate():
    with pytest.raises(ValueError, match="99 sales are too few"):
        calibrated(n=99)


def test_a_hundred_sales_are_enough():
    assert set(calibrated(n=100).multipliers) == set(LEVELS)


def test_the_fsd_is_the_standard_deviation_of_normal_errors():
    error = np.random.default_rng(9).normal(0, 0.17, 20_000)
    assert calibrate(error, np.ones(20_000)).fsd == pytest.approx(0.17, rel=0.03)


def test_json_keeps_a_calibration_exactly():
    found = calibrated()
    assert Calibration.from_json(json.loads(json.dumps(found.to_json()))) == found


@pytest.mark.parametrize(
    ("fsd", "grade"),
    [
        (0.0, "high"),
        (0.13, "high"),
        (0.1301, "medium"),
        (0.20, "medium"),
        (0.2001, "low"),
        (9.0, "low"),
    ],
)
def test_the_grade_follows_from_the_fsd(fsd, grade):
    assert intervals.grade(fsd) == grade
