"""POST /v1/outcomes: checked whole, stored whole, once."""

import math
import uuid
from datetime import UTC, datetime, timedelta

import pytest

from housing_app import auth, create_app, database, outcomes
from housing_app.database import schema
from housing_app.outcomes import _KEY

PATH = "/v1/outcomes"
DAY = "2015-05-02"


@pytest.fixture
def made(app, database_url, tmp_path):
    """Make an app with a database and a spool of its own."""

    def build(**settings):
        given = {"RATE_LIMIT": "off", "DATABASE_URL": database_url}
        found = create_app(given | {"INSTANCE_DIR": tmp_path / "instance"} | settings)
        with found.app_context():
            database.current().run(schema.upgrade, 30)
        return found

    return build


@pytest.fixture
def client(made):
    return made().test_client()


@pytest.fixture
def value(client, home):
    """Value a home so many times; return the ids."""

    def ask(count=1):
        answer = client.post("/v1/predict", json={"records": [home] * count})
        return [prediction["id"] for prediction in answer.json["predictions"]]

    return ask


def sale(prediction_id, price=512_000, day=DAY):
    return {"prediction_id": prediction_id, "sale_price": price, "sale_date": day}


def counts(answer):
    assert answer.json["request_id"] == answer.headers["X-Request-ID"]
    return answer.status_code, answer.json["stored"], answer.json["known"]


def problem(answer):
    """Return a problem's type and its errors, pointer -> detail."""
    assert answer.content_type == "application/problem+json"
    errors = {one["pointer"]: one["detail"] for one in answer.json["errors"]}
    assert len(errors) == len(answer.json["errors"])
    return answer.json["type"].removeprefix("/problems/"), errors


# --- what is stored -------------------------------------------------------------------


def test_a_sale_is_stored_at_once_after_the_valuation(client, value):
    (one,) = value()
    assert counts(client.post(PATH, json=sale(one))) == (201, 1, 0)
    assert counts(client.post(PATH, json=sale(one))) == (200, 0, 1)
    assert counts(client.post(PATH, json=sale(one.upper()))) == (200, 0, 1)


def test_many_are_stored_at_once(client, value):
    ids = value(20)
    batch = {"outcomes": [sale(one) for one in ids]}
    first = {"outcomes": batch["outcomes"][:5]}
    assert counts(client.post(PATH, json=first)) == (201, 5, 0)
    assert counts(client.post(PATH, json=batch)) == (201, 15, 5)
    assert counts(client.post(PATH, json=batch)) == (200, 0, 20)


def test_another_value_is_a_conflict(client, value):
    ids = value(3)
    client.post(PATH, json=sale(ids[0]))
    answer = client.post(PATH, json=sale(ids[0], 600_000, "2015-06-01"))
    assert answer.status_code == 409
    kind, errors = problem(answer)
    assert kind == "outcome-conflict"
    assert errors.keys() == {"/sale_price", "/sale_date"}
    assert "512" not in answer.text, "what another reported is not told"
    batch = {"outcomes": [sale(ids[1]), sale(ids[0], 600_000), sale(ids[2])]}
    answer = client.post(PATH, json=batch)
    assert problem(answer)[1].keys() == {"/outcomes/1/sale_price"}
    rest = {"outcomes": [sale(ids[1]), sale(ids[2])]}
    assert counts(client.post(PATH, json=rest)) == (201, 2, 0)


def test_an_unknown_id_is_not_found_and_nothing_is_stored(client, value):
    (one,) = value()
    answer = client.post(PATH, json=sale(str(uuid.uuid4())))
    assert answer.status_code == 404
    kind, errors = problem(answer)
    assert (kind, list(errors)) == ("unknown-prediction", ["/prediction_id"])
    batch = {"outcomes": [sale(one), sale(str(uuid.uuid4()))]}
    answer = client.post(PATH, json=batch)
    assert answer.status_code == 404
    assert list(problem(answer)[1]) == ["/outcomes/1/prediction_id"]
    assert counts(client.post(PATH, json=sale(one))) == (201, 1, 0)


