"""What requests, probes and workers see of the journal."""

import errno
import json
import os
import threading
import time
from uuid import UUID

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import select

from housing_app import background, create_app, journal, traffic
from housing_app.config import ConfigError
from housing_app.database.tables import predictions, shadow_valuations
from housing_app.journal import segment as segments
from housing_app.valuation import predictor
from housing_app.valuation.features import NAMES

SECRET = "a-secret-of-the-tests-0123456789-abc"  # pragma: allowlist secret


@pytest.fixture
def made(app, tmp_path):
    """Make an app with a journal of its own; the models are there already."""

    def make(**settings):
        places = {"INSTANCE_DIR": tmp_path / "instance", "RATE_LIMIT": "off"}
        return create_app(places | settings)

    return make


def spool(app):
    return app.extensions[journal._KEY].spool


def rows(app):
    """Drain what was recorded, and return the database's rows in order."""
    app.extensions[journal._KEY].spool.close()
    app.extensions[journal._KEY].tend()
    database = app.extensions["housing_app.database"]
    query = select(predictions).order_by(predictions.c.answered_at)
    return database.run(lambda connection: connection.execute(query).all(), 10)


def counted(name):
    return REGISTRY.get_sample_value(f"journal_{name}_total") or 0


# --- what is recorded -----------------------------------------------------------------


def test_an_answer_is_in_the_spool_before_it_leaves(made, home):
    app = made()
    before = counted("records")
    answer = app.test_client().post("/v1/predict", json=home)
    (path,) = spool(app).segments()
    assert answer.json["predictions"][0]["id"] in path.read_text()
    assert counted("records") == before + 1
    assert journal.HEADER[0] not in answer.headers


def test_what_the_cache_finds_is_recorded_under_ids_of_its_own(made, home):
    app = made(CACHE="memory")
    client = app.test_client()
    batch = {
        "records": [home | {"zipcode": 98103}, home],
        "valuation_date": "2015-02-01",
    }
    answers = [client.post("/v1/predict", json=batch) for _ in range(2)]
    assert "hit" in answers[1].headers["Cache-Status"]
    ids = [one["id"] for answer in answers for one in answer.json["predictions"]]
    found = {row.id: row for row in rows(app)}
    assert len(set(ids)) == 4
    assert found.keys() == set(ids)
    assert {row.zipcode for row in found.values()} == {"98103"}
    assert {str(row.valuation_date) for row in found.values()} == {"2015-02-01"}
    assert found[ids[0]].inputs == found[ids[2]].inputs


def test_a_row_holds_all_that_was_answered_and_asked(made, home):
    app = made()
    begun = time.time()
    answer = app.test_client().post(
        "/v1/predict?interval=0.5&explain=true",
        json=home | {"yr_built": None, "sqft_above": 900, "zipcode": 98103},
        headers={"X-Request-ID": "mine-1"},
    )
    (found,) = answer.json["predictions"]
    (row,) = rows(app)
    kept = {"price", "low", "high", "fsd", "confidence", "id"}
    assert {name: getattr(row, name) for name in kept} == {n: found[n] for n in kept}
    assert row.valuation_date.isoformat() == found["valuation_date"]
    assert row.warnings == [warning["code"] for warning in found["warnings"]]
    assert "areas-do-not-add-up" in row.warnings
    assert row.request_id == "mine-1"
    assert row.interval == 0.5
    assert (row.model, row.version) == (
        answer.json["model"]["name"],
        answer.json["model"]["version"],
    )
    assert (row.endpoint, row.variant, row.subject) == ("full", "champion", None)
    assert begun <= row.answered_at.timestamp() <= time.time()
    assert 0 < row.duration_ms < 10_000
    assert row.zipcode == "98103"
    assert row.inputs == {n: home[n] for n in NAMES} | {
        "yr_built": None,
        "sqft_above": 900,
    }


def test_every_home_of_a_batch_has_a_row_with_its_own_date(made, example_homes):
    app = made()
    first = example_homes[0] | {"valuation_date": "2015-01-15"}
    payload = {"records": [first, *example_homes[1:]], "valuation_date": "2015-02-01"}
    answer = app.test_client().post("/v1/predict", json=payload).json
    found = {row.id: row for row in rows(app)}
    assert len(found) == len(example_homes)
    for prediction, home in zip(answer["predictions"], payload["records"], strict=True):
        row = found[prediction["id"]]
        assert row.price == prediction["price"]
        assert row.zipcode == home["zipcode"]
        assert row.inputs["sqft_lot"] == home["sqft_lot"]
        assert "valuation_date" not in row.inputs
        assert row.valuation_date.isoformat() == prediction["valuation_date"]


def test_the_minimal_route_and_the_fallback_are_told_apart(made, home, slots):
    app = made()
    core = ["bedrooms", "bathrooms", "sqft_living", "sqft_lot", "floors"]
    core += ["sqft_above", "sqft_basement", "zipcode"]
    app.test_client().post("/v1/predict/minimal", json={n: home[n] for n in core})
    (row,) = rows(app)
    assert row.endpoint == "minimal"
    assert row.inputs.keys() == {*core} - {"zipcode"}


