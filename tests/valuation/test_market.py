"""The price index: a trend and a season, and nothing else."""

from datetime import date

import numpy as np
import pytest

from housing_app.valuation import market


def index(*days, trend=0.006, season=0.018):
    ordinals = np.array([float(day.toordinal()) for day in days])
    return market.index(ordinals, trend, season)


def test_without_season_prices_rise_by_the_trend_each_month():
    days = date(2014, 5, 1), date(2015, 5, 1), date(2016, 4, 30)
    found = index(*days, season=0)
    # A year of 365 days is 12 months of 30.4375 days, less a quarter of a day.
    months = [0, 365 / 30.4375, 730 / 30.4375]
    np.testing.assert_allclose(found, 0.006 * np.array(months), atol=1e-12)


def test_without_trend_prices_come_back_after_a_year():
    days = [date(2014, month, 9) for month in range(1, 13)]
    later = [date(2018, month, 9) for month in range(1, 13)]
    found, again = index(*days, trend=0), index(*later, trend=0)
    np.testing.assert_allclose(found, again, atol=1e-3)


def test_homes_sell_dearest_in_mid_june_and_cheapest_in_mid_december():
    days = [date.fromordinal(date(2014, 5, 1).toordinal() + d) for d in range(365)]
    found = index(*days, trend=0)
    top, bottom = days[found.argmax()], days[found.argmin()]
    assert (top.month, bottom.month) == (6, 12)
    assert 12 <= top.day <= 18
    assert found.max() == pytest.approx(0.018, rel=1e-3)
    assert found.min() == pytest.approx(-0.018, rel=1e-3)


def test_trend_and_season_add_up():
    day = date(2015, 2, 17)
    both = index(day)
    apart = index(day, season=0) + index(day, trend=0)
    np.testing.assert_allclose(both, apart, atol=1e-15)


def test_the_basis_has_a_row_for_each_day():
    days = np.array([735_354.0, 735_700.0, 735_354.0])
    found = market.basis(days)
    assert found.shape == (3, 2)
    assert found[0].tolist() == found[2].tolist()
    assert market.index(days, 0.006, 0.018)[1] == pytest.approx(
        float(found[1] @ [0.006, 0.018])
    )


def test_no_days_have_no_index():
    assert market.index(np.array([]), 0.006, 0.018).shape == (0,)


def test_a_day_long_before_or_after_still_has_an_index():
    assert np.isfinite(index(date(1900, 1, 1), date(2199, 12, 31))).all()
