"""?explain= and ?comparables=: what an answer holds beside prices."""

import dataclasses
import json
import re

import numpy as np
import pytest
from served import CHAMPIONS, manifest

from housing_app.valuation import predictor
from housing_app.valuation.features import NAMES, ZIPCODE, slot_features
from housing_app.valuation.kinds import PriceModel

FULL, MINIMAL = "/v1/predict", "/v1/predict/minimal"
CORE = [feature.name for feature in slot_features("minimal")]
ALWAYS = {
    "id",
    "price",
    "low",
    "high",
    "fsd",
    "confidence",
    "valuation_date",
    "missing",
    "warnings",
}


@pytest.fixture(scope="module")
def minimal_homes(example_homes):
    return [{name: h[name] for name in [*CORE, ZIPCODE]} for h in example_homes]


@pytest.fixture(params=[FULL, MINIMAL], ids=["full", "minimal"])
def case(request, predict, example_homes, minimal_homes):
    """A slot's homes, and a way to value them."""
    homes = example_homes if request.param == FULL else minimal_homes

    def valued(sent=homes, **query):
        payload = {"records": sent} if isinstance(sent, list) else sent
        answer = predict(payload, request.param, **query)
        assert answer.status_code == 200, answer.text
        return answer.json

    return homes, valued


def cents(dollars):
    assert dollars == round(dollars, 2)
    return round(100 * dollars)


def check(prediction):
    """Check that an explanation adds up to its price, to the cent."""
    told = prediction["explanation"]
    reasons = told["reasons"]
    total = cents(told["base_price"]) + sum(cents(r["dollars"]) for r in reasons)
    assert total == cents(prediction["price"])
    factor = np.prod([reason["factor"] for reason in reasons])
    assert factor == pytest.approx(prediction["price"] / told["base_price"], rel=1e-3)


# --- explain --------------------------------------------------------------------------


def test_an_explanation_adds_up_to_the_price_to_the_cent(case):
    _, valued = case
    predictions = valued(explain="true")["predictions"]
    assert len(predictions) == 20
    for prediction in predictions:
        assert prediction.keys() == ALWAYS | {"explanation"}
        check(prediction)


@pytest.mark.parametrize(
    "query",
    [{"interval": "0.5"}, {"interval": "0.8", "comparables": "3"}],
)
def test_an_explanation_adds_up_whatever_else_is_asked_for(case, query):
    homes, valued = case
    rng = np.random.default_rng(1)
    sent = []
    for home in homes:
        unknown = rng.choice([n for n in home if n != ZIPCODE], 2, replace=False)
        sent.append(home | dict.fromkeys(unknown.tolist()))
    for day in ("2014-05-02", "2015-06-15"):
        dated = [home | {"valuation_date": day} for home in sent]
        for prediction in valued(dated, explain="true", **query)["predictions"]:
            check(prediction)


def test_a_home_of_which_only_the_zipcode_is_known_is_explained(case):
    homes, valued = case
    nothing = dict.fromkeys(n for n in homes[0] if n != ZIPCODE) | {ZIPCODE: "98103"}
    (prediction,) = valued(nothing, explain="true")["predictions"]
    check(prediction)


def test_an_explanation_names_fields_that_were_sent_and_no_columns(case):
    homes, valued = case
    sent = set(homes[0]) - {ZIPCODE}
    hidden = {c for n in CHAMPIONS for c in manifest(n)["features"]} - set(NAMES)
    for prediction in valued(explain="true")["predictions"]:
        told = prediction["explanation"]
        named = {reason["field"] for reason in told["reasons"]}
        assert named <= sent | {"location", "demographics", "valuation_date"}
        assert not set(re.findall(r"\w+", json.dumps(told))) & hidden
        for reason in told["reasons"]:
            assert reason.keys() == {"field", "label", "factor", "dollars"}
            assert re.fullmatch(r"[A-Z][A-Za-z' ]+", reason["label"])


@pytest.mark.parametrize("query", [{}, {"explain": "false"}])
def test_an_explanation_that_nobody_asked_for_is_not_sent(case, query):
    _, valued = case
    assert valued(**query)["predictions"][0].keys() == ALWAYS


@pytest.mark.parametrize(
    "text", ["", "1", "0", "yes", "True", "TRUE", "on", "true ", "null", "tru"]
)
def test_explain_is_true_or_false(predict, home, text):
    answer = predict(home, explain=text)
    assert answer.status_code == 422
    assert answer.json["errors"] == [
        {"parameter": "explain", "detail": "must be true or false"}
    ]


# --- comparables ------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 3, 20])
def test_as_many_comparables_are_sent_as_were_asked_for(case, count):
    _, valued = case
    for prediction in valued(comparables=str(count))["predictions"]:
        assert prediction.keys() == ALWAYS | {"comparables"}
        found = prediction["comparables"]
        assert len(found) == count
        similarity = [group["similarity"] for group in found]
        assert similarity == sorted(similarity, reverse=True)
        assert all(0 < each <= 1 for each in similarity)
        assert min(group["sales"] for group in found) >= 5
        assert all(group["distance_km"] >= 0 for group in found)


