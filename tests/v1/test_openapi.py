"""The OpenAPI document is valid, whole, and what the service does."""

import json
import re
from copy import deepcopy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from housing_app import auth, checks, create_app, demographics
from housing_app.config import ROOT
from housing_app.errors import PROBLEMS, Problem
from housing_app.v1 import openapi, outcomes, schemas
from housing_app.v1.openapi.operations import OPERATIONS
from housing_app.valuation import features, intervals, predictor
from housing_app.valuation.comparables import MOST
from housing_app.valuation.features import FEATURES, ZIPCODE

JSON = "application/json"


@pytest.fixture(scope="module")
def document(app):
    answer = app.test_client().get("/v1/openapi.json")
    assert answer.status_code == 200
    assert answer.content_type == JSON
    return answer.json


def validator(document, shape, *, closed=False):
    """Check formats too; closed: what the schema does not name is an error."""
    whole = deepcopy(shape | {"components": document["components"]})
    if closed:
        close(whole)
    return Draft202012Validator(
        whole, format_checker=Draft202012Validator.FORMAT_CHECKER
    )


def close(shape):
    if isinstance(shape, dict):
        if "properties" in shape and "required" in shape:
            shape.setdefault("additionalProperties", False)
        for inner in shape.values():
            close(inner)
    elif isinstance(shape, list):
        for inner in shape:
            close(inner)


def component(name):
    return {"$ref": f"#/components/schemas/{name}"}


def resolved(document, one):
    place = document
    for part in one["$ref"].removeprefix("#/").split("/"):
        place = place[part]
    return place


# --- the document ---------------------------------------------------------------------


def test_it_is_a_valid_openapi_3_1_document(document):
    assert document["openapi"].startswith("3.1.")
    OpenAPIV31SpecValidator(document).validate()
    for shape in document["components"]["schemas"].values():
        Draft202012Validator.check_schema(shape)


def test_every_route_is_in_it_and_no_other(app, document):
    rules = {
        f"{method} {re.sub(r'<(?:path:)?', '{', rule.rule).replace('>', '}')}"
        for rule in app.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
    }
    found = {
        f"{method.upper()} {path}"
        for path, methods in document["paths"].items()
        for method in methods
    }
    assert found == rules
    assert len(OPERATIONS) == len(rules), "an operation of a route that is gone"


def test_it_comes_as_the_same_bytes_each_time(app, client):
    first, second = client.get("/v1/openapi.json"), client.get("/v1/openapi.json")
    assert first.data == second.data
    assert openapi.encoded(app) is openapi.encoded(app)


def test_no_reference_leads_nowhere_and_nothing_named_is_unused(document):
    used = set(re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(document)))
    named = {
        f"components/{kind}/{name}"
        for kind in ("schemas", "parameters", "headers")
        for name in document["components"][kind]
    }
    late = {f"components/headers/{name}" for name in ("Deprecation", "Sunset", "Link")}
    assert used <= named
    assert named - used <= late


def test_every_route_has_words_of_its_own(document):
    found = [it for methods in document["paths"].values() for it in methods.values()]
    assert len({it["operationId"] for it in found}) == len(found)
    assert all(it["summary"] and not it["summary"].endswith(".") for it in found)


@pytest.mark.parametrize("slot", features.SLOTS)
def test_every_field_has_its_unit_and_limits(document, slot):
    name = {"full": "Home", "minimal": "MinimalHome"}[slot]
    shape = document["components"]["schemas"][name]
    asked = [feature.name for feature in features.slot_features(slot)]
    assert shape["required"] == [*asked, ZIPCODE]
    assert list(shape["properties"]) == [*asked, ZIPCODE, "valuation_date"]
    for feature in features.slot_features(slot):
        field = shape["properties"][feature.name]
        assert field["type"] in (["number", "null"], ["integer", "null"])
        assert field["x-unit"] == feature.unit
        assert field["description"] == feature.help
        limits = field["anyOf"][1] if feature.zero else field
        assert (limits["minimum"], limits["maximum"]) == (feature.low, feature.high)
        if feature.step != 1:
            assert field.get("multipleOf") == feature.step


