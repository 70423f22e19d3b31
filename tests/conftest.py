"""What every test may ask for."""

import atexit
import csv
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
import stores

# Before any app is made: what tests write is not written into the repository.
os.environ["INSTANCE_DIR"] = tempfile.mkdtemp(prefix="housing-instance-")
atexit.register(shutil.rmtree, os.environ["INSTANCE_DIR"], ignore_errors=True)

import mlflow_server  # noqa: E402
import object_stores  # noqa: E402

from housing_app import create_app, demographics, traffic  # noqa: E402
from housing_app.config import ROOT  # noqa: E402
from housing_app.database import Database, schema  # noqa: E402
from housing_app.valuation import features, predictor  # noqa: E402

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
    """The app with the shipped models, no rate limit, and no memory of past answers."""
    # Tests swap a model for another of the same name, which a cache cannot know.
    made = create_app({"RATE_LIMIT": "off", "CACHE": "off", "TESTING": False})
    traffic.install(made.config)
    return made


@pytest.fixture
def client(app):
    return app.test_client()


@pytest.fixture(scope="module")
def chromium():
    """A real Chromium; no longer than a module, for Playwright holds an event loop."""
    import browser  # here: without its packages all else can be tested

    with browser.running() as found:
        yield found


@pytest.fixture(scope="session")
def redis_server():
    """A Redis that all tests share: none may stop it. See `stores.Redis` for one's own."""
    if url := os.environ.get("TEST_REDIS_URL"):
        yield url
    else:
        with stores.running(stores.Redis()) as server:
            yield server.url


@pytest.fixture(scope="session")
def postgres_server():
    """A PostgreSQL that all tests share; see `stores.Postgres` for one's own."""
    with stores.running(stores.Postgres()) as server:
        yield server


@pytest.fixture
def postgres_url(request):
    """An empty database of its own for each test."""
    if url := os.environ.get("TEST_DATABASE_URL"):
        yield from stores.emptied(url)
    else:
        yield request.getfixturevalue("postgres_server").empty_database()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request, tmp_path):
    """An empty database of each kind in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'housing.db'}"
    return request.getfixturevalue("postgres_url")


@pytest.fixture(scope="session")
def s3_server():
    """An S3 with a bucket that all tests share: none may stop it."""
    with stores.running(object_stores.ObjectStore()) as server:
        yield server


def _has_mlflow() -> None:
    """Skip where MLflow's server is not installed; in CI that is a failure."""
    if not mlflow_server.is_installed():
        if os.environ.get("CI") == "true":
            pytest.fail(
                f"no MLflow server: `{mlflow_server.INSTALL}` comes first in CI"
            )
        pytest.skip(f"needs an MLflow server: {mlflow_server.INSTALL}")


@pytest.fixture(scope="session")
def mlflow():
    """An MLflow server that all tests share: none may stop it."""
    _has_mlflow()
    with stores.running(mlflow_server.MlflowServer()) as server:
        yield server


@pytest.fixture
def s3(s3_server, monkeypatch):
    """The same, where clients of this process find it."""
    for name, text in s3_server.environ.items():
        monkeypatch.setenv(name, text)
    return s3_server


@pytest.fixture
def database(database_url):
    """A database of each kind, with the tables."""
    made = Database(database_url, "test")
    made.run(schema.upgrade, 30)
    yield made
    made.engine.dispose()


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


@pytest.fixture(scope="session")
def county_csv(tmp_path_factory):
    """The shipped demographics of Washington State, quicker to read than all."""
    path = tmp_path_factory.mktemp("data") / "zip.csv"
    header, *lines = (ROOT / "data" / "zipcode_demographics.csv").read_text().split()
    path.write_text("\n".join([header, *(x for x in lines if x.startswith("98"))]))
    return path


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
