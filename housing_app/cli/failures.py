"""What goes wrong with a store or a file, as the one line an operator sees."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from sqlalchemy.exc import SQLAlchemyError

from housing_app.database import Database, StoreDown
from housing_app.journal import store
from housing_app.valuation.errors import ValuationError

_SECONDS = 120.0


@contextmanager
def in_one_line(folder: Path) -> Iterator[None]:
    """End with what a domain error says, or with the file that failed.

    folder: named where the system names no file.
    """
    try:
        yield
    except ValuationError as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        place = error.filename or folder
        raise click.ClickException(f"{place}: {error.strerror or error}") from None


@contextmanager
def of_database() -> Iterator[None]:
    """End with why the database does not take part."""
    try:
        yield
    except (StoreDown, SQLAlchemyError) as error:
        why = f"the database does not take part: {error}"
        raise click.ClickException(why.splitlines()[0]) from None


def require_journal(database: Database) -> None:
    """End unless the database has the journal's tables as this release knows them."""
    if not database.run(store.fits, _SECONDS, reads_only=True):
        raise no_journal()


def no_journal() -> click.ClickException:
    """Return the end for a database of another release."""
    return click.ClickException(
        "the database has no journal of this release: flask db upgrade"
    )
