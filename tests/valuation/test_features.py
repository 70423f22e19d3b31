"""The table of a home's fields, and the rows made from them."""

import math
from datetime import date

import numpy as np
import pytest

from housing_app.valuation import features
from housing_app.valuation.features import FEATURES, NAMES, POSITION

CORE = [
    "bedrooms",
    "bathrooms",
    "sqft_living",
    "sqft_lot",
    "floors",
    "sqft_above",
    "sqft_basement",
]
DAY = date(2015, 3, 31)
BY_NAME = {feature.name: feature for feature in FEATURES}


def one_home(**fields):
    return features.homes([{"zipcode": "98103"} | fields], DAY)


def made_of(home, demographics=(), names=(), area=None):
    table = np.array([demographics], dtype=float).reshape(1, len(names))
    return {
        name: column[0]
        for name, column in features.columns(home, table, names, area or {}).items()
    }


def test_a_home_has_eighteen_fields_counting_its_zipcode():
    assert len(set(NAMES)) == len(NAMES) == 17
    assert features.ZIPCODE not in NAMES


def test_the_core_fields_are_those_of_the_minimal_request():
    assert [f.name for f in features.slot_features("minimal")] == CORE


def test_the_full_request_takes_every_field():
    assert features.slot_features("full") == FEATURES


@pytest.mark.parametrize("feature", FEATURES, ids=NAMES)
def test_a_field_says_what_it_is(feature):
    assert feature.label
    assert feature.unit
    assert feature.help.endswith(".")
    assert feature.low < feature.high


@pytest.mark.parametrize("feature", FEATURES, ids=NAMES)
def test_limits_are_inclusive_and_nothing_beyond_them_passes(feature):
    step = feature.step or 1
    assert feature.refuse(feature.low) is None
    assert feature.refuse(feature.high) is None
    assert "between" in feature.refuse(feature.low - step)
    assert feature.refuse(feature.high + step)


@pytest.mark.parametrize("feature", FEATURES, ids=NAMES)
@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_none_is_refused(feature, number):
    assert feature.refuse(number)


@pytest.mark.parametrize(
    ("name", "between", "step"),
    [
        ("bedrooms", 2.5, "whole number"),
        ("bathrooms", 2.3, "multiple of 0.25"),
        ("floors", 1.25, "multiple of 0.5"),
        ("waterfront", 0.5, "whole number"),
        ("view", 1.5, "whole number"),
        ("condition", 3.5, "whole number"),
        ("grade", 7.5, "whole number"),
        ("yr_built", 1990.5, "whole number"),
        ("yr_renovated", 1990.5, "whole number"),
    ],
)
def test_a_value_between_two_steps_is_refused(name, between, step):
    assert step in BY_NAME[name].refuse(between)


@pytest.mark.parametrize("name", ["sqft_living", "sqft_lot", "lat", "long"])
def test_a_measure_may_be_any_number(name):
    feature = BY_NAME[name]
    assert feature.refuse((feature.low + feature.high) / 2 + 0.123) is None


def test_never_renovated_is_written_as_zero():
    renovated = BY_NAME["yr_renovated"]
    assert renovated.refuse(0) is None
    assert renovated.refuse(1) == "must be 0 or between 1700 and 2100"
    assert BY_NAME["yr_built"].refuse(0)


def test_homes_keep_the_order_of_records_and_of_fields():
    records = [
        {"zipcode": "98103", "sqft_living": 1850.0, "bedrooms": 3.0},
        {"bedrooms": 4.0, "zipcode": "98038", "sqft_living": 2450.0},
    ]
    homes = features.homes(records, DAY)
    assert homes.values[:, POSITION["bedrooms"]].tolist() == [3, 4]
    assert homes.values[:, POSITION["sqft_living"]].tolist() == [1850, 2450]
    assert list(homes.zipcodes) == ["98103", "98038"]


