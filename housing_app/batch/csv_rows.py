"""Rows of CSV (RFC 4180, UTF-8, a header): bytes to columns, columns to bytes."""

import csv
import io
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.util import find_spec
from typing import Any, Literal

import numpy as np

from housing_app.batch.errors import BatchError
from housing_app.batch.layout import Layout, Parsed
from housing_app.batch.rules import ABSENT, Column, Errors
from housing_app.v1 import columns as plain
from housing_app.v1.columns import VALUATION_DATE
from housing_app.valuation.features import ZIPCODE


def cell(name: str, text: str) -> Any:
    """Return what JSON would hold for a cell: None for an empty one.

    A zipcode of fewer digits is the number it stands for: spreadsheets drop zeros.
    """
    text = text.strip()
    if not text:
        return None
    if name == VALUATION_DATE or (name == ZIPCODE and plain.zipcode(text)):
        return text
    return text if (number := _number(text)) is None else number


def _number(text: str) -> float | None:
    # Python also takes 1_000 and the digits of other scripts; no other program does.
    if not text.isascii() or "_" in text:
        return None
    try:
        return float(text)
    except ValueError:
        return None


def header(first: bytes) -> list[str]:
    """Return the names of a header line."""
    try:
        text = first.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BatchError("the header is not UTF-8 text") from None
    (names,) = csv.reader([text]) if text.strip() else ([],)
    return [name.strip() for name in names]


def parse(content: bytes, layout: Layout, first: int, rows: int) -> Parsed:
    """Return the columns of a chunk of so many rows, whose first has this number."""
    by_name = _by_arrow(content, layout.names, rows)
    if by_name is None:
        return _parsed(content, layout, first)
    zipcodes = by_name[ZIPCODE] = by_name[ZIPCODE].to_pylist()
    _no_header(layout.names, zipcodes, first)
    columns = {
        name: by_name[name]
        if isinstance(by_name[name], np.ndarray)
        else _column(name, _listed(by_name[name]), odd=False)
        for name in layout.fields
    }
    kept = {name: by_name[name] for name in layout.kept}

    def sent(row: int) -> Any:
        return again().sent(row)

    @cache
    def again() -> Parsed:
        return _parsed(content, layout, first)

    return Parsed(rows, columns, kept, {}, sent)


def _listed(column: Any) -> Sequence[str]:
    found: Sequence[str] = (
        column.to_pylist() if hasattr(column, "to_pylist") else column
    )
    return found


def _by_arrow(content: bytes, names: Sequence[str], rows: int) -> Any:
    """Return columns as pyarrow reads them, None where it is absent or not sure."""
    if not _has_arrow():
        return None
    from housing_app.batch import csv_arrow  # only where pyarrow is installed

    return csv_arrow.read(content, names, rows)


@cache
def _has_arrow() -> bool:
    return find_spec("pyarrow") is not None


def _parsed(content: bytes, layout: Layout, first: int) -> Parsed:
    """Return the columns of a chunk, as the csv module reads it."""
    names = layout.names
    text = _decoded(content, first)
    rows, refused, raw = _rows(text, names, first)
    by_name = dict(zip(names, zip(*rows, strict=True), strict=True))
    odd = not text.isascii() or "_" in text
    columns = {name: _column(name, by_name[name], odd) for name in layout.fields}
    _no_header(names, by_name[ZIPCODE], first)
    return Parsed(
        len(rows),
        columns,
        {name: by_name[name] for name in layout.kept},
        refused,
        lambda row: (
            raw[row] if row in raw else dict(zip(names, rows[row], strict=True))
        ),
    )


def _no_header(names: Sequence[str], zipcodes: Sequence[str], first: int) -> None:
    """End if a row holds a name where its zipcode should be."""
    known = {*names}
    if not known.isdisjoint(zipcodes):
        row = next(row for row, text in enumerate(zipcodes) if text in known)
        raise changed(first + row)


