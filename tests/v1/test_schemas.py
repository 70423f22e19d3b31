"""What a request may hold: every rule of DESIGN §4, and where its error points."""

import json

import pytest

from housing_app import create_app
from housing_app.errors import Problem
from housing_app.v1 import schemas
from housing_app.valuation.features import FEATURES, NAMES, ZIPCODE, slot_features

CORE = [feature.name for feature in slot_features("minimal")]
OTHERS = [name for name in NAMES if name not in CORE]
MINIMAL = "/v1/predict/minimal"


def test_a_request_has_18_fields_of_which_8_are_core():
    assert len([*NAMES, ZIPCODE]) == 18
    assert len([*CORE, ZIPCODE]) == 8


# --- numbers ------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["3", "", "null", True, False, [], [3], {}, {"a": 3}])
@pytest.mark.parametrize("name", NAMES)
def test_what_is_not_a_number_is_refused(refused, home, name, value):
    assert refused(home | {name: value}) == {f"/{name}": "must be a number or null"}


@pytest.mark.parametrize("feature", FEATURES, ids=NAMES)
def test_both_limits_of_a_field_are_allowed(predict, home, feature):
    for limit in (feature.low, feature.high):
        assert predict(home | {feature.name: limit}).status_code == 200


@pytest.mark.parametrize("feature", FEATURES, ids=NAMES)
def test_what_lies_beyond_the_limits_is_refused_with_the_limits(refused, home, feature):
    step = feature.step or 0.001
    for number in (feature.low - step, feature.high + step, -1e300, 1e300):
        if feature.zero and number == 0:
            continue
        found = refused(home | {feature.name: number})
        assert found.keys() == {f"/{feature.name}"}
        limits = f"between {feature.low:.10g} and {feature.high:.10g}"
        assert limits in found[f"/{feature.name}"].replace(",", "")


@pytest.mark.parametrize("name", ["yr_built", "yr_renovated"])
def test_the_limits_of_a_year_are_written_as_years(refused, home, name):
    assert "between 1700 and 2100" in refused(home | {name: 2101})[f"/{name}"]


@pytest.mark.parametrize(
    ("name", "number", "detail"),
    [
        ("bedrooms", 2.7, "must be a whole number"),
        ("bedrooms", 2.9999999, "must be a whole number"),
        ("grade", 7.5, "must be a whole number"),
        ("waterfront", 0.5, "must be a whole number"),
        ("yr_built", 1926.5, "must be a whole number"),
        ("bathrooms", 2.3, "must be a multiple of 0.25"),
        ("bathrooms", 0.1, "must be a multiple of 0.25"),
        ("floors", 1.25, "must be a multiple of 0.5"),
    ],
)
def test_a_fraction_is_refused_and_never_rounded(refused, home, name, number, detail):
    assert refused(home | {name: number}) == {f"/{name}": detail}


@pytest.mark.parametrize(("year", "status"), [(0, 200), (1, 422), (1699, 422)])
def test_only_the_year_0_means_never_renovated(predict, home, year, status):
    assert predict(home | {"yr_renovated": year}).status_code == status


@pytest.mark.parametrize(
    "literal", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "9" * 400]
)
@pytest.mark.parametrize("name", ["grade", "sqft_lot", "lat"])
def test_a_number_that_is_not_finite_is_refused(client, home, name, literal):
    body = json.dumps(home | {name: "@"}).replace('"@"', literal)
    answer = client.post("/v1/predict", data=body, content_type="application/json")
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json["errors"]] == [f"/{name}"]


# --- zipcodes and dates -------------------------------------------------------------

BAD_ZIPCODES = [
    "9810",
    "981030",
    "98103-1234",
    " 98103",
    "98103 ",
    "98103\n",
    "9810a",
    "٩٨١٠٣",
    "９８１０３",
    "\ud800\ud800\ud800\ud800\ud800",
    "98103.0",
    "+9810",
    "",
    -98103,
    981030,
    98103.5,
    10**400,
    True,
    False,
    [],
    ["98103"],
    {},
]


@pytest.mark.parametrize("zipcode", BAD_ZIPCODES, ids=lambda z: ascii(z)[:20])
def test_a_zipcode_that_is_not_five_digits_is_refused(refused, home, zipcode):
    found = refused(home | {ZIPCODE: zipcode})
    assert found == {"/zipcode": "must be a zipcode of five digits"}


@pytest.mark.parametrize("path", ["/v1/predict", MINIMAL])
def test_a_zipcode_must_not_be_null(refused, home, minimal_home, path):
    sent = home if path == "/v1/predict" else minimal_home
    found = refused(sent | {ZIPCODE: None}, path)
    assert found == {"/zipcode": "must not be null"}


