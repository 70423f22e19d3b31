"""What is done with the table `predictions`."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, delete, exists, func, inspect, or_, select
from sqlalchemy.exc import NoSuchTableError
from sqlalchemy.sql import ColumnElement

from housing_app.database.tables import insert_new, outcomes, predictions

_id, _time = predictions.c.id, predictions.c.answered_at
_HAS_OUTCOME = exists().where(outcomes.c.prediction_id == _id)


def fits(connection: Connection) -> bool:
    """Say whether the database has the table as this release knows it."""
    # Not asked of alembic, which a serving process does without.
    try:
        found = inspect(connection).get_columns(predictions.name)
    except NoSuchTableError:
        return False
    return {column["name"] for column in found} >= set(predictions.c.keys())


def insert(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows; those whose id is there already are left as they are."""
    connection.execute(insert_new(connection, predictions), rows)


class Summary(NamedTuple):
    """Count the rows, and tell the time of the first and the last."""

    rows: int
    first: datetime | None
    last: datetime | None


def summary(connection: Connection) -> Summary:
    """Return how much is recorded, and since when."""
    query = select(func.count(), func.min(_time), func.max(_time)).select_from(
        predictions
    )
    return Summary(*connection.execute(query).one())


class Old(NamedTuple):
    """Count the rows before a time, by whether they may go."""

    removable: int
    kept: int  # a sale price was reported for them


def old(connection: Connection, before: datetime) -> Old:
    """Return how many rows are older than a time."""
    count = select(func.count()).select_from(predictions).where(_time < before)
    every = connection.scalar(count) or 0
    kept = connection.scalar(count.where(_HAS_OUTCOME)) or 0
    return Old(every - kept, kept)


def prune(connection: Connection, before: datetime, most: int) -> int:
    """Delete some of the rows older than a time; return how many."""
    chosen = select(_id).where(_time < before, ~_HAS_OUTCOME).limit(most)
    return connection.execute(delete(predictions).where(_id.in_(chosen))).rowcount


class Span(NamedTuple):
    """Name a stretch of time: from the first moment on, up to before the other."""

    start: datetime | None = None
    end: datetime | None = None

    def condition(self) -> list[ColumnElement[bool]]:
        """Return it as SQL."""
        found = [_time >= self.start] if self.start else []
        return found + ([_time < self.end] if self.end else [])


def count(connection: Connection, span: Span) -> int:
    """Return how many rows are of a stretch of time."""
    query = select(func.count()).select_from(predictions).where(*span.condition())
    return connection.scalar(query) or 0


def page(
    connection: Connection, span: Span, after: tuple[datetime, str] | None, most: int
) -> Sequence[Row[Any]]:
    """Return the rows that follow one (its time and id), in order of time."""
    query = (
        select(predictions).where(*span.condition()).order_by(_time, _id).limit(most)
    )
    if after:
        at, id_ = after
        query = query.where(_time >= at, or_(_time > at, _id > id_))
    return connection.execute(query.order_by(_time, _id).limit(most)).all()
