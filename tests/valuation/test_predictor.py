"""Prices with ranges, grades, gaps and warnings."""

import itertools
import subprocess
import sys
from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from served import FULL, SHIPPED

from housing_app.config import ROOT
from housing_app.valuation import (
    features,
    intervals,
    predictor,
)
from housing_app.valuation.kinds import PriceModel
from housing_app.valuation.predictor import Details

AREAS = ("sqft_living", "sqft_above", "sqft_basement")


@pytest.fixture
def value(full, shipped_demographics):
    """Value homes as serving does: joined, and at the model's date."""

    def valued(*homes, model=full, demographics=None, **details):
        made = features.homes(homes, model.valuation_date)
        if demographics is None:
            demographics = shipped_demographics.join(made.zipcodes, model.demographics)
        return model.value(made, demographics, Details(**details))

    return valued


@pytest.fixture
def codes(value):
    """The codes of one home's warnings."""

    def found(home, **options):
        (warnings,) = value(home, **options).warnings
        assert all(set(w) == {"code", "detail"} and w["detail"] for w in warnings)
        return [warning["code"] for warning in warnings]

    return found


@pytest.mark.parametrize("name", SHIPPED)
def test_the_order_of_the_homes_does_not_change_their_answers(
    value, shipped, name, example_homes
):
    model = shipped[name]
    order = np.random.default_rng(6).permutation(len(example_homes))
    straight = value(*example_homes, model=model)
    shuffled = value(*(example_homes[i] for i in order), model=model)
    for found, expected in zip(shuffled[:7], straight[:7], strict=True):
        assert list(found) == [expected[i] for i in order]


@pytest.mark.parametrize("name", SHIPPED)
def test_a_batch_is_valued_as_its_homes_alone_to_the_cent(
    value, shipped, name, example_homes
):
    model = shipped[name]
    together = value(*example_homes, model=model)
    for i, home in enumerate(example_homes):
        alone = value(home, model=model)
        for part in ("prices", "lows", "highs"):
            cents = round(getattr(alone, part)[0], 2)
            assert cents == round(getattr(together, part)[i], 2)
        assert alone.confidences[0] == together.confidences[i]
        assert alone.warnings[0] == together.warnings[i]


@pytest.mark.parametrize("name", SHIPPED)
def test_a_higher_level_has_a_wider_range_that_holds_the_price(
    value, shipped, name, example_homes
):
    answers = [
        value(*example_homes, model=shipped[name], level=level)
        for level in intervals.LEVELS
    ]
    for narrow, wide in itertools.pairwise(answers):
        assert (narrow.prices == wide.prices).all()
        assert (wide.lows < narrow.lows).all()
        assert (narrow.lows < narrow.prices).all()
        assert (narrow.prices < narrow.highs).all()
        assert (narrow.highs < wide.highs).all()


def test_the_confidence_is_the_grade_of_the_fsd(value, home):
    answer = value(home)
    assert answer.confidences == [intervals.grade(answer.fsds[0])]


@pytest.mark.parametrize("name", SHIPPED)
def test_a_likely_home_has_no_warnings_and_nothing_missing(value, shipped, name, home):
    answer = value(home, model=shipped[name])
    assert answer.warnings == [[]]
    assert answer.missing == [[]]


@pytest.mark.parametrize(
    ("code", "change"),
    [
        ("areas-do-not-add-up", {"sqft_basement": 402}),
        ("areas-do-not-add-up", {"sqft_above": 1448}),
        ("position-far-from-zipcode", {"lat": 47.30}),
        ("position-far-from-zipcode", {"long": -122.10}),
        ("outside-training-range", {"bedrooms": 30}),
        ("outside-training-range", {"sqft_lot": 5_000_000}),
        ("outside-training-range", {"sqft_living15": 150}),
        ("renovated-before-built", {"yr_renovated": 1920}),
        ("built-after-valuation", {"yr_built": 2019}),
        ("valuation-date-outside-training", {"valuation_date": date(2014, 5, 1)}),
        ("valuation-date-outside-training", {"valuation_date": date(2015, 7, 1)}),
        ("zipcode-outside-training-area", {"zipcode": "98201"}),
        ("zipcode-outside-training-area", {"zipcode": "00000"}),
        ("zipcode-without-demographics", {"zipcode": "00000"}),
    ],
)
def test_a_doubtful_home_is_valued_with_a_warning(codes, home, code, change):
    assert code in codes(home | change)