def test_a_comparable_has_the_members_of_the_contract_and_no_others(first, home):
    for group in first(home, comparables="20")["comparables"]:
        assert {name: type(value) for name, value in group.items()} == {
            "zipcode": str,
            "sales": int,
            "median_price": float,
            "price_per_sqft": float,
            "month": str,
            "typical_home": dict,
            "lat": float,
            "long": float,
            "distance_km": float,
            "similarity": float,
        }
        assert set(group["typical_home"]) < set(NAMES)


@pytest.mark.parametrize("query", [{}, {"comparables": "0"}])
def test_comparables_that_nobody_asked_for_are_not_sent(case, query):
    _, valued = case
    assert valued(**query)["predictions"][0].keys() == ALWAYS


@pytest.mark.parametrize(
    "text",
    ["", "-1", "21", "100", "1.0", "5,", "5 ", "05", "+5", "five", "true", "٣", "1e1"],
)
def test_comparables_are_a_whole_number_up_to_twenty(predict, home, text):
    answer = predict(home, comparables=text)
    assert answer.status_code == 422
    assert answer.json["errors"] == [
        {
            "parameter": "comparables",
            "detail": "must be a whole number from 0 to 20",
        }
    ]


# --- together ---------------------------------------------------------------------------


def test_what_is_asked_for_changes_no_price(case):
    _, valued = case
    plain = valued()["predictions"]
    asked = valued(explain="true", comparables="5")["predictions"]
    for before, after in zip(plain, asked, strict=True):
        assert after.keys() == ALWAYS | {"explanation", "comparables"}
        assert {n: before[n] for n in ALWAYS - {"id"}} == {
            n: after[n] for n in ALWAYS - {"id"}
        }


def test_a_batch_and_single_requests_agree_on_every_detail(case):
    homes, valued = case
    query = {"explain": "true", "comparables": "4"}
    batch = valued(**query)["predictions"]
    for home, found in zip(homes[:6], batch, strict=False):
        (alone,) = valued(home, **query)["predictions"]
        assert alone["explanation"] == found["explanation"]
        assert alone["comparables"] == found["comparables"]


@pytest.mark.parametrize("name", ["explain", "comparables", "interval"])
@pytest.mark.parametrize("value", ["1", "true", "0.9"])
def test_a_parameter_may_not_come_twice(client, home, name, value):
    answer = client.post(f"{FULL}?{name}={value}&{name}={value}", json=home)
    assert answer.status_code == 422
    assert [error["parameter"] for error in answer.json["errors"]] == [name]


def test_every_wrong_parameter_is_told_at_once(predict, home):
    answer = predict(home, explain="maybe", comparables="-1", interval="1", debug="1")
    named = {error["parameter"] for error in answer.json["errors"]}
    assert named == {"explain", "comparables", "interval", "debug"}


def test_a_wrong_parameter_is_told_before_the_body_is_read(client):
    answer = client.post(
        f"{FULL}?explain=1", data=b"{", content_type="application/json"
    )
    assert answer.status_code == 422
    assert answer.json["errors"][0]["parameter"] == "explain"


# --- what the fallback knows ----------------------------------------------------------------


class Broken(PriceModel):
    def log_prices(self, rows):
        raise RuntimeError("broken")


@pytest.fixture
def fallback(app):
    """The full champion raises; put back afterwards."""
    roles = {r: predictor.current("full", r) for r in ("champion", "fallback")}
    broken = dataclasses.replace(roles["champion"], model=Broken())
    predictor.install("full", roles | {"champion": broken})
    yield
    predictor.install("full", roles)


@pytest.mark.usefixtures("fallback")
def test_what_the_fallback_does_not_know_is_null(predict, home):
    answer = predict(home, explain="true", comparables="3").json
    assert answer["model"]["variant"] == "fallback"
    (prediction,) = answer["predictions"]
    assert prediction.keys() == ALWAYS | {"explanation", "comparables"}
    assert prediction["explanation"] is None
    assert prediction["comparables"] is None
    assert prediction["price"] > 0


@pytest.mark.usefixtures("fallback")
def test_the_fallback_too_sends_only_what_was_asked_for(first, home):
    assert first(home).keys() == ALWAYS


# --- warnings of likeness -------------------------------------------------------------------


def test_a_home_unlike_all_others_is_answered_with_a_warning(first, home):
    odd = {"sqft_living": 20_000, "sqft_above": 20_000, "sqft_basement": 0, "grade": 3}
    found = first(home | odd | {ZIPCODE: "98103"}, explain="true", comparables="3")
    codes = [warning["code"] for warning in found["warnings"]]
    assert "unlike-training-homes" in codes
    assert found["confidence"] == "low"
    check(found)
    assert found["comparables"][0]["similarity"] < 0.9


def test_an_ordinary_home_is_like_its_comparables(first, home):
    found = first(home, comparables="5")
    assert found["warnings"] == []
    prices = [group["median_price"] for group in found["comparables"]]
    assert min(prices) / 1.5 < found["price"] < max(prices) * 1.5
    assert {group["zipcode"] for group in found["comparables"]} >= {home[ZIPCODE]}
