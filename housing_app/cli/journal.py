"""`flask journal …`"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import time
from typing import TypeVar

import click
from flask import current_app
from flask.cli import with_appcontext
from sqlalchemy import Connection
from tqdm import tqdm

from housing_app import journal
from housing_app.cli import failures
from housing_app.journal import export as exports
from housing_app.journal import store

group = click.Group("journal", help="Look after the record of answered predictions.")

_SECONDS = 60.0
_LOCK_SECONDS = 10.0
_ROWS = 1_000  # deleted at once
_DAY = click.DateTime(["%Y-%m-%d"])
Result = TypeVar("Result")


def _journal() -> journal.Journal:
    return journal.made(current_app)


def _ask(found: journal.Journal, work: Callable[[Connection], Result]) -> Result:
    """Return what the database says, or end with why it says nothing."""
    with failures.of_database():
        failures.require_journal(found.database)
        return found.database.run(work, _SECONDS)


@group.command()
@with_appcontext
def status() -> None:
    """Say what waits in the spool, and what the database holds."""
    found = _journal()
    spool = found.spool.measure()
    click.echo(f"spool     {found.spool.folder}")
    megabytes = spool.size / 1e6
    click.echo(
        f"          {spool.segments:,} segments, {megabytes:,.1f} of "
        f"{found.spool.most / 1e6:,.0f} MB, the oldest {spool.oldest:,.0f} s"
    )
    if spool.rejected:
        click.echo(f"          {spool.rejected:,} files of rejected records")
    rows = _ask(found, store.summary)
    click.echo(f"database  {rows.rows:,} predictions")
    if rows.first and rows.last:
        click.echo(
            f"          {rows.first:%Y-%m-%d %H:%M} to {rows.last:%Y-%m-%d %H:%M}"
        )


@group.command()
@click.option("--rejected", is_flag=True, help="Try rejected records once more.")
@with_appcontext
def drain(rejected: bool) -> None:
    """Move what waits in the spool into the database now.

    Exit 1 if the database is away; what waits then goes on waiting.
    """
    for line in drained(rejected=rejected):
        click.echo(line)


def drained(*, rejected: bool = False) -> list[str]:
    """Drain the spool of this machine; return what there is to say."""
    found = _journal()
    with found.spool.draining(_LOCK_SECONDS) as mine:
        if not mine and found.spool.folder.exists():
            raise click.ClickException("another process drains the spool; it goes on")
        again = found.spool.restore_rejected() if rejected and mine else 0
        size = found.spool.measure().size
        with (
            failures.of_database(),
            tqdm(total=size, desc="drain", unit="B", disable=None) as bar,
        ):
            if mine:
                found.drain.run(step=bar.update)
    left = found.spool.measure()
    told = [f"{again:,} rejected records tried again"] if rejected else []
    return [
        *told,
        f"{size - left.size:,} bytes drained, {left.size:,} left in "
        f"{left.segments:,} segments, {left.rejected:,} files rejected",
    ]


@group.command()
@click.option(
    "--older-than",
    "days",
    required=True,
    type=click.IntRange(1, 36_500),
    help="Days that are kept.",
)
@click.option("--yes", is_flag=True, help="Ask nothing.")
@with_appcontext
def prune(days: int, yes: bool) -> None:
    """Delete predictions older than so many days, rejected records too.

    Those whose sale price was reported are kept. What shadow models said of the
    others goes with them.
    """
    found = _journal()
    before = datetime.now(UTC) - timedelta(days=days)
    old = _ask(found, lambda connection: store.old(connection, before))
    files = [path for path in found.spool.rejected() if _is_old(path, days)]
    what = f"{old.removable:,} predictions older than {days} days"
    if not yes and old.removable + len(files):
        click.confirm(f"Delete {what} and {len(files):,} files?", abort=True)
    deleted = 0
    with tqdm(total=old.removable, desc="prune", unit="row", disable=None) as bar:
        while count := _ask(found, lambda c: store.prune(c, before, _ROWS)):
            deleted += count
            bar.update(count)
    _ask(found, lambda connection: store.prune_stray(connection, before))
    for path in files:
        path.unlink(missing_ok=True)
    click.echo(
        f"{deleted:,} predictions deleted, {old.kept:,} kept for their outcomes, "
        f"{len(files):,} files of rejected records deleted"
    )


def _is_old(path: Path, days: int) -> bool:
    return time() - path.stat().st_mtime > 86_400 * days


@group.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--from", "start", type=_DAY, help="First day (UTC).")
@click.option("--to", "end", type=_DAY, help="Last day (UTC).")
@with_appcontext
def export(file: Path, start: datetime | None, end: datetime | None) -> None:
    """Write predictions to FILE: .parquet, .csv or .jsonl.

    FILE is replaced only when the new one is complete.
    """
    if file.suffix not in exports.FORMATS:
        raise click.BadParameter("give a file that ends in .parquet, .csv or .jsonl")
    span = store.Span(
        start.replace(tzinfo=UTC) if start else None,
        end.replace(tzinfo=UTC) + timedelta(days=1) if end else None,
    )
    found = _journal()
    total = _ask(found, lambda connection: store.count(connection, span))
    rows = exports.pages(found.database, span)
    try:
        with (
            failures.of_database(),
            tqdm(total=total, desc="export", unit="row", disable=None) as bar,
        ):
            count = exports.write(file, rows, bar.update)
    except ImportError:
        raise click.ClickException(
            "Parquet needs pyarrow: pip install 'housing_app[parquet]'"
        ) from None
    except OSError as error:
        raise click.ClickException(f"{file}: {error.strerror or error}") from None
    click.echo(f"{file}: {count:,} predictions")
