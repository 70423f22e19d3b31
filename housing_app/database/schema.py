"""Bring a database to the schema that this release has."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, column, inspect, select, table

from housing_app.database.engine import Database

if TYPE_CHECKING:
    from alembic.config import Config

# Alembic is imported where it is used: a server whose database is up to date does
# without it.
_LOCK = 4_724_862
_VERSIONS = table("alembic_version", column("version_num"))


def head() -> str:
    """Return the revision this release wants: the newest file's."""
    found = (files(__package__) / "migrations" / "versions").iterdir()
    return max(path.name for path in found if path.name[:1].isdigit())[:4]


def revision(connection: Connection) -> str | None:
    """Return a database's revision, None for an empty one."""
    if not inspect(connection).has_table(_VERSIONS.name):
        return None
    found: str | None = connection.scalar(select(_VERSIONS.c.version_num))
    return found


def upgrade(connection: Connection) -> tuple[str | None, str]:
    """Bring a database to this release's schema; return its revision before and after.

    All or nothing: it happens in the caller's transaction. A later release's schema is
    left as it is: it only adds to this one, so that a release can be taken back.
    """
    if connection.dialect.name == "postgresql":
        # Two that upgrade at once take turns; the lock goes with the transaction.
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
    before = revision(connection)
    if before is not None and before > head():
        return before, before
    if before != head():
        from alembic import command

        command.upgrade(config(connection), "head")
    return before, head()


def config(connection: Connection | None = None) -> Config:
    """Return alembic's settings for our migrations, over a connection."""
    from alembic.config import Config

    made = Config()
    made.set_main_option("script_location", str(files(__package__) / "migrations"))
    attributes: dict[Any, Any] = made.attributes
    attributes["connection"] = connection
    return made


def prepare(database: Database) -> None:
    """Make or upgrade an SQLite file; PostgreSQL is its owner's to upgrade."""
    if database.is_sqlite and database.run(revision, reads_only=True) != head():
        database.run(upgrade)
