"""What a report is made of: a model's answers and their outcomes, from the journal.

Only commands import this.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from sqlalchemy import Connection, Select, func, select
from sqlalchemy.sql import ColumnElement

from housing_app.database import Database
from housing_app.database.tables import outcomes, predictions
from housing_app.training.drift import Asked, Period
from housing_app.training.drift_checks import Sold
from housing_app.valuation.artifacts import Manifest
from housing_app.valuation.features import NAMES

_ROWS = 5_000  # fetched at once
_SECONDS = 600.0

Step = Callable[[int], Any]


def count(database: Database, manifest: Manifest, slot: str, period: Period) -> int:
    """Return how many answers a model gave in a stretch of time."""
    query = select(func.count()).select_from(predictions)
    query = query.where(*_of(manifest, slot), *_between(predictions, period))
    return database.run(lambda c: c.scalar(query), _SECONDS, reads_only=True) or 0


def asked(
    database: Database, manifest: Manifest, slot: str, period: Period, step: Step
) -> Asked:
    """Return the homes a model valued, each once, with the newest answer.

    A home that is asked about again and again is one home: the checks rest on homes
    that have nothing to do with each other.
    """
    wanted = ("zipcode", "inputs", "price", "warnings")
    query = (
        select(*(predictions.c[name] for name in wanted))
        .where(*_of(manifest, slot), *_between(predictions, period))
        .order_by(predictions.c.answered_at.desc())
    )

    def fetch(connection: Connection) -> Asked:
        seen: set[int] = set()
        parts = [np.zeros((0, len(NAMES)))]
        zipcodes: list[str] = []
        prices: list[float] = []
        codes: list[list[str]] = []
        for rows in _streamed(connection, query):
            fresh = []
            for row in rows:
                values = tuple(map(row.inputs.get, NAMES))
                if (key := hash((row.zipcode, values))) not in seen:
                    seen.add(key)
                    fresh.append(values)
                    zipcodes.append(row.zipcode)
                    prices.append(row.price)
                    codes.append(row.warnings)
            parts.append(np.array(fresh, np.float64).reshape(-1, len(NAMES)))
            step(len(rows))
        return Asked(np.concatenate(parts), zipcodes, np.array(prices), codes)

    return database.run(fetch, _SECONDS, reads_only=True)


def sold(database: Database, manifest: Manifest, slot: str, period: Period) -> Sold:
    """Return sales reported in a stretch of time, with the model's valuations."""
    columns = (
        outcomes.c.sale_price,
        predictions.c.price,
        predictions.c.low,
        predictions.c.high,
        predictions.c.interval,
    )
    query = select(*columns).join_from(outcomes, predictions)
    query = query.where(*_of(manifest, slot), *_between(outcomes, period))

    def fetch(connection: Connection) -> Sold:
        parts = [np.zeros((0, len(columns)))]
        for rows in _streamed(connection, query):
            parts.append(np.array([tuple(row) for row in rows], np.float64))
        return Sold(*np.concatenate(parts).T)

    return database.run(fetch, _SECONDS, reads_only=True)


def _streamed(connection: Connection, query: Select[Any]) -> Any:
    streamed = connection.execution_options(yield_per=_ROWS).execute(query)
    return streamed.partitions()


def _of(manifest: Manifest, slot: str) -> list[ColumnElement[bool]]:
    return [
        predictions.c.model == manifest.name,
        predictions.c.version == manifest.version,
        predictions.c.endpoint == slot,
    ]


def _between(table: Any, period: Period) -> list[ColumnElement[bool]]:
    time = table.c.answered_at if table is predictions else table.c.reported_at
    return [time >= period.start, time < period.end]