@pytest.mark.parametrize(
    ("code", "change"),
    [
        ("areas-do-not-add-up", {"sqft_basement": 401}),
        ("areas-do-not-add-up", {"sqft_basement": None}),
        ("position-far-from-zipcode", {"lat": 47.68}),
        ("position-far-from-zipcode", {"lat": None, "long": None}),
        ("position-far-from-zipcode", {"zipcode": "98201"}),
        ("outside-training-range", {"bedrooms": 8}),
        ("outside-training-range", {"bedrooms": None}),
        ("renovated-before-built", {"yr_renovated": 1926}),
        ("renovated-before-built", {"yr_built": None, "yr_renovated": 1920}),
        ("built-after-valuation", {"yr_built": 2016}),
        ("valuation-date-outside-training", {"valuation_date": date(2014, 5, 2)}),
        ("valuation-date-outside-training", {"valuation_date": date(2015, 6, 30)}),
        ("zipcode-without-demographics", {"zipcode": "98201"}),
    ],
)
def test_what_is_possible_or_unknown_raises_no_warning(codes, home, code, change):
    assert code not in codes(home | change)


def test_each_field_outside_the_training_range_is_named(value, home):
    (warnings,) = value(home | {"bedrooms": 30, "sqft_lot": 5_000_000}).warnings
    named = [
        w["detail"].split()[0]
        for w in warnings
        if w["code"] == "outside-training-range"
    ]
    assert named == ["bedrooms", "sqft_lot"]


@pytest.mark.parametrize("zipcode", ["98201", "00000"])
def test_a_home_outside_the_known_area_is_of_low_confidence(value, home, zipcode):
    assert value(home | {"zipcode": zipcode}).confidences == ["low"]


@pytest.mark.parametrize("day", [date(2013, 1, 1), date(2024, 1, 1)])
def test_a_value_far_from_the_training_window_is_of_low_confidence(value, home, day):
    assert value(home | {"valuation_date": day}).confidences == ["low"]


@pytest.mark.parametrize("artifact", SHIPPED)
@pytest.mark.parametrize("day", [date(1900, 1, 1), date(2199, 12, 31)])
def test_a_date_outside_any_market_gives_no_absurd_price(
    value, shipped, home, artifact, day
):
    model = shipped[artifact]
    (now,), (then,) = (
        value(home | changes, model=model).prices
        for changes in ({}, {"valuation_date": day})
    )
    assert now / 3 < then < now * 3


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("artifact", SHIPPED)
@pytest.mark.parametrize("end", ["low", "high"])
def test_homes_at_the_limits_are_valued_without_a_numeric_warning(
    value, shipped, home, artifact, end
):
    limits = {feature.name: getattr(feature, end) for feature in features.FEATURES}
    homes = [home | {name: limit} for name, limit in limits.items()]
    answer = value(
        *homes, home | limits, model=shipped[artifact], explain=True, comparables=3
    )
    assert np.isfinite(answer.fsds).all()
    assert (answer.lows > 0).all()
    assert (answer.lows < answer.prices).all()
    assert (answer.prices < answer.highs).all()
    assert (answer.highs < 1e9).all()


def test_a_warning_belongs_to_its_home_alone(value, home):
    odd = home | {"zipcode": "98201"}
    answer = value(home, odd, home)
    assert [bool(found) for found in answer.warnings] == [False, True, False]
    assert answer.confidences[0] == answer.confidences[2] == "high"


def test_homes_outside_the_area_are_counted_by_position(full):
    assert full.outside_area(["98103", "98201", "98038", "00000"]) == [1, 3]


def test_unknown_fields_are_listed_in_the_order_of_the_table(value, home):
    answer = value(home | {"grade": None, "bedrooms": None}, home)
    assert answer.missing == [["bedrooms", "grade"], []]


def test_a_model_of_the_core_fields_misses_no_other(value, home, minimal):
    core = {f.name for f in features.slot_features("minimal")} | {"zipcode"}
    only = {name: home[name] for name in core}
    assert value(only, model=minimal).missing == [[]]


