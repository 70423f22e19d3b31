"""Reports on sales a model has not seen."""

from dataclasses import replace
from datetime import date
from types import SimpleNamespace

import numpy as np
import pytest

from housing_app.demographics import Demographics
from housing_app.training import dataset, evaluate
from housing_app.training.evaluate import Judged
from housing_app.valuation import explanations, intervals, ratios

CUT = date(2015, 2, 1)


@pytest.fixture(scope="module")
def later(sales):
    return sales.where(~dataset.before(sales, CUT))


@pytest.fixture(scope="module")
def judged(pair, later, shipped_demographics):
    """The grouped baseline's valuations of the later sales."""
    return evaluate.judge(pair[1], later, shipped_demographics)


@pytest.fixture(scope="module")
def report(pair, later, shipped_demographics):
    return evaluate.report(pair[1], later, shipped_demographics)


def priced(sales, prices):
    """Return the sales at other prices."""
    return replace(sales, prices=np.asarray(prices, dtype=float))


def test_a_home_is_valued_at_the_day_of_its_sale(pair, later, shipped_demographics):
    model = pair[0]
    prices, lows, highs = evaluate.predict(model, later, shipped_demographics)
    joined = shipped_demographics.join(later.homes.zipcodes, model.demographics)
    assert prices.tolist() == model.value(later.homes, joined).prices.tolist()
    assert (lows < prices).all()
    assert (prices < highs).all()


def test_overall_figures_are_those_of_all_later_sales(later, judged, report):
    assert report["overall"] == ratios.accuracy(later.prices, judged.predicted)
    assert report["overall"]["n"] == len(later)
    assert (report["from"], report["to"]) == tuple(d.isoformat() for d in later.window)
    assert report["from"] >= CUT.isoformat()


def test_each_figure_lies_in_its_bootstrap_interval(report):
    for name, (low, high) in report["bootstrap"].items():
        assert low <= report["overall"][name] <= high


@pytest.mark.parametrize("level", intervals.LEVELS)
def test_coverage_is_the_share_of_prices_inside_the_range(
    pair, later, report, shipped_demographics, level
):
    price, low, high = evaluate.predict(pair[1], later, shipped_demographics, level)
    inside = [a <= p <= b for p, a, b in zip(later.prices, low, high, strict=True)]
    found = report["coverage"][str(level)]
    assert found["achieved"] == pytest.approx(sum(inside) / len(inside), abs=1e-4)
    assert found["relative_width"] == pytest.approx(
        np.median((high - low) / price), abs=1e-4
    )


def test_deciles_are_of_the_predicted_price_and_count_every_sale(later, report):
    deciles = report["by_decile"]
    assert [found["decile"] for found in deciles] == list(range(1, 11))
    assert sum(found["n"] for found in deciles) == len(later)
    assert all(set(found["coverage"]) == {"0.5", "0.8", "0.9"} for found in deciles)


def test_deciles_go_from_the_cheapest_to_the_dearest(later):
    predicted = np.arange(100.0, 200.0)
    price = np.where(predicted < 110, predicted * 2, predicted)
    some = priced(later.where(np.arange(len(later)) < 100), price)
    found = evaluate.by_decile(Judged(some, predicted, {}))
    assert [d["mdape"] for d in found] == [0.5] + [0] * 9
    assert "coverage" not in found[0]  # there were no ranges


def test_months_count_every_sale(later, report):
    assert list(report["by_month"]) == ["2015-02", "2015-03"]
    assert sum(found["n"] for found in report["by_month"].values()) == len(later)


def test_a_zipcode_with_few_sales_gets_no_figures(later):
    names, counts = np.unique(later.homes.zipcodes, return_counts=True)
    some = later.where(
        np.isin(later.homes.zipcodes, names[:2]) | (np.arange(len(later)) < 10)
    )
    found = evaluate.by_zipcode(Judged(some, some.prices, {}))
    assert set(found) == set(names[:2])
    assert [found[z]["n"] for z in names[:2]] == counts[:2].tolist()


def test_a_group_of_fewer_than_five_sales_gets_no_figures(later):
    labels = np.where(np.arange(len(later)) < 4, "few", "many")
    found = Judged(later, later.prices, {}).by(labels)
    assert list(found) == ["many"]
    labels[4] = "few"
    assert list(Judged(later, later.prices, {}).by(labels)) == ["few", "many"]


