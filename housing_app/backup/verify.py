"""Check a backup without a database."""

import gzip
import json
import zlib
from collections.abc import Iterator
from typing import IO, Any

from housing_app.backup import tables
from housing_app.backup.archive import Archive
from housing_app.backup.places import Begin, Step, unseen
from housing_app.valuation.artifacts import MANIFEST

_ROWS = ".jsonl.gz"


def verify(archive: Archive, begin: Begin = unseen) -> None:
    """Read all of a backup; raise BackupError for whatever is off."""
    step = begin(rows(archive.meta))
    known = {f"{name}{_ROWS}" for name in archive.meta["tables"]}
    parts = archive.meta["parts"]
    if known != {name for name in parts if name.endswith(_ROWS)}:
        raise archive.refusal("its tables are not those it names")
    for name, file in archive.parts():
        if name in known:
            _table(archive, name.removesuffix(_ROWS), file, step)
        elif name.endswith(f"/{MANIFEST}"):
            _artifact(archive, name, file)


def rows(meta: dict[str, Any]) -> int:
    """Return how many rows a backup has."""
    return sum(int(table["rows"]) for table in meta["tables"].values())


def lines(archive: Archive, file: IO[bytes]) -> Iterator[bytes]:
    """Yield a table's lines."""
    try:
        with gzip.open(file) as found:
            yield from found
    except (OSError, EOFError, zlib.error) as error:
        raise archive.refusal(f"{type(error).__name__}: {error}") from None


def _table(archive: Archive, name: str, file: IO[bytes], step: Step) -> None:
    found = tables.Digest()
    for line in lines(archive, file):
        found.add(line)
        if not found.rows % 1_000:
            step(1_000)
    step(found.rows % 1_000)
    wanted = archive.meta["tables"][name]
    if (found.rows, found.text) != (wanted["rows"], wanted["digest"]):
        raise archive.refusal(f"{name}: not the rows it was made of")


def _artifact(archive: Archive, name: str, file: IO[bytes]) -> None:
    """Check that an artifact is there with all its files, and no other."""
    folder = name.removesuffix(MANIFEST)
    found = {
        path.removeprefix(folder): part["sha256"]
        for path, part in archive.meta["parts"].items()
        if path.startswith(folder) and path != name
    }
    try:
        wanted = json.loads(file.read())["files"]
    except (ValueError, LookupError, TypeError):
        wanted = None
    if found != wanted:
        raise archive.refusal(f"{folder} is not what its manifest says")
