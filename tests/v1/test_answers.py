"""What a valuation says: DESIGN §4's answer, member by member."""

import json
import math
import uuid

import pytest

from housing_app import create_app
from housing_app.config import ROOT
from housing_app.valuation.features import NAMES, ZIPCODE, slot_features

FULL, MINIMAL = "/v1/predict", "/v1/predict/minimal"
CORE = [feature.name for feature in slot_features("minimal")]
HELD = [  # of two answers to one question, all but the ids
    "price",
    "low",
    "high",
    "fsd",
    "confidence",
    "valuation_date",
    "missing",
    "warnings",
]
OUTSIDE = "10001"  # Manhattan: demographics, but no sale was learned from
NOWHERE = "00000"  # no zipcode at all
AREA_CODE = "zipcode-outside-training-area"


@pytest.fixture(scope="module")
def minimal_homes(example_homes):
    return [{name: h[name] for name in [*CORE, ZIPCODE]} for h in example_homes]


def codes(prediction):
    return [warning["code"] for warning in prediction["warnings"]]


# --- the shape ----------------------------------------------------------------------


def test_an_answer_has_the_members_of_the_contract_and_no_others(predict, home):
    answer = predict(home)
    assert answer.content_type == "application/json"
    assert {name: type(value) for name, value in answer.json.items()} == {
        "predictions": list,
        "interval": float,
        "currency": str,
        "valuation_date": str,
        "model": dict,
        "request_id": str,
    }
    assert answer.json["currency"] == "USD"
    assert answer.json["interval"] == 0.9


def test_a_prediction_has_the_members_of_the_contract_and_no_others(first, home):
    found = first(home | {"grade": None, "sqft_above": 9})
    assert {name: type(value) for name, value in found.items()} == {
        "id": str,
        "price": float,
        "low": float,
        "high": float,
        "fsd": float,
        "confidence": str,
        "valuation_date": str,
        "missing": list,
        "warnings": list,
    }
    for warning in found["warnings"]:
        assert warning.keys() == {"code", "detail"}
        assert all(isinstance(text, str) and text for text in warning.values())


@pytest.mark.parametrize(("path", "slot"), [(FULL, "full"), (MINIMAL, "minimal")])
def test_an_answer_names_the_model_that_serving_json_names(
    predict, minimal_home, home, path, slot
):
    serving = json.loads((ROOT / "model" / "serving.json").read_text())
    model = predict(home if slot == "full" else minimal_home, path).json["model"]
    assert model.keys() == {"name", "version", "variant"}
    assert f"{model['name']}-{model['version']}" == serving[slot]["champion"]
    assert model["variant"] == "champion"


def test_every_prediction_has_an_id_of_its_own(predict, example_homes):
    answers = [predict({"records": example_homes}).json for _ in range(2)]
    ids = [p["id"] for answer in answers for p in answer["predictions"]]
    assert len(set(ids)) == 2 * len(example_homes)
    assert all(str(uuid.UUID(found)) == found for found in ids)


def test_the_request_id_in_the_body_is_the_one_in_the_header(predict, home):
    answer = predict(home)
    assert answer.json["request_id"] == answer.headers["X-Request-ID"]


def test_an_envelope_of_one_answers_like_the_bare_home(first, home):
    bare, wrapped = first(home), first({"records": [home]})
    assert [bare[name] for name in HELD] == [wrapped[name] for name in HELD]


@pytest.mark.parametrize("path", [FULL, MINIMAL])
def test_a_batch_and_single_requests_agree_to_the_cent(
    predict, first, example_homes, minimal_homes, path
):
    homes = example_homes if path == FULL else minimal_homes
    batch = predict({"records": homes}, path).json["predictions"]
    assert len(batch) == len(homes)
    for home, found in zip(homes, batch, strict=True):
        single = first(home, path)
        assert [single[name] for name in HELD] == [found[name] for name in HELD]


