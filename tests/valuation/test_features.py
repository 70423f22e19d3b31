"""The table of a home's fields, and the rows made from them."""

import math
from datetime import date

import numpy as np
import pytest

from housing_app.valuation import features
from housing_app.valuation.features import (
    FEATURES,
    NAMES,
    POSITION,
    SURFACES,
    Homes,
    Surfaces,
)

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


def made_of(home, surfaces=None, **joined):
    """Return one home's columns as plain numbers, made when they are asked for."""
    found = features.columns(
        home, {name: np.array([value]) for name, value in joined.items()}, surfaces
    )

    class Plain:
        def __getitem__(self, name):
            (number,) = found[name]
            return number

    return Plain()


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
    found = made_of(one_home(sqft_lot=6000.0, lat=47.6))
    for name in (
        *("age", "years_since_work", "effective_year", "north_east", "north_west"),
        *("lot_to_neighbours", "lot_relative", "lot_floors", "living_per_bedroom"),
        *("living_relative", "grade_living", "log_living", "log_living15", "log_lot15"),
        *("east", "north", "to_seattle", "to_bellevue", "to_redmond"),
    ):
        assert np.isnan(found[name]), name


def test_the_champions_columns_are_what_a_calculator_gives():
    home = one_home(
        bedrooms=3.0,
        sqft_living=2000.0,
        sqft_living15=1600.0,
        sqft_lot=6000.0,
        sqft_lot15=4000.0,
        floors=1.5,
        grade=8.0,
        yr_built=1990.0,
        yr_renovated=2005.0,
    )
    found = made_of(home)
    assert found["log_living"] == pytest.approx(math.log(2000))
    assert found["log_lot"] == pytest.approx(math.log(6000))
    assert found["living_per_bedroom"] == 2000 / 4
    assert found["living_relative"] == pytest.approx(math.log(2000 / 1600))
    assert found["lot_relative"] == pytest.approx(math.log(6000 / 4000))
    assert found["lot_floors"] == 9000
    assert found["grade_living"] == pytest.approx(8 * math.log(2000))
    assert found["effective_year"] == 2005


@pytest.mark.parametrize(
    ("built", "renovated", "year"),
    [
        (1990.0, 0.0, 1990),
        (1990.0, None, 1990),
        (None, 2005.0, 2005),
        (1990.0, 1950.0, 1990),
    ],
)
def test_the_effective_year_is_the_later_one_known(built, renovated, year):
    assert made_of(one_home(yr_built=built, yr_renovated=renovated))[
        "effective_year"
    ] == (year)


def test_a_home_in_a_city_is_at_no_distance_from_it():
    found = made_of(one_home(lat=47.609, long=-122.335))
    assert found["to_seattle"] == pytest.approx(0, abs=1e-9)
    # Bellevue lies across the lake, ten kilometres to the east.
    assert found["to_bellevue"] == pytest.approx(10.4, abs=0.3)


@pytest.mark.parametrize("known", ["lat", "long"])
def test_half_a_position_is_none(known):
    found = made_of(one_home(**{known: {"lat": 47.6, "long": -122.3}[known]}))
    assert np.isnan(found["east"])
    assert np.isnan(found["north"])


def test_every_column_of_living_space_or_grade_is_held_to_be_rising():
    # More of a field that a column enters, and no column may fall; those that rise
    # are the ones that models are told of.
    asked = {"sqft_living", "sqft_above", "sqft_basement", "grade"}
    small = {feature.name: 2.0 * max(feature.low, 1.0) for feature in FEATURES}
    small |= {"lat": 47.6, "long": -122.3, "yr_built": 1990.0, "yr_renovated": 0.0}
    before = features.columns(one_home(**small), {})
    moved = set()
    for name in asked:
        after = features.columns(one_home(**small | {name: small[name] + 1}), {})
        for column in features.OWN - {*SURFACES, *NAMES, "months"} | asked:
            assert (after[column] >= before[column]).all(), column
            if (after[column] > before[column]).all():
                moved.add(column)
    assert moved - {"log_living"} == features.RISING


def test_joined_columns_are_taken_as_they_are():
    found = made_of(one_home(), population=52_000.0, zip_level=5.6)
    assert found["population"] == 52_000
    assert found["zip_level"] == 5.6


def test_a_column_that_nobody_knows_is_named():
    with pytest.raises(KeyError, match="swimming_pool"):
        made_of(one_home())["swimming_pool"]


@pytest.mark.parametrize("name", SURFACES)
def test_a_surface_needs_its_grid(name):
    with pytest.raises(KeyError, match=name):
        made_of(one_home(lat=47.6, long=-122.3))[name]


# --- areas that follow from each other ----------------------------------------------


