"""What the shipped models must have learned about homes.

That more living space never lowers a price is not promised yet: boosted trees and
neighbours are only monotone where they are made to be. Until they are, large steps
must raise most prices.
"""

from datetime import date

import numpy as np
import pytest

from housing_app.valuation import features

MODELS = ("knn-minimal-1", "lightgbm-full-1", "lightgbm-minimal-1")
CORE = {f.name for f in features.slot_features("minimal")}


@pytest.fixture
def ratios(shipped, example_homes, shipped_demographics):
    """Return by what a change multiplies the price of each example home."""

    def prices(model, homes):
        made = features.homes(homes, model.valuation_date)
        joined = shipped_demographics.join(made.zipcodes, model.demographics)
        return model.value(made, joined).prices

    def changed(name, change):
        after = [home | change(home) for home in example_homes]
        model = shipped[name]
        return prices(model, after) / prices(model, example_homes)

    return changed


def larger(share):
    """Return a home that is larger above ground by a share of its living space."""

    def change(home):
        more = share * home["sqft_living"]
        return {name: home[name] + more for name in ("sqft_living", "sqft_above")}

    return change


def setting(**fields):
    return lambda home: fields


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(("share", "least"), [(0.5, 1.05), (1.0, 1.2)])
def test_much_more_living_space_raises_most_prices(ratios, name, share, least):
    found = ratios(name, larger(share))
    assert np.mean(found > 1) >= 0.8
    assert least < np.median(found) < 1 + 1.5 * share


@pytest.mark.parametrize("name", ["lightgbm-full-1", "lightgbm-minimal-1"])
def test_twice_the_living_space_raises_every_price_of_the_champions(ratios, name):
    assert (ratios(name, larger(1.0)) > 1).all()


@pytest.mark.parametrize("name", MODELS)
def test_one_square_foot_hardly_matters(ratios, name):
    def one_more(home):
        return {
            "sqft_living": home["sqft_living"] + 1,
            "sqft_above": home["sqft_above"] + 1,
        }

    np.testing.assert_allclose(ratios(name, one_more), 1, atol=0.03)


@pytest.mark.parametrize(
    ("better", "worse", "least"),
    [
        ({"waterfront": 1.0}, {"waterfront": 0.0}, 1.1),
        ({"view": 4.0}, {"view": 0.0}, 1.1),
        ({"grade": 9.0}, {"grade": 6.0}, 1.1),
        ({"condition": 5.0}, {"condition": 1.0}, 1.05),
        ({"bathrooms": 3.0}, {"bathrooms": 1.0}, 1.0),
        ({"sqft_living15": 3000.0}, {"sqft_living15": 1200.0}, 1.02),
        (
            {"zipcode": "98004", "lat": 47.6173, "long": -122.2065},
            {"zipcode": "98023", "lat": 47.3086, "long": -122.3664},
            1.5,
        ),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_people_pay_for_raises_the_price(ratios, better, worse, least):
    name = "lightgbm-full-1"
    found = ratios(name, setting(**better)) / ratios(name, setting(**worse))
    assert np.median(found) > least
    assert np.mean(found >= 1) >= 0.9


def test_prices_rose_over_the_training_window(ratios):
    for name in ("lightgbm-full-1", "lightgbm-minimal-1"):
        earlier = ratios(name, setting(valuation_date=date(2014, 7, 1)))
        assert 0.85 < np.median(earlier) < 0.99


@pytest.mark.parametrize("name", ["knn-minimal-1", "lightgbm-minimal-1"])
@pytest.mark.parametrize("field", [n for n in features.NAMES if n not in CORE])
def test_a_model_of_the_core_fields_looks_at_no_other(ratios, name, field):
    unknown = ratios(name, setting(**{field: None}))
    assert (unknown == 1).all()


@pytest.mark.parametrize("name", MODELS)
def test_prices_are_those_of_a_county(
    shipped, name, example_homes, shipped_demographics
):
    model = shipped[name]
    homes = features.homes(example_homes, model.valuation_date)
    joined = shipped_demographics.join(homes.zipcodes, model.demographics)
    prices = model.value(homes, joined).prices
    assert (prices > 100_000).all()
    assert (prices < 5_000_000).all()
    assert 300_000 < np.median(prices) < 700_000
