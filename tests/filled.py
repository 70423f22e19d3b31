"""A database with predictions, outcomes and demographics in it."""

import uuid
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import insert

from housing_app.backup import tables
from housing_app.database import Database, schema
from housing_app.database.tables import (
    demographics_versions,
    outcomes,
    predictions,
    shadow_valuations,
)

KINDS = [["zipcode", "text"], ["age: %(s)s [x]", "number"], ['a "name"', "text"]]
START = datetime(2026, 1, 1, 12, 0, 0, 123456, tzinfo=UTC)


def prediction(number):
    """Return a row; every fifth has no subject, and text that is hard to keep."""
    return {
        "id": str(
            uuid.UUID(int=(number * 0x9E3779B97F4A7C15F39CC0605CEDC835) % 2**128)
        ),
        "request_id": f"r-{number}",
        "answered_at": START + timedelta(seconds=number, microseconds=number),
        "subject": None if number % 5 == 0 else f"Zoë-{number} \\ \" ' \n",
        "endpoint": "full",
        "model": "catboost-full",
        "version": 1,
        "variant": "champion",
        "valuation_date": date(2015, 3, 31),
        "zipcode": "98103",
        "inputs": {"sqft_living": 1850.1 + number, "grade": None, "a": 1, "B": "ü"},
        "price": 753617.95 + number / 7,
        "low": 1e-7 * number,
        "high": 913104.0,
        "interval": 0.9,
        "fsd": 0.1093,
        "confidence": "high",
        "warnings": ["fallback-model"] if number % 3 else [],
        "duration_ms": 1.9,
        "experiment": None if number % 4 else "catboost-full-1/catboost-full-2",
        "arm": None if number % 4 else "champion",
        "client": None if number % 4 else f"{number:016x}",
    }


def shadow(number):
    return {
        "prediction_id": prediction(number)["id"],
        "model": "lightgbm-full",
        "version": 2,
        "price": 753617.95 - number / 7,
        "low": 1e-7 * number,
        "high": 913104.0,
        "valued_at": START + timedelta(seconds=number, microseconds=7),
    }


def outcome(number):
    return {
        "prediction_id": prediction(number)["id"],
        "sale_price": 700_000.5 + number,
        "sale_date": date(2026, 2, 1 + number % 28),
        "reported_at": START + timedelta(days=number),
        "subject": None,
    }


def fill(
    database: Database,
    count: int = 500,
    *,
    with_demographics: bool = True,
    made=prediction,
):
    """Bring a database to this release's schema, and put rows into it."""
    with database.engine.begin() as connection:
        schema.upgrade(connection)
        step = 10_000
        for start in range(0, count, step):
            numbers = range(start, min(count, start + step))
            connection.execute(insert(predictions), [made(n) for n in numbers])
            connection.execute(insert(outcomes), [outcome(n) for n in numbers[::10]])
            shadows = [shadow(n) for n in numbers[::20]]
            if shadows:
                connection.execute(insert(shadow_valuations), shadows)
        if with_demographics:
            version = {"version": 1, "loaded_at": START, "sha256": "0" * 64, "rows": 3}
            connection.execute(
                insert(demographics_versions), [version | {"source": "zip.csv"}]
            )
            table = tables.demographics(KINDS)
            table.create(connection)
            rows = [("98103", 35.5, "x"), ("00501", None, ""), ("98101", 1.0, None)]
            names = table.columns.keys()
            connection.execute(
                insert(table), [dict(zip(names, row, strict=True)) for row in rows]
            )
    return database


def contents(database: Database):
    """Return every row of a database."""
    with database.engine.connect() as connection:
        every = [*tables.JOURNAL, *tables.of_demographics(connection)]
        return {t.name: sorted(tables.lines(connection, t)) for t in every}
