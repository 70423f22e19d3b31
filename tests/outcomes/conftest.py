"""A database of each kind with the tables, and valuations to report on."""

import uuid
from datetime import UTC, date, datetime

import pytest

from housing_app.journal import store as journal_store
from housing_app.outcomes import Report
from tests.journal import samples

ROW = samples.ROW | {
    "answered_at": datetime(2015, 4, 1, tzinfo=UTC),
    "subject": None,
    "inputs": {"bedrooms": 3.0},
    "price": 500_000.0,
    "warnings": [],
}
DAY = date(2015, 5, 2)


def sale(prediction_id, price=512_000.0, day=DAY):
    return Report(prediction_id, float(price), day)


@pytest.fixture
def value(database):
    """Record valuations; return their ids."""

    def record(count=1, **changes):
        rows = [ROW | {"id": str(uuid.uuid4())} | changes for _ in range(count)]
        database.run(lambda connection: journal_store.insert(connection, rows), 10)
        return [row["id"] for row in rows]

    return record
