"""create_app: ordered steps, no surprises."""

import pytest

import housing_app
from housing_app import create_app
from housing_app.config import ConfigError
from housing_app.valuation import predictor

ROUTES = {
    ("POST", "/v1/predict"),
    ("POST", "/v1/predict/minimal"),
    ("POST", "/v1/outcomes"),
    ("GET", "/v1/info"),
    ("GET", "/v1/accuracy"),
    ("GET", "/v1/zipcodes"),
    ("GET", "/v1/zipcodes/<zipcode>"),
    ("GET", "/health"),
    ("GET", "/health/live"),
    ("GET", "/health/ready"),
    ("GET", "/health/startup"),
    ("GET", "/metrics"),
    ("GET", "/v1/openapi.json"),
    ("GET", "/"),
    ("GET", "/accuracy"),
    ("GET", "/docs"),
    ("GET", "/problems"),
    ("GET", "/problems/<name>"),
    ("GET", "/static/<version>/<path:filename>"),
}


def test_the_routes_are_those_of_the_contract(app):
    found = {
        (method, rule.rule)
        for rule in app.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
    }
    assert found == ROUTES


def test_every_view_of_ours_says_what_it_does_in_one_sentence(app):
    ours = {
        endpoint: view
        for endpoint, view in app.view_functions.items()
        if endpoint.startswith(("v1.", "ops.", "site."))
    }
    assert len(ours) == len(ROUTES) - 1, "all but /metrics"
    for endpoint, view in ours.items():
        summary = (view.__doc__ or "").strip().splitlines()[0]
        assert summary.endswith((".", ";")), endpoint


def test_the_commands_are_registered(app):
    expected = {"config", "demographics", "health", "info", "model", "openapi", "value"}
    assert expected <= app.cli.commands.keys()
    assert all(app.cli.commands[name].help for name in expected)


def test_overrides_replace_settings(app):
    made = create_app({"RATE_LIMIT": "off", "MAX_RECORDS": 7, "ANYTHING": "else"})
    assert made.config["MAX_RECORDS"] == 7
    assert made.config["ANYTHING"] == "else"
    assert made.config["MAX_CONTENT_LENGTH"] == 2_000_000


def test_settings_come_from_the_environment(monkeypatch):
    monkeypatch.setenv("MAX_RECORDS", "12")
    monkeypatch.setenv("RATE_LIMIT", "off")
    monkeypatch.setenv("REFUSE_OUTSIDE_AREA", "yes")
    made = create_app()
    assert made.config["MAX_RECORDS"] == 12
    assert made.config["REFUSE_OUTSIDE_AREA"] is True


@pytest.mark.parametrize(
    ("name", "text"),
    [("MAX_RECORDS", "many"), ("RATE_LIMIT", "lots"), ("LOG_LEVEL", "loud")],
)
def test_a_bad_setting_stops_the_factory_and_is_named(monkeypatch, name, text):
    monkeypatch.setenv(name, text)
    with pytest.raises(ConfigError, match=name):
        create_app()


def test_production_refuses_to_run_without_a_rate_limit(monkeypatch):
    monkeypatch.setenv("HOUSING_ENV", "production")
    monkeypatch.setenv("RATE_LIMIT", "off")
    with pytest.raises(ConfigError, match="RATE_LIMIT"):
        create_app()


def test_the_factory_loads_no_models(app, monkeypatch):
    monkeypatch.setattr(predictor, "_installed", {})
    made = create_app({"RATE_LIMIT": "off"})
    assert predictor.current("full") is None
    assert made.test_client().get("/health/live").status_code == 200
    assert made.test_client().get("/health/ready").status_code == 503


def test_two_apps_live_side_by_side(app, home):
    other = create_app({"RATE_LIMIT": "off", "MAX_RECORDS": 1})
    two = {"records": [home, home]}
    assert app.test_client().post("/v1/predict", json=two).status_code == 200
    assert other.test_client().post("/v1/predict", json=two).status_code == 422


def test_no_files_are_served(client):
    for path in (
        "/static/x",
        "/static/x/y",
        "/static/x/../../wsgi.py",
        "/model/serving.json",
        "/.env",
    ):
        assert client.get(path).status_code == 404


def test_members_keep_the_order_they_were_written_in(client, home):
    names = list(client.post("/v1/predict", json=home).json)
    assert names[0] == "predictions"
    assert names != sorted(names)


def test_the_version_is_that_of_the_package(client):
    assert client.get("/health").json["version"] == housing_app.__version__