def test_the_same_outcome_twice_in_a_batch_is_fine_and_another_is_not(client, value):
    one, other = value(2)
    good = {"outcomes": [sale(one), sale(other), sale(one.upper())]}
    assert counts(client.post(PATH, json=good)) == (201, 2, 0)
    bad = {"outcomes": [sale(one), sale(other), sale(one, 600_000)]}
    answer = client.post(PATH, json=bad)
    assert answer.status_code == 422
    assert list(problem(answer)[1]) == ["/outcomes/2/prediction_id"]


# --- what is refused ------------------------------------------------------------------

ID = "7f6c2a1e-3b0d-4d7e-9a54-0c1b2d3e4f50"


@pytest.mark.parametrize(
    ("field", "values"),
    [
        (
            "prediction_id",
            [
                None,
                7,
                "",
                "x",
                ID[:-1],
                ID + "0",
                f" {ID}",
                f"{ID}\n",
                f"{{{ID}}}",
                ID.replace("-", ""),
                ["x"],
                "' OR 1=1 --",
            ],
        ),
        (
            "sale_price",
            [
                None,
                "512000",
                True,
                0,
                -1,
                999,
                999.99,
                1e9 + 1,
                1e300,
                10**400,
                math.nan,
                math.inf,
                [],
                {},
            ],
        ),
        (
            "sale_date",
            [
                None,
                20150502,
                "2015-5-2",
                "2015-02-30",
                "1899-12-31",
                "2015-05-02T00",
                "2199-12-31",
                "tomorrow",
                [],
                "",
            ],
        ),
    ],
)
def test_a_field_that_is_wrong_is_pointed_at(app, field, values):
    client = app.test_client()
    for wrong in values:
        answer = client.post(PATH, json=sale(ID) | {field: wrong})
        assert answer.status_code == 422, wrong
        kind, errors = problem(answer)
        assert (kind, list(errors)) == ("invalid-request", [f"/{field}"]), wrong


def test_every_error_is_told_at_once(app):
    batch = {"outcomes": [{}, sale("x", "y"), 3, sale(ID) | {"price": 1}, sale(ID)]}
    answer = app.test_client().post(PATH, json=batch)
    assert problem(answer)[1] == {
        "/outcomes/0/prediction_id": "is missing",
        "/outcomes/0/sale_price": "is missing",
        "/outcomes/0/sale_date": "is missing",
        "/outcomes/1/prediction_id": "must be the id of a prediction, a UUID",
        "/outcomes/1/sale_price": "must be a number",
        "/outcomes/2": "must be a JSON object",
        "/outcomes/3/price": "unknown field",
    }


@pytest.mark.parametrize(
    "body",
    [
        [],
        1,
        "x",
        {"outcomes": []},
        {"outcomes": {}},
        {"outcomes": None},
        {"outcomes": [sale(ID)], "more": 1},
        {"outcomes": [sale(ID)] * 1_001},
    ],
)
def test_what_is_no_list_of_outcomes_is_refused(app, body):
    answer = app.test_client().post(PATH, json=body)
    assert answer.status_code == 422
    assert len(problem(answer)[1]) == 1


def test_a_sale_may_be_of_today_anywhere_and_not_later(app):
    client, now = app.test_client(), datetime.now(UTC)
    for hours, status in ((0, 404), (13.9, 404), (38.1, 422)):
        day = (now + timedelta(hours=hours)).date().isoformat()
        assert client.post(PATH, json=sale(ID, day=day)).status_code == status
    answer = client.post(PATH, json=sale(ID, "x", day="2199-01-01"))
    assert problem(answer)[1]["/sale_date"] == "must not be in the future"


def test_other_bodies_are_refused_as_elsewhere(app):
    client = app.test_client()
    json_ = {"content_type": "application/json"}
    assert client.post(PATH, data="{", **json_).status_code == 400
    assert client.post(PATH, data="{}").status_code == 415
    assert client.post(PATH, data=" " * 2_000_001, **json_).status_code == 413
    assert client.get(PATH).status_code == 405


def test_without_a_journal_no_valuation_is_known(made, home):
    client = made(JOURNAL="off").test_client()
    answer = client.post("/v1/predict", json=home)
    one = answer.json["predictions"][0]["id"]
    assert client.post(PATH, json=sale(one)).status_code == 404


# --- who may, and how often -----------------------------------------------------------


@pytest.fixture
def guarded(made):
    made = made(AUTH="jwt", JWT_SECRET={"": b"s" * 64})

    def ask(path, body, subject, *scopes):
        token = auth.tokens(made.config).issue(subject, scopes, 60, "")
        headers = {"Authorization": f"Bearer {token}"}
        return made.test_client().post(path, json=body, headers=headers)

    return ask


