"""Rows of Parquet files, through pyarrow (the extra `parquet`)."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np

from housing_app.batch.cuts import Chunk
from housing_app.batch.errors import BatchError
from housing_app.batch.layout import ROW, Layout, Parsed
from housing_app.batch.rules import ABSENT, Column, fields_of
from housing_app.v1.columns import VALUATION_DATE
from housing_app.valuation.features import ZIPCODE, Slot

try:
    import pyarrow
    from pyarrow import compute, parquet
except ImportError:  # the extra is not installed; `require` says so
    pyarrow = None
_SIZE = 8  # bytes of a part's length


def require() -> None:
    """End without pyarrow."""
    if pyarrow is None:
        raise BatchError("Parquet needs pyarrow: pip install 'housing_app[parquet]'")


class Reader:
    """Read a file's rows, part by part."""

    def __init__(self, source: Path | IO[bytes], name: str) -> None:
        require()
        try:
            self._file = parquet.ParquetFile(source, pre_buffer=False)
        except pyarrow.ArrowInvalid as error:
            raise BatchError(f"{name}: not a Parquet file ({_line(error)})") from None
        self._name = name
        schema = self._file.schema_arrow
        self.names: list[str] = schema.names
        self.types: dict[str, Any] = {
            name: schema.field(name).type for name in schema.names
        }
        self.rows: int = self._file.metadata.num_rows

    def check(self, slot: Slot) -> None:
        """End over a column of a type that could hold no good value."""
        types = pyarrow.types
        schema = self._file.schema_arrow
        for name in {*fields_of(slot), VALUATION_DATE} & {*self.names}:
            kind = schema.field(name).type
            if types.is_dictionary(kind):
                kind = kind.value_type
            is_number = types.is_integer(kind) or types.is_floating(kind)
            is_number = is_number or types.is_decimal(kind) or types.is_null(kind)
            is_text = types.is_string(kind) or types.is_large_string(kind)
            good = {
                ZIPCODE: is_text or is_number,
                VALUATION_DATE: is_text or types.is_date(kind) or types.is_null(kind),
            }.get(name, is_number)
            if not good:
                raise BatchError(f"the column {name} is of type {kind}: cast it")

    def chunks(self, rows: int, done: int) -> Iterator[Chunk]:
        """Yield chunks of at most so many rows, but for the first `done` ones."""
        number, row = 0, 1
        for groups in self.together(rows):
            for chunk in self.read(groups, rows, row):
                number += 1
                row += chunk.rows
                if number > done:
                    yield chunk._replace(after=number)

    def read(self, groups: Sequence[int], rows: int, row: int) -> Iterator[Chunk]:
        """Yield chunks of row groups, of which the first has a row of this number."""
        count = self.count(groups)
        try:
            for batch in self._file.iter_batches(
                rows, row_groups=groups, use_threads=False
            ):
                yield Chunk(row, batch.num_rows, _packed(batch), 0)
                row += batch.num_rows
                count -= batch.num_rows
        except (pyarrow.ArrowInvalid, OSError) as error:
            raise BatchError(
                f"{self._name}: not readable after row {row - 1:,} ({_line(error)})"
            ) from None
        if count:
            raise BatchError(f"{self._name}: {count:,} rows are missing")

    def count(self, groups: Sequence[int]) -> int:
        """Return how many rows some row groups have."""
        return sum(self._file.metadata.row_group(group).num_rows for group in groups)

    def together(self, rows: int) -> Iterator[list[int]]:
        """Yield row groups: small ones together, none with many rows with others."""
        groups: list[int] = []
        count = 0
        for group in range(self._file.metadata.num_row_groups):
            size = self.count([group])
            if groups and count + size > rows:
                yield groups
                groups, count = [], 0
            groups.append(group)
            count += size
        if groups:
            yield groups


def _line(error: Exception) -> str:
    return str(error).splitlines()[0]


def _packed(batch: Any) -> bytes:
    sink = pyarrow.BufferOutputStream()
    with pyarrow.ipc.new_stream(sink, batch.schema) as stream:
        stream.write_batch(batch)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def parse(content: bytes, layout: Layout) -> Parsed:
    """Return the columns of a chunk."""
    table = pyarrow.ipc.open_stream(content).read_all()
    return Parsed(
        table.num_rows,
        {name: _column(name, table.column(name)) for name in layout.fields},
        {name: table.column(name) for name in layout.kept},
        {},
        lambda row: {k: v[0] for k, v in table.slice(row, 1).to_pydict().items()},
    )


def _column(name: str, found: Any) -> Column:
    if name == VALUATION_DATE:
        days: list[Any] = found.to_pylist()
        return [ABSENT if day is None else str(day) for day in days]
    if name == ZIPCODE:
        zipcodes: list[Any] = found.to_pylist()
        return zipcodes
    if (
        pyarrow.types.is_floating(found.type)
        and compute.any(compute.is_nan(found)).as_py()
    ):
        numbers: list[Any] = found.to_pylist()  # NaN is no number, null is unknown
        return numbers
    return np.asarray(found.cast(pyarrow.float64()).to_numpy())


# --- what is written ----------------------------------------------------------------


def write(columns: Mapping[str, Sequence[Any]], types: Mapping[str, Any]) -> bytes:
    """Return rows as a part, for `join` to put together."""
    arrays = {
        name: _array(name, column, types[name]) for name, column in columns.items()
    }
    table = pyarrow.table(arrays, pyarrow.schema(list(types.items())))
    sink = pyarrow.BufferOutputStream()
    options = pyarrow.ipc.IpcWriteOptions(compression="lz4", use_threads=False)
    with pyarrow.ipc.new_stream(sink, table.schema, options=options) as stream:
        stream.write_table(table)
    content: bytes = sink.getvalue().to_pybytes()
    return len(content).to_bytes(_SIZE, "little") + content


def _array(name: str, column: Any, kind: Any) -> Any:
    if isinstance(column, pyarrow.ChunkedArray):
        return column
    if name == VALUATION_DATE:
        return pyarrow.array(np.array(column, dtype="datetime64[D]"), kind)
    if pyarrow.types.is_string(kind):
        column = [_text(value) for value in column]
    return pyarrow.array(column, kind)


def _text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value)


def types_of(names: Sequence[str], carried: Mapping[str, Any]) -> dict[str, Any]:
    """Return the types of the output's columns; carried: those known from a file."""
    require()
    number, text = pyarrow.float64(), pyarrow.string()
    texts = pyarrow.list_(text)
    known = dict.fromkeys(("price", "low", "high", "fsd"), number)
    known |= dict.fromkeys(("missing", "warnings"), texts)
    known |= {ROW: pyarrow.int64(), VALUATION_DATE: pyarrow.date32()}
    return {name: carried.get(name, known.get(name, text)) for name in names}


def join(parts: IO[bytes], target: IO[bytes], types: Mapping[str, Any]) -> int:
    """Write parts as one Parquet file, a row group each; return its rows."""
    schema = pyarrow.schema(list(types.items()))
    rows = 0
    with parquet.ParquetWriter(target, schema, compression="zstd") as writer:
        while size := parts.read(_SIZE):
            content = parts.read(int.from_bytes(size, "little"))
            table = pyarrow.ipc.open_stream(content).read_all()
            rows += table.num_rows
            if table.num_rows:
                writer.write_table(table)
    return rows
