"""Every error is a problem: one sweep over all of them."""

import dataclasses
import json

import pytest
from flask import abort

from housing_app import create_app, demographics, errors
from housing_app.valuation import features, predictor
from housing_app.valuation.kinds import PriceModel

JSON = "application/json"
REFUSED = "the roof is on fire"  # what the failing model says; no client may read it


class FailingModel(PriceModel):
    def log_prices(self, rows):
        raise RuntimeError(REFUSED)


@pytest.fixture
def failing(slots):
    """Every model of the full slot raises."""
    broken = {
        role: dataclasses.replace(model, model=FailingModel())
        for role, model in slots["full"].items()
    }
    predictor.install("full", broken)


@pytest.fixture
def limited(app):
    """A client that may ask once."""
    return create_app({"RATE_LIMIT": "1/minute"}).test_client()


@pytest.fixture
def odd():
    """A client of an app with views that fail in every way a view can."""
    made = create_app({"RATE_LIMIT": "off"})
    made.add_url_rule("/abort/<int:code>", "abort", abort)
    made.add_url_rule("/folder/", "folder", lambda: "here")
    made.add_url_rule("/raise", "raise", lambda: {}["nothing"])
    return made.test_client()


def assert_problem(answer, name, path):
    """Check all that RFC 9457 and DESIGN §4 ask of a problem."""
    kind = errors.PROBLEMS[name]
    assert answer.status_code == kind.status, answer.text
    assert answer.content_type == "application/problem+json"
    body = answer.json
    assert set(body) - {"errors"} == {
        "type",
        "title",
        "status",
        "detail",
        "instance",
        "request_id",
    }
    assert body["type"] == f"/problems/{name}"
    assert body["title"] == kind.title
    assert body["status"] == kind.status
    assert body["detail"]
    assert body["instance"] == path
    assert body["request_id"] == answer.headers["X-Request-ID"]
    for error in body.get("errors", []):
        assert error.keys() <= {"pointer", "parameter", "detail"}
        assert len(error) == 2
        assert all(isinstance(text, str) for text in error.values())


# --- the sweep ----------------------------------------------------------------------

UNKNOWN = {
    "prediction_id": "7f6c2a1e-3b0d-4d7e-9a54-0c1b2d3e4f50",
    "sale_price": 512_000,
    "sale_date": "2015-05-02",
}
ASKED = {
    "malformed-json": ("POST", "/v1/predict", {"data": "{", "content_type": JSON}),
    "not-found": ("GET", "/v2/predict", {}),
    "method-not-allowed": ("GET", "/v1/predict", {}),
    "body-too-large": ("POST", "/v1/predict", {"data": b" " * 2_000_001}),
    "unsupported-media-type": ("POST", "/v1/predict", {"data": "{}"}),
    "invalid-request": ("POST", "/v1/predict", {"json": {}}),
    "unknown-prediction": ("POST", "/v1/outcomes", {"json": UNKNOWN}),
}
ARRANGED = {  # those that need more than a request; each has its own test below
    "bad-request",
    "outside-area",
    "unauthorized",  # test_auth.py
    "forbidden",  # test_auth.py
    "rate-limited",
    "internal-error",
    "not-ready",
    "journal-full",  # tests/journal/
    "outcome-conflict",  # tests/v1/test_outcomes.py
    "store-down",  # tests/v1/test_outcomes.py
}


def test_the_sweep_leaves_no_problem_out():
    assert ASKED.keys() | ARRANGED == errors.PROBLEMS.keys()


@pytest.mark.parametrize("name", ASKED)
def test_a_bad_request_is_answered_with_its_problem(client, name):
    method, path, body = ASKED[name]
    if name == "body-too-large":
        body = body | {"content_type": JSON}
    assert_problem(client.open(path, method=method, **body), name, path)


def test_what_an_extension_refuses_is_a_problem_too(odd):
    assert_problem(odd.get("/abort/400"), "bad-request", "/abort/400")


def test_a_home_outside_the_area_is_a_problem_if_it_is_told_to_be(app, home):
    made = create_app({"RATE_LIMIT": "off", "REFUSE_OUTSIDE_AREA": True})
    answer = made.test_client().post("/v1/predict", json=home | {"zipcode": "10001"})
    assert_problem(answer, "outside-area", "/v1/predict")


def test_a_client_over_the_limit_is_told_when_to_come_back(limited, home):
    assert limited.post("/v1/predict", json=home).status_code == 200
    answer = limited.post("/v1/predict", json=home)
    assert_problem(answer, "rate-limited", "/v1/predict")
    assert 1 <= int(answer.headers["Retry-After"]) <= 61


