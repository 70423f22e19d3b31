"""The file a run reads: what it is, what it holds, and its chunks."""

import hashlib
import io
import os
import stat
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any

from housing_app.batch import csv_rows, cuts, json_rows
from housing_app.batch.cuts import Chunk
from housing_app.batch.errors import BatchError, named
from housing_app.batch.work import Format
from housing_app.valuation.features import Slot

_HEAD = 1 << 20  # bytes that tell a file from another of the same size and time


class Text:
    """Read CSV or JSON lines.

    names: its columns; start: position of the first chunk, in bytes; total: of the end.
    """

    columnar = False
    types: Mapping[str, Any] = MappingProxyType({})  # text has none

    def __init__(self, file: IO[bytes], kind: Format, total: int | None) -> None:
        self._file, self.total = file, total
        self._head = file.read(cuts.BLOCK)
        self.start = 0
        if kind == "csv":
            self._ends = cuts.csv_ends
            ends = cuts.csv_ends(self._head)
            self.start = int(ends[0]) if len(ends) else len(self._head)
            self.names = csv_rows.header(self._head[: self.start])
        else:
            self._ends = cuts.line_ends
            self.names = json_rows.names_of(self._head)
        if not self.names:
            raise BatchError("the file is empty")

    def chunks(self, rows: int, first: int, position: int) -> Iterator[Chunk]:
        """Yield chunks from a byte on, where row `first` begins."""
        head = io.BytesIO()
        if position == self.start:  # a pipe cannot be read twice
            head = io.BytesIO(self._head[position:])
        else:
            self._file.seek(position)

        def read(size: int) -> bytes:
            return head.read(size) or self._file.read(size)

        return cuts.chunks(read, self._ends, rows, first=first, at=position)


class Columnar:
    """Read Parquet: `start` and positions count chunks, `total` rows.

    types: of its columns.
    """

    columnar = True

    def __init__(self, file: Path | IO[bytes], name: str, slot: Slot) -> None:
        from housing_app.batch import parquet_rows  # pyarrow: only where it is needed

        self.reader = parquet_rows.Reader(file, name)
        self.reader.check(slot)
        self.names = self.reader.names
        self.types: Mapping[str, Any] = self.reader.types
        self.start = 0
        self.total = self.reader.rows

    def chunks(self, rows: int, first: int, position: int) -> Iterator[Chunk]:
        """Yield chunks but for the first `position` ones."""
        return self.reader.chunks(rows, position)


Source = Text | Columnar


@contextmanager
def opened(path: Path | None, kind: Format, slot: Slot) -> Iterator[Source]:
    """Open a file, stdin without a path; errors name it."""
    with ExitStack() as stack:
        with named(path):
            if path is None:
                found: Source = Text(sys.stdin.buffer, kind, None)
            elif kind == "parquet":
                found = Columnar(path, str(path), slot)
            else:
                file = stack.enter_context(path.open("rb"))
                found = Text(file, kind, os.fstat(file.fileno()).st_size)
        yield found


def pins(path: Path) -> dict[str, Any]:
    """Return what tells a file from what it was before."""
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        return {}
    with path.open("rb") as file:
        head = hashlib.file_digest(io.BytesIO(file.read(_HEAD)), "sha256").hexdigest()
    return {
        "the input's size": found.st_size,
        "the input's time": found.st_mtime_ns,
        "the input": head,
    }