BAD_DATES = [
    "2015-02-30",
    "2015-3-31",
    "20150331",
    "2015-W13-2",
    "2015-03-31T00:00",
    "31.03.2015",
    "２０１５-03-31",
    "1899-12-31",
    "2200-01-01",
    "",
    20150331,
    2015.25,
    True,
    [],
    ["2015-03-31"],
    list("2015-03-31"),
    {},
]


@pytest.mark.parametrize("day", BAD_DATES, ids=str)
def test_what_is_not_a_date_is_refused_wherever_it_stands(refused, home, day):
    detail = "must be a date such as 2015-03-31"
    sent = {"valuation_date": day}
    assert refused(home | sent) == {"/valuation_date": detail}
    assert refused({"records": [home]} | sent) == {"/valuation_date": detail}
    found = refused({"records": [home, home | sent]})
    assert found == {"/records/1/valuation_date": detail}


def test_a_date_must_not_be_null(refused, home):
    found = refused(home | {"valuation_date": None})
    assert found == {"/valuation_date": "must not be null"}


# --- which fields -------------------------------------------------------------------


@pytest.mark.parametrize("name", [*NAMES, ZIPCODE])
def test_a_missing_field_is_pointed_at(refused, home, name):
    found = refused({k: v for k, v in home.items() if k != name})
    cure = "" if name == ZIPCODE else " (send null if unknown)"
    assert found == {f"/{name}": f"is missing{cure}"}


@pytest.mark.parametrize("name", [*CORE, ZIPCODE])
def test_a_missing_core_field_is_pointed_at(refused, minimal_home, name):
    found = refused({k: v for k, v in minimal_home.items() if k != name}, MINIMAL)
    assert found.keys() == {f"/{name}"}


def test_an_empty_object_is_told_every_field(refused):
    assert refused({}).keys() == {f"/{name}" for name in [*NAMES, ZIPCODE]}
    assert refused({}, MINIMAL).keys() == {f"/{name}" for name in [*CORE, ZIPCODE]}


@pytest.mark.parametrize("name", OTHERS)
def test_the_minimal_endpoint_refuses_a_field_that_is_not_core(
    refused, home, minimal_home, name
):
    found = refused(minimal_home | {name: home[name]}, MINIMAL)
    assert found == {f"/{name}": "unknown field"}


def test_the_minimal_endpoint_points_at_every_field_too_many(refused, home):
    assert refused(home, MINIMAL).keys() == {f"/{name}" for name in OTHERS}


@pytest.mark.parametrize(
    ("name", "pointer"),
    [
        ("colour", "/colour"),
        ("Grade", "/Grade"),
        ("id", "/id"),
        ("price", "/price"),
        ("", "/"),
        ("a/b", "/a~1b"),
        ("a~b", "/a~0b"),
        ("~1", "/~01"),
        ("/~/", "/~1~0~1"),
        ("sqft living", "/sqft living"),
        ("größe", "/größe"),
        ("\ud800", "/\ud800"),
        ("\n", "/\n"),
        ("__class__", "/__class__"),
    ],
    ids=ascii,
)
def test_an_unknown_field_is_pointed_at_in_rfc_6901(refused, home, name, pointer):
    assert refused(home | {name: 1}) == {pointer: "unknown field"}


def test_a_field_name_of_a_megabyte_is_not_sent_back(predict, home):
    answer = predict(home | {"x" * 1_000_000: 1})
    assert answer.status_code == 422
    assert len(answer.data) < 1000


def test_a_refusal_never_repeats_the_values(predict, home):
    answer = predict(home | {"grade": "s3cret", ZIPCODE: "s3cret", "lat": ["s3cret"]})
    assert len(answer.json["errors"]) == 3
    assert "s3cret" not in answer.text


# --- envelopes ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "body", ["[]", "[{}]", '"home"', '""', "3", "0.5", "true", "null"]
)
def test_a_payload_that_is_no_object_is_refused(client, body):
    answer = client.post("/v1/predict", data=body, content_type="application/json")
    assert answer.status_code == 422
    assert answer.json["errors"] == [{"pointer": "", "detail": "must be a JSON object"}]


@pytest.mark.parametrize("records", [[], {}, {"0": {}}, "homes", "", 3, True])
def test_records_must_be_a_list_of_at_least_one_home(refused, records):
    found = refused({"records": records})
    assert found.keys() == {"/records"}
    assert "must be a list" in found["/records"]


def test_records_must_not_be_null(refused):
    assert refused({"records": None}).keys() == {"/records"}