def test_a_subject_reports_on_its_own_valuations(guarded, home):
    answer = guarded("/v1/predict", home, "anna", "predict")
    one = sale(answer.json["predictions"][0]["id"])
    assert guarded(PATH, one, "anna", "predict").status_code == 403
    assert guarded(PATH, one, "anna", "admin").status_code == 403
    stranger = guarded(PATH, one, "bob", "outcomes")
    assert stranger.status_code == 404
    nobody = guarded(PATH, sale(str(uuid.uuid4())), "bob", "outcomes")
    told = [a.json | {"request_id": ""} for a in (stranger, nobody)]
    assert told[0] == told[1], "whose it is, and that it is, is not told"
    assert guarded(PATH, one, "anna", "outcomes").status_code == 201
    assert guarded(PATH, one, "bob", "outcomes").status_code == 404
    assert guarded(PATH, one, "root", "outcomes", "admin").status_code == 200


def test_a_batch_costs_as_many_as_it_has_outcomes(made):
    client = made(RATE_LIMIT="10/minute").test_client()
    batch = {"outcomes": [sale(str(uuid.uuid4())) for _ in range(6)]}
    assert client.post(PATH, json=batch).headers["RateLimit"].split(";")[1] == "r=4"
    late = client.post(PATH, json=batch)
    assert late.status_code == 429
    assert int(late.headers["Retry-After"]) >= 1


# --- a database that is away ----------------------------------------------------------


def test_without_the_database_the_client_is_told_when_to_come_back(made, home):
    app = made()
    with app.app_context():
        database.current().breaker.failed("it is gone")
    client = app.test_client()
    answer = client.post(PATH, json=sale(ID))
    assert answer.status_code == 503
    assert answer.json["type"] == "/problems/store-down"
    assert int(answer.headers["Retry-After"]) > 0
    assert client.post("/v1/predict", json=home).status_code == 200
    assert client.get("/health/ready").json["degraded"].count("outcomes") == 1
    found = client.get("/health").json["checks"]["outcomes"]
    assert found == {
        "status": "degraded",
        "detail": "outcomes are not taken: it is gone",
    }


def test_an_address_is_not_told(app, tmp_path):
    url = "postgresql://nobody:s3cret@127.0.0.1:1/none"  # pragma: allowlist secret
    made = create_app(
        {"RATE_LIMIT": "off", "DATABASE_URL": url, "INSTANCE_DIR": tmp_path}
    )
    answer = made.test_client().post(PATH, json=sale(ID))
    assert answer.status_code == 503
    for secret in ("s3cret", "nobody", "127.0.0.1", "SELECT"):
        assert secret not in answer.text


# --- live accuracy --------------------------------------------------------------------


def live(client, **query):
    found = client.get("/v1/accuracy", query_string=query).json["accuracy"]
    return [row for row in found if row["source"] == "live"]


def test_live_accuracy_follows_the_holdouts(made, home):
    app = made()
    client = app.test_client()
    records = {"records": [home] * 6}
    found = client.post("/v1/predict?interval=0.8", json=records).json["predictions"]
    assert live(client) == []
    sales = [sale(one["id"], round(1.04 * one["price"])) for one in found]
    client.post(PATH, json={"outcomes": sales})
    assert live(client) == [], "it is measured beside the requests"
    app.extensions[_KEY].refresh()
    overall, month = live(client)
    assert (overall["segment"], overall["value"]) == ("overall", None)
    assert (month["segment"], month["value"]) == ("month", "2015-05")
    assert overall["n"] == 6
    assert overall["bias"] == pytest.approx(1 / 1.04 - 1, abs=1e-4)
    assert overall["coverage"].keys() == {"0.8"}
    assert live(client, segment="month") == [month]
    assert live(client, segment="zipcode") == []
    every = client.get("/v1/accuracy").json["accuracy"]
    assert [row["source"] for row in every[-3:]] == ["holdout", "live", "live"]


def test_accuracy_asks_no_database(made, home):
    app = made()
    with app.app_context():
        database.current().breaker.failed("gone")
        assert outcomes.live_rows() == []
    assert app.test_client().get("/v1/accuracy").status_code == 200
