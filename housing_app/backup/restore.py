"""Restore a backup into an empty database: all of it, compared, or nothing."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, NamedTuple

from sqlalchemy import Connection, Table, inspect

from housing_app.backup import tables, verify
from housing_app.backup.archive import Archive, BackupError
from housing_app.backup.places import Begin, Places, Step, guarded, shown, unseen
from housing_app.database import Database, schema
from housing_app.valuation import artifacts
from housing_app.valuation.artifacts import MANIFEST
from housing_app.valuation.errors import ArtifactError
from housing_app.valuation.serving import SERVING

_MODELS = "models/"


class Compared(NamedTuple):
    """Tell what a table has, in the backup and in the database alike."""

    table: str
    rows: int
    digest: str


class Restored(NamedTuple):
    """Tell what a restore did."""

    tables: list[Compared]
    models: dict[str, str]  # by name: restored, there already, kept as it was


def restore(
    archive: Archive, places: Places, models: Path | None, begin: Begin = unseen
) -> Restored:
    """Put a backup into empty databases and a folder; raise BackupError.

    The caller has verified it. Nothing is kept unless all of it fits.
    """
    wanted = schema.head()
    if archive.meta["revision"] != wanted:
        raise BackupError(
            f"{archive.path}: of schema {archive.meta['revision']!r}, this release has "
            f"{wanted}: restore it with release {archive.meta['version']}, then upgrade"
        )
    step = begin(2 * verify.rows(archive.meta))
    with ExitStack() as stack:
        rows = stack.enter_context(_emptied(places.journal, tables.JOURNAL))
        other = rows
        if places.demographics is not places.journal:
            other = stack.enter_context(_emptied(places.demographics, ()))
        _require_empty(other, places.demographics, [tables.VERSIONS])
        found = _tables(archive, rows, other)
        folder = stack.enter_context(_draft(models)) if models else None
        for name, file in archive.parts():
            if name.startswith(_MODELS):
                _unpack(folder, name, file)
            else:
                connection, table = found[name]
                lines = verify.lines(archive, file)
                tables.store(connection, table, lines, step)
        compared = [_compare(archive, *one, step) for one in found.values()]
        placed = _place(folder, models) if folder and models else {}
    return Restored(compared, placed)


@contextmanager
def _emptied(database: Database, held: tuple[Table, ...]) -> Iterator[Connection]:
    """Hand out a transaction on an empty database with this release's tables."""
    with guarded(database), database.engine.connect() as connection:
        schema.upgrade(connection)
        _require_empty(connection, database, held)
        yield connection
        connection.commit()


def _require_empty(
    connection: Connection, database: Database, held: list[Table] | tuple[Table, ...]
) -> None:
    full = [table.name for table in held if tables.count(connection, table)]
    if tables.VERSIONS in held and inspect(connection).has_table(tables.DEMOGRAPHICS):
        full.append(tables.DEMOGRAPHICS)
    if full:
        raise BackupError(
            f"{shown(database)}: {full[0]} is not empty: restore into a new database"
        )


def _tables(
    archive: Archive, rows: Connection, other: Connection
) -> dict[str, tuple[Connection, Table]]:
    """Return the tables to fill, by the names of their parts."""
    known = {table.name: (rows, table) for table in tables.JOURNAL}
    known[tables.VERSIONS.name] = other, tables.VERSIONS
    if stored := archive.meta["tables"].get(tables.DEMOGRAPHICS):
        table = tables.demographics(stored["columns"])
        table.create(other)
        known[tables.DEMOGRAPHICS] = other, table
    return {f"{name}.jsonl.gz": known[name] for name in archive.meta["tables"]}


def _compare(
    archive: Archive, connection: Connection, table: Table, step: Step
) -> Compared:
    found = tables.digest(connection, table, step)
    wanted = archive.meta["tables"][table.name]
    if (found.rows, found.text) != (wanted["rows"], wanted["digest"]):
        raise BackupError(
            f"{table.name}: {found.rows:,} rows with digest {found.text}, not "
            f"{wanted['rows']:,} with {wanted['digest']}: nothing was restored"
        )
    return Compared(table.name, found.rows, found.text)


# --- models -------------------------------------------------------------------------


@contextmanager
def _draft(models: Path) -> Iterator[Path]:
    models.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".restore-", dir=models) as folder:
        yield Path(folder)


def _unpack(folder: Path | None, name: str, file: IO[bytes]) -> None:
    """Write a part to a draft; its name was matched, and cannot lead elsewhere."""
    if folder is None:
        return
    path = folder / name.removeprefix(_MODELS)
    path.parent.mkdir(exist_ok=True)
    with path.open("wb") as target:
        shutil.copyfileobj(file, target)


def _place(folder: Path, models: Path) -> dict[str, str]:
    """Move what is not there yet; refuse another artifact of the same name."""
    drafts = sorted(path for path in folder.iterdir() if path.is_dir())
    found = {path.name: _state(path, models / path.name) for path in drafts}
    for path in drafts:
        if found[path.name] == "restored":
            path.rename(models / path.name)
    serving = folder / SERVING
    if serving.exists():
        old = models / SERVING
        same = old.exists() and old.read_bytes() == serving.read_bytes()
        found[SERVING] = "there already" if same else "kept as it was"
        if not old.exists():
            serving.rename(old)
            found[SERVING] = "restored"
    return found


def _state(draft: Path, target: Path) -> str:
    if not target.exists():
        return "restored"
    try:
        same = (target / MANIFEST).read_bytes() == (draft / MANIFEST).read_bytes()
        artifacts.verify_files(target, artifacts.read_manifest(target))
    except (OSError, ArtifactError):
        same = False
    if not same:
        raise BackupError(
            f"{target} is not the artifact of this backup: nothing was restored; name "
            "another folder with --models"
        )
    return "there already"
