"""The tables. Every change here is a new file in migrations/versions/."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    Column,
    Connection,
    Date,
    DateTime,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    TypeDecorator,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Dialect

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
    }
)


class Moment(TypeDecorator[datetime]):
    """A point in time, aware and in UTC on the way in and out (SQLite drops zones)."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        """Take an aware time."""
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        """Return an aware time."""
        if value is None or value.tzinfo is not None:
            return value
        return value.replace(tzinfo=UTC)


# One row for each home that was valued over HTTP.
predictions = Table(
    "predictions",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("request_id", String(128), nullable=False),
    Column("answered_at", Moment, nullable=False),
    Column("subject", String(200)),  # of the token; null without one
    Column("endpoint", String(16), nullable=False),  # the slot: full, minimal
    Column("model", String(64), nullable=False),
    Column("version", Integer, nullable=False),
    Column("variant", String(16), nullable=False),
    Column("valuation_date", Date, nullable=False),
    Column("zipcode", String(5), nullable=False),
    Column("inputs", JSON, nullable=False),  # the home as it was checked
    Column("price", Float, nullable=False),
    Column("low", Float, nullable=False),
    Column("high", Float, nullable=False),
    Column("interval", Float, nullable=False),
    Column("fsd", Float, nullable=False),
    Column("confidence", String(8), nullable=False),
    Column("warnings", JSON, nullable=False),  # their codes
    Column("duration_ms", Float, nullable=False),  # of the whole request
    # Of the clients that take part in one alone: "<champion>/<challenger>".
    Column("experiment", String(130)),
    Column("arm", String(16)),  # champion, challenger
    Column("client", String(16)),  # of an experiment: a hash of who asked
    Index(None, "answered_at"),
)

# What a home was sold for later; never changed, but withdrawn by operators.
outcomes = Table(
    "outcomes",
    metadata,
    Column("prediction_id", String(36), ForeignKey(predictions.c.id), primary_key=True),
    Column("sale_price", Float, nullable=False),
    Column("sale_date", Date, nullable=False),
    Column("reported_at", Moment, nullable=False),
    Column("subject", String(200)),
    Index(None, "reported_at"),
)

# What a model would have answered that only looks on. It may come in before its
# prediction does, or without it: nothing here refers to that.
shadow_valuations = Table(
    "shadow_valuations",
    metadata,
    Column("prediction_id", String(36), primary_key=True),
    Column("model", String(64), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("price", Float, nullable=False),
    Column("low", Float, nullable=False),
    Column("high", Float, nullable=False),
    Column("valued_at", Moment, nullable=False),
)

# Every load of demographics; the newest is in service, in a table `demographics` with a
# column for each of the file's, which each load makes anew.
demographics_versions = Table(
    "demographics_versions",
    metadata,
    Column("version", Integer, primary_key=True),
    Column("loaded_at", Moment, nullable=False),
    Column("sha256", String(64), nullable=False),  # of the rows: see demographics.py
    Column("rows", Integer, nullable=False),
    Column("source", String(255), nullable=False),  # the file's name
)

# Drift reports that were kept; the newest of each slot is shown as metrics.
drift_reports = Table(
    "drift_reports",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("at", Moment, nullable=False),
    Column("model", String(64), nullable=False),
    Column("version", Integer, nullable=False),
    Column("slot", String(16), nullable=False),
    Column("report", JSON, nullable=False),
    Index(None, "slot", "at"),
)


def insert_new(connection: Connection, table: Table) -> Any:
    """Return an INSERT that leaves rows alone whose key is there already."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    return dialect.insert(table).on_conflict_do_nothing()
