"""Ranges that hold what they promise."""

import json

import numpy as np
import pytest

from housing_app.valuation import intervals
from housing_app.valuation.intervals import (
    EVEN,
    LEVELS,
    Bands,
    Calibration,
    Group,
    bands,
    calibrate,
    widening,
)


def skewed(rng, n):
    """Errors as sales have them: few far too low, a long tail of far too high."""
    return 0.1 * (rng.gamma(2.0, size=n) - 2.0) - 0.03


def calibrated(n=500, seed=3, missing=0):
    return calibrate(skewed(np.random.default_rng(seed), n), np.ones(n), missing)


def bounds(group, price, scale, level):
    """The ends of the ranges of homes of one group."""
    missing = np.zeros(len(price))
    return Calibration([group]).bounds(price, scale, missing, level)


@pytest.mark.parametrize("level", LEVELS)
def test_a_range_covers_the_stated_share_of_fresh_sales(level):
    rng = np.random.default_rng(20150331)
    n, rounds = 150, 300
    covered = []
    for _ in range(rounds):
        found = calibrate(skewed(rng, n), np.ones(n))
        low, high = bounds(found, np.ones(n), np.ones(n), level)
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
    low, high = bounds(found, np.ones(10_000), scale[10_000:], level)
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
        outer = np.array(bounds(found, price, scale, level))
        assert (outer[0] < inner[0]).all()
        assert (outer[1] > inner[1]).all()
        inner = outer


def test_bounds_are_multiples_of_the_price_in_log_space():
    found = Group(0, dict.fromkeys(LEVELS, (-0.2, 0.3)), 0.1)
    low, high = bounds(found, np.array([100.0]), np.array([2.0]), 0.9)
    assert low[0] == pytest.approx(100 * np.exp(-0.4))
    assert high[0] == pytest.approx(100 * np.exp(0.6))


@pytest.mark.parametrize("shift", [-2.0, 2.0])
def test_a_range_holds_its_price_even_when_every_error_has_one_sign(shift):
    error = skewed(np.random.default_rng(5), 300) + shift
    found = calibrate(error, np.ones(300))
    for level in LEVELS:
        low, high = bounds(found, np.ones(1), np.ones(1), level)
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
    found = Calibration([calibrated(), calibrated(seed=4, missing=1)])
    stored = json.loads(json.dumps(found.to_json()))
    # In JSON keys are text and pairs are lists; no digit may be lost.
    again = Calibration.from_json(stored)
    assert again.to_json() == found.to_json() == stored
    assert [g.multipliers for g in again.groups] == [
        g.multipliers for g in found.groups
    ]


# --- groups by the number of unknown fields -------------------------------------------

WIDTHS = {0: 0.1, 1: 0.2, 2: 0.3, 6: 0.4}
GROUPED = Calibration(
    [Group(m, dict.fromkeys(LEVELS, (-w, w)), w) for m, w in WIDTHS.items()]
)


@pytest.mark.parametrize(
    ("missing", "width"),
    [(0, 0.1), (1, 0.2), (2, 0.3), (3, 0.3), (5, 0.3), (6, 0.4), (7, 0.4), (17, 0.4)],
)
def test_a_home_is_of_the_last_group_that_starts_at_or_before_what_it_lacks(
    missing, width
):
    one, counts = np.ones(1), np.array([float(missing)])
    low, high = GROUPED.bounds(one, one, counts, 0.8)
    assert (np.log(low[0]), np.log(high[0])) == pytest.approx((-width, width))
    assert GROUPED.fsds(one, counts)[0] == width


def test_homes_of_a_batch_are_each_of_their_own_group():
    missing = np.array([6.0, 0.0, 2.0, 1.0])
    spread = np.array([1.0, 2.0, 3.0, 4.0])
    fsds = GROUPED.fsds(spread, missing)
    np.testing.assert_allclose(fsds, [0.4, 0.2, 0.9, 0.8])
    _, high = GROUPED.bounds(np.full(4, 100.0), spread, missing, 0.5)
    np.testing.assert_allclose(np.log(high / 100), fsds)


@pytest.mark.parametrize("missing", [0, 1, 2, 6])
def test_a_calibrated_group_says_where_it_starts(missing):
    error = np.random.default_rng(2).normal(0, 0.1, 200)
    assert calibrate(error, np.ones(200), missing).missing == missing


@pytest.mark.parametrize("level", LEVELS)
def test_each_group_keeps_its_own_coverage(level):
    # Homes that lack fields err twice as much as their spread foresees.
    rng = np.random.default_rng(12)
    scales = {0: 1.0, 1: 2.0}
    groups = [
        calibrate(scale * rng.normal(size=4000), np.ones(4000), missing)
        for missing, scale in scales.items()
    ]
    missing = rng.integers(0, 2, 20_000).astype(float)
    sold = np.exp(np.where(missing == 1, 2.0, 1.0) * rng.normal(size=20_000))
    ones = np.ones(20_000)
    low, high = Calibration(groups).bounds(ones, ones, missing, level)
    inside = (low <= sold) & (sold <= high)
    for m in scales:
        assert inside[missing == m].mean() == pytest.approx(level, abs=0.025)


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