def test_the_subject_of_the_token_is_recorded(made, home):
    app = made(AUTH="jwt", JWT_SECRET={"": SECRET.encode()})
    from housing_app import auth

    token = auth.tokens(app.config).issue("alice", ["predict"], 60, "")
    sent = {"Authorization": f"Bearer {token}"}
    answer = app.test_client().post("/v1/predict", json=home, headers=sent)
    assert answer.status_code == 200
    (row,) = rows(app)
    assert row.subject == "alice"
    assert token not in spool(app).folder.joinpath("drain.state").name


def test_the_arm_of_an_experiment_is_recorded_and_who_it_was(made, slots, home):
    roles = slots["full"]
    predictor.install("full", roles | {"challenger": roles["fallback"]}, 0.5)
    app = made()
    client = app.test_client()
    client.post("/v1/predict", json=home)
    for name in "abcdefgh":
        client.post("/v1/predict", json=home, headers={"X-Client-Id": name})
    found = rows(app)
    first, *others = [(row.experiment, row.arm, row.client) for row in found]
    assert first == (None, None, None)
    champion, challenger = (roles[r].manifest.id for r in ("champion", "fallback"))
    assert {one for one, _, _ in others} == {f"{champion}/{challenger}"}
    assert {arm for _, arm, _ in others} == {"champion", "challenger"}
    assert len({who for _, _, who in others}) == 8
    assert [row.arm for row in found[1:]] == [row.variant for row in found[1:]]


def test_what_a_shadow_says_is_recorded_without_a_request(made):
    app = made()
    journal_ = app.extensions[journal._KEY]
    done = []

    def work():
        for number in range(200):
            said = [(str(number), 2.0 + number, 1.0, 3e5)]
            done.append(journal_.record_shadow("lightgbm-full", 2, said))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [True] * 200
    assert rows(app) == []
    query = select(shadow_valuations)
    database = app.extensions["housing_app.database"]
    found = database.run(lambda connection: connection.execute(query).all(), 10)
    assert {row.prediction_id: row.price for row in found} == {
        str(number): 2.0 + number for number in range(200)
    }
    assert {(row.model, row.version) for row in found} == {("lightgbm-full", 2)}
    assert abs(found[0].valued_at.timestamp() - time.time()) < 30


def test_an_id_of_a_shadow_is_not_taken_for_a_prediction_that_waits(made):
    app = made()
    id_ = "7f6c2a1e-3b0d-4d7e-9a54-0c1b2d3e4f50"
    journal_ = app.extensions[journal._KEY]
    assert journal_.record_shadow("lightgbm-full", 2, [(id_, 2.0, 1.0, 3.0)])
    assert id_ in spool(app).segments()[0].read_text()
    assert not journal_.holds([id_])


@pytest.mark.parametrize("mode", ["on", "required"])
def test_a_shadow_that_cannot_be_recorded_stops_nothing(made, no_disk, mode, capsys):
    journal_ = made(JOURNAL=mode).extensions[journal._KEY]
    before = counted("dropped")
    assert not journal_.record_shadow("lightgbm-full", 2, [("a", 2.0, 1.0, 3.0)])
    assert counted("dropped") == before, "predictions are counted, not shadows"
    assert journal_.check()["status"] == "ok"


def test_what_is_refused_is_not_recorded(made, home):
    app = made(REFUSE_OUTSIDE_AREA=True)
    client = app.test_client()
    for body in ({}, home | {"grade": 99}, home | {"zipcode": "10001"}):
        assert client.post("/v1/predict", json=body).status_code == 422
    assert client.get("/v1/info").status_code == 200
    assert spool(app).segments() == []


def test_no_journal_is_kept_when_it_is_off(made, home, tmp_path):
    app = made(JOURNAL="off")
    answer = app.test_client().post("/v1/predict", json=home)
    assert answer.status_code == 200
    assert journal.HEADER[0] not in answer.headers
    journal.prepare(app)
    assert not (tmp_path / "instance").exists()
    assert "journal" not in app.test_client().get("/health").json["checks"]


def test_a_command_records_nothing(made, home, tmp_path):
    path = tmp_path / "home.json"
    path.write_text(json.dumps(home))
    app = made()
    result = app.test_cli_runner().invoke(args=["value", str(path)])
    assert result.exit_code == 0
    traffic.install(app.config)
    assert not (tmp_path / "instance").exists()


def test_ids_are_uuids_and_rows_keep_their_order(made, home):
    app = made()
    client = app.test_client()
    ids = [
        client.post("/v1/predict", json=home).json["predictions"][0]["id"]
        for _ in "abc"
    ]
    assert [row.id for row in rows(app)] == ids
    assert all(str(UUID(one)) == one for one in ids)


# --- when it cannot be ----------------------------------------------------------------


