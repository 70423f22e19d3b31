"""What is done with the tables `predictions` and `shadow_valuations`."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, delete, exists, func, inspect, or_, select
from sqlalchemy.exc import NoSuchTableError
from sqlalchemy.sql import ColumnElement

from housing_app.database.tables import (
    insert_new,
    outcomes,
    predictions,
    shadow_valuations,
)
from housing_app.journal.records import is_shadow

_TABLES = (predictions, shadow_valuations)
_id, _time = predictions.c.id, predictions.c.answered_at
_HAS_OUTCOME = exists().where(outcomes.c.prediction_id == _id)
_of = shadow_valuations.c.prediction_id


def fits(connection: Connection) -> bool:
    """Say whether the database has the tables as this release knows them."""
    # Not asked of alembic, which a serving process does without.
    asked = inspect(connection)
    try:
        return all(
            {column["name"] for column in asked.get_columns(table.name)}
            >= set(table.c.keys())
            for table in _TABLES
        )
    except NoSuchTableError:
        return False


def insert(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows of both tables; those that are there already are left as they are."""
    shadows = [row for row in rows if is_shadow(row)]
    answers = [row for row in rows if not is_shadow(row)]
    for table, some in zip(_TABLES, (answers, shadows), strict=True):
        if some:
            connection.execute(insert_new(connection, table), some)


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
    """Delete some of the rows older than a time; return how many.

    What shadows said of them goes, too.
    """
    chosen = select(_id).where(_time < before, ~_HAS_OUTCOME).limit(most)
    statement = delete(predictions).where(_id.in_(chosen)).returning(_id)
    gone = connection.scalars(statement).all()
    connection.execute(delete(shadow_valuations).where(_of.in_(gone)))
    return len(gone)


def prune_stray(connection: Connection, before: datetime) -> int:
    """Delete what shadows said before a time of predictions that are not there."""
    is_stray = ~exists().where(_id == _of)
    old = shadow_valuations.c.valued_at < before
    return connection.execute(delete(shadow_valuations).where(old, is_stray)).rowcount


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
