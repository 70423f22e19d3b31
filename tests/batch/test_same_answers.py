"""What is scored in bulk is what POST /v1/predict answers, home by home."""

import json
import random

import numpy as np
import plausible
import pytest
from batch.conftest import FORMATS, written

from housing_app.valuation.features import FEATURES, SLOTS, slot_features

TOLD = ("price", "low", "high", "fsd", "confidence", "valuation_date", "missing")
ROUTES = {"full": "/v1/predict", "minimal": "/v1/predict/minimal"}


@pytest.fixture
def ask(client):
    """Return what the API says of one home: a prediction, or its errors."""

    def answer(home, slot="full", query=""):
        sent = client.post(
            ROUTES[slot] + query,
            data=json.dumps(home),
            content_type="application/json",
        )
        if sent.status_code == 200:
            return sent.json["predictions"][0]
        assert sent.status_code in {400, 422}, sent.json
        return sent.json.get("errors") or [
            {"pointer": "", "detail": sent.json["detail"]}
        ]

    return answer


def fitted(home, slot):
    return {f.name: home[f.name] for f in slot_features(slot)} | {
        "zipcode": home["zipcode"]
    }


def odd_homes(count, slot, seed=5):
    """Homes with unknown fields, some doubtful, in every kind of zipcode."""
    rng, chance = np.random.default_rng(seed), random.Random(seed)
    for home in plausible.homes(count, seed):
        found = plausible.with_unknown(fitted(home, slot), rng, 6, set())
        for _ in range(chance.choice([0, 0, 1, 2])):
            feature = chance.choice(slot_features(slot))
            ends = [feature.low, feature.high, 0 if feature.zero else feature.low]
            found[feature.name] = chance.choice(ends)
        if chance.random() < 0.1:
            found["zipcode"] = chance.choice(["10001", "00000", "99999", "98101"])
        yield found


def same(row, told):
    """Hold a row of JSON lines against a prediction."""
    assert {name: row[name] for name in TOLD} == {name: told[name] for name in TOLD}
    assert row["warnings"] == [warning["code"] for warning in told["warnings"]]


def as_json(kind, row):
    """Return a row of any format as JSON lines would hold it."""
    if kind == "csv":
        numbers = {name: float(row[name]) for name in ("price", "low", "high", "fsd")}
        texts = {name: row[name].split() for name in ("missing", "warnings")}
        return row | numbers | texts
    return row | {"valuation_date": str(row["valuation_date"])}


@pytest.mark.parametrize("kind", FORMATS)
def test_the_example_homes_get_the_prices_of_the_api(score, ask, example_homes, kind):
    done = score(written("csv", example_homes), target=f"out.{kind}")
    assert [int(row["row"]) for row in done.rows] == list(range(1, 21))
    for row, home in zip(done.rows, example_homes, strict=True):
        same(as_json(kind, row), ask(home))


@pytest.mark.parametrize("slot", SLOTS)
@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_homes_with_all_that_can_be_unknown_or_doubtful_are_priced_alike(
    score, ask, kind, slot
):
    homes = list(odd_homes(300, slot))
    done = score(written(kind, homes), f"in.{kind}", "out.jsonl", slot, chunk=64)
    assert done.rejects == []
    for row, home in zip(done.rows, homes, strict=True):
        same(row, ask(home, slot))


def by_pointer(errors):
    return sorted(errors, key=lambda error: error["pointer"])


BAD = [True, "3", "", [], {}, -1, 0, 2.5, 1e300, 10**400, None, "x", 1e-300]


def bad_homes(count, slot, seed=11):
    chance = random.Random(seed)
    for home in odd_homes(count, slot, seed):
        for _ in range(chance.choice([0, 1, 1, 3])):
            name = chance.choice([*home, "valuation_date", "colour"])
            if chance.random() < 0.2:
                home.pop(name, None)
            else:
                home[name] = chance.choice([*BAD, "2015-02-30", "2014-12-01", 98103.0])
        yield home


def test_json_lines_are_rejected_with_the_errors_of_the_api(score, ask):
    homes = [next(iter(plausible.homes(1))), *bad_homes(400, "full")]
    homes[1]["colour"] = "red"
    # "colour" is named at the head of the file, so it is carried; later it is unknown.
    done = score(written("jsonl", homes), "in.jsonl", "out.jsonl", keep=None, chunk=50)
    carried = {name: None for home in homes[:100] for name in home}
    assert "colour" in carried
    scored = {row["row"]: row for row in done.rows}
    rejected = {bad["row"]: bad for bad in done.rejects}
    assert sorted([*scored, *rejected]) == list(range(1, len(homes) + 1))
    assert len(rejected) > 100
    for number, home in enumerate(homes, 1):
        answer = ask({k: v for k, v in home.items() if k != "colour"})
        if isinstance(answer, list):
            # In the order of the file's columns, not of the record's members.
            assert by_pointer(rejected[number]["errors"]) == by_pointer(answer)
            assert rejected[number]["sent"] == home
        else:
            same(scored[number], answer)
            assert scored[number]["colour"] == home.get("colour")


