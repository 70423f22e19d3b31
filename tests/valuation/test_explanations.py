"""Reasons: a readable way from the base price to the price, to the cent."""

import json
import re
from dataclasses import replace
from datetime import date

import numpy as np
import plausible
import pytest
from served import CHAMPIONS, FULL, MINIMAL, SHIPPED, of_kind

from housing_app.valuation import explanations, features, market
from housing_app.valuation.explanations import LABELS, LOCATION, MARKET
from housing_app.valuation.predictor import Details

TREES = [*of_kind("catboost"), *of_kind("lightgbm")]
DAYS = (date(2014, 6, 15), date(2015, 3, 31), date(2015, 6, 30))


@pytest.fixture(scope="module")
def explained(shipped, shipped_demographics):
    """Answers with explanations, and the model that gave them."""

    def valued(name, homes, level=0.9, model=None):
        model = model or shipped[name]
        made = features.homes(homes, model.valuation_date)
        joined = shipped_demographics.join(made.zipcodes, model.demographics)
        return model, model.value(made, joined, Details(level, explain=True))

    return valued


def cents(dollars):
    """Return a sum of money in cents; dollars must have no more than two digits."""
    assert dollars == round(dollars, 2)
    return round(100 * dollars)


def check(answers):
    """Check each explanation against its price."""
    for price, told in zip(answers.prices.tolist(), answers.explanations, strict=True):
        reasons = told["reasons"]
        total = cents(told["base_price"]) + sum(cents(r["dollars"]) for r in reasons)
        assert total == cents(round(price, 2))
        factor = np.prod([reason["factor"] for reason in reasons])
        assert factor == pytest.approx(price / told["base_price"], rel=1e-3)


# --- of the shipped models ------------------------------------------------------------


@pytest.mark.parametrize("name", TREES)
def test_dollars_add_up_to_the_price_to_the_cent(explained, example_homes, name):
    _, answers = explained(name, example_homes)
    assert len(answers.explanations) == 20
    check(answers)


@pytest.mark.parametrize("name", CHAMPIONS)
@pytest.mark.parametrize("most", [1, 3, 17])
def test_dollars_add_up_with_unknown_fields(explained, example_homes, name, most):
    rng = np.random.default_rng(most)
    homes = [plausible.with_unknown(h, rng, most, set()) for h in example_homes * 3]
    check(explained(name, homes)[1])


@pytest.mark.parametrize("name", CHAMPIONS)
@pytest.mark.parametrize("day", DAYS)
@pytest.mark.parametrize("level", [0.5, 0.8])
def test_dollars_add_up_at_any_date_and_interval(
    explained, example_homes, name, day, level
):
    homes = [home | {"valuation_date": day} for home in example_homes]
    check(explained(name, homes, level)[1])


@pytest.mark.parametrize("name", CHAMPIONS)
def test_dollars_add_up_for_homes_anywhere_and_for_odd_ones(explained, name):
    homes = plausible.homes(300, seed=4)
    odd = [
        {"sqft_living": 20_000, "sqft_above": 20_000, "grade": 3},
        {"sqft_lot": 5_000_000},
        {"zipcode": "98201"},
        {"zipcode": "00000"},
        {"lat": 21.3, "long": -157.8},
        {"grade": 13, "waterfront": 1, "view": 4, "sqft_living": 9_000},
    ]
    check(explained(name, [*homes, *(homes[0] | change for change in odd)])[1])


@pytest.mark.parametrize("name", CHAMPIONS)
def test_dollars_add_up_to_prices_on_both_sides_of_the_stretch(explained, name):
    model, answers = explained(name, plausible.homes(300, seed=5))
    options = model.manifest.model["stretch"]
    logs = np.log(answers.prices) - model.market(
        np.array([float(model.valuation_date.toordinal())])
    )
    off = logs - options["middle"]
    assert (off > options["beyond"]).sum() > 10
    assert (off < -options["beyond"]).sum() > 10
    check(answers)