def test_the_query_parameters_are_those_that_are_taken(document):
    known = document["components"]["parameters"]
    assert known["interval"]["schema"]["enum"] == list(intervals.LEVELS)
    assert known["interval"]["schema"]["default"] == intervals.DEFAULT_LEVEL
    assert known["explain"]["schema"]["type"] == "boolean"
    assert known["comparables"]["schema"]["maximum"] == MOST
    assert known["segment"]["schema"]["enum"] == list(schemas.SEGMENTS)
    asked = document["paths"]["/v1/predict"]["post"]["parameters"]
    names = {resolved(document, one)["name"] for one in asked}
    headers = {"X-Client-Id", "X-Request-ID", "traceparent"}
    assert names == {*schemas.PARAMETERS, *headers}


def test_every_problem_is_an_answer_of_some_route(document):
    shown = set(re.findall(r'"/problems/([a-z-]+)"', json.dumps(document["paths"])))
    assert shown == PROBLEMS.keys() - {"method-not-allowed"}


def test_max_records_is_the_setting():
    made = create_app({"RATE_LIMIT": "off", "MAX_RECORDS": 7})
    shape = openapi.build(made)["components"]["schemas"]["Homes"]
    assert shape["properties"]["records"]["maxItems"] == 7


@pytest.mark.parametrize(
    ("auth", "security"),
    [
        ("off", [{}, {"bearerAuth": ["predict"]}]),
        ("jwt", [{"bearerAuth": ["predict"]}]),
    ],
)
def test_a_token_is_optional_where_authentication_is_off(app, auth, security):
    made = create_app({"RATE_LIMIT": "off"})
    made.config["AUTH"] = auth
    found = openapi.build(made)
    assert found["paths"]["/v1/predict"]["post"]["security"] == security
    assert "security" not in found["paths"]["/health"]["get"]


@pytest.mark.parametrize("path", ["/v1/predict", "/v1/predict/minimal"])
def test_the_examples_are_homes_that_come_with_the_service_and_work(
    document, client, path, home
):
    body = document["paths"][path]["post"]["requestBody"]["content"][JSON]
    found = {name: example["value"] for name, example in body["examples"].items()}
    asked = found["one"].keys()
    assert found["one"] == {name: home[name] for name in home if name in asked}
    for value in found.values():
        validator(document, body["schema"]).validate(value)
        assert client.post(path, json=value).status_code == 200


# --- what is sent: the schema refuses what the service refuses ------------------------

ODD = [None, True, "3", "", [], {}, 0, -1, 0.1, 0.25, 0.5, 1, 1.0, 2.7, 1e300, -1e-9]


def edges(feature):
    step = feature.step or 0.5
    ends = (feature.low, feature.high)
    return [end + change for end in ends for change in (-step, -0.3, 0, 0.3, step)]


def is_taken(payload, slot="full"):
    try:
        schemas.load_request(payload, slot, 10)
    except Problem:
        return False
    return True


@pytest.fixture(scope="module")
def body(document):
    post = document["paths"]["/v1/predict"]["post"]
    return validator(document, post["requestBody"]["content"][JSON]["schema"])


@pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: feature.name)
def test_a_field_is_taken_if_and_only_if_its_schema_allows_it(body, home, feature):
    for value in [*ODD, *edges(feature)]:
        sent = home | {feature.name: value}
        assert body.is_valid(sent) is is_taken(sent), value


@pytest.mark.parametrize("name", [ZIPCODE, "valuation_date"])
def test_a_zipcode_or_date_is_taken_if_and_only_if_its_schema_allows_it(
    body, home, name
):
    zipcodes = ["98103", "9810", "981030", "abcde", 98103, 501, -501, 98103.0, 100_000]
    dates = ["2015-03-31", "2015-3-31", "2015-02-30", "1900-01-01", "1899-12-31"]
    more = ["2199-12-31", "2200-01-01", "20150331", "2015-03-31T00:00:00", "0298-01-24"]
    for value in [*ODD, *zipcodes, *dates, *more]:
        sent = home | {name: value}
        assert body.is_valid(sent) is is_taken(sent), value


def test_a_list_is_taken_if_and_only_if_its_schema_allows_it(document, home):
    built = openapi.build(create_app({"RATE_LIMIT": "off", "MAX_RECORDS": 10}))
    shape = validator(built, {"oneOf": [component("Home"), component("Homes")]})
    incomplete = {name: home[name] for name in list(home)[1:]}
    for records in ([], [home], [home] * 10, [home] * 11, [incomplete], [1], {}, None):
        for more in ({}, {"valuation_date": "2015-01-01"}, {"interval": 0.9}, home):
            sent = {"records": records} | more
            assert shape.is_valid(sent) is is_taken(sent), sent
    for sent in ({}, [], [home], None, "home", incomplete, home | {"colour": "red"}):
        assert shape.is_valid(sent) is is_taken(sent), sent


values = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False)


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(changes=st.dictionaries(st.sampled_from(features.NAMES), values, max_size=4))
def test_homes_at_random_are_taken_if_and_only_if_the_schema_allows_them(app, changes):
    built = json.loads(openapi.encoded(app))
    sent = dict.fromkeys(features.NAMES) | {ZIPCODE: "98103"} | changes
    assert validator(built, component("Home")).is_valid(sent) is is_taken(sent)


SALE = {
    "prediction_id": "7f6c2a1e-3b0d-4d7e-9a54-0c1b2d3e4f50",
    "sale_price": 512_000,
    "sale_date": "2015-05-02",
}


def test_an_outcome_is_taken_if_and_only_if_its_schema_allows_it(document):
    shape = document["paths"]["/v1/outcomes"]["post"]["requestBody"]["content"][JSON]
    body = validator(document, shape["schema"])
    days = ["2015-5-2", "2015-02-30", "1899-12-31", "1900-01-01", "2015-05-02T00"]
    prices = [999, 1_000, 1e9, 1e9 + 1, 5e5 + 0.37, 10**400]
    ids = [SALE["prediction_id"][:-1], SALE["prediction_id"].upper()]
    sent = [SALE | {name: value} for name in SALE for value in ODD + days + prices]
    sent += [SALE | {"prediction_id": one} for one in ids]
    sent += [SALE | {"more": 1}, {}, [], SALE, {"outcomes": [SALE] * 2}]
    sent += [{"outcomes": value} for value in ([], {}, None, [1], [SALE] * 11)]
    for one in sent:
        assert body.is_valid(one) is is_outcome(one), one


def is_outcome(payload):
    try:
        outcomes.load(payload, 1_000, outcomes.latest_day())
    except Problem:
        return False
    return True


def test_the_examples_of_outcomes_are_outcomes(document):
    post = document["paths"]["/v1/outcomes"]["post"]
    body = post["requestBody"]["content"][JSON]
    for example in body["examples"].values():
        validator(document, body["schema"]).validate(example["value"])
        assert is_outcome(example["value"])


# --- what is answered -----------------------------------------------------------------