@pytest.mark.parametrize("record", [None, 3, "home", [], True, 0.5])
def test_a_record_that_is_no_object_is_pointed_at(refused, home, record):
    found = refused({"records": [home, record, home]})
    assert found == {"/records/1": "must be a JSON object"}


@pytest.fixture
def three_at_most(app):
    return create_app({"RATE_LIMIT": "off", "MAX_RECORDS": 3}).test_client()


@pytest.mark.parametrize(("count", "status"), [(1, 200), (3, 200), (4, 422)])
def test_max_records_is_the_last_count_allowed(three_at_most, home, count, status):
    answer = three_at_most.post("/v1/predict", json={"records": [home] * count})
    assert answer.status_code == status
    if status == 422:
        (error,) = answer.json["errors"]
        assert error["pointer"] == "/records"
        assert "3 homes" in error["detail"], "the limit must be told"


def test_a_field_beside_the_records_is_refused(refused, home):
    found = refused({"records": [home], "grade": 7, "interval": 0.9})
    assert found == {"/grade": "unknown field", "/interval": "unknown field"}


def test_records_do_not_nest(refused, home):
    found = refused({"records": [{"records": [home]}]})
    assert found["/records/0/records"] == "unknown field"


# --- all errors at once -------------------------------------------------------------


def test_all_errors_of_all_records_come_at_once(refused, home):
    without = {k: v for k, v in home.items() if k != "view"}
    found = refused(
        {
            "records": [
                home,
                home | {"grade": 14, ZIPCODE: None, "a/b": 0},
                7,
                without | {"bedrooms": "3", "lat": None},
                home | {"valuation_date": "soon"},
            ]
        }
    )
    assert found == {
        "/records/1/grade": "must be between 1 and 13",
        "/records/1/zipcode": "must not be null",
        "/records/1/a~1b": "unknown field",
        "/records/2": "must be a JSON object",
        "/records/3/view": "is missing (send null if unknown)",
        "/records/3/bedrooms": "must be a number or null",
        "/records/4/valuation_date": "must be a date such as 2015-03-31",
    }


def test_errors_come_in_the_order_of_the_records(refused, home):
    records = [home | {"grade": 14} for _ in range(30)]
    expected = [f"/records/{i}/grade" for i in range(30)]
    assert list(refused({"records": records})) == expected


@pytest.mark.parametrize(
    "payload",
    [
        {"records": [{}] * 1000},
        {"records": [0] * 1000},
        {"records": [{"x" * 200: 0}] * 1000},
        {f"field {i}": 0 for i in range(20_000)},
        {"records": [{}]} | {f"field {i}": 0 for i in range(20_000)},
    ],
    ids=["empty homes", "no homes", "long names", "one wide home", "wide envelope"],
)
def test_the_list_of_errors_is_bounded_and_says_so(refused, predict, payload):
    found = refused(payload)
    assert 100 <= len(found) <= 101
    assert "and more, not listed" in found.values()
    assert len(predict(payload).data) < 30_000


def test_one_bad_record_fails_the_request(predict, home):
    answer = predict({"records": [home] * 10 + [home | {"grade": 0}]})
    assert answer.status_code == 422
    assert "predictions" not in answer.json


# --- JSON itself --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b'{"a":1,"a":2}', 'the name "a" comes twice'),
        (b'{"r":[{"b":{"a":1,"a":1}}]}', 'the name "a" comes twice'),
        (b'{"a\\u0062":1,"ab":2}', 'the name "ab" comes twice'),
        (b"[" * 100_000, "the JSON is nested too deeply"),
        (b'{"a":' * 100_000, "the JSON is nested too deeply"),
    ],
    ids=["twice", "deep inside", "escaped", "brackets", "braces"],
)
def test_json_that_python_would_take_or_choke_on_is_refused(body, detail):
    with pytest.raises(Problem) as refusal:
        schemas.parse_json(body)
    assert refusal.value.name == "malformed-json"
    assert refusal.value.detail == detail


def test_malformed_json_is_told_the_place_but_not_the_content(client):
    body = b'{"grade": s3cret}'
    answer = client.post("/v1/predict", data=body, content_type="application/json")
    assert answer.status_code == 400
    assert "character 10" in answer.json["detail"]
    assert "s3cret" not in answer.text


@pytest.mark.parametrize(
    "media",
    [
        "application/json",
        "application/json; charset=utf-8",
        "Application/JSON",
        "application/vnd.api+json",
    ],
)
def test_every_name_of_json_is_taken(client, home, media):
    body = json.dumps(home)
    answer = client.post("/v1/predict", data=body, content_type=media)
    assert answer.status_code == 200
