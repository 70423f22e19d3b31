"""Recorded predictions as a file: CSV, JSON lines or Parquet, page by page."""

import csv
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from housing_app.database import Database
from housing_app.database.tables import predictions
from housing_app.journal.store import Span, page
from housing_app.valuation import features

PAGE = 5_000
SECONDS = 60.0
# One column for each field of a home, in place of `inputs`.
NAMES = [name for name in predictions.c.keys() if name != "inputs"]  # noqa: SIM118
NAMES[NAMES.index("zipcode") + 1 : NAMES.index("zipcode") + 1] = features.NAMES

Rows = Sequence[Mapping[str, Any]]
Write = Callable[[Rows], None]


def pages(database: Database, span: Span, most: int = PAGE) -> Iterator[Rows]:
    """Return all rows of a stretch of time, in order of time, some at once.

    Each page is a transaction of its own, which can be waited for.
    """
    after: tuple[Any, str] | None = None
    while True:
        work = partial(page, span=span, after=after, most=most)
        found = database.run(work, SECONDS, reads_only=True)
        if found:
            after = found[-1].answered_at, found[-1].id
            yield [_flat(row._asdict()) for row in found]
        if len(found) < most:
            return


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    inputs = row["inputs"]
    return {name: row[name] if name in row else inputs.get(name) for name in NAMES}


def write(path: Path, found: Iterator[Rows], step: Callable[[int], Any]) -> int:
    """Write a file of rows; it appears complete or not at all. Return their number.

    Raises ImportError for Parquet without pyarrow.
    """
    part = path.with_name(f".{path.name}.part")
    count = 0
    try:
        with FORMATS[path.suffix](part) as put:
            for rows in found:
                put(rows)
                step(len(rows))
                count += len(rows)
        part.rename(path)
    finally:
        part.unlink(missing_ok=True)
    return count


@contextmanager
def _csv(path: Path) -> Iterator[Write]:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, NAMES)
        writer.writeheader()

        def put(rows: Rows) -> None:
            for row in rows:
                writer.writerow(_plain(row) | {"warnings": " ".join(row["warnings"])})

        yield put


@contextmanager
def _jsonl(path: Path) -> Iterator[Write]:
    with path.open("w", encoding="utf-8") as file:

        def put(rows: Rows) -> None:
            file.writelines(json.dumps(_plain(row)) + "\n" for row in rows)

        yield put


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    days = ("answered_at", "valuation_date")
    return dict(row) | {name: row[name].isoformat() for name in days}


@contextmanager
def _parquet(path: Path) -> Iterator[Write]:
    # Deferred: large, and needed for nothing else.
    import pyarrow
    from pyarrow import parquet

    types = {"answered_at": pyarrow.timestamp("us", "UTC")}
    types |= {"valuation_date": pyarrow.date32(), "version": pyarrow.int32()}
    types |= {"warnings": pyarrow.list_(pyarrow.string())}
    numbers = {*features.NAMES, "price", "low", "high", "interval", "fsd"}
    types |= dict.fromkeys(numbers | {"duration_ms"}, pyarrow.float64())
    schema = pyarrow.schema([(name, types.get(name, "string")) for name in NAMES])
    with parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        yield lambda rows: writer.write_table(
            pyarrow.Table.from_pylist(rows, schema=schema)
        )


FORMATS = {".csv": _csv, ".jsonl": _jsonl, ".parquet": _parquet}
