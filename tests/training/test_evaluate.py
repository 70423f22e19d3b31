"""Reports on sales a model has not seen."""

from datetime import date

import numpy as np
import pytest

from housing_app.training import dataset, evaluate
from housing_app.training.fit import Recipe
from housing_app.training.train import Trainer
from housing_app.valuation import intervals, ratios

CUT = date(2015, 2, 1)


@pytest.fixture(scope="module")
def judged(sales, shipped_demographics):
    """A model of the sales before the cut, and its report on the later ones."""
    recipe = Recipe("knn", "minimal")
    trainer = Trainer(recipe, "some", 1, sales, shipped_demographics, lambda: None)
    known = dataset.before(sales, CUT)
    errors = np.random.default_rng(1).normal(0, 0.2, 500)
    model, _ = trainer.fit(known, intervals.calibrate(errors, np.ones(500)))
    later = sales.where(~known)
    return model, later, evaluate.report(model, later, shipped_demographics)


def test_a_home_is_valued_at_the_day_of_its_sale(judged, shipped_demographics):
    model, later, _ = judged
    prices, lows, highs = evaluate.predict(model, later, shipped_demographics)
    joined = shipped_demographics.join(later.homes.zipcodes, model.demographics)
    assert prices.tolist() == model.value(later.homes, joined).prices.tolist()
    assert (lows < prices).all()
    assert (prices < highs).all()


def test_overall_figures_are_those_of_all_later_sales(judged, shipped_demographics):
    model, later, report = judged
    prices, _, _ = evaluate.predict(model, later, shipped_demographics)
    assert report["overall"] == ratios.accuracy(later.prices, prices)
    assert report["overall"]["n"] == len(later)
    assert (report["from"], report["to"]) == tuple(d.isoformat() for d in later.window)
    assert report["from"] >= CUT.isoformat()


@pytest.mark.parametrize("level", intervals.LEVELS)
def test_coverage_is_the_share_of_prices_inside_the_range(
    judged, shipped_demographics, level
):
    model, later, report = judged
    price, low, high = evaluate.predict(model, later, shipped_demographics, level)
    inside = [a <= p <= b for p, a, b in zip(later.prices, low, high, strict=True)]
    found = report["coverage"][str(level)]
    assert found["achieved"] == pytest.approx(sum(inside) / len(inside), abs=1e-4)
    assert found["relative_width"] == pytest.approx(
        np.median((high - low) / price), abs=1e-4
    )


def test_deciles_are_of_the_predicted_price_and_count_every_sale(judged):
    _, later, report = judged
    deciles = report["by_decile"]
    assert [found["decile"] for found in deciles] == list(range(1, 11))
    assert sum(found["n"] for found in deciles) == len(later)


def test_deciles_go_from_the_cheapest_to_the_dearest():
    predicted = np.arange(100.0, 200.0)
    price = np.where(predicted < 110, predicted * 2, predicted)
    found = evaluate.by_decile(price, predicted)
    assert [d["mdape"] for d in found] == [0.5] + [0] * 9


def test_months_count_every_sale(judged):
    _, later, report = judged
    assert list(report["by_month"]) == ["2015-02", "2015-03"]
    assert sum(found["n"] for found in report["by_month"].values()) == len(later)


def test_a_zipcode_with_few_sales_gets_no_figures(judged):
    _, later, _ = judged
    names, counts = np.unique(later.homes.zipcodes, return_counts=True)
    some = later.where(
        np.isin(later.homes.zipcodes, names[:2]) | (np.arange(len(later)) < 10)
    )
    found = evaluate.by_zipcode(some, some.prices)
    assert set(found) == set(names[:2])
    assert [found[z]["n"] for z in names[:2]] == counts[:2].tolist()
