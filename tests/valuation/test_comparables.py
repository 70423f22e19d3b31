"""Comparables: the most similar groups, by what the market pays for."""

import itertools
import json
import re
from dataclasses import replace

import numpy as np
import plausible
import pytest
from served import CHAMPIONS, FULL, MINIMAL, MODEL

from housing_app.valuation import comparables, features
from housing_app.valuation.comparables import MOST, Comparables, closest
from housing_app.valuation.features import Columns
from housing_app.valuation.predictor import Details

MEMBERS = {
    "zipcode",
    "sales",
    "median_price",
    "price_per_sqft",
    "month",
    "typical_home",
    "lat",
    "long",
    "distance_km",
    "similarity",
}


@pytest.fixture(scope="module")
def estimated(shipped, shipped_demographics):
    """Homes, their columns and their comparables, by a champion."""

    def made(name, homes, count=5):
        model = shipped[name]
        built = features.homes(homes, model.valuation_date)
        joined = shipped_demographics.join(built.zipcodes, model.demographics)
        answers = model.value(built, joined, Details(comparables=count))
        return model, model.columns(built, joined), answers

    return made


@pytest.fixture(scope="module")
def nearest(estimated):
    return lambda name, homes, count=5: estimated(name, homes, count)[2].comparables


@pytest.fixture(scope="module")
def county(example_homes):
    return [*example_homes, *plausible.homes(60, seed=3)]


@pytest.fixture(scope="module")
def core_county(county):
    """The same homes as the minimal endpoint is sent them."""
    core = [f.name for f in features.slot_features("minimal")]
    return [{name: home[name] for name in [*core, "zipcode"]} for home in county]


def stored(name):
    with np.load(MODEL / name / comparables.FILE) as arrays:
        return dict(arrays)


def brute_force(model, columns, row):
    """Expected differences of log price to every group, known columns only."""
    options = model.manifest.model["comparables"]
    squared = np.zeros(len(model.comparables.points))
    for i, (name, step) in enumerate(
        zip(options["columns"], options["steps"], strict=True)
    ):
        own = columns[name][row] / step
        if not np.isnan(own):
            squared += (own - model.comparables.points[:, i]) ** 2
    return np.sqrt(squared)


def haversine(lat, long, lat0, long0):
    a, b, a0, b0 = np.radians([lat, long, lat0, long0])
    half = (
        np.sin((a - a0) / 2) ** 2 + np.cos(a) * np.cos(a0) * np.sin((b - b0) / 2) ** 2
    )
    return 2 * 6371 * np.arcsin(np.sqrt(half))


# --- of the shipped champions ---------------------------------------------------------


@pytest.mark.parametrize("name", CHAMPIONS)
def test_every_comparable_stands_for_five_sales_of_one_known_zipcode(shipped, name):
    arrays = stored(name)
    assert arrays["counts"].min() >= 5
    assert len(arrays["counts"]) > 1_000
    assert set(arrays["zipcodes"]) == set(shipped[name].manifest.zipcodes)
    assert arrays["counts"].sum() <= shipped[name].manifest.training["rows"]


@pytest.mark.parametrize("name", CHAMPIONS)
def test_nothing_is_stored_of_a_comparable_but_what_is_shown_or_compared(name):
    assert set(stored(name)) == {
        "points",
        "homes",
        "prices",
        "per_sqft",
        "levels",
        "counts",
        "days",
        "zipcodes",
    }


@pytest.mark.parametrize("name", CHAMPIONS)
def test_the_nearest_are_those_of_brute_force(estimated, county, name):
    model, columns, answers = estimated(name, county, 7)
    for row, found in enumerate(answers.comparables):
        away = brute_force(model, columns, row)
        best = np.argsort(away, kind="stable")[:7]
        shown = [group["similarity"] for group in found]
        np.testing.assert_allclose(shown, np.exp(-away[best]), atol=6e-4)
        told = model.comparables
        # Of two groups as near to the last digit, either may come first.
        assert {(g["zipcode"], g["median_price"]) for g in found} == {
            (str(told.zipcodes[g]), round(float(told.prices[g]), 2)) for g in best
        }


@pytest.mark.parametrize("name", CHAMPIONS)
def test_a_comparable_is_told_in_full_and_in_plain_json(nearest, county, name):
    for group in itertools.chain(*nearest(name, county)):
        assert group.keys() == MEMBERS
        assert group["typical_home"].keys() == set(comparables.SHOWN)
        assert json.loads(json.dumps(group)) == group
        assert group["sales"] >= 5
        assert re.fullmatch(r"2014-(0[5-9]|1[0-2])|2015-0[1-3]", group["month"])
        assert 50_000 < group["median_price"] < 5_000_000
        assert 50 < group["price_per_sqft"] < 1_500
        by_size = group["median_price"] / group["typical_home"]["sqft_living"]
        assert group["price_per_sqft"] == pytest.approx(by_size, rel=0.5)