# --- unknown fields -------------------------------------------------------------------


def test_fields_are_made_unknown_as_many_as_said(pair, later, report):
    assert list(report["by_missing"]) == ["0", "1", "3"]  # of seven
    assert report["by_missing"]["0"]["mdape"] == report["overall"]["mdape"]
    for count, homes in evaluate.with_unknown(later.homes, "full"):
        assert (np.isnan(homes.values).sum(axis=1) == count).all()


def test_only_fields_of_the_slot_are_made_unknown(later):
    *_, (_, homes) = evaluate.with_unknown(later.homes, "minimal")
    assert not np.isnan(homes.values[:, [5, 8]]).any()  # waterfront and grade


# --- fairness -------------------------------------------------------------------------

ZIPCODES = ("98006", "98038", "98103")


def demographics(*incomes):
    rows = dict(zip(ZIPCODES, np.array(incomes)[:, None], strict=True))
    return Demographics("test", ("median_household_income",), rows)


def test_quartiles_go_from_the_poorest_to_the_richest_zipcode(later):
    zipcodes = np.asarray(later.homes.zipcodes)
    # The poorest zipcode alone is valued a fifth too low.
    predicted = np.where(zipcodes == "98038", 0.8, 1.0) * later.prices
    judged = Judged(later, predicted, {})
    found = evaluate.fairness(judged, demographics(90e3, 50e3, 70e3))
    (rows,) = found.values()
    assert [row["from"] for row in rows] == sorted(row["from"] for row in rows)
    assert rows[0]["from"] == 50e3
    assert rows[-1]["to"] == 90e3
    assert sum(row["n"] for row in rows) == len(later)
    assert rows[0]["bias"] == pytest.approx(-0.2)
    assert rows[-1]["bias"] == 0


def test_zipcodes_without_demographics_are_left_out_of_fairness(later):
    judged = Judged(later, later.prices, {})
    known = (np.asarray(later.homes.zipcodes) != "98006").sum()
    found = evaluate.fairness(judged, demographics(np.nan, 50e3, 70e3))
    assert sum(row["n"] for row in found["median_household_income"]) == known


def test_fairness_is_empty_where_nothing_is_known(later):
    judged = Judged(later, later.prices, {})
    assert evaluate.fairness(judged, demographics(np.nan, np.nan, np.nan)) == {}
    assert evaluate.fairness(judged, Demographics("test", ("other",), {})) == {}


# --- importance -----------------------------------------------------------------------


def test_importance_is_the_mean_size_of_the_reasons_answered(
    pair, sales, shipped_demographics
):
    model = pair[0]
    found = evaluate.importance(model, sales, shipped_demographics)
    joined = shipped_demographics.join(sales.homes.zipcodes, model.demographics)
    rows = model.estimate(sales.homes, joined, np.zeros(len(sales))).rows
    contributions = model.model.contributions(rows)[:, :-1]
    names, shares = explanations.folding(model.manifest.features, model.demographics)
    sizes = np.abs(contributions @ shares).mean(axis=0)
    for name, size in zip(names, sizes, strict=True):
        assert found[name] == pytest.approx(size, abs=1e-4)
    assert max(found, key=found.get) in {"location", "sqft_living"}


def test_a_model_without_reasons_has_no_importance(pair, sales, shipped_demographics):
    assert evaluate.importance(pair[1], sales, shipped_demographics) == {}


# --- likeness -------------------------------------------------------------------------


def test_homes_unlike_all_others_are_judged_apart(later, judged, shipped_demographics):
    unlike = np.arange(len(later)) % 3 == 0
    model = SimpleNamespace(
        comparables="some",
        demographics=["population"],
        estimate=lambda *_: SimpleNamespace(unlike=unlike),
    )
    found = evaluate.by_likeness(model, judged, shipped_demographics)
    assert found["unlike-training-homes"] == judged.where(unlike).figures
    assert found["others"] == judged.where(~unlike).figures


def test_a_model_that_does_not_know_likeness_has_no_such_figures(report):
    assert report["by_likeness"] == {}
