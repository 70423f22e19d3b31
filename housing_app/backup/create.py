"""Make a backup: one consistent snapshot, in flat memory."""

import gzip
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import Connection, Table

from housing_app.backup import archive, tables
from housing_app.backup.archive import BackupError
from housing_app.backup.places import Begin, Places, Step, guarded, shown, unseen
from housing_app.database import Database, schema
from housing_app.valuation import artifacts, serving
from housing_app.valuation.artifacts import MANIFEST
from housing_app.valuation.serving import SERVING

_LEVEL = 3  # of gzip: twice as fast as the usual, a tenth larger


def create(
    target: Path,
    places: Places,
    models: Path | None,
    version: str,
    begin: Begin = unseen,
) -> dict[str, Any]:
    """Write a backup to a file and return its meta.json; raise BackupError.

    `begin` is told the count of rows, and what it returns each time some are done.
    """
    meta: dict[str, Any] = {"created": datetime.now(UTC).isoformat(), "tables": {}}
    with TemporaryDirectory(prefix=".backup-", dir=target.parent) as scratch:
        folder = Path(scratch)
        parts = _rows(folder, places, meta["tables"], begin)
        meta |= {"version": version, "revision": schema.head()}
        parts |= _models(models) if models else {}
        meta = archive.write(folder / target.name, meta, parts)
        (folder / target.name).replace(target)
    return meta


def _rows(
    folder: Path, places: Places, told: dict[str, Any], begin: Begin
) -> dict[str, Path]:
    """Write every table to a file; describe it in `told`."""
    parts = {}
    with ExitStack() as stack:
        # Side by side: two databases are of one moment, as nearly as can be.
        rows = stack.enter_context(_snapshot(places.journal))
        is_one = places.journal is places.demographics
        other = rows if is_one else stack.enter_context(_snapshot(places.demographics))
        found = [(rows, table) for table in tables.JOURNAL]
        found += [(other, table) for table in tables.of_demographics(other)]
        step = begin(sum(tables.count(*one) for one in found))
        for connection, table in found:
            name = f"{table.name}.jsonl.gz"
            parts[name] = folder / name
            told[table.name] = _dump(connection, table, parts[name], step)
    return parts


@contextmanager
def _snapshot(database: Database) -> Iterator[Connection]:
    """Hand out a connection that sees one moment, whatever is written meanwhile."""
    if database.is_sqlite and not Path(database.url.database or "").is_file():
        raise BackupError(f"{shown(database)}: there is no such file")
    with guarded(database), database.engine.connect() as connection:
        if database.is_sqlite:
            connection.execution_options(reads_only=True)
        else:
            connection.execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )
        _require_schema(connection, database)
        yield connection


def _require_schema(connection: Connection, database: Database) -> None:
    found, wanted = schema.revision(connection), schema.head()
    if found != wanted:
        state = f"has the schema {found}" if found else "has no tables"
        raise BackupError(
            f"{shown(database)}: {state}, this release {wanted}: is it the right "
            "database? `flask db upgrade` brings it up to date"
        )


def _dump(
    connection: Connection, table: Table, path: Path, step: Step
) -> dict[str, Any]:
    found = tables.Digest()
    with gzip.open(path, "wb", compresslevel=_LEVEL) as file:
        for line in tables.lines(connection, table):
            file.write(line)
            found.add(line)
            if not found.rows % 1_000:
                step(1_000)
    step(found.rows % 1_000)
    columns: Iterable[Any] = table.columns.keys()
    if table.name == tables.DEMOGRAPHICS:
        columns = tables.kinds(table)
    return {"rows": found.rows, "digest": found.text, "columns": list(columns)}


def _models(root: Path) -> dict[str, Path]:
    """Return the verified artifacts of a folder, and what they serve."""
    found = {}
    if (root / SERVING).is_file():
        serving.read(root)
        found[f"models/{SERVING}"] = root / SERVING
    for path in sorted(root.glob(f"*/{MANIFEST}")):
        manifest = artifacts.read_manifest(path.parent)
        artifacts.verify_files(path.parent, manifest)
        for name in (MANIFEST, *manifest.files):
            found[f"models/{manifest.id}/{name}"] = path.parent / name
    return found
