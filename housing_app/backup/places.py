"""The databases that a backup is made of, or restored into."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from sqlalchemy.exc import SQLAlchemyError

from housing_app.backup.archive import BackupError
from housing_app.database import Database

Step = Callable[[int], Any]  # so many more rows are done
Begin = Callable[[int], Step]  # so many rows are to be done


class Places(NamedTuple):
    """Name the databases of journal and demographics; they may be one."""

    journal: Database
    demographics: Database


def unseen(rows: int) -> Step:
    """Show no progress."""
    return lambda rows: None


@contextmanager
def guarded(database: Database) -> Iterator[None]:
    """Say in one line what is wrong with a database, without an address's secrets."""
    try:
        yield
    except (SQLAlchemyError, OSError) as error:
        raise BackupError(f"{shown(database)}: {_reason(error)}") from error


def shown(database: Database) -> str:
    """Return a database's address without its secrets."""
    return database.url.render_as_string(hide_password=True).partition("?")[0]


def _reason(error: Exception) -> str:
    """Return why, in one line, without a statement and its values."""
    cause = getattr(error, "orig", None) or error
    return " ".join(f"{type(cause).__name__}: {cause}".split())[:200]