def test_clients_are_limited_one_by_one(limited, home):
    def ask(address, **headers):
        sent = {"headers": headers, "environ_overrides": {"REMOTE_ADDR": address}}
        return limited.post("/v1/predict", json=home, **sent).status_code

    assert [ask("192.0.2.1"), ask("192.0.2.2")] == [200, 200]
    assert [ask("192.0.2.1"), ask("192.0.2.2")] == [429, 429]
    claimed = {"X-Forwarded-For": "192.0.2.3", "Forwarded": "for=192.0.2.3"}
    assert ask("192.0.2.1", **claimed) == 429, "anybody can write such a header"


def test_an_error_in_a_view_is_a_problem(odd):
    assert_problem(odd.get("/raise"), "internal-error", "/raise")


def test_models_that_all_fail_are_a_problem_without_internals(
    client, failing, home, capsys
):
    answer = client.post("/v1/predict", json=home)
    assert_problem(answer, "internal-error", "/v1/predict")
    for secret in (REFUSED, "Traceback", "RuntimeError", ".py", "lightgbm", "98103"):
        assert secret not in answer.text
    logged = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    ids = {line["request_id"] for line in logged if REFUSED in json.dumps(line)}
    assert ids == {answer.json["request_id"]}, "the operator must find what happened"


def test_after_a_failure_the_next_request_is_answered(client, slots, failing, home):
    assert client.post("/v1/predict", json=home).status_code == 500
    predictor.install("full", slots["full"])
    assert client.post("/v1/predict", json=home).status_code == 200


@pytest.mark.parametrize("path", ["/v1/predict", "/v1/predict/minimal"])
def test_without_models_the_service_is_not_ready(client, slots, home, path):
    for slot in features.SLOTS:
        predictor.install(slot, {})
    core = [feature.name for feature in features.slot_features("minimal")]
    sent = {k: home[k] for k in [*core, "zipcode"]} if "min" in path else home
    answer = client.post(path, json=sent)
    assert_problem(answer, "not-ready", path)
    assert int(answer.headers["Retry-After"]) > 0


@pytest.mark.parametrize("path", ["/v1/info", "/v1/zipcodes/98103"])
def test_without_demographics_the_service_is_not_ready(client, path, monkeypatch):
    monkeypatch.setattr(demographics, "_installed", None)
    answer = client.get(path)
    assert_problem(answer, "not-ready", path)
    assert int(answer.headers["Retry-After"]) > 0


# --- statuses that only others raise ------------------------------------------------


@pytest.mark.parametrize(
    ("code", "name"),
    [
        (406, "bad-request"),
        (409, "bad-request"),
        (418, "bad-request"),
        (501, "internal-error"),
        (502, "internal-error"),
        (504, "internal-error"),
    ],
)
def test_a_status_without_a_type_of_its_own_keeps_its_number(odd, code, name):
    answer = odd.get(f"/abort/{code}")
    assert answer.status_code == answer.json["status"] == code
    assert answer.json["type"] == f"/problems/{name}"
    assert answer.content_type == "application/problem+json"


def test_a_redirect_is_no_problem(odd):
    answer = odd.get("/folder")
    assert answer.status_code == 308
    assert answer.location.endswith("/folder/")
    assert "problem" not in answer.content_type


# --- methods ------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/v1/predict", "/v1/predict/minimal"])
@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "TRACE", "BREW"])
def test_a_method_that_is_not_allowed_is_told_which_are(client, method, path):
    answer = client.open(path, method=method)
    assert_problem(answer, "method-not-allowed", path)
    allowed = {word.strip() for word in answer.headers["Allow"].split(",")}
    assert allowed == {"POST", "OPTIONS"}


@pytest.mark.parametrize("path", ["/health", "/v1/info", "/metrics"])
def test_what_is_read_only_may_not_be_deleted(client, path):
    answer = client.delete(path)
    assert_problem(answer, "method-not-allowed", path)
    allowed = {word.strip() for word in answer.headers["Allow"].split(",")}
    assert allowed == {"GET", "HEAD", "OPTIONS"}


@pytest.mark.parametrize(
    ("path", "status"), [("/v1/info", 200), ("/v1/predict", 405), ("/nope", 404)]
)
def test_head_is_get_without_a_body(client, path, status):
    head, get = client.head(path), client.get(path)
    assert head.status_code == get.status_code == status
    assert head.data == b""
    assert head.content_type == get.content_type
    assert head.headers["X-Request-ID"]


def test_options_names_the_methods(client):
    answer = client.options("/v1/predict")
    assert answer.status_code == 200
    assert answer.headers["Allow"].replace(" ", "").split(",").count("POST") == 1
    assert answer.data == b""


# --- which error comes first --------------------------------------------------------


def test_a_wrong_media_type_is_refused_before_the_body_is_read(client):
    answer = client.post("/v1/predict", data="{", content_type="text/plain")
    assert_problem(answer, "unsupported-media-type", "/v1/predict")


def test_the_instance_is_the_path_without_the_query(client):
    answer = client.get("/nope?token=s3cret")
    assert_problem(answer, "not-found", "/nope")
    assert "s3cret" not in answer.text