def test_the_order_of_the_records_is_kept(predict, example_homes):
    forth = predict({"records": example_homes}).json["predictions"]
    back = predict({"records": example_homes[::-1]}).json["predictions"]
    prices = [found["price"] for found in forth]
    assert [found["price"] for found in back] == prices[::-1]
    assert len(set(prices)) == len(prices), "equal prices would prove nothing"


def test_a_home_is_valued_alike_whatever_its_company(first, predict, example_homes):
    alone = first(example_homes[0])["price"]
    for company in (1, 7, 500):
        homes = [example_homes[i % 20] for i in range(company)] + [example_homes[0]]
        last = predict({"records": homes}).json["predictions"][-1]
        assert last["price"] == alone


def test_prices_are_whole_cents_and_plausible(predict, example_homes):
    for found in predict({"records": example_homes}).json["predictions"]:
        for name in ("price", "low", "high"):
            assert found[name] == round(found[name], 2)
        assert 50_000 < found["price"] < 10_000_000


# --- the range ----------------------------------------------------------------------


@pytest.mark.parametrize("path", [FULL, MINIMAL])
def test_a_higher_level_gives_a_wider_range_around_the_same_price(
    predict, example_homes, minimal_homes, path
):
    homes = {"records": example_homes if path == FULL else minimal_homes}
    answers = [predict(homes, path, interval=level).json for level in (0.5, 0.8, 0.9)]
    assert [answer["interval"] for answer in answers] == [0.5, 0.8, 0.9]
    for half, most, nearly in zip(*(a["predictions"] for a in answers), strict=True):
        assert half["price"] == most["price"] == nearly["price"]
        assert nearly["low"] < most["low"] < half["low"] < half["price"]
        assert half["price"] < half["high"] < most["high"] < nearly["high"]


def test_the_confidence_is_the_grade_of_the_fsd(client, predict, example_homes):
    limits = client.get("/v1/info").json["confidence_fsd_limits"]
    for found in predict({"records": example_homes}).json["predictions"]:
        high, medium = (found["fsd"] <= limits[name] for name in ("high", "medium"))
        expected = "high" if high else "medium" if medium else "low"
        assert found["confidence"] == expected


@pytest.mark.parametrize(
    "text", ["0.95", "0.90", ".9", "90", "", "nan", "0,9", "0.5 ", "٠.٩", "true"]
)
def test_an_interval_that_is_not_offered_is_refused(predict, home, text):
    answer = predict(home, interval=text)
    assert answer.status_code == 422
    assert answer.json["errors"] == [
        {"parameter": "interval", "detail": "must be one of 0.5, 0.8, 0.9"}
    ]


def test_two_intervals_are_refused(client, home):
    answer = client.post("/v1/predict?interval=0.5&interval=0.9", json=home)
    assert answer.status_code == 422
    assert answer.json["errors"][0]["parameter"] == "interval"


@pytest.mark.parametrize("name", ["Interval", "level", "debug", "interval[]", "a/b"])
def test_an_unknown_query_parameter_is_refused_by_name(predict, home, name):
    answer = predict(home, **{name: "0.9"})
    assert answer.status_code == 422
    assert answer.json["errors"] == [{"parameter": name, "detail": "unknown parameter"}]


# --- what is unknown ----------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_a_null_field_is_answered_and_listed_as_missing(first, home, name):
    found = first(home | {name: None})
    assert found["missing"] == [name]
    assert 0 < found["low"] < found["price"] < found["high"]


@pytest.mark.parametrize("name", CORE)
def test_a_null_core_field_is_answered_by_the_minimal_endpoint(
    first, minimal_home, name
):
    found = first(minimal_home | {name: None}, MINIMAL)
    assert found["missing"] == [name]
    assert 0 < found["low"] < found["price"] < found["high"]


@pytest.mark.parametrize(("path", "names"), [(FULL, list(NAMES)), (MINIMAL, CORE)])
def test_a_home_of_which_only_the_zipcode_is_known_is_answered(first, path, names):
    found = first(dict.fromkeys(names) | {ZIPCODE: "98103"}, path)
    assert found["missing"] == names
    assert math.isfinite(found["price"])


