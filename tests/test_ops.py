"""Health, for people and for probes."""

import dataclasses

import pytest
from served import Model

from housing_app import __version__, create_app, demographics
from housing_app.valuation import features, predictor

PROBES = ["/health/ready", "/health/startup"]


def test_health_sums_up_every_part(client):
    answer = client.get("/health")
    assert answer.status_code == 200
    assert answer.content_type == "application/json"
    assert answer.json.keys() == {"status", "version", "uptime_seconds", "checks"}
    assert answer.json["status"] == "ok"
    assert answer.json["version"] == __version__
    assert answer.json["uptime_seconds"] >= 0
    checks = answer.json["checks"]
    assert checks["models"] == {
        "status": "ok",
        "full": predictor.current("full").manifest.id,
        "minimal": predictor.current("minimal").manifest.id,
    }
    assert checks["demographics"]["status"] == "ok"
    assert checks["demographics"]["zipcodes"] == len(demographics.current().rows)


@pytest.mark.parametrize("path", ["/health/live", *PROBES])
def test_a_probe_says_ok(client, path):
    answer = client.get(path)
    assert (answer.status_code, answer.json) == (200, {"status": "ok"})


@pytest.mark.parametrize("path", PROBES)
@pytest.mark.parametrize("slot", features.SLOTS)
@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (RuntimeError("broken"), "cannot value a home"),
        (float("nan"), "cannot value a home"),
        (13.0, "gives a wrong price"),
    ],
    ids=["raises", "no number", "wrong"],
)
def test_a_probe_tries_the_champion_of_each_slot(
    client, slots, path, slot, answer, said
):
    champion = slots[slot]["champion"]
    broken = dataclasses.replace(champion, model=Model(answer))
    predictor.install(slot, slots[slot] | {"champion": broken})
    found = client.get(path)
    assert found.status_code == 503
    assert found.json["type"] == "/problems/not-ready"
    assert found.json["detail"] == f"{champion.manifest.id} {said}"
    assert int(found.headers["Retry-After"]) > 0


@pytest.mark.parametrize("path", PROBES)
@pytest.mark.parametrize("slot", features.SLOTS)
def test_a_probe_misses_a_model(client, slots, path, slot):
    predictor.install(slot, {})
    answer = client.get(path)
    assert answer.status_code == 503
    assert slot in answer.json["detail"]


def test_a_live_process_says_so_without_any_model_or_data(client, slots, monkeypatch):
    for slot in features.SLOTS:
        predictor.install(slot, {})
    monkeypatch.setattr(demographics, "_installed", None)
    assert client.get("/health/live").status_code == 200


def test_health_answers_even_when_nothing_works(client, slots, monkeypatch):
    for slot in features.SLOTS:
        predictor.install(slot, {})
    monkeypatch.setattr(demographics, "_installed", None)
    answer = client.get("/health")
    assert answer.status_code == 200
    assert answer.json["status"] == "failed"
    assert answer.json["checks"]["models"]["status"] == "failed"
    assert answer.json["checks"]["models"]["full"] is None
    assert answer.json["checks"]["demographics"]["status"] == "failed"


def test_one_model_that_is_missing_fails_the_summary(client, slots):
    predictor.install("minimal", {})
    answer = client.get("/health").json
    assert answer["status"] == answer["checks"]["models"]["status"] == "failed"
    assert answer["checks"]["models"]["full"] is not None
    assert answer["checks"]["demographics"]["status"] == "ok"


@pytest.mark.parametrize("path", ["/health", "/health/live", *PROBES, "/metrics"])
def test_probes_and_scrapes_are_never_rate_limited(app, path):
    made = create_app({"RATE_LIMIT": "1/minute"}).test_client()
    try:
        assert [made.get(path).status_code for _ in range(5)] == [200] * 5
    finally:
        create_app({"RATE_LIMIT": "off"})  # the limiter is shared


def test_a_probe_does_not_count_as_a_valuation(client):
    name = 'prediction_requests_total{endpoint="full"'
    before = client.get("/metrics").text.count(name), _valued(client)
    client.get("/health/ready")
    assert (client.get("/metrics").text.count(name), _valued(client)) == before


def _valued(client):
    lines = client.get("/metrics").text.splitlines()
    return [line for line in lines if line.startswith("homes_valued_total")]
