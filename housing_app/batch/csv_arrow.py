"""CSV by pyarrow, where that is installed: the same in a fifth of the time.

Only what is plain is done here; None means that csv_rows.py shall do it, which knows
all cases. Tests hold both to the same bytes.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pyarrow
from pyarrow import compute, csv

from housing_app.valuation.features import NAMES, FloatArray

_FEATURES = {*NAMES}
_PARSE = csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False)


def read(content: bytes, names: Sequence[str], rows: int) -> dict[str, Any] | None:
    """Return the columns of so many rows: numbers of homes' fields, text of others."""
    # To pyarrow a carriage return alone ends a row, and an empty line is one of nulls.
    if content.count(b"\r") != content.count(b"\r\n"):
        return None
    if content.startswith((b"\n", b"\r\n")) or b"\n\n" in content or b"\n\r" in content:
        return None
    types = {
        name: pyarrow.float64() if name in _FEATURES else pyarrow.string()
        for name in names
    }
    try:
        table = csv.read_csv(
            pyarrow.py_buffer(content),
            read_options=csv.ReadOptions(
                use_threads=False, column_names=names, block_size=len(content) + 1
            ),
            parse_options=_PARSE,
            convert_options=csv.ConvertOptions(
                column_types=types, null_values=[""], strings_can_be_null=False
            ),
        )
    except pyarrow.ArrowInvalid:
        return None
    if table.num_rows != rows:
        return None
    found: dict[str, Any] = {}
    for name in names:
        column = table.column(name)
        if name in _FEATURES:
            numbers = _numbers(column)
            if numbers is None:
                return None
            column = numbers
        found[name] = column
    return found


def _numbers(column: Any) -> FloatArray | None:
    """Return numbers, NaN where a cell is empty, or None where NaN was written."""
    numbers = np.asarray(column.to_numpy())
    if np.count_nonzero(np.isnan(numbers)) != column.null_count:
        return None
    return numbers


def write(columns: Iterable[Sequence[Any]]) -> bytes | None:
    """Return rows without a header."""
    cells = []
    for column in columns:
        texts = _texts(column)
        if texts is None:
            return None
        cells.append(texts)
    # Joined to an empty text, so that every row ends with a line feed.
    last = compute.binary_join_element_wise(cells.pop(), "", "\n")
    rows = compute.binary_join_element_wise(
        *cells, last, ",", null_handling="replace", null_replacement=""
    )
    chunks = rows.chunks if isinstance(rows, pyarrow.ChunkedArray) else [rows]
    return b"".join(map(_bytes, chunks))


def _bytes(rows: Any) -> bytes:
    _, offsets, data = rows.buffers()
    if data is None:
        return b""
    ends = np.frombuffer(offsets, np.int32)[rows.offset : rows.offset + len(rows) + 1]
    found: bytes = data[int(ends[0]) : int(ends[-1])].to_pybytes()
    return found


def _texts(column: Any) -> Any:
    """Return cells as CSV holds them, or None where it takes more thought."""
    if not isinstance(column, pyarrow.ChunkedArray):
        try:
            column = pyarrow.array(column)
        except (pyarrow.ArrowInvalid, pyarrow.ArrowTypeError, OverflowError):
            return None  # values of several types
    types = pyarrow.types
    if types.is_int64(column.type):
        return column.cast(pyarrow.string())
    if types.is_float64(column.type):
        return _written(column)
    return _quoted(column) if types.is_string(column.type) else None


def _quoted(column: Any) -> Any:
    if compute.any(compute.match_substring(column, "\r")).as_py():
        return None
    special = compute.match_substring_regex(column, '[",\n]')
    if not compute.any(special).as_py():
        return column
    doubled = compute.replace_substring(column, '"', '""')
    quoted = compute.binary_join_element_wise('"', doubled, '"', "")
    return compute.if_else(special, quoted, column)


def _written(numbers: Any) -> Any:
    """Return numbers as Python writes them, or None where that takes an exponent."""
    sizes = np.abs(numbers.to_numpy(zero_copy_only=False))
    if not ((sizes == 0) | ((sizes >= 1e-4) & (sizes < 1e10))).all():
        return None
    texts = numbers.cast(pyarrow.string())
    whole = compute.invert(compute.match_substring(texts, "."))
    if not compute.any(whole).as_py():
        return texts
    longer = compute.binary_join_element_wise(texts, "0", ".")
    return compute.if_else(whole, longer, texts)
