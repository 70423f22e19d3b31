import filled
import object_stores
import pytest

from housing_app.database import Database


@pytest.fixture
def models(tmp_path):
    """A MODEL_DIR with few models."""
    return object_stores.models(tmp_path / "model")


@pytest.fixture
def source(database_url):
    """A database of each kind with rows in it."""
    return filled.fill(Database(database_url, "source"))


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request, tmp_path):
    """An empty database of each kind."""
    if request.param == "sqlite":
        return Database(f"sqlite:///{tmp_path / 'new' / 'housing.db'}", "empty")
    server = request.getfixturevalue("postgres_server")
    return Database(server.empty_database(), "empty")