def test_each_home_of_a_batch_lists_its_own_missing_fields(predict, home):
    homes = [home, home | {"grade": None, "lat": None}, home | {"view": None}]
    found = predict({"records": homes}).json["predictions"]
    assert [p["missing"] for p in found] == [[], ["grade", "lat"], ["view"]]


# --- the date -----------------------------------------------------------------------


def test_a_home_is_valued_at_the_models_date_unless_told(client, predict, home):
    champion = client.get("/v1/info").json["models"][0]
    answer = predict(home).json
    assert answer["valuation_date"] == champion["valuation_date"]
    assert answer["predictions"][0]["valuation_date"] == champion["valuation_date"]


def test_a_home_may_name_its_date(predict, home):
    answer = predict(home | {"valuation_date": "2014-07-01"}).json
    assert answer["valuation_date"] == "2014-07-01"
    assert answer["predictions"][0]["valuation_date"] == "2014-07-01"


def test_an_envelope_may_name_a_date_and_a_home_another(predict, home):
    records = [home, home | {"valuation_date": "2014-12-24"}]
    answer = predict({"records": records, "valuation_date": "2014-07-01"}).json
    dates = [found["valuation_date"] for found in answer["predictions"]]
    assert dates == ["2014-07-01", "2014-12-24"]
    assert answer["valuation_date"] is None, "the homes have no date in common"


def test_a_date_on_the_envelope_counts_as_one_on_each_home(predict, example_homes):
    day = {"valuation_date": "2014-07-01"}
    on_top = predict({"records": example_homes} | day).json
    on_each = predict({"records": [h | day for h in example_homes]}).json
    prices = [[p["price"] for p in a["predictions"]] for a in (on_top, on_each)]
    assert prices[0] == prices[1]
    assert on_top["valuation_date"] == on_each["valuation_date"] == "2014-07-01"


def test_the_date_moves_the_price(predict, example_homes):
    early, late = (
        [
            p["price"]
            for p in predict({"records": example_homes} | day).json["predictions"]
        ]
        for day in ({"valuation_date": "2014-06-01"}, {"valuation_date": "2015-03-31"})
    )
    assert early != late


# --- two ways to write one thing ----------------------------------------------------


@pytest.mark.parametrize("zipcode", ["98103", 98103, 98103.0])
def test_a_zipcode_is_text_or_a_number(first, home, zipcode):
    assert first(home | {ZIPCODE: zipcode})["price"] == first(home)["price"]
    assert first(home | {ZIPCODE: zipcode})["warnings"] == []


def test_a_zipcode_as_a_number_gets_its_leading_zeros_back(first, home):
    as_text, as_number = (first(home | {ZIPCODE: z}) for z in ("02139", 2139))
    assert [as_text[name] for name in HELD] == [as_number[name] for name in HELD]


def test_whole_numbers_may_be_written_with_a_point(first, home):
    pointed = {k: v if k == ZIPCODE else float(v) for k, v in home.items()}
    assert first(pointed)["price"] == first(home)["price"]


@pytest.mark.parametrize("bathrooms", [0.25, 1, 1.5, 2.25, 2.75])
def test_bathrooms_are_taken_in_quarters(first, home, bathrooms):
    assert first(home | {"bathrooms": bathrooms})["price"] > 0


# --- warnings -----------------------------------------------------------------------