@pytest.mark.parametrize("record", [{}, {"grade": None}])
def test_a_null_or_absent_field_is_unknown(record):
    home = one_home(**record)
    assert np.isnan(home.values[0, POSITION["grade"]])


def test_zero_is_a_value_and_not_unknown():
    home = one_home(sqft_basement=0.0)
    assert home.values[0, POSITION["sqft_basement"]] == 0


def test_a_home_is_valued_at_its_own_date_or_else_at_the_default():
    records = [
        {"zipcode": "98103"},
        {"zipcode": "98103", "valuation_date": date(2014, 6, 1)},
    ]
    days = features.homes(records, DAY).days
    assert days.tolist() == [DAY.toordinal(), date(2014, 6, 1).toordinal()]


def test_no_records_make_no_homes():
    homes = features.homes([], DAY)
    assert homes.values.shape == (0, 17)
    assert homes.days.shape == (0,)


def test_engineered_columns_are_what_a_calculator_gives():
    home = one_home(
        yr_built=1990.0,
        yr_renovated=2005.0,
        lat=47.5,
        long=-122.25,
        sqft_lot=6000.0,
        sqft_lot15=4000.0,
        valuation_date=date(2015, 1, 1),
    )
    found = made_of(home)
    # 365 of the 365.25 days of a mean year have passed since 2014-01-01.
    assert found["months"] == pytest.approx(12 * 365 / 365.25)
    year = 2014 + 365 / 365.25
    assert found["age"] == pytest.approx(year - 1990)
    assert found["years_since_work"] == pytest.approx(year - 2005)
    assert found["lot_to_neighbours"] == 1.5
    assert found["north_east"] == pytest.approx(47.5 * 1.48 - 122.25)
    assert found["north_west"] == pytest.approx(47.5 * 1.48 + 122.25)


@pytest.mark.parametrize("renovated", [0.0, None, 1950.0])
def test_work_is_counted_from_building_unless_a_later_renovation_is_known(renovated):
    found = made_of(one_home(yr_built=1990.0, yr_renovated=renovated))
    assert found["years_since_work"] == found["age"]


def test_what_needs_an_unknown_field_is_unknown():
    found = made_of(one_home(sqft_lot=6000.0))
    for name in ("age", "years_since_work", "north_east", "lot_to_neighbours"):
        assert np.isnan(found[name])


def test_demographics_and_zipcode_level_join_the_columns():
    area = {"98103": {"level": 5.6}}
    found = made_of(one_home(), [52_000, 0.4], ["population", "gini_index"], area)
    assert found["population"] == 52_000
    assert found["gini_index"] == 0.4
    assert found["zipcode_level"] == 5.6


def test_an_unknown_zipcode_has_no_level():
    assert np.isnan(
        made_of(one_home(), area={"98004": {"level": 6.0}})["zipcode_level"]
    )


def test_a_matrix_has_the_named_columns_in_the_named_order():
    columns = {"a": np.array([1.0, 2.0]), "b": np.array([3.0, 4.0]), "c": np.zeros(2)}
    assert features.matrix(columns, ["b", "a"]).tolist() == [[3, 1], [4, 2]]


def test_distance_agrees_with_the_great_circle_within_a_county():
    seattle, bellevue = (47.6062, -122.3321), (47.6101, -122.2015)
    (lat1, long1), (lat2, long2) = np.radians([seattle, bellevue])
    half = (
        np.sin((lat2 - lat1) / 2) ** 2
        + np.cos(lat1) * np.cos(lat2) * np.sin((long2 - long1) / 2) ** 2
    )
    haversine = 2 * 6371.0 * np.arcsin(np.sqrt(half))
    found = features.distance_km(*(np.array([x]) for x in (*seattle, *bellevue)))
    assert found[0] == pytest.approx(haversine, rel=0.01)


def test_a_place_is_at_no_distance_from_itself():
    place = np.array([47.6]), np.array([-122.3])
    assert features.distance_km(*place, *place)[0] == 0
