"""Reports as they are kept."""

from datetime import UTC, datetime

import pytest

from housing_app.drift import store

AT = datetime(2026, 11, 1, tzinfo=UTC)


def check(name, field="", value=0.5):
    return {"check": name, "field": field, "value": value, "level": "quiet"}


REPORT = {
    "model": "catboost-full",
    "version": 1,
    "slot": "full",
    "verdict": "warning",
    "homes": 321,
    "checks": [
        check("psi", "grade", 0.12),
        check("ks", "grade", 0.08),
        check("missing", "grade", 0.02),
        check("unseen", "zipcode", 0.01),
        check("warnings", "", 0.04),
        check("mdape", "", None),
        check("psi", "price", None),
    ],
}


@pytest.fixture
def save(database):
    """Keep a report, changed as said."""

    def put(at=AT, **changes):
        made = REPORT | changes
        database.run(lambda connection: store.save(connection, made, at), 10)

    return put