@pytest.mark.parametrize("name", TREES)
def test_reasons_are_told_by_the_fields_that_were_asked_for(
    explained, shipped, example_homes, name
):
    asked = {f.name for f in features.slot_features(shipped[name].manifest.slot)}
    named = asked - {"lat", "long"} | {LOCATION, "demographics", MARKET}
    for told in explained(name, example_homes)[1].explanations:
        found = [reason["field"] for reason in told["reasons"]]
        assert len(set(found)) == len(found), "a field is told twice"
        assert set(found) <= named
        assert {LOCATION, MARKET, "sqft_living"} <= set(found)


@pytest.mark.parametrize("name", TREES)
def test_no_column_of_the_model_is_told(explained, shipped, example_homes, name):
    manifest = shipped[name].manifest
    # Names a client has never sent or been told of.
    hidden = set(manifest.features) - set(features.NAMES)
    _, answers = explained(name, example_homes)
    words = set(re.findall(r"\w+", json.dumps(answers.explanations)))
    assert not words & hidden


@pytest.mark.parametrize("name", TREES)
def test_labels_are_words_that_people_use(explained, example_homes, name):
    for told in explained(name, example_homes)[1].explanations:
        for reason in told["reasons"]:
            assert reason["label"] == LABELS[reason["field"]]
            assert re.fullmatch(r"[A-Z][A-Za-z' ]+", reason["label"])


@pytest.mark.parametrize("name", TREES)
def test_the_weightiest_reason_comes_first(explained, example_homes, name):
    for told in explained(name, example_homes)[1].explanations:
        sizes = [abs(reason["dollars"]) for reason in told["reasons"]]
        assert sizes == sorted(sizes, reverse=True)


@pytest.mark.parametrize("name", TREES)
def test_an_explanation_has_the_members_of_the_contract_and_no_others(
    explained, example_homes, name
):
    for told in explained(name, example_homes)[1].explanations:
        assert told.keys() == {"base_price", "reasons"}
        for reason in told["reasons"]:
            assert reason.keys() == {"field", "label", "factor", "dollars"}
            assert reason["factor"] > 0
            # A factor above 1 adds dollars.
            if abs(reason["factor"] - 1) > 1e-3:
                assert (reason["factor"] > 1) == (reason["dollars"] > 0)
        assert json.loads(json.dumps(told)) == told


@pytest.mark.parametrize("name", CHAMPIONS)
def test_the_base_is_one_price_for_all_homes_that_are_known(explained, name):
    _, answers = explained(name, plausible.homes(100, seed=6))
    bases = [told["base_price"] for told in answers.explanations]
    assert np.ptp(bases) < 5e-4 * np.mean(bases)
    assert 300_000 < np.mean(bases) < 600_000


@pytest.mark.parametrize("name", CHAMPIONS)
def test_the_market_is_one_exact_factor(explained, example_homes, name):
    for day in DAYS:
        homes = [home | {"valuation_date": day} for home in example_homes]
        model, answers = explained(name, homes)
        options = model.manifest.model["index"]
        moved = market.index(
            np.array([float(day.toordinal())]), options["trend"], options["season"]
        )
        for told in answers.explanations:
            (found,) = [r for r in told["reasons"] if r["field"] == MARKET]
            expected = np.exp(moved[0] + options["level"])
            assert found["factor"] == round(float(expected), 4)


@pytest.mark.parametrize("name", CHAMPIONS)
def test_the_date_changes_no_reason_but_the_market(explained, example_homes, name):
    def factors(day):
        homes = [home | {"valuation_date": day} for home in example_homes]
        told = explained(name, homes)[1].explanations
        return [
            {r["field"]: r["factor"] for r in each["reasons"] if r["field"] != MARKET}
            for each in told
        ]

    assert factors(DAYS[0]) == factors(DAYS[1])


