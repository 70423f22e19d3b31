"""/v1/info and /v1/zipcodes: what the service says about itself."""

import csv
import json

import pytest

from housing_app import __version__
from housing_app.config import ROOT
from housing_app.valuation.features import FEATURES

MODELS = ROOT / "model"


def manifest(artifact):
    return json.loads((MODELS / artifact / "manifest.json").read_text())


@pytest.fixture
def info(client):
    answer = client.get("/v1/info")
    assert answer.status_code == 200
    assert answer.content_type == "application/json"
    return answer.json


def test_info_names_the_service_and_its_version(info):
    assert info["service"] == "housing_app"
    assert info["version"] == __version__
    assert info["api"] == "v1"
    assert info["currency"] == "USD"
    assert info["intervals"] == [0.5, 0.8, 0.9]


def test_info_lists_the_models_that_serving_json_names(info):
    serving = json.loads((MODELS / "serving.json").read_text())
    found = {
        (model["slot"], model["role"]): f"{model['name']}-{model['version']}"
        for model in info["models"]
    }
    expected = {
        (slot, role): artifact
        for slot, roles in serving.items()
        for role, artifact in roles.items()
    }
    assert found == expected


def test_infos_accuracy_is_what_the_manifests_measured(info):
    assert {model["slot"] for model in info["models"]} == {"full", "minimal"}
    for model in info["models"]:
        stored = manifest(f"{model['name']}-{model['version']}")
        later = stored["metrics"]["out_of_time"]
        holdout = model["accuracy"]["holdout"]
        assert holdout["coverage"] == later["coverage"]
        assert {key: holdout[key] for key in later["overall"]} == later["overall"]
        assert {"r2", "mdape", "ppe10", "ppe20", "bias"} <= holdout.keys()
        for key in ("from", "to", "train_rows"):
            assert holdout[key] == later[key]
        random_split = model["accuracy"]["random_split"]
        assert random_split == stored["metrics"]["random_split"]


def test_infos_training_window_is_the_manifests(info):
    for model in info["models"]:
        stored = manifest(f"{model['name']}-{model['version']}")
        assert model["kind"] == stored["kind"]
        assert model["valuation_date"] == stored["valuation_date"]
        assert model["training_zipcodes"] == len(stored["zipcodes"])
        window = {key: stored["training"][key] for key in ("from", "to", "rows")}
        assert model["training"] == window


def test_info_describes_every_field_with_unit_and_limits(info):
    fields = {field["name"]: field for field in info["fields"]}
    assert list(fields) == [*(feature.name for feature in FEATURES), "zipcode"]
    for feature in FEATURES:
        field = fields[feature.name]
        assert (field["minimum"], field["maximum"]) == (feature.low, feature.high)
        assert field["unit"] == feature.unit
        assert field["step"] == feature.step
        assert field["core"] is feature.core
        assert field["nullable"] is True
        assert field["help"]
    assert fields["zipcode"]["nullable"] is False
    assert sum(field["core"] for field in fields.values()) == 8


def test_the_limits_that_info_names_are_the_ones_that_hold(info, client, home):
    for field in info["fields"][:-1]:
        for limit in (field["minimum"], field["maximum"]):
            sent = home | {field["name"]: limit}
            assert client.post("/v1/predict", json=sent).status_code == 200
        sent = home | {field["name"]: field["maximum"] + 1}
        assert client.post("/v1/predict", json=sent).status_code == 422


def test_a_zipcode_shows_the_demographics_that_are_joined(client):
    with (ROOT / "data" / "zipcode_demographics.csv").open(newline="") as file:
        row = next(row for row in csv.DictReader(file) if row["zipcode"] == "98103")
    champion = manifest(
        json.loads((MODELS / "serving.json").read_text())["full"]["champion"]
    )
    answer = client.get("/v1/zipcodes/98103")
    assert answer.status_code == 200
    assert answer.json["zipcode"] == "98103"
    shown = answer.json["demographics"]
    assert shown.keys() == set(champion["demographics"])
    assert shown == {name: float(row[name]) for name in shown}
    count = champion["zipcodes"]["98103"]["count"]
    assert answer.json["training_homes"] == count > 0


def test_a_zipcode_outside_the_area_has_demographics_but_no_training_homes(client):
    answer = client.get("/v1/zipcodes/10001")
    assert answer.status_code == 200
    assert answer.json["training_homes"] == 0
    assert answer.json["demographics"]


@pytest.mark.parametrize(
    "zipcode",
    [
        "00000",
        "9810",
        "981030",
        "98103.0",
        "98103%20",
        "%0a98103",
        "abcde",
        "%00",
        "%ff%fe",
        "%D9%A9%D9%A8%D9%A1%D9%A0%D9%A3",
        "98103'--",
        "..%2f..%2fetc",
        "9" * 3000,
    ],
)
def test_an_unknown_zipcode_is_not_found(client, zipcode):
    answer = client.get(f"/v1/zipcodes/{zipcode}")
    assert answer.status_code == 404
    assert answer.json["type"] == "/problems/not-found"


@pytest.mark.parametrize("path", ["/v1/info", "/v1/accuracy", "/v1/zipcodes/98103"])
def test_what_only_informs_may_not_be_posted_to(client, path):
    answer = client.post(path, json={})
    assert answer.status_code == 405
    assert "GET" in answer.headers["Allow"]
