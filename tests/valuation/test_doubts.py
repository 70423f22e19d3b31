"""Warnings: what is doubtful of a home, and to whom it is said."""

from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from served import CHAMPIONS

from housing_app.valuation import features
from housing_app.valuation.doubts import GRAVE, Doubts

DAY = date(2015, 3, 31)
ZONES = {"98103": {"count": 9, "lat": 47.67, "long": -122.34, "radius_km": 2.0}}
NO = np.array([False])
KNOWN = {
    "sqft_living": 1850.0,
    "sqft_above": 1450.0,
    "sqft_basement": 400.0,
    "yr_built": 1926.0,
    "yr_renovated": 0.0,
    "lat": 47.67,
    "long": -122.34,
}


@pytest.fixture
def doubts(full):
    """Doubts of a model of one zipcode and a year, whose ranges are known."""

    def made(slot="full"):
        asked = [f.name for f in features.slot_features(slot)]
        manifest = replace(
            full.manifest,
            slot=slot,
            zipcodes=ZONES,
            ranges={key: [0.0, 9000000000.0] for key in features.NAMES}
            | {"bedrooms": [1.0, 8.0], "long": [-123.0, -121.0], "grade": [4.0, 12.0]},
            training=full.manifest.training
            | {"from": "2014-05-02", "to": "2015-03-31"},
        )
        return Doubts(manifest, asked)

    return made


@pytest.fixture
def codes(doubts):
    """The codes of one home's warnings."""

    def found(slot="full", unjoined=NO, unlike=NO, apart=NO, **changes):
        home = {"zipcode": "98103"} | KNOWN | changes
        homes = features.homes([home], DAY)
        (warnings,) = doubts(slot)(homes, unjoined, unlike, apart)
        assert all(set(w) == {"code", "detail"} and w["detail"] for w in warnings)
        return [warning["code"] for warning in warnings]

    return found


def test_an_ordinary_home_raises_no_doubt(codes):
    assert codes() == []
    assert codes(slot="minimal") == []


@pytest.mark.parametrize(
    ("flag", "code"),
    [
        ("unjoined", "zipcode-without-demographics"),
        ("unlike", "unlike-training-homes"),
        ("apart", "far-from-comparables"),
    ],
)
def test_what_the_model_found_is_told(codes, flag, code):
    assert codes(**{flag: np.array([True])}) == [code]


@pytest.mark.parametrize("km", [4.9, 5.1])
@pytest.mark.parametrize("way", ["north", "south", "east", "west"])
def test_a_position_may_lie_three_km_beyond_the_zipcode(codes, way, km):
    # The zipcode's own radius is 2 km.
    sign = {"north": 1, "south": -1, "east": 1, "west": -1}[way]
    moved = (
        {"lat": 47.67 + sign * km / 111.2}
        if way in ("north", "south")
        else {"long": -122.34 + sign * km / (111.2 * np.cos(np.radians(47.67)))}
    )
    expected = ["position-far-from-zipcode"] if km > 5 else []
    assert codes(**moved) == expected


def test_a_model_without_positions_does_not_doubt_them(codes):
    assert codes(slot="minimal", lat=21.3, long=-157.8) == []


def test_of_an_unknown_zipcode_no_position_is_far(codes):
    assert codes(zipcode="98201", lat=48.9) == ["zipcode-outside-training-area"]


@pytest.mark.parametrize(
    ("changes", "doubtful"),
    [
        ({"bedrooms": 8.0}, False),
        ({"bedrooms": 9.0}, True),
        ({"bedrooms": 1.0}, False),
        ({"bedrooms": 0.0}, True),
        ({"bedrooms": None}, False),
        ({"grade": 13.0}, True),
    ],
)
def test_a_field_outside_the_range_of_training_homes_is_told(codes, changes, doubtful):
    assert codes(**changes) == (["outside-training-range"] if doubtful else [])


def test_a_field_that_was_not_asked_for_is_not_doubted(codes):
    assert codes(slot="minimal", grade=13.0) == []
    assert codes(slot="minimal", bedrooms=9.0) == ["outside-training-range"]


@pytest.mark.parametrize(
    ("day", "doubtful"),
    [
        (date(2014, 5, 1), True),
        (date(2014, 5, 2), False),
        (date(2015, 6, 30), False),
        (date(2015, 7, 1), True),
    ],
)
def test_a_date_may_lie_three_months_after_the_sales(codes, day, doubtful):
    expected = ["valuation-date-outside-training"] if doubtful else []
    assert codes(valuation_date=day) == expected


def test_doubts_of_a_batch_belong_each_to_its_home(doubts):
    base = {"zipcode": "98103"} | KNOWN
    records = [base, base | {"sqft_above": 9.0}, base, base | {"bedrooms": 40.0}]
    flags = np.array([False, False, True, False])
    no = np.zeros(4, dtype=bool)
    found = doubts()(features.homes(records, DAY), no, flags, no)
    assert [[w["code"] for w in warnings] for warnings in found] == [
        [],
        ["areas-do-not-add-up"],
        ["unlike-training-homes"],
        ["outside-training-range"],
    ]


def test_the_middle_of_a_zipcode_is_known_where_homes_were_sold(doubts):
    assert doubts().middle("98103") == (47.67, -122.34)
    assert np.isnan(doubts().middle("98201")).all()


@pytest.mark.parametrize("name", CHAMPIONS)
def test_only_what_the_range_does_not_pay_for_grades_a_home_low(
    shipped, home, name, shipped_demographics
):
    # A home of certain value, made doubtful in many ways.
    model = shipped[name]
    changes = [
        {"sqft_above": 1400.0},
        {"yr_renovated": 1920},
        {"zipcode": "98201"},
        {"zipcode": "00000"},
        {"valuation_date": date(2013, 1, 1)},
        {"sqft_living": 20_000, "sqft_above": 20_000, "sqft_basement": 0},
    ]
    homes = features.homes([home | c for c in changes], model.valuation_date)
    joined = shipped_demographics.join(homes.zipcodes, model.demographics)
    found = model.value(homes, joined)
    for warnings, confidence in zip(found.warnings, found.confidences, strict=True):
        if any(w["code"] in GRAVE for w in warnings):
            assert confidence == "low"
    assert found.confidences[0] != "low"
