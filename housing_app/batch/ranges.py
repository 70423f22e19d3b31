"""Divide a file among machines: what each reads of it, by itself.

The chunks are those that one machine would make, so the output is the same.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from housing_app.batch import cuts
from housing_app.batch.cuts import Chunk
from housing_app.batch.errors import BatchError, named
from housing_app.batch.source import Columnar, Source, Text
from housing_app.batch.work import Format
from housing_app.model_store.remote import split
from housing_app.valuation.features import Slot

CHUNKS = 5  # of a part, if a row group is not larger


class Range(NamedTuple):
    """Name rows that follow one another, by where they lie in a file.

    first: number of the first row, from 1; start: its byte; sizes: rows and bytes of
    each chunk; groups: in their place row groups of Parquet, those read together.
    """

    first: int
    rows: int
    start: int = 0
    sizes: tuple[tuple[int, int], ...] = ()
    groups: tuple[tuple[int, ...], ...] = ()

    @property
    def length(self) -> int:
        """Return its bytes in a text."""
        return sum(size for _, size in self.sizes)


@contextmanager
def opened(url: str, kind: Format, slot: Slot) -> Iterator[Source]:
    """Open a file by its URL; errors name it."""
    store, name = split(url)
    with store.open(name, cuts.BLOCK) as file:
        with named(url):
            if kind == "parquet":
                found: Source = Columnar(file, url, slot)
            else:
                file.seek(0, 2)
                total = file.tell()
                file.seek(0)
                found = Text(file, kind, total)
        yield found


def divided(source: Source, rows: int) -> Iterator[Range]:
    """Yield the ranges of a file, of chunks of so many rows.

    Of a text every byte is read, once, to find where records end.
    """
    most = rows * CHUNKS
    if isinstance(source, Columnar):
        yield from _of_groups(source, rows, most)
        return
    first, start = 1, source.start
    sizes: list[tuple[int, int]] = []
    for chunk in source.chunks(rows, 1, source.start):
        sizes.append((chunk.rows, len(chunk.content)))
        if len(sizes) == CHUNKS:
            yield _of_text(first, start, sizes)
            first, start, sizes = chunk.first + chunk.rows, chunk.after, []
    if sizes:
        yield _of_text(first, start, sizes)


def _of_text(first: int, start: int, sizes: list[tuple[int, int]]) -> Range:
    return Range(first, sum(rows for rows, _ in sizes), start, tuple(sizes))


def _of_groups(source: Columnar, rows: int, most: int) -> Iterator[Range]:
    first = 1
    found: list[tuple[int, ...]] = []
    count = 0
    for groups in source.reader.together(rows):
        size = source.reader.count(groups)
        if found and count + size > most:
            yield Range(first, count, groups=tuple(found))
            first, found, count = first + count, [], 0
        found.append(tuple(groups))
        count += size
    if found:
        yield Range(first, count, groups=tuple(found))


def read(one: Range, url: str, rows: int, slot: Slot) -> Iterator[Chunk]:
    """Yield a range's chunks, of so many rows."""
    first = one.first
    if one.groups:
        with opened(url, "parquet", slot) as source:
            assert isinstance(source, Columnar)  # noqa: S101 # nosec B101
            for groups in one.groups:
                for chunk in source.reader.read(groups, rows, first):
                    yield chunk
                    first += chunk.rows
        return
    store, name = split(url)
    content = store.read(name, one.start, one.start + one.length)
    if len(content) != one.length:
        raise BatchError(f"{url}: shorter than it was when the run began")
    at = 0
    for count, size in one.sizes:
        yield Chunk(first, count, content[at : at + size], one.start + at + size)
        first += count
        at += size