def full(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.fixture
def no_disk(monkeypatch):
    """Every write to a segment fails as on a full disk."""
    monkeypatch.setattr(segments.Segment, "append", full)


def test_on_answers_without_a_record_and_says_so(made, home, no_disk, capsys):
    app = made(JOURNAL="on")
    client = app.test_client()
    before = counted("dropped")
    for _ in range(3):
        answer = client.post("/v1/predict", json={"records": [home, home]})
        assert answer.status_code == 200
        assert answer.headers["Prediction-Recorded"] == "no"
    assert counted("dropped") == before + 6
    lines = [x for x in capsys.readouterr().out.splitlines() if "journal cannot" in x]
    assert len(lines) == 1, "once in each episode"
    found = client.get("/health").json
    assert found["status"] == "degraded"
    assert "No space left" in found["checks"]["journal"]["detail"]
    ready = client.get("/health/ready")
    assert (ready.status_code, ready.json["degraded"]) == (200, ["journal"])
    assert client.get("/health/live").status_code == 200


def test_required_answers_503(made, home, no_disk):
    client = made(JOURNAL="required").test_client()
    answer = client.post("/v1/predict", json=home)
    assert answer.status_code == 503
    assert answer.json["type"] == "/problems/journal-full"
    assert int(answer.headers["Retry-After"]) > 0
    assert client.get("/v1/info").status_code == 200


@pytest.mark.parametrize(("mode", "status"), [("on", 200), ("required", 503)])
def test_a_full_spool_is_as_bad_as_a_full_disk(made, home, mode, status):
    client = made(JOURNAL=mode, SPOOL_MAX_MB=1).test_client()
    found = [
        client.post("/v1/predict", json={"records": [home] * 1000}) for _ in range(5)
    ]
    assert [answer.status_code for answer in found[:2]] == [200, 200]
    assert found[-1].status_code == status


def test_once_there_is_room_records_are_kept_again(made, home, monkeypatch, capsys):
    app = made()
    client = app.test_client()
    with monkeypatch.context() as patched:
        patched.setattr(segments.Segment, "append", full)
        client.post("/v1/predict", json=home)
    answer = client.post("/v1/predict", json=home)
    assert journal.HEADER[0] not in answer.headers
    assert '"dropped": 1' in capsys.readouterr().out
    assert client.get("/health").json["checks"]["journal"]["status"] == "ok"
    assert len(rows(app)) == 1


def test_a_browser_may_read_that_nothing_was_recorded(made, home, no_disk):
    client = made(CORS_ORIGINS=("https://app.example",)).test_client()
    headers = {"Origin": "https://app.example"}
    answer = client.post("/v1/predict", json=home, headers=headers)
    assert journal.HEADER[0] in answer.headers["Access-Control-Expose-Headers"]


# --- health ---------------------------------------------------------------------------


def test_health_says_what_waits_and_for_what(made, home):
    app = made(DATABASE_URL="postgresql://nobody@127.0.0.1:1/none")
    client = app.test_client()
    client.post("/v1/predict", json=home)
    app.extensions[journal._KEY].tend()
    found = client.get("/health").json["checks"]["journal"]
    assert found["status"] == "degraded"
    assert found["waiting_segments"] == 1
    assert found["waiting_bytes"] > 500
    assert "OperationalError" in found["database"]
    assert "127.0.0.1" not in json.dumps(found)


def test_health_names_rejected_records(made, home):
    app = made()
    journal.prepare(app)
    spool(app).reject("1.jsonl", [("why", b"{}\n")])
    app.extensions[journal._KEY].tend()
    found = app.test_client().get("/health").json["checks"]["journal"]
    assert "rejected" in found["detail"]


# --- the life of a worker -------------------------------------------------------------


def test_a_worker_drains_what_others_left_and_its_own_at_its_end(made, home):
    app = made()
    spool(app).append(b"")  # as if left by another
    client = app.test_client()
    client.post("/v1/predict", json=home)
    background.start(app)
    background.stop(app)
    assert spool(app).segments() == []
    database = app.extensions["housing_app.database"]
    query = select(predictions.c.id)
    assert len(database.run(lambda c: c.scalars(query).all(), 10)) == 1


def test_a_folder_that_takes_no_files_stops_the_start(made, tmp_path):
    (tmp_path / "instance").write_text("a file")
    with pytest.raises(ConfigError, match="INSTANCE_DIR") as raised:
        journal.prepare(made())
    assert "JOURNAL=off" in str(raised.value)
    assert "\n" not in str(raised.value)
    journal.prepare(made(JOURNAL="off"))


def test_a_full_disk_does_not_stop_the_start(made, monkeypatch):
    monkeypatch.setattr(journal.tempfile, "TemporaryFile", lambda **_: full())
    journal.prepare(made())


def test_a_bad_address_of_a_database_is_said_in_one_line(made):
    secret = "postgresql://user:secret-word@host:port/name"  # pragma: allowlist secret
    with pytest.raises(ConfigError, match="DATABASE_URL") as raised:
        made(DATABASE_URL=secret)
    assert "secret-word" not in str(raised.value)
