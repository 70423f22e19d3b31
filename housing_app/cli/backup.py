"""`flask backup …`"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
from flask import current_app
from flask.cli import with_appcontext
from tqdm import tqdm

from housing_app import backup, database, model_store
from housing_app.cli.journal import drained
from housing_app.model_store import remote
from housing_app.valuation.errors import ValuationError

group = click.Group("backup", help="Back up journal, outcomes, demographics, models.")
_MODELS = click.option(
    "--without-models", is_flag=True, help="Leave out the model artifacts."
)


@group.command()
@click.argument("target", metavar="FILE_OR_URL")
@_MODELS
@with_appcontext
def create(target: str, without_models: bool) -> None:
    """Write a backup to a file, or an object such as s3://bucket/name.tar.

    A target that ends with / gets a name with the time. Nothing is overwritten.
    """
    if target.endswith("/") or Path(target).is_dir():
        name = f"housing-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.tar"
        target = f"{target.rstrip('/')}/{name}"
    _drain()
    settings = current_app.config
    models = None if without_models else model_store.folder(settings)
    with _one_line(), _written(target) as path, _bar("rows") as begin:
        places = _places()
        meta = backup.create(path, places, models, settings["VERSION"], begin)
        size = path.stat().st_size
    _tell(meta)
    click.echo(f"{target}: {size:,} bytes")


@group.command()
@click.argument("source", metavar="FILE_OR_URL")
def verify(source: str) -> None:
    """Check every checksum of a backup; needs no database."""
    with _one_line(), _read(source) as path, _bar("rows") as begin:
        archive = backup.Archive(path)
        backup.verify(archive, begin)
    _tell(archive.meta)
    click.echo(f"{source}: whole; made {archive.meta['created']}")


@group.command()
@click.argument("source", metavar="FILE_OR_URL")
@click.option(
    "--models",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for the model artifacts; MODEL_DIR without it.",
)
@_MODELS
@with_appcontext
def restore(source: str, models: Path | None, without_models: bool) -> None:
    """Put a backup into an empty database, and its models into a folder.

    Everything is verified first, and compared with the backup before it counts.
    """
    chosen = None if without_models else models or current_app.config["MODEL_DIR"]
    with _one_line(), _read(source) as path:
        archive = backup.Archive(path)
        with _bar("rows verified") as begin:
            backup.verify(archive, begin)
        with _bar("rows restored") as begin:
            done = backup.restore(archive, _places(), chosen, begin)
    for table, rows, digest in done.tables:
        click.echo(f"{table}: {rows:,} rows, digest {digest}, as in the backup")
    for name, state in done.models.items():
        click.echo(f"{name}: {state}")
    click.echo(f"{source}: restored and compared")


def _drain() -> None:
    """Move what waits in this machine's spool into the database first."""
    try:
        drained()
    except click.ClickException as error:
        click.echo(f"the spool is not part of it: {error.message}", err=True)


def _places() -> backup.Places:
    """Return the databases of the settings; without another one, both are one."""
    found = database.databases(current_app)
    journal = found["DATABASE_URL"]
    return backup.Places(journal, found.get("DEMOGRAPHICS_URL", journal))


def _tell(meta: dict[str, Any]) -> None:
    for name, table in meta["tables"].items():
        click.echo(f"{name}: {table['rows']:,} rows, digest {table['digest']}")
    manifests = [n for n in meta["parts"] if n.endswith("/manifest.json")]
    click.echo(f"models: {len(manifests)}")


@contextmanager
def _one_line() -> Iterator[None]:
    try:
        yield
    except ValuationError as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        text = f"{error.filename or 'a file'}: {error.strerror or error}"
        raise click.ClickException(text) from None


@contextmanager
def _bar(unit: str) -> Iterator[Callable[[int], Callable[[int], Any]]]:
    with tqdm(unit=f" {unit}", disable=None, leave=False) as bar:

        def begin(total: int) -> Callable[[int], Any]:
            bar.total = total
            return bar.update

        yield begin


@contextmanager
def _written(target: str) -> Iterator[Path]:
    """Hand out a path whose file becomes the target once it is complete."""
    if "://" not in target:
        path = Path(target)
        if path.exists():
            raise backup.BackupError(f"{target}: exists; choose another name")
        path.parent.mkdir(parents=True, exist_ok=True)
        with _private():
            yield path
        return
    store, name = remote.split(target)
    if store.exists(name):
        raise backup.BackupError(f"{target}: exists; choose another name")
    with TemporaryDirectory(prefix="housing-backup-") as folder, _private():
        path = Path(folder) / "backup.tar"
        yield path
        store.upload(path, name)


@contextmanager
def _private() -> Iterator[None]:
    """Make files that their owner alone may read."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)


@contextmanager
def _read(source: str) -> Iterator[Path]:
    """Hand out the file of a source, which is fetched if it is elsewhere."""
    if "://" not in source:
        yield Path(source)
        return
    store, name = remote.split(source)
    with TemporaryDirectory(prefix="housing-backup-") as folder:
        path = Path(folder) / name
        store.download(name, path)
        yield path