def test_reasons_point_where_they_should(explained, home):
    fields = {"grade": (11, 5), "condition": (5, 1), "sqft_living": (4_000, 900)}
    for field, (high, low) in fields.items():
        factors = []
        for value in (high, low):
            changed = home | {field: value}
            if field == "sqft_living":
                changed |= {"sqft_above": value, "sqft_basement": 0}
            (told,) = explained(FULL, [changed])[1].explanations
            factors.append(
                next(r["factor"] for r in told["reasons"] if r["field"] == field)
            )
        assert factors[0] > 1 > factors[1], field


def test_a_better_place_is_a_reason_of_location(explained, home):
    factors = []
    for zipcode, lat, long in (
        ("98004", 47.6173, -122.2065),
        ("98023", 47.3086, -122.3664),
    ):
        moved = home | {"zipcode": zipcode, "lat": lat, "long": long}
        (told,) = explained(FULL, [moved])[1].explanations
        factors.append(
            next(r["factor"] for r in told["reasons"] if r["field"] == LOCATION)
        )
    assert factors[0] > 1.2 > 0.9 > factors[1]


@pytest.mark.parametrize("name", CHAMPIONS)
def test_an_explanation_does_not_depend_on_the_homes_company(
    explained, example_homes, name
):
    rng = np.random.default_rng(3)
    homes = [plausible.with_unknown(h, rng, 3, set()) for h in example_homes]
    together = explained(name, homes)[1].explanations
    assert explained(name, homes[::-1])[1].explanations[::-1] == together
    alone = [explained(name, [home])[1].explanations[0] for home in homes]
    assert alone == together


@pytest.mark.parametrize("name", CHAMPIONS)
def test_asking_for_reasons_changes_no_price(
    explained, shipped, example_homes, shipped_demographics, name
):
    model, answers = explained(name, example_homes)
    made = features.homes(example_homes, model.valuation_date)
    joined = shipped_demographics.join(made.zipcodes, model.demographics)
    plain = model.value(made, joined)
    assert plain.explanations is None
    assert answers.prices.tolist() == plain.prices.tolist()
    assert answers.warnings == plain.warnings


@pytest.mark.parametrize("name", of_kind("knn"))
def test_a_model_without_reasons_has_none(explained, example_homes, name):
    assert explained(name, example_homes)[1].explanations is None


def test_the_reasons_of_the_minimal_champion_know_no_other_field(explained, home):
    changed = home | {"grade": 13, "view": 4, "yr_built": 1700}
    first, second = (explained(MINIMAL, [h])[1].explanations for h in (home, changed))
    assert first == second


# --- folding --------------------------------------------------------------------------


@pytest.mark.parametrize("name", SHIPPED)
def test_every_column_is_told_by_fields_that_have_labels(shipped, name):
    manifest = shipped[name].manifest
    for column in manifest.features:
        fields = explanations.fields_of(column, manifest.demographics)
        assert fields
        assert set(fields) <= set(LABELS)


@pytest.mark.parametrize(
    ("column", "fields"),
    [
        ("bedrooms", ("bedrooms",)),
        ("effective_year", ("yr_built",)),
        ("yr_renovated", ("yr_renovated",)),
        ("grade_living", ("grade", "sqft_living")),
        ("living_per_bedroom", ("sqft_living",)),
        ("lot_relative", ("sqft_lot",)),
        ("east", (LOCATION,)),
        ("lat", (LOCATION,)),
        ("to_bellevue", (LOCATION,)),
        ("level_20", (LOCATION,)),
        ("zip_level", (LOCATION,)),
        ("zip_grade", (LOCATION,)),
        ("population", ("demographics",)),
        ("months", (MARKET,)),
        ("sqft_living15", ("sqft_living15",)),
    ],
)
def test_a_column_speaks_for_the_field_it_is_made_of(column, fields):
    assert explanations.fields_of(column, ["population"]) == fields


def test_nothing_is_lost_in_folding():
    columns = ["grade", "grade_living", "east", "level_8", "population", "lot_relative"]
    names, shares = explanations.folding(columns, ["population"])
    assert shares.shape == (6, len(names))
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    told = dict(zip(names, np.array([1.0, 2, 4, 8, 16, 32]) @ shares, strict=True))
    assert told == {
        "grade": 2,
        "sqft_living": 1,
        LOCATION: 12,
        "demographics": 16,
        "sqft_lot": 32,
    }