def test_no_group_is_narrower_than_the_one_before_it():
    ends = [(-0.2, 0.3), (-0.1, 0.4), (-0.3, 0.2)]
    groups = [
        Group(missing, dict.fromkeys(LEVELS, pair), fsd)
        for missing, pair, fsd in zip((0, 1, 6), ends, (0.2, 0.1, 0.3), strict=True)
    ]
    found = widening(groups)
    assert [g.missing for g in found] == [0, 1, 6]
    assert [g.multipliers[0.9] for g in found] == [
        (-0.2, 0.3),
        (-0.2, 0.4),
        (-0.3, 0.4),
    ]
    assert [g.fsd for g in found] == [0.2, 0.2, 0.3]


def test_groups_that_widen_already_stay_as_they_are():
    groups = [
        Group(m, dict.fromkeys(LEVELS, (-w, w)), w)
        for m, w in {0: 0.1, 1: 0.2, 6: 0.3}.items()
    ]
    assert widening(groups) == groups


# --- bands of price -------------------------------------------------------------------


@pytest.fixture
def uneven():
    """Errors of which the cheapest fifth is twice as wide as its spread says."""
    rng = np.random.default_rng(21)
    log_price = rng.normal(13, 0.5, 5_000)
    wide = np.where(log_price < np.quantile(log_price, 0.2), 2.0, 1.0)
    return wide * rng.normal(0, 0.1, 5_000), np.full(5_000, 0.1), log_price


def test_homes_of_a_price_that_err_more_get_a_wider_band(uneven):
    found = bands(*uneven)
    assert len(found.factors) == 5
    assert (np.diff(found.centers) > 0).all()
    assert found.factors[0] > 1.4 * found.factors[1:].max()
    np.testing.assert_allclose(found.factors[1:], found.factors[1:].mean(), rtol=0.1)


def test_between_two_bands_factors_go_over_into_each_other(uneven):
    found = bands(*uneven)
    at = np.linspace(found.centers[0] - 3, found.centers[-1] + 3, 1_001)
    factors = found.factors_at(at)
    assert np.abs(np.diff(factors)).max() < 0.05
    np.testing.assert_allclose(found.factors_at(found.centers), found.factors)
    # Beyond the bands the last one counts.
    assert factors[0] == found.factors[0]
    assert factors[-1] == found.factors[-1]


@pytest.mark.parametrize("level", [0.8, 0.9])
def test_with_bands_the_coverage_is_even(uneven, level):
    error, spread, log_price = uneven
    wider = spread * bands(*uneven).factors_at(log_price)
    low, high = bounds(calibrate(error, wider), np.ones(5_000), wider, level)
    inside = (low <= np.exp(error)) & (np.exp(error) <= high)
    cheap = log_price < np.quantile(log_price, 0.2)
    assert inside[cheap].mean() == pytest.approx(level, abs=0.05)
    assert inside[~cheap].mean() == pytest.approx(level, abs=0.03)


def test_errors_that_follow_their_spread_need_no_bands():
    rng = np.random.default_rng(22)
    spread = rng.uniform(0.05, 0.2, 5_000)
    found = bands(spread * rng.normal(size=5_000), spread, rng.normal(13, 0.5, 5_000))
    np.testing.assert_allclose(found.factors, 1, atol=0.12)


def test_too_few_sales_make_no_bands():
    rng = np.random.default_rng(23)
    few = rng.normal(0, 0.1, 200), np.full(200, 0.1), rng.normal(13, 0.5, 200)
    assert bands(*few) is EVEN
    assert EVEN.factors_at(np.array([9.0, 13.0, 16.0])).tolist() == [1, 1, 1]


def test_json_keeps_bands_exactly(uneven):
    found = bands(*uneven)
    again = Bands.from_json(json.loads(json.dumps(found.to_json())))
    assert again.centers.tolist() == found.centers.tolist()
    assert again.factors.tolist() == found.factors.tolist()


@pytest.mark.parametrize(
    "changes",
    [
        {"factors": [1.0]},
        {"factors": [1.0, 0.0]},
        {"factors": [1.0, -1.0]},
        {"factors": [1.0, float("nan")]},
        {"centers": [13.0, 12.0]},
        {"centers": [], "factors": []},
    ],
)
def test_bands_that_do_not_fit_together_are_refused(changes):
    stored = {"centers": [12.0, 13.0], "factors": [1.0, 2.0]}
    Bands.from_json(stored)
    with pytest.raises(ValueError, match="bands"):
        Bands.from_json(stored | changes)
