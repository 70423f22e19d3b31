"""`flask outcomes …`"""

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import click
from flask import current_app
from flask.cli import with_appcontext
from sqlalchemy import Connection
from tqdm import tqdm

from housing_app import database, journal
from housing_app.cli import failures
from housing_app.errors import Problem
from housing_app.outcomes import Report, Verdict, Who, store
from housing_app.v1 import outcomes, schemas

group = click.Group("outcomes", help="Look after what homes were sold for.")

_SECONDS = 600.0
_TABLE_SECONDS = 10.0
_FIELDS = Report._fields
Result = TypeVar("Result")
Line = tuple[int, Any]  # its number and what it holds; a str says why it holds nothing


def _ask(work: Callable[[database.Database], Result]) -> Result:
    """Return what is done with the database, or end with why it could not be."""
    found = database.current()
    with failures.of_database():
        if not found.run(store.has_tables, _TABLE_SECONDS, reads_only=True):
            raise click.ClickException("the database has no tables yet")
        return work(found)


@group.command("import")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@with_appcontext
def import_(file: Path) -> None:
    """Store the outcomes of FILE: all of them, or none if one is wrong.

    FILE is CSV with the columns prediction_id, sale_price and sale_date, or has one
    JSON object of them in each line (.jsonl). What is known already is left as it is.
    """
    try:
        content = file.read_bytes()
    except OSError as error:
        raise click.ClickException(f"{file}: {error.strerror}") from None
    is_csv = file.suffix.lower() == ".csv"
    lines = list(_csv(file, content) if is_csv else _json(content))
    if not lines:
        raise click.ClickException(f"{file}: holds no outcomes")
    reports = _checked(file, lines)
    verdict = _stored(reports)
    if not verdict.is_good:
        _refuse(file, _against(verdict, [number for number, _ in lines]))
    click.echo(f"{file}: {verdict.stored:,} outcomes new, {verdict.known:,} known")


def _csv(file: Path, content: bytes) -> Iterator[Line]:
    try:
        reader = csv.DictReader(io.StringIO(content.decode("utf-8-sig")), strict=True)
        if sorted(reader.fieldnames or ()) != sorted(_FIELDS):
            raise click.ClickException(
                f"{file}: its first line must name the columns {', '.join(_FIELDS)}"
            )
        for row in reader:
            is_whole = None not in row and None not in row.values()
            wrong = "has not as many cells as line 1"
            yield reader.line_num, _numbered(row) if is_whole else wrong
    except (UnicodeDecodeError, csv.Error) as error:
        raise click.ClickException(f"{file}: not readable as CSV ({error})") from None


def _numbered(row: dict[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {name: text.strip() for name, text in row.items()}
    with suppress(ValueError):  # the schema will say so
        found["sale_price"] = float(found["sale_price"])
    return found


def _json(content: bytes) -> Iterator[Line]:
    for number, line in enumerate(content.splitlines(), 1):
        if line.strip():
            try:
                yield number, schemas.parse_json(line)
            except Problem as error:
                yield number, error.detail


def _checked(file: Path, lines: Sequence[Line]) -> list[Report]:
    found, messages = outcomes.check([one for _, one in lines], outcomes.latest_day())
    errors = []
    for position, (number, sent) in enumerate(lines):
        if isinstance(sent, str):
            errors.append((number, sent))
        elif position in messages:
            for error in schemas.pointers("", messages[position], sent):
                name = error["pointer"].removeprefix("/")
                errors.append((number, f"{name} {error['detail']}".strip()))
    if errors:
        _refuse(file, errors)
    return [Report(**one) for one in found]


def _stored(reports: Sequence[Report]) -> Verdict:
    """Store them, or none; valuations that wait in the spool are fetched."""
    waiting = journal.current() or journal.made(current_app)
    with tqdm(total=len(reports), desc="import", unit="row", disable=None) as bar:
        return _ask(
            lambda found: store.report(
                found, reports, Who(), waiting, seconds=_SECONDS, step=bar.update
            )
        )


def _against(verdict: Verdict, numbers: Sequence[int]) -> list[tuple[int, str]]:
    found = [(numbers[one], "no valuation has this id") for one in verdict.unknown]
    for position, fields in verdict.conflicts.items():
        why = f"another {' and '.join(fields)} was reported before"
        found.append((numbers[position], why))
    return sorted(found)


def _refuse(file: Path, errors: Sequence[tuple[int, str]]) -> None:
    for number, why in errors:
        click.echo(f"{file}:{number}: {why}", err=True)
    what = "1 error" if len(errors) == 1 else f"{len(errors):,} errors"
    raise click.ClickException(f"{file}: {what}, nothing was stored")


@group.command()
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
@with_appcontext
def withdraw(ids: tuple[str, ...]) -> None:
    """Delete the outcomes of the predictions ID..., so that others can be reported.

    All of them, or none if one has no outcome.
    """
    wanted = {one.lower() for one in ids}

    def work(connection: Connection) -> set[str]:
        found = store.withdraw(connection, wanted)
        if found != wanted:
            connection.rollback()
        return found

    gone = _ask(lambda found: found.run(work, _SECONDS))
    if missing := sorted(wanted - gone):
        raise click.ClickException(
            f"no outcome of {', '.join(missing)}: nothing was withdrawn"
        )
    click.echo(f"{len(wanted):,} outcomes withdrawn")