POST, OUTCOMES = "POST /v1/predict", "POST /v1/outcomes"
ASKED = [
    (POST, "/v1/predict", {"json": "home"}, 200),
    (POST, "/v1/predict?explain=true&comparables=20", {"json": "home"}, 200),
    (POST, "/v1/predict?interval=0.5", {"json": "homes"}, 200),
    (POST, "/v1/predict?comparables=2", {"json": "unknown"}, 200),
    (POST, "/v1/predict", {"data": "{", "content_type": JSON}, 400),
    (POST, "/v1/predict", {"data": " " * 2_000_001, "content_type": JSON}, 413),
    (POST, "/v1/predict", {"data": "{}"}, 415),
    (POST, "/v1/predict", {"json": {"records": [{}] * 20}}, 422),
    (POST, "/v1/predict?interval=1&explain=maybe&x=y", {"json": "home"}, 422),
    ("POST /v1/predict/minimal", "/v1/predict/minimal", {"json": "core"}, 200),
    ("POST /v1/predict/minimal", "/v1/predict/minimal", {"json": "home"}, 422),
    (OUTCOMES, "/v1/outcomes", {"json": "sale"}, 201),
    (OUTCOMES, "/v1/outcomes", {"json": "sale"}, 200),
    (OUTCOMES, "/v1/outcomes", {"json": "sales"}, 200),
    (OUTCOMES, "/v1/outcomes", {"json": "another sale"}, 409),
    (OUTCOMES, "/v1/outcomes", {"json": "no sale"}, 404),
    (OUTCOMES, "/v1/outcomes", {"json": {"outcomes": [{}] * 20}}, 422),
    (OUTCOMES, "/v1/outcomes", {"data": "{", "content_type": JSON}, 400),
    (OUTCOMES, "/v1/outcomes", {"data": "{}"}, 415),
    ("GET /v1/info", "/v1/info", {}, 200),
    ("GET /v1/accuracy", "/v1/accuracy", {}, 200),
    *(("GET /v1/accuracy", f"/v1/accuracy?segment={s}", {}, 200)
      for s in schemas.SEGMENTS),
    ("GET /v1/accuracy", "/v1/accuracy?segment=x", {}, 422),
    ("GET /v1/zipcodes", "/v1/zipcodes", {}, 200),
    ("GET /v1/zipcodes/{zipcode}", "/v1/zipcodes/98103", {}, 200),
    ("GET /v1/zipcodes/{zipcode}", "/v1/zipcodes/10001", {}, 200),
    ("GET /v1/zipcodes/{zipcode}", "/v1/zipcodes/00000", {}, 404),
    ("GET /v1/openapi.json", "/v1/openapi.json", {}, 200),
    ("GET /health", "/health", {}, 200),
    ("GET /health/live", "/health/live", {}, 200),
    ("GET /health/ready", "/health/ready", {}, 200),
    ("GET /health/startup", "/health/startup", {}, 200),
    ("GET /metrics", "/metrics", {}, 200),
    ("GET /", "/", {}, 200),
    ("GET /accuracy", "/accuracy", {}, 200),
    ("GET /docs", "/docs", {}, 200),
    ("GET /problems", "/problems", {}, 200),
    ("GET /problems", "/problems", {"headers": {"Accept": JSON}}, 200),
    ("GET /problems/{name}", "/problems/not-ready", {}, 200),
    ("GET /problems/{name}", "/problems/not-ready",
     {"headers": {"Accept": JSON}}, 200),
    ("GET /problems/{name}", "/problems/none", {}, 404),
    ("GET /static/{version}/{filename}", "/static/any/style.css", {}, 200),
    ("GET /static/{version}/{filename}", "/static/any/js/api.js", {}, 200),
    ("GET /static/{version}/{filename}", "/static/any/county.json", {}, 200),
    ("GET /static/{version}/{filename}", "/static/any/icon.svg", {}, 200),
    ("GET /static/{version}/{filename}", "/static/any/none.css", {}, 404),
    ("GET /static/{version}/{filename}", "/static/any/style.css",
     {"headers": {"If-Modified-Since": "Fri, 01 Jan 2100 00:00:00 GMT"}}, 304),
    ("GET /static/{version}/{filename}", "/static/any/style.css",
     {"headers": {"Range": "bytes=0-3"}}, 206),
    ("GET /static/{version}/{filename}", "/static/any/style.css",
     {"headers": {"Range": "bytes=9999999-"}}, 416),
]  # fmt: skip


def test_the_answers_checked_below_leave_no_route_out(document):
    routes = {
        f"{method.upper()} {path}"
        for path, methods in document["paths"].items()
        for method in methods
    }
    assert {route for route, *_ in ASKED} == routes


@pytest.fixture(scope="module")
def sale(app):
    home = json.loads((ROOT / "examples" / "home.json").read_text())
    answer = app.test_client().post("/v1/predict", json=home)
    (found,) = answer.json["predictions"]
    price, day = 512_000, "2015-05-02"
    return {"prediction_id": found["id"], "sale_price": price, "sale_date": day}


@pytest.fixture
def bodies(home, minimal_home, example_homes, sale):
    return {
        "sale": sale,
        "sales": {"outcomes": [sale] * 2},
        "another sale": sale | {"sale_price": 513_000},
        "no sale": sale | {"prediction_id": SALE["prediction_id"]},
        "home": home,
        "homes": {"records": example_homes},
        "unknown": dict.fromkeys(home) | {"zipcode": "10001"},
        "core": minimal_home,
    }


def assert_documented(document, route, answer):
    method, path = route.split(" ")
    responses = document["paths"][path][method.lower()]["responses"]
    assert str(answer.status_code) in responses
    found = responses[str(answer.status_code)]
    assert answer.mimetype in found["content"] or not found["content"]
    if answer.is_json:
        shape = found["content"][answer.mimetype].get("schema", {})
        validator(document, shape, closed=True).validate(answer.json)
    assert "X-Request-ID" in found["headers"]
    named = ("Retry-After", "WWW-Authenticate", "RateLimit", "RateLimit-Policy")
    for name in (*named, "Cache-Status"):
        assert name not in answer.headers or name in found["headers"]