@pytest.mark.parametrize("name", CHAMPIONS)
def test_the_most_similar_come_first(nearest, county, name):
    for found in nearest(name, county, MOST):
        shown = [group["similarity"] for group in found]
        assert shown == sorted(shown, reverse=True)
        assert 0 < shown[-1] <= shown[0] <= 1


def test_ordinary_homes_have_similar_ones_near_by(nearest, example_homes):
    found = [groups[0] for groups in nearest(FULL, example_homes, 1)]
    assert np.median([group["similarity"] for group in found]) > 0.9
    assert np.median([group["distance_km"] for group in found]) < 5


def test_distance_is_from_the_home_to_the_middle_of_the_group(nearest, county):
    for home, found in zip(county, nearest(FULL, county), strict=True):
        for group in found:
            expected = haversine(home["lat"], home["long"], group["lat"], group["long"])
            assert group["distance_km"] == pytest.approx(expected, rel=0.01, abs=0.02)


def test_without_position_distance_is_from_the_middle_of_the_zipcode(
    shipped, nearest, core_county
):
    area = shipped[MINIMAL].manifest.zipcodes
    for home, found in zip(core_county, nearest(MINIMAL, core_county), strict=True):
        zone = area[home["zipcode"]]
        for group in found:
            expected = haversine(zone["lat"], zone["long"], group["lat"], group["long"])
            assert group["distance_km"] == pytest.approx(expected, rel=0.01, abs=0.02)


def test_a_home_of_unknown_place_is_compared_with_its_zipcode(shipped, nearest, county):
    nothing = dict.fromkeys(features.NAMES)
    for zipcode in ("98103", "98023", "98004"):
        (found,) = nearest(FULL, [nothing | {"zipcode": zipcode}], 3)
        assert np.median([group["distance_km"] for group in found]) < 5
    unplaced = [home | {"lat": None, "long": None} for home in county[:20]]
    for placed, found in zip(
        nearest(FULL, county[:20]), nearest(FULL, unplaced), strict=True
    ):
        near, far = (
            np.median([group["distance_km"] for group in groups])
            for groups in (placed, found)
        )
        assert far < near + 10


def test_outside_the_area_no_middle_is_known_and_no_distance(nearest, core_county):
    (found,) = nearest(MINIMAL, [core_county[0] | {"zipcode": "98201"}])
    assert [group["distance_km"] for group in found] == [None] * 5


@pytest.mark.parametrize("count", [1, 2, 5, MOST])
@pytest.mark.parametrize("name", CHAMPIONS)
def test_as_many_are_told_as_were_asked_for(nearest, county, name, count):
    found = nearest(name, county, count)
    assert [len(groups) for groups in found] == [count] * len(county)
    fewer = nearest(name, county, 1)
    assert [groups[:1] for groups in found] == fewer


@pytest.mark.parametrize("name", CHAMPIONS)
def test_comparables_that_nobody_asked_for_are_not_told(nearest, county, name):
    assert nearest(name, county, 0) is None


@pytest.mark.parametrize("name", CHAMPIONS)
def test_asking_for_comparables_changes_no_price(estimated, county, name):
    plain, asked = (estimated(name, county, count)[2] for count in (0, MOST))
    assert asked.prices.tolist() == plain.prices.tolist()
    assert asked.lows.tolist() == plain.lows.tolist()
    assert asked.warnings == plain.warnings


@pytest.mark.parametrize("name", CHAMPIONS)
def test_a_homes_comparables_do_not_depend_on_its_company(nearest, county, name):
    together = nearest(name, county)
    backwards = nearest(name, county[::-1])[::-1]
    assert together == backwards
    assert [nearest(name, [home])[0] for home in county[:10]] == together[:10]


def test_changing_an_answer_does_not_change_the_next_one(nearest, home):
    first = nearest(FULL, [home])[0]
    kept = json.loads(json.dumps(first))
    first[0]["median_price"] = 1.0
    first[0]["typical_home"]["grade"] = 99
    assert nearest(FULL, [home])[0] == kept


@pytest.mark.parametrize("name", CHAMPIONS)
def test_what_the_market_pays_more_for_counts_more(shipped, name):
    options = shipped[name].manifest.model["comparables"]
    steps = dict(zip(options["columns"], options["steps"], strict=True))
    assert min(options["steps"]) > 0
    # One bathroom more or less is less of a difference than half the size.
    assert 1 / steps["bathrooms"] < 0.69 / steps["log_living"]


def test_a_price_far_from_its_comparables_is_told(full, home, shipped_demographics):
    homes = features.homes([home], full.valuation_date)
    joined = shipped_demographics.join(homes.zipcodes, full.demographics)
    for apart, expected in ((0.0, ["far-from-comparables"]), (9.0, [])):
        model = replace(full, comparables=replace(full.comparables, apart=apart))
        (warnings,) = model.value(homes, joined).warnings
        assert [warning["code"] for warning in warnings] == expected


