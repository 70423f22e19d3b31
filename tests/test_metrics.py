"""Metrics: the names of DESIGN §7, and labels no client can blow up."""

import random
import string

import pytest
from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families

from housing_app import traffic
from housing_app.valuation import predictor

SEED = 20150401


def scrape(client):
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert answer.content_type.startswith("text/plain")
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def value(name, **labels):
    return REGISTRY.get_sample_value(name, labels) or 0


def champion():
    found = predictor.current("full").manifest
    return {"model": found.name, "version": str(found.version)}


def test_the_names_of_the_contract_are_there_after_traffic(client, home):
    client.post("/v1/predict", json=home)
    names = {name for name, _ in scrape(client)}
    assert {
        "http_requests_total",
        "http_request_duration_seconds_bucket",
        "http_request_duration_seconds_count",
        "http_request_duration_seconds_sum",
        "prediction_requests_total",
        "prediction_duration_seconds_bucket",
        "homes_valued_total",
        "model_load_time_seconds",
        "model_info",
    } <= names


def test_a_request_is_counted_by_method_rule_and_status(client):
    labels = {"method": "GET", "route": "/v1/zipcodes/<zipcode>"}
    before = [value("http_requests_total", **labels, status=s) for s in ("200", "404")]
    client.get("/v1/zipcodes/98103")
    client.get("/v1/zipcodes/98004")
    client.get("/v1/zipcodes/00000")
    after = [value("http_requests_total", **labels, status=s) for s in ("200", "404")]
    assert [a - b for a, b in zip(after, before, strict=True)] == [2, 1]


def test_a_request_is_timed_once(client):
    name = "http_request_duration_seconds_count"
    before = value(name, route="/health/live")
    client.get("/health/live")
    assert value(name, route="/health/live") == before + 1


def test_a_valuation_is_counted_by_model_and_endpoint(client, home):
    model = champion()
    labels = model | {"variant": "champion", "endpoint": "full"}
    before = value("prediction_requests_total", **labels)
    homes = value("homes_valued_total", **model)
    timed = value("prediction_duration_seconds_count", **model)
    client.post("/v1/predict", json={"records": [home] * 5})
    client.post("/v1/predict", json=home)
    assert value("prediction_requests_total", **labels) == before + 2
    assert value("homes_valued_total", **model) == homes + 6
    assert value("prediction_duration_seconds_count", **model) == timed + 2


def test_a_refused_request_counts_as_no_valuation(client, home):
    before = value("homes_valued_total", **champion())
    answer = client.post("/v1/predict", json={"records": [home, {}]})
    assert answer.status_code == 422
    assert value("homes_valued_total", **champion()) == before


def test_the_served_models_are_named(app, client):
    traffic.install(app.config)  # others may have been named since the start
    models = {
        (dict(labels)["slot"], dict(labels)["role"]): sample
        for (name, labels), sample in scrape(client).items()
        if name == "model_info" and sample
    }
    assert models == {
        ("full", "champion"): 1,
        ("full", "fallback"): 1,
        ("minimal", "champion"): 1,
        ("minimal", "fallback"): 1,
    }
    assert value("model_load_time_seconds") > 0


@pytest.fixture
def warm(client, home):
    """A client that has been answered with every kind of label value already."""
    for body in ({}, home):
        client.post("/v1/predict", json=body)
    client.get("/metrics")
    assert client.get("/v1//info").status_code == 308, "doubled slashes are merged"
    for path in ("/nope", "/v1/predict", "/v1/zipcodes/98103", "/v1/zipcodes/x"):
        for method in ("GET", "POST", "BREW", "DELETE"):
            client.open(path, method=method)
    return client


def test_500_random_urls_make_no_new_series(warm):
    chance = random.Random(SEED)
    before = scrape(warm)
    for _ in range(500):
        word = "".join(chance.choices(string.ascii_letters + "/%._-", k=12))
        warm.get(chance.choice(["/", "/v1/", "/v1/zipcodes/", "/health/"]) + word)
    after = scrape(warm)
    assert after.keys() == before.keys()
    requests = [
        sum(v for (name, _), v in found.items() if name == "http_requests_total")
        for found in (before, after)
    ]
    assert requests[1] - requests[0] == 500 + 1, "the scrape before counts as well"


def test_200_random_methods_make_no_new_series(warm):
    chance = random.Random(SEED)
    before = scrape(warm)
    for _ in range(200):
        method = "".join(chance.choices(string.ascii_uppercase, k=8))
        warm.open(chance.choice(["/v1/predict", "/nope"]), method=method)
    assert scrape(warm).keys() == before.keys()


def test_zipcodes_ids_and_clients_are_no_labels(warm, home):
    before = scrape(warm).keys()
    for i in range(100):
        sent = {"X-Request-ID": f"id-{i}", "X-Forwarded-For": f"10.0.0.{i}"}
        zipcode = f"{98001 + i}"
        warm.post("/v1/predict", json=home | {"zipcode": zipcode}, headers=sent)
        warm.get(f"/v1/zipcodes/{zipcode}", headers=sent)
    assert scrape(warm).keys() == before


@pytest.mark.parametrize("query", ["", "?name[]=homes_valued_total", "?name[]=nope"])
def test_a_scrape_may_ask_for_names(client, query):
    assert client.get(f"/metrics{query}").status_code == 200
