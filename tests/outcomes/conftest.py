"""A database of each kind with the tables, and valuations to report on."""

import uuid
from datetime import UTC, date, datetime

import pytest

from housing_app.database import Database, schema
from housing_app.journal import store as journal_store
from housing_app.outcomes import Report

ROW = {
    "request_id": "r-1",
    "answered_at": datetime(2015, 4, 1, tzinfo=UTC),
    "subject": None,
    "endpoint": "full",
    "model": "catboost-full",
    "version": 1,
    "variant": "champion",
    "valuation_date": date(2015, 3, 31),
    "zipcode": "98103",
    "inputs": {"bedrooms": 3.0},
    "price": 500_000.0,
    "low": 400_000.0,
    "high": 600_000.0,
    "interval": 0.9,
    "fsd": 0.11,
    "confidence": "high",
    "warnings": [],
    "duration_ms": 1.5,
}
DAY = date(2015, 5, 2)


def sale(prediction_id, price=512_000.0, day=DAY):
    return Report(prediction_id, float(price), day)


@pytest.fixture
def database(database_url):
    made = Database(database_url, "test")
    made.run(schema.upgrade, 30)
    yield made
    made.engine.dispose()


@pytest.fixture
def value(database):
    """Record valuations; return their ids."""

    def record(count=1, **changes):
        rows = [ROW | {"id": str(uuid.uuid4())} | changes for _ in range(count)]
        database.run(lambda connection: journal_store.insert(connection, rows), 10)
        return [row["id"] for row in rows]

    return record