def test_the_range_of_an_unlike_home_is_wider(full, home, shipped_demographics):
    homes = features.homes([home], full.valuation_date)
    joined = shipped_demographics.join(homes.zipcodes, full.demographics)
    usual, unlike = (
        replace(full, comparables=replace(full.comparables, far=far)).value(
            homes, joined
        )
        for far in (9.0, 0.0)
    )
    assert unlike.fsds[0] == pytest.approx(1.4 * usual.fsds[0])
    assert unlike.prices[0] == usual.prices[0]
    assert unlike.lows[0] < usual.lows[0]
    assert unlike.confidences == ["low"]


# --- of three groups, by hand ---------------------------------------------------------

HOME = dict.fromkeys(features.NAMES, 1.0) | {"lat": 47.6, "long": -122.3}


@pytest.fixture
def three():
    """Groups at log size 7, 8 and 9; a tenth of log price for each unit of size."""
    homes = np.tile([HOME[name] for name in features.NAMES], (3, 1))
    homes[:, features.POSITION["lat"]] += [0.0, 0.1, 0.2]
    return Comparables(
        columns=["log_living", "grade"],
        steps=np.array([10.0, 2.0]),
        points=np.array([[0.7, 3.5], [0.8, 3.5], [0.9, 4.0]]),
        homes=homes,
        prices=np.array([3e5, 4e5, 5.00123e5]),
        per_sqft=np.array([200.0, 250.0, 300.126]),
        levels=np.log([3e5, 4e5, 5e5]),
        counts=np.array([5, 6, 7]),
        days=np.array([735_500.0, 735_600.5, 735_689.0]),
        zipcodes=np.array(["98001", "98002", "98003"]),
        far=0.2,
        apart=0.5,
    )


def columns(**values):
    return Columns({name: np.array([value]) for name, value in values.items()})


def test_distance_is_the_difference_of_log_price_to_be_expected(three):
    found = three.distances(columns(log_living=7.0, grade=7.0))
    np.testing.assert_allclose(found, [[0, 0.1, np.hypot(0.2, 0.5)]], atol=1e-7)


def test_what_is_unknown_differs_from_nothing(three):
    found = three.distances(columns(log_living=8.0, grade=np.nan))
    np.testing.assert_allclose(found, [[0.1, 0, 0.1]], atol=1e-7)


@pytest.mark.parametrize(("asked", "told"), [(1, 1), (2, 2), (3, 3), (4, 3), (20, 3)])
def test_there_may_be_fewer_groups_than_asked_for(three, asked, told):
    distances = np.array([[0.3, 0.1, 0.2]])
    (found,) = three.described(
        closest(distances, asked), np.array([47.6]), np.array([-122.3])
    )
    assert [group["zipcode"] for group in found] == ["98002", "98003", "98001"][:told]


def test_a_group_is_told_as_a_calculator_gives_it(three):
    distances = np.array([[0.3, 0.2, 0.1]])
    (found,) = three.described(
        closest(distances, 1), np.array([47.6]), np.array([-122.3])
    )
    assert found == [
        {
            "zipcode": "98003",
            "sales": 7,
            "median_price": 500_123.0,
            "price_per_sqft": 300.13,
            "month": "2015-04",
            "typical_home": dict.fromkeys(comparables.SHOWN, 1.0),
            "lat": 47.8,
            "long": -122.3,
            "distance_km": 22.24,
            "similarity": 0.905,
        }
    ]


def test_of_groups_equally_near_the_first_come_first(three):
    distances = np.array([[0.1, 0.1, 0.1]])
    place = np.array([47.6]), np.array([-122.3])
    for asked in (3, 5):
        (found,) = three.described(closest(distances, asked), *place)
        assert [group["sales"] for group in found] == [5, 6, 7]


def test_the_same_home_is_perfectly_similar(three):
    distances = np.array([[0.0, 0.1, 0.2]])
    (found,) = three.described(
        closest(distances, 1), np.array([np.nan]), np.array([np.nan])
    )
    assert (found[0]["similarity"], found[0]["distance_km"]) == (1.0, None)


def test_the_gap_is_to_the_nearest_groups_weighed_by_nearness(three):
    # Of three groups two are held against the valuation.
    distances = np.array([[0.0, 0.1, 9.0]])
    weight = np.array([1, np.exp(-1)])
    theirs = (weight * np.log([3e5, 4e5])).sum() / weight.sum()
    found = three.gaps(closest(distances, 5), np.log(np.array([6e5])))
    assert found[0] == pytest.approx(np.log(6e5) - theirs)


def test_a_gap_is_never_negative_or_without_number_however_far(three):
    # Weights that fade to nothing must not make 0 / 0.
    with np.errstate(all="raise", under="ignore"):
        near = closest(np.array([[900.0, 901.0, 999.0]]), 5)
        found = three.gaps(near, np.log(np.array([1e5])))
    assert found[0] > 0