def changed(row: int) -> BatchError:
    """Return the end over a second header."""
    return BatchError(
        f"row {row:,} is a header: the columns change there; score each table by itself"
    )


def _decoded(content: bytes, first: int) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        row = first + content[: error.start].count(b"\n")
        raise BatchError(
            f"row {row:,} is not UTF-8 text: convert the file, as by "
            "iconv -f WINDOWS-1252 -t UTF-8"
        ) from None


def _read(text: str) -> Iterator[list[str] | str]:
    """Yield the cells of each record, or what is wrong with it."""
    reader = csv.reader(io.StringIO(text, newline="\n"))
    while True:
        try:
            yield next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield f"is not CSV ({error})"


def _rows(
    text: str, names: Sequence[str], first: int
) -> tuple[list[list[str]], dict[int, Errors], dict[int, Any]]:
    """Return the cells of each row, why some have none, and what these hold instead."""
    width = len(names)
    try:
        rows: list[Any] = list(csv.reader(io.StringIO(text, newline="\n")))
    except csv.Error:
        rows = list(_read(text))
    if set(map(len, rows)) == {width} and set(map(type, rows)) == {list}:
        return rows, {}, {}
    refused: dict[int, Errors] = {}
    raw: dict[int, Any] = {}
    known = set(names)
    for i, row in enumerate(rows):
        if isinstance(row, list):
            if len(row) == width:
                continue
            if len(known.intersection(row)) > 1:
                raise changed(first + i)
            raw[i], why = row, f"has {len(row)} cells, not {width}"
        else:
            raw[i], why = None, row
        refused[i] = [{"pointer": "", "detail": why}]
        rows[i] = [""] * width
    return rows, refused, raw


def _column(name: str, cells: Sequence[str], odd: bool) -> Column:
    """Return an array of numbers, or where there are others a list."""
    if name == VALUATION_DATE:
        # CSV has no way to leave a member out but this.
        return [text.strip() or ABSENT for text in cells]
    if name == ZIPCODE:
        known = {text: cell(name, text) for text in set(cells)}
        return [known[text] for text in cells]
    if not (odd and _is_odd(cells)):
        try:
            found = np.array([float(text) if text else math.nan for text in cells])
        except ValueError:
            pass
        else:
            if np.count_nonzero(np.isnan(found)) == cells.count(""):
                return found
    return [cell(name, text) for text in cells]


def _is_odd(cells: Sequence[str]) -> bool:
    text = "".join(cells)
    return not text.isascii() or "_" in text


def write(columns: Mapping[str, Sequence[Any]]) -> bytes:
    """Return rows without a header."""
    if _has_arrow():
        from housing_app.batch import csv_arrow  # only where pyarrow is installed

        cells = (_cells(name, column) for name, column in columns.items())
        if (quick := csv_arrow.write(cells)) is not None:
            return quick
    text = _lines(columns, csv.QUOTE_MINIMAL)
    if "\r" in text:  # which the csv module leaves bare, and readers take for an end
        text = _lines(columns, csv.QUOTE_ALL)
    return text.encode()


def _lines(columns: Mapping[str, Sequence[Any]], quoting: Literal[0, 1]) -> str:
    cells = [_listed(_cells(name, column)) for name, column in columns.items()]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n", quoting=quoting)
    writer.writerows(zip(*cells, strict=True))
    return out.getvalue()


def write_header(names: Sequence[str]) -> bytes:
    """Return the header line."""
    return write({str(place): [name] for place, name in enumerate(names)})


def _cells(name: str, column: Sequence[Any]) -> Sequence[Any]:
    if name in ("missing", "warnings"):
        return list(map(" ".join, column))
    if hasattr(column, "to_pylist"):
        return column  # of pyarrow, all text
    if {bool, list, dict}.isdisjoint(map(type, column)):
        return column
    return [
        json.dumps(value) if isinstance(value, bool | list | dict) else value
        for value in column
    ]