@pytest.mark.parametrize(
    ("route", "url", "sent", "status"), ASKED, ids=lambda x: str(x)[:40]
)
def test_an_answer_is_as_documented(document, client, bodies, route, url, sent, status):
    if isinstance(sent.get("json"), str):
        sent = sent | {"json": bodies[sent["json"]]}
    answer = client.open(url, method=route.split(" ")[0], **sent)
    assert answer.status_code == status, answer.text
    assert_documented(document, route, answer)


@pytest.fixture
def without_models(app):
    found = {
        slot: {role: predictor.current(slot, role) for role in ("champion", "fallback")}
        for slot in features.SLOTS
    }
    for slot in found:
        predictor.install(slot, {})
    yield
    for slot, roles in found.items():
        predictor.install(slot, {k: v for k, v in roles.items() if v})


def test_answers_without_models_are_as_documented(
    document, client, home, without_models, monkeypatch
):
    monkeypatch.setattr(demographics, "_installed", None)
    for route, url, status in (
        ("GET /health", "/health", 200),
        ("GET /health/ready", "/health/ready", 503),
        ("GET /health/startup", "/health/startup", 503),
        ("GET /v1/info", "/v1/info", 503),
        ("GET /v1/accuracy", "/v1/accuracy", 200),
        ("GET /v1/zipcodes/{zipcode}", "/v1/zipcodes/98103", 503),
    ):
        answer = client.get(url)
        assert answer.status_code == status
        assert_documented(document, route, answer)
    answer = client.post("/v1/predict", json=home)
    assert answer.status_code == 503
    assert_documented(document, POST, answer)


def test_a_refusal_outside_the_area_is_as_documented(document, app, home):
    made = create_app({"RATE_LIMIT": "off", "REFUSE_OUTSIDE_AREA": True})
    answer = made.test_client().post("/v1/predict", json=home | {"zipcode": "10001"})
    assert answer.json["type"] == "/problems/outside-area"
    assert_documented(document, POST, answer)


@pytest.mark.parametrize(
    ("route", "url"),
    [(f"GET {url}", url) for url in ("/v1/info", "/v1/accuracy", "/docs", "/health")],
)
def test_a_limit_is_as_documented(document, app, route, url):
    made = create_app({"RATE_LIMIT": "1/minute"}).test_client()
    limited = "429" in document["paths"][url]["get"]["responses"]
    answers = [made.get(url) for _ in range(3)]
    assert (answers[-1].status_code == 429) is limited
    for answer in answers:
        assert_documented(document, route, answer)
        assert ("RateLimit" in answer.headers) is limited
        assert ("RateLimit-Policy" in answer.headers) is limited


def test_an_answer_from_the_cache_is_as_documented(document, app, home):
    made = create_app({"RATE_LIMIT": "off", "CACHE": "memory"}).test_client()
    for _ in range(2):
        answer = made.post("/v1/predict", json=home)
        assert "Cache-Status" in answer.headers
        assert_documented(document, POST, answer)


def test_probes_that_name_what_is_degraded_are_as_documented(document, app):
    made = create_app({"RATE_LIMIT": "off"})
    checks.add(made, "test", lambda: {"status": checks.DEGRADED, "detail": "x"})
    for path in ("/health", "/health/ready", "/health/startup"):
        answer = made.test_client().get(path)
        assert "degraded" in answer.text
        assert_documented(document, f"GET {path}", answer)


def test_refusals_for_want_of_a_token_or_scope_are_as_documented(document, app, home):
    made = create_app(
        {"RATE_LIMIT": "off", "AUTH": "jwt", "JWT_SECRET": {"": b"s" * 64}}
    )
    token = auth.tokens(made.config).issue("somebody", ["outcomes"], 60, "")
    for headers, status in (({}, 401), ({"Authorization": f"Bearer {token}"}, 403)):
        answer = made.test_client().post("/v1/predict", json=home, headers=headers)
        assert answer.status_code == status
        assert_documented(document, POST, answer)


def test_the_example_home_is_the_one_of_the_repository(home):
    first = (ROOT / "data" / "example_homes.csv").read_text().splitlines()[:2]
    names, cells = (line.split(",") for line in first)
    assert {n: str(home[n]) for n in names} == dict(zip(names, cells, strict=True))