def areas(living, above, basement):
    home = one_home(sqft_living=living, sqft_above=above, sqft_basement=basement)
    before = home.values.copy()
    values = features.complete_areas(home.values)
    np.testing.assert_array_equal(home.values, before)
    names = ("sqft_living", "sqft_above", "sqft_basement")
    return [values[0, POSITION[name]] for name in names]


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ((None, 1500.0, 500.0), [2000, 1500, 500]),
        ((2000.0, None, 500.0), [2000, 1500, 500]),
        ((2000.0, 1500.0, None), [2000, 1500, 500]),
        ((2000.0, 2000.0, None), [2000, 2000, 0]),
        ((2000.0, 2500.0, None), [2000, 2500, 0]),
        ((2000.0, None, 2500.0), [2000, 0, 2500]),
        ((2000.0, 1500.0, 400.0), [2000, 1500, 400]),
    ],
)
def test_one_unknown_area_follows_from_the_others(given, found):
    assert areas(*given) == found


@pytest.mark.parametrize(
    "given",
    [
        (None, None, 500.0),
        (None, 1500.0, None),
        (2000.0, None, None),
        (None, None, None),
    ],
)
def test_two_unknown_areas_stay_unknown(given):
    expected = [np.nan if value is None else value for value in given]
    np.testing.assert_array_equal(areas(*given), expected)


def test_a_home_whose_areas_are_known_is_left_alone_in_any_company():
    known = {"sqft_living": 2000.0, "sqft_above": 1500.0, "sqft_basement": 400.0}
    homes = features.homes(
        [
            {"zipcode": "98103"} | known,
            {"zipcode": "98103"} | known | {"sqft_above": None},
        ],
        DAY,
    )
    values = features.complete_areas(homes.values)
    np.testing.assert_array_equal(values[0], homes.values[0])
    assert values[1, POSITION["sqft_above"]] == 1600


# --- surfaces -------------------------------------------------------------------------


@pytest.fixture
def grid():
    """A grid of 4 by 6 nodes, 0.5 km apart, planes with a bend at no node."""
    rng = np.random.default_rng(3)
    values = rng.normal(size=(4, 6, len(SURFACES))).astype(np.float32)
    return Surfaces(values, west=10.0, south=-5.0, step=0.5)


def test_a_surface_at_a_node_is_the_nodes_value(grid):
    for row in range(3):
        for column in range(5):
            at = np.array([10 + column / 2]), np.array([-5 + row / 2])
            np.testing.assert_allclose(grid.at(*at)[0], grid.values[row, column])


def test_a_surface_between_four_nodes_is_their_mean(grid):
    middle = grid.at(np.array([10.25]), np.array([-4.75]))
    corners = grid.values[:2, :2].mean(axis=(0, 1))
    np.testing.assert_allclose(middle[0], corners, rtol=1e-6)


def test_a_surface_follows_a_plane_exactly():
    y, x = np.mgrid[:4, :6] * 0.5
    plane = np.repeat((2 + 3 * x - y)[:, :, None], len(SURFACES), axis=2)
    grid = Surfaces(plane.astype(np.float32), west=10.0, south=-5.0, step=0.5)
    rng = np.random.default_rng(4)
    east, north = rng.uniform(10, 12.4, 50), rng.uniform(-5, -3.6, 50)
    expected = 2 + 3 * (east - 10) - (north + 5)
    for column in grid.at(east, north).T:
        np.testing.assert_allclose(column, expected, rtol=1e-6)


def test_a_surface_has_no_jumps(grid):
    east = np.linspace(9.5, 13, 2001)
    found = grid.at(east, np.full(2001, -4.3))
    # No steeper than the steepest pair of neighbouring nodes.
    steepest = np.abs(np.diff(grid.values, axis=1)).max() / 0.5
    assert np.abs(np.diff(found, axis=0)).max() <= steepest * (east[1] - east[0]) * 1.01


@pytest.mark.parametrize(("east", "north"), [(-500, 0), (500, 900), (11, -900)])
def test_far_outside_the_grid_its_border_counts(grid, east, north):
    found = grid.at(np.array([float(east)]), np.array([float(north)]))
    inside = (min(max(east, 10), 12.4995), min(max(north, -5), -3.5005))
    nearest = grid.at(*(np.array([float(value)]) for value in inside))
    np.testing.assert_allclose(found, nearest, atol=1e-6)


def test_an_unknown_place_has_no_surface_but_its_company_has(grid):
    found = grid.at(np.array([np.nan, 11.0]), np.array([-4.0, -4.0]))
    assert np.isnan(found[0]).all()
    assert np.isfinite(found[1]).all()


def test_the_surfaces_are_columns_of_a_placed_home(grid):
    home = one_home(lat=47.52, long=-122.2 + 11 / 75.1)
    found = made_of(home, grid)
    at = grid.at(np.array([found["east"]]), np.array([found["north"]]))[0]
    assert [found[name] for name in SURFACES] == at.tolist()
    unplaced = features.columns(
        Homes(np.full((1, 17), np.nan), ["98103"], home.days), {}, grid
    )
    assert np.isnan(features.matrix(unplaced, SURFACES)).all()


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
