"""Bring a database to the schema that this release has."""

from importlib.resources import files

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from housing_app.database import tables


def _config(connection: Connection | None = None) -> Config:
    made = Config()
    made.set_main_option("script_location", str(files(__package__) / "migrations"))
    made.attributes["connection"] = connection
    return made


def head() -> str:
    """Return the revision this release wants."""
    found = ScriptDirectory.from_config(_config()).get_current_head()
    assert found  # noqa: S101  # nosec B101 - there is a first migration
    return found


def revision(connection: Connection) -> str | None:
    """Return a database's revision, None for an empty one."""
    return MigrationContext.configure(connection).get_current_revision()


def upgrade(connection: Connection) -> tuple[str | None, str]:
    """Bring a database to this release's schema; return its revision before and after.

    All or nothing: it happens in the caller's transaction.
    """
    before = revision(connection)
    if connection.dialect.name == "postgresql":
        # Two that upgrade at once take turns; the lock goes with the transaction.
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(4724862)")
        before = revision(connection)
    command.upgrade(_config(connection), "head")
    return before, head()


metadata = tables.metadata