@pytest.mark.parametrize("name", features.NAMES)
@pytest.mark.parametrize("artifact", SHIPPED)
def test_a_home_with_an_unknown_field_is_valued_plausibly(
    value, shipped, home, artifact, name
):
    model = shipped[artifact]
    known = value(home, model=model).prices[0]
    unknown = value(home | {name: None}, model=model)
    assert known / 2 < unknown.prices[0] < known * 2
    assert unknown.lows[0] < unknown.prices[0] < unknown.highs[0]


def test_the_baseline_takes_an_unknown_field_as_typical(value, baseline, home):
    typical = baseline.manifest.fill
    for name in set(features.NAMES) - set(AREAS):
        unknown = value(home | {name: None}, model=baseline).prices[0]
        filled = value(home | {name: typical[name]}, model=baseline).prices[0]
        assert unknown == filled, name


@pytest.mark.parametrize("artifact", SHIPPED)
@pytest.mark.parametrize("name", AREAS)
def test_an_unknown_area_that_follows_from_the_others_is_taken_so(
    value, shipped, home, artifact, name
):
    assert home["sqft_living"] == home["sqft_above"] + home["sqft_basement"]
    known = value(home, model=shipped[artifact])
    unknown = value(home | {name: None}, model=shipped[artifact])
    assert unknown.prices[0] == known.prices[0]
    assert unknown.missing == [[name]]


@pytest.mark.parametrize("artifact", SHIPPED)
def test_two_unknown_areas_are_no_zeros(value, shipped, home, artifact):
    model = shipped[artifact]
    unknown = {"sqft_above": None, "sqft_basement": None}
    nothing = {"sqft_above": 0, "sqft_basement": 0}
    prices = [
        value(home | areas, model=model).prices[0] for areas in (unknown, nothing)
    ]
    assert prices[0] != prices[1]


def test_a_home_of_which_only_the_zipcode_is_known_is_valued(value):
    answer = value({"zipcode": "98103"})
    assert 1e5 < answer.prices[0] < 2e6
    assert answer.missing == [list(features.NAMES)]
    assert answer.confidences == ["low"]


def test_unknown_demographics_are_taken_as_typical(value, full, home):
    joined = np.array([[full.manifest.fill[name] for name in full.demographics]])
    assert joined.size
    nothing = np.full_like(joined, np.nan)
    assert (
        value(home, demographics=nothing).prices
        == value(home, demographics=joined).prices
    )


def test_a_model_that_gives_no_number_raises_rather_than_answers(full, value, home):
    class Broken(PriceModel):
        def log_prices(self, rows):
            return np.full(len(rows), np.nan)

    with pytest.raises(ArithmeticError, match=FULL):
        value(home, model=replace(full, model=Broken()))


@pytest.fixture
def spare_slot():
    """A slot name that serving does not use; forgotten afterwards."""
    yield "spare"
    predictor.install("spare", {})


def test_an_empty_slot_has_no_model(spare_slot):
    assert predictor.current(spare_slot) is None
    assert predictor.current(spare_slot, "fallback") is None


def test_an_installed_model_is_handed_out_by_slot_and_role(spare_slot, full, minimal):
    predictor.install(spare_slot, {"champion": full, "fallback": minimal})
    assert predictor.current(spare_slot) is full
    assert predictor.current(spare_slot, "fallback") is minimal


def test_installing_replaces_every_role_of_the_slot(spare_slot, full, minimal):
    predictor.install(spare_slot, {"champion": full, "fallback": minimal})
    predictor.install(spare_slot, {"champion": minimal})
    assert predictor.current(spare_slot) is minimal
    assert predictor.current(spare_slot, "fallback") is None


def test_a_later_change_of_the_callers_dict_changes_nothing(spare_slot, full):
    roles = {"champion": full}
    predictor.install(spare_slot, roles)
    roles.clear()
    assert predictor.current(spare_slot) is full


VALUE_ONE = """
import sys
from pathlib import Path
from housing_app.valuation import golden, loading, predictor
everything = predictor.Details(explain=True, comparables=5)
for slot, found in loading.load_serving(Path("model")).items():
    for model in found.roles.values():
        model.value(*golden.inputs(model.manifest), everything)
heavy = {"pandas", "sklearn", "lightgbm", "catboost", "skops", "scipy.optimize"}
print(*sorted(heavy & set(sys.modules)))
"""


def test_valuing_loads_no_library_that_trains():
    found = subprocess.run(
        [sys.executable, "-c", VALUE_ONE],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.strip() == ""