def test_a_member_that_is_not_named_at_the_head_is_an_unknown_field(score, ask):
    homes = plausible.homes(150)
    homes[120]["colour"] = "red"
    done = score(written("jsonl", homes), "in.jsonl", "out.jsonl")
    (bad,) = done.rejects
    assert bad["errors"] == ask(homes[120])
    assert bad["errors"] == [{"pointer": "/colour", "detail": "unknown field"}]


TEXTS = {
    "": None,
    "  ": None,
    " 3 ": 3.0,
    "3.0": 3.0,
    "3e0": 3.0,
    "2.5": 2.5,
    "x": "x",
    "1_0": "1_0",
    "３": "３",
    "0x3": "0x3",
    "nan": float("nan"),
    "-inf": float("-inf"),
    "1e999": float("inf"),
    "true": "true",
    "-1": -1.0,
    "51": 51.0,
}


@pytest.mark.parametrize("name", ["bedrooms", "sqft_lot", "yr_renovated"])
def test_a_cell_is_taken_as_json_would_hold_it(score, ask, name):
    (home,) = plausible.homes(1)
    done = score(
        written("csv", [home | {name: text} for text in TEXTS]), target="out.jsonl"
    )
    scored = {row["row"]: row for row in done.rows}
    rejected = {bad["row"]: bad for bad in done.rejects}
    for number, (text, value) in enumerate(TEXTS.items(), 1):
        answer = ask(home | {name: value})
        if isinstance(answer, list):
            assert rejected[number]["errors"] == answer
            assert rejected[number]["sent"][name] == text
        else:
            same(scored[number], answer)


ZIPCODES = {
    "98103": "98103",
    " 98103 ": "98103",
    "98103.0": 98103.0,
    "501": 501,
    "00501": "00501",
    "98103-1234": "98103-1234",
    "9810３": "9810３",
    "": None,
    "x": "x",
    "123456": 123456,
}


def test_a_zipcode_may_have_lost_its_zeros(score, ask):
    (home,) = plausible.homes(1)
    done = score(
        written("csv", [home | {"zipcode": text} for text in ZIPCODES]),
        target="o.jsonl",
    )
    found = {row["row"]: row for row in [*done.rows, *done.rejects]}
    for number, value in enumerate(ZIPCODES.values(), 1):
        answer = ask(home | {"zipcode": value})
        if isinstance(answer, list):
            assert found[number]["errors"] == answer
        else:
            same(found[number], answer)


def test_homes_are_valued_at_their_own_dates(score, ask):
    homes = [
        home | {"valuation_date": day}
        for home, day in zip(
            plausible.homes(4),
            ["2014-06-01", "", "2019-01-01", "31/3/2015"],
            strict=True,
        )
    ]
    done = score(written("csv", homes), target="out.jsonl")
    for row in done.rows:
        home = {k: v for k, v in homes[row["row"] - 1].items() if v != ""}
        same(row, ask(home))
    assert [bad["errors"] for bad in done.rejects] == [ask(homes[3])]


def test_several_mistakes_of_a_row_are_all_told(score, ask):
    (home,) = plausible.homes(1)
    home |= {feature.name: -1e9 for feature in FEATURES} | {"zipcode": "x"}
    done = score(written("csv", [home]))
    assert done.rejects[0]["errors"] == ask(home)
    assert len(done.rejects[0]["errors"]) == 18


@pytest.mark.parametrize("level", [0.5, 0.8, 0.9])
def test_levels_reasons_and_comparables_are_those_of_the_api(score, ask, level):
    homes = plausible.homes(5)
    done = score(
        written("csv", homes),
        target="out.jsonl",
        interval=level,
        explain=True,
        comparables=3,
    )
    for row, home in zip(done.rows, homes, strict=True):
        told = ask(home, query=f"?interval={level}&explain=true&comparables=3")
        same(row, told)
        assert row["explanation"] == told["explanation"]
        assert row["comparables"] == told["comparables"]


def test_homes_outside_the_area_are_refused_where_the_service_refuses_them(score):
    homes = plausible.homes(2)
    homes[1]["zipcode"] = "10001"
    done = score(written("csv", homes), refuse_outside=True)
    assert [row["row"] for row in done.rows] == ["1"]
    detail = "no home of this zipcode was learned from"
    assert done.rejects[0]["errors"] == [{"pointer": "/zipcode", "detail": detail}]