def test_an_ordinary_home_has_no_warnings(first, home, minimal_home):
    assert first(home)["warnings"] == []
    assert first(minimal_home, MINIMAL)["warnings"] == []


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"sqft_above": 1000}, "areas-do-not-add-up"),
        ({"sqft_basement": 2000}, "areas-do-not-add-up"),
        ({"yr_built": 1990, "yr_renovated": 1980}, "renovated-before-built"),
        ({"yr_built": 2030}, "built-after-valuation"),
        ({"lat": 47.2}, "position-far-from-zipcode"),
        ({"long": -121.5}, "position-far-from-zipcode"),
        ({"lat": 21.3, "long": -157.8}, "position-far-from-zipcode"),
        ({"bedrooms": 50}, "outside-training-range"),
        ({"sqft_lot": 20_000_000}, "outside-training-range"),
        ({"valuation_date": "2024-01-01"}, "valuation-date-outside-training"),
        ({"valuation_date": "1990-01-01"}, "valuation-date-outside-training"),
        ({ZIPCODE: OUTSIDE, "lat": None}, AREA_CODE),
        ({ZIPCODE: NOWHERE, "lat": None}, "zipcode-without-demographics"),
    ],
)
def test_implausible_but_possible_input_is_answered_with_a_warning(
    first, home, changes, code
):
    found = first(home | changes)
    assert code in codes(found)
    assert 0 < found["low"] < found["price"] < found["high"]


def test_a_warning_belongs_to_its_home_alone(predict, home):
    homes = [home, home | {"sqft_above": 1000}, home]
    found = predict({"records": homes}).json["predictions"]
    assert [codes(p) for p in found] == [[], ["areas-do-not-add-up"], []]


@pytest.mark.parametrize("name", ["lat", "long", "sqft_above", "yr_built"])
def test_what_is_unknown_is_missing_but_not_implausible(first, home, name):
    assert first(home | {name: None})["warnings"] == []


def test_rounding_of_the_areas_is_no_reason_to_warn(first, home):
    assert first(home | {"sqft_above": 1450.5})["warnings"] == []


def test_a_range_warning_names_the_field(first, home):
    details = [w["detail"] for w in first(home | {"bedrooms": 50})["warnings"]]
    assert any(detail.startswith("bedrooms ") for detail in details)


# --- outside the area ---------------------------------------------------------------


@pytest.mark.parametrize("path", [FULL, MINIMAL])
@pytest.mark.parametrize("zipcode", [OUTSIDE, NOWHERE])
def test_a_home_outside_the_area_is_answered_with_low_confidence(
    first, home, minimal_home, path, zipcode
):
    found = first((home if path == FULL else minimal_home) | {ZIPCODE: zipcode}, path)
    assert found["confidence"] == "low"
    assert AREA_CODE in codes(found)
    assert found["price"] > 0


@pytest.fixture
def strict(app):
    """A client of an app that refuses homes outside the area."""
    made = create_app({"RATE_LIMIT": "off", "REFUSE_OUTSIDE_AREA": True})
    return made.test_client()


def test_on_demand_a_home_outside_the_area_is_refused(strict, home):
    answer = strict.post(FULL, json=home | {ZIPCODE: OUTSIDE})
    assert answer.status_code == 422
    assert answer.json["type"] == "/problems/outside-area"
    assert [error["pointer"] for error in answer.json["errors"]] == ["/zipcode"]


@pytest.mark.parametrize("path", [FULL, MINIMAL])
def test_on_demand_every_home_outside_the_area_is_pointed_at(
    strict, home, minimal_home, path
):
    base = home if path == FULL else minimal_home
    zipcodes = ["98103", OUTSIDE, "98004", NOWHERE]
    records = [base | {ZIPCODE: zipcode} for zipcode in zipcodes]
    answer = strict.post(path, json={"records": records})
    assert answer.status_code == 422
    pointers = [error["pointer"] for error in answer.json["errors"]]
    assert pointers == ["/records/1/zipcode", "/records/3/zipcode"]


def test_on_demand_refusal_leaves_homes_inside_alone(strict, home, example_homes):
    assert strict.post(FULL, json=home).status_code == 200
    assert strict.post(FULL, json={"records": example_homes}).status_code == 200


def test_the_places_of_homes_outside_the_area_are_bounded(strict, home):
    records = [home | {ZIPCODE: OUTSIDE}] * 1000
    answer = strict.post(FULL, json={"records": records})
    assert answer.status_code == 422
    assert 1 <= len(answer.json["errors"]) <= 101
