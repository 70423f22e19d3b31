"""What every test may ask for."""

import csv
import json
import os
from pathlib import Path
from typing import Any

import pytest

from housing_app import create_app, demographics, traffic
from housing_app.config import ROOT
from housing_app.valuation import features, predictor

SHARED = ROOT.parent / "shared" / "data"


def _shared(name: str) -> Path:
    """Return a file of real sales, or skip; in CI its absence is a failure."""
    path = SHARED / name
    if not path.exists():
        if os.environ.get("CI") == "true":
            pytest.fail(f"{path} is missing, and CI must not skip")
        pytest.skip(f"needs {path}")
    return path


@pytest.fixture(scope="session")
def sales_csv():
    return _shared("king_county_sales.csv")


@pytest.fixture(scope="session")
def unseen_csv():
    return _shared("future_unseen_examples.csv")


@pytest.fixture(scope="session")
def reference_demographics_csv():
    return _shared("reference_zipcode_demographics.csv")


@pytest.fixture(scope="session")
def reference_columns_json():
    return _shared("reference_model_features.json")


@pytest.fixture(scope="session")
def app():
    """The app with the shipped models and no rate limit."""
    made = create_app({"RATE_LIMIT": "off", "TESTING": False})
    traffic.install(made.config)
    return made


@pytest.fixture
def client(app):
    return app.test_client()


@pytest.fixture
def slots(app):
    """Hand out the models in service; whatever a test installs is undone."""
    found = {
        slot: {role: predictor.current(slot, role) for role in ("champion", "fallback")}
        for slot in features.SLOTS
    }
    yield found
    for slot, roles in found.items():
        predictor.install(slot, roles)


@pytest.fixture(scope="session")
def shipped_demographics():
    return demographics.load(ROOT / "data" / "zipcode_demographics.csv")


@pytest.fixture
def home() -> dict[str, Any]:
    """README's example home."""
    return json.loads((ROOT / "examples" / "home.json").read_text())


@pytest.fixture(scope="session")
def example_homes() -> list[dict[str, Any]]:
    """The twenty example homes as a client would send them."""

    def cell(name: str, text: str) -> Any:
        return text if name == "zipcode" else float(text)

    with (ROOT / "data" / "example_homes.csv").open(newline="") as file:
        return [{k: cell(k, v) for k, v in row.items()} for row in csv.DictReader(file)]
