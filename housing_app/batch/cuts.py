"""Cut text into chunks of whole records, by their bytes: the rows stay for the workers.

A record ends at a line feed; in CSV (RFC 4180) not at one between quotes. A chunk
begins with a record, so whether a quote opens or closes a cell needs no look back.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from housing_app.batch.errors import BatchError

BLOCK = 1 << 22  # bytes read at once
LONGEST = 1 << 24  # bytes of a record
_COMMA, _QUOTE, _LF, _CR = b',"\n\r'

Ends = Callable[[bytes], npt.NDArray[np.intp]]


class Chunk(NamedTuple):
    """Hold rows as they are in the file.

    first: number of the first row, from 1; after: where the next chunk begins, in bytes
    of a text or chunks of a Parquet file.
    """

    first: int
    rows: int
    content: bytes
    after: int


def line_ends(block: bytes) -> npt.NDArray[np.intp]:
    """Return the positions after each line feed."""
    return np.flatnonzero(np.frombuffer(block, np.uint8) == _LF) + 1


def csv_ends(block: bytes) -> npt.NDArray[np.intp]:
    """Return the positions after each record; the block begins with one."""
    ends = line_ends(block)
    if b'"' not in block:
        return ends
    characters = np.frombuffer(block, np.uint8)
    quotes = np.flatnonzero(characters == _QUOTE)
    if not _alternate(characters, quotes):
        quotes = np.array(_delimiting(block), dtype=np.intp)
    # So many quotes before a line feed: an odd number, and a cell is open.
    return ends[np.searchsorted(quotes, ends) % 2 == 0]


def _alternate(characters: npt.NDArray[np.uint8], quotes: npt.NDArray[np.intp]) -> bool:
    """Say whether quotes open and close cells by turns; a doubled one does both."""
    before = characters[quotes[::2] - 1]
    if quotes[0] == 0:
        before = before[1:]
    opens = (before == _COMMA) | (before == _LF) | (before == _QUOTE)
    closing = quotes[1::2] + 1
    after = characters[closing[closing < len(characters)]]
    closes = (after == _COMMA) | (after == _LF) | (after == _CR) | (after == _QUOTE)
    return bool(opens.all() and closes.all())


def _delimiting(block: bytes) -> list[int]:
    """Return the quotes that open or close a cell, as the csv module sees them.

    A quote within a cell that did not begin with one is a character like others.
    """
    found = []
    is_open, closed = False, -1
    at = block.find(b'"')
    while at >= 0:
        if is_open:
            is_open, closed = False, at
            found.append(at)
        elif at == 0 or block[at - 1] in (_COMMA, _LF) or closed == at - 1:
            is_open = True
            found.append(at)
        at = block.find(b'"', at + 1)
    return found


def chunks(
    read: Callable[[int], bytes], ends: Ends, rows: int, *, first: int = 1, at: int = 0
) -> Iterator[Chunk]:
    """Yield chunks of so many rows, the last one of fewer.

    read: of a file that stands at byte `at`, where row `first` begins. Empty lines at
    the very end of a file are no rows.
    """
    rest = b""
    while block := read(BLOCK):
        rest += block
        found = ends(rest)
        solid = len(rest.rstrip(b"\r\n"))
        begin = 0
        for last in range(rows - 1, len(found), rows):
            end = int(found[last])
            if end >= solid:  # what follows may be the end of the file
                break
            yield Chunk(first, rows, rest[begin:end], at + end)
            first += rows
            begin = end
        rest = rest[begin:]
        at += begin
        unfinished = len(rest) - (int(found[-1]) - begin if len(found) else 0)
        if unfinished > LONGEST:
            raise _endless(first + int((found > begin).sum()))
    rest = _without_empty_lines(rest)
    if rest:
        yield from _last(rest, ends, rows, first, at)


def _last(rest: bytes, ends: Ends, rows: int, first: int, at: int) -> Iterator[Chunk]:
    found = ends(rest).tolist()
    if not found or found[-1] < len(rest):
        if ends(rest + b"\n")[-1:].tolist() != [len(rest) + 1]:
            raise BatchError(f"row {first + len(found):,}: a quote is never closed")
        found.append(len(rest))
    yield Chunk(first, len(found), rest, at + len(rest))


def _without_empty_lines(rest: bytes) -> bytes:
    stripped = rest.rstrip(b"\r\n")
    if not stripped:
        return b""
    # A last line end belongs to its record.
    left = rest[len(stripped) :]
    return stripped + left[: left.find(b"\n") + 1]


def _endless(row: int) -> BatchError:
    return BatchError(
        f"row {row:,} is longer than {LONGEST >> 20} MiB: is a quote never closed?"
    )