# --- the way from base to price, by hand ----------------------------------------------


def one(base, reasons):
    """The explanation of one home whose reasons are named a, b, c …"""
    names = [feature.name for feature in features.FEATURES[: len(reasons)]]
    price = np.round(np.exp(base + sum(reasons)), 2)
    (told,) = explanations.explain(
        names, np.array([reasons]), np.array([base]), np.array([price])
    )
    total = cents(told["base_price"]) + sum(
        cents(r["dollars"]) for r in told["reasons"]
    )
    assert total == cents(price)
    return told, price


def test_one_reason_alone_gets_the_whole_way():
    told, price = one(np.log(400_000), [np.log(1.25)])
    assert (told["base_price"], price) == (400_000, 500_000)
    assert told["reasons"][0]["dollars"] == 100_000
    assert told["reasons"][0]["factor"] == 1.25


def test_reasons_of_equal_factors_get_equal_dollars():
    told, _ = one(np.log(400_000), [0.1, 0.1, 0.1])
    dollars = [reason["dollars"] for reason in told["reasons"]]
    assert np.ptp(dollars) <= 0.02


def test_reasons_that_cancel_out_are_worth_their_factor_of_the_price():
    # Where price and base are the same, a small step is worth the price there.
    told, price = one(np.log(500_000), [0.2, -0.2])
    assert price == told["base_price"] == 500_000
    assert [r["dollars"] for r in told["reasons"]] == [100_000, -100_000]


@pytest.mark.parametrize("gap", [1e-12, 1e-10, 1e-9, 2e-9, 1e-8, 1e-6, 1e-3])
def test_there_is_no_jump_where_base_and_price_meet(gap):
    told, _ = one(np.log(500_000), [0.2 + gap, -0.2])
    assert told["reasons"][0]["dollars"] == pytest.approx(100_000, rel=0.01)
    assert told["reasons"][1]["dollars"] == pytest.approx(-100_000, rel=0.01)


def test_a_reason_of_nothing_is_worth_nothing():
    told, _ = one(np.log(400_000), [0.3, 0.0])
    assert told["reasons"][1] == {
        "field": "bathrooms",
        "label": "Bathrooms",
        "factor": 1.0,
        "dollars": 0.0,
    }


def test_what_rounding_leaves_goes_to_the_largest_reason():
    rng = np.random.default_rng(7)
    for _ in range(200):
        reasons = rng.normal(0, 0.1, 17).tolist()
        told, price = one(13 + rng.normal(0, 0.3), reasons)
        gap = np.log(price) - np.log(told["base_price"])
        worth = (price - told["base_price"]) / gap
        named = {r["field"]: r["dollars"] for r in told["reasons"]}
        for name, reason in zip(features.NAMES, reasons, strict=True):
            assert named[name] == pytest.approx(reason * worth, abs=1)


def test_each_home_of_a_batch_is_explained_by_its_own_reasons():
    reasons = np.array([[0.1, 0.2], [-0.3, 0.05], [0.0, 0.0]])
    bases = np.array([13.0, 13.0, 12.0])
    prices = np.round(np.exp(bases + reasons.sum(axis=1)), 2)
    names = ["grade", "view"]
    together = explanations.explain(names, reasons, bases, prices)
    alone = [
        explanations.explain(
            names, reasons[i : i + 1], bases[i : i + 1], prices[i : i + 1]
        )[0]
        for i in range(3)
    ]
    assert together == alone


def test_a_model_without_index_has_no_market_to_tell_of(full, explained, home):
    options = {k: v for k, v in full.manifest.model.items() if k != "index"}
    model = replace(full, manifest=replace(full.manifest, model=options))
    _, answers = explained(FULL, [home], model=model)
    check(answers)
    (told,) = answers.explanations
    named = {r["field"]: r["dollars"] for r in told["reasons"]}
    assert named.get(MARKET, 0) == 0
