"""The check by column agrees with the schema, on good homes and on bad ones."""

import json
from datetime import date

import numpy as np
import plausible
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from marshmallow import ValidationError

from housing_app.errors import Problem
from housing_app.v1 import columns, schemas
from housing_app.valuation import features
from housing_app.valuation.features import FEATURES, NAMES, SLOTS, ZIPCODE


def home_as_json(home):
    return json.loads(json.dumps({name: home[name] for name in [*NAMES, ZIPCODE]}))


GOOD = [home_as_json(home) for home in plausible.homes(40)]
DAYS = ["2015-03-31", "1900-01-01", "2199-12-31"]
BAD_DAYS = ["2015-3-31", "20150331", "2200-01-01", "2015-02-30", "", None, 5, True, []]
BAD = [True, "3", "", [], {}, float("nan"), float("inf"), -float("inf"), 10**400]
EDGES = [0, -0.0, 0.0, 1e-300, -1, 2**53 + 1, 1e308, 0.1, 0.25, 2.5, 3.0]


def by_schema(records, slot):
    """What the schema alone makes of records: homes, or None."""
    try:
        found = schemas.home_schema(slot).load(records, many=True)
    except ValidationError:
        return None
    return features.homes(found, None)


def same(ours, theirs):
    np.testing.assert_array_equal(ours.values, theirs.values)
    assert list(ours.zipcodes) == list(theirs.zipcodes)
    np.testing.assert_array_equal(ours.days, theirs.days)


def fitted(slot, home):
    return {f.name: home[f.name] for f in features.slot_features(slot)} | {
        ZIPCODE: home[ZIPCODE]
    }


limits = st.sampled_from(FEATURES).flatmap(
    lambda f: st.tuples(
        st.just(f.name),
        st.sampled_from([f.low, f.high, f.low - 1, f.high + 1, int(f.low), f.low + 0.5])
        | st.floats(f.low - 1, f.high + 1)
        | st.sampled_from([*EDGES, *BAD, None]),
    )
)
GOOD_ZIPCODES = ["98103", 98103, 98103.0, 501, "00501", 0]
BAD_ZIPCODES = [True, "9810", "98103 ", None, "９08103", -1, 98103.5, 123456, [], 1e300]
zipcodes = st.tuples(
    st.just(ZIPCODE), st.sampled_from([*GOOD_ZIPCODES, *BAD_ZIPCODES, float("nan")])
)
dates = st.tuples(st.just("valuation_date"), st.sampled_from([*DAYS, *BAD_DAYS]))
others = st.tuples(st.sampled_from(["", "price", "Grade", "records"]), st.just(1))
changes = st.lists(limits | zipcodes | dates | others, max_size=3)
dropped = st.sets(st.sampled_from([*NAMES, ZIPCODE]), max_size=1)


@st.composite
def batches(draw, slot):
    """Homes of which most are good: what is wrong must be found among them."""
    count = draw(st.integers(1, 6))
    records = []
    for i in range(count):
        record = fitted(slot, GOOD[draw(st.integers(0, len(GOOD) - 1))])
        if i == 0 or draw(st.integers(0, 3)) == 0:
            for name, value in draw(changes):
                record[name] = value
            if draw(st.integers(0, 4)) == 0:
                without = draw(dropped)
                record = {k: v for k, v in record.items() if k not in without}
        records.append(record)
    if draw(st.integers(0, 30)) == 0:
        records.append(draw(st.sampled_from([None, 1, "home", [], {}, [1, 2]])))
    return records


@pytest.mark.parametrize("slot", SLOTS)
def test_both_checks_agree_on_any_homes(slot):
    seen = {"good": 0, "bad": 0, "left": 0}

    @given(batches(slot))
    @settings(max_examples=600, deadline=None, database=None, derandomize=True)
    @example([fitted(slot, GOOD[0])])
    def agree(records):
        ours, theirs = columns.checked(records, slot), by_schema(records, slot)
        if theirs is None:
            assert ours is None
            seen["bad"] += 1
        elif ours is None:
            seen["left"] += 1
        else:
            same(ours, theirs)
            seen["good"] += 1

    agree()
    assert seen["good"] > 100
    assert seen["bad"] > 100
    # A check that left everything to the schema would agree, and be of no use.
    assert seen["left"] < seen["good"] / 5


@pytest.mark.parametrize("slot", SLOTS)
@pytest.mark.parametrize("value", [*EDGES, *BAD, None, "text", 5, 1700, 100.0])
@pytest.mark.parametrize("name", NAMES)
def test_both_checks_agree_on_every_field_of_one_home(slot, name, value):
    record = fitted(slot, GOOD[0])
    if name in record:
        ours = columns.checked([record | {name: value}], slot)
        theirs = by_schema([record | {name: value}], slot)
        assert (ours is None) == (theirs is None)
        if ours is not None:
            same(ours, theirs)


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"grade": None, "lat": None},
        {"yr_renovated": 0},
        {"yr_renovated": 1995.0},
        {"zipcode": 98103},
        {"valuation_date": "2015-01-31"},
    ],
)
def test_what_is_usual_is_not_left_to_the_schema(change):
    records = [GOOD[0], GOOD[1] | change, GOOD[2]]
    assert columns.checked(records, "full") is not None
    assert columns.checked(records[1:2], "full") is not None


@pytest.mark.parametrize("feature", FEATURES, ids=NAMES)
def test_what_stands_in_for_an_unknown_value_is_a_good_one(feature):
    assert feature.refuse(feature.low) is None


def test_the_errors_of_a_bad_batch_are_those_of_the_schema():
    records = [*GOOD[:3], GOOD[3] | {"grade": 99, "view": "no"}, {}, 5]
    with pytest.raises(Problem) as raised:
        schemas.load_request({"records": records}, "full", 10)
    found = {e["pointer"]: e["detail"] for e in raised.value.errors}
    assert found["/records/3/grade"] == "must be between 1 and 13"
    assert found["/records/3/view"] == "must be a number or null"
    assert found["/records/4/zipcode"] == "is missing"
    assert found["/records/5"] == "must be a JSON object"


def test_a_home_is_valued_at_its_own_date_or_the_one_they_share():
    own = {"valuation_date": "2015-01-31"}
    for shared, expected in (({}, date(2014, 12, 24)), (own, date(2015, 1, 31))):
        payload = {"records": [GOOD[0], GOOD[1] | own]} | shared
        request = schemas.load_request(payload, "full", 9)
        assert len(request) == 2
        days = request.homes(date(2014, 12, 24)).days.tolist()
        assert days == [expected.toordinal(), date(2015, 1, 31).toordinal()]
