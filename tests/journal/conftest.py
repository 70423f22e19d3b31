"""A journal of its own for each test."""

import pytest

from housing_app.database import Database, schema
from housing_app.journal.spool import Spool


@pytest.fixture
def spool(tmp_path):
    return Spool(tmp_path / "spool", 1_000_000)


@pytest.fixture
def database(database_url):
    """A database of each kind, with the tables."""
    made = Database(database_url, "test")
    made.run(schema.upgrade, 30)
    yield made
    made.engine.dispose()
