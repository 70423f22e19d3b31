"""What a backup holds of a database: rows as JSON lines, and sums of them.

A table's digest is the sum of its rows' SHA-256: two databases sort text by rules of
their own, and the same rows in another order are the same table.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from itertools import islice
from typing import Any

from sqlalchemy import (
    Connection,
    Date,
    Double,
    Table,
    Text,
    func,
    insert,
    inspect,
    select,
)

from housing_app.database import tables
from housing_app.demographics import KEY
from housing_app.demographics_sql.table import TABLE, described

JOURNAL = (tables.predictions, tables.outcomes, tables.shadow_valuations)
VERSIONS, DEMOGRAPHICS = tables.demographics_versions, TABLE
_ROWS = 2_000
_MODULUS = 1 << 256

Step = Callable[[int], Any]  # so many more rows are done
Line = list[Any]


class Digest:
    """Sum up rows, in whatever order they come."""

    def __init__(self) -> None:
        self.rows = 0
        self._sum = 0

    def add(self, line: bytes) -> None:
        """Count a row's line."""
        self.rows += 1
        self._sum += int.from_bytes(hashlib.sha256(line).digest())

    @property
    def text(self) -> str:
        """Return the sum of all rows."""
        return f"{self._sum % _MODULUS:064x}"


def encode(row: Sequence[Any]) -> bytes:
    """Return a row as a line of JSON, the same for the same values."""
    return _encode(row).encode() + b"\n"


def _plain(value: Any) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} is no value of a table")


_encode = json.JSONEncoder(separators=(",", ":"), default=_plain).encode


def decoder(table: Table) -> Callable[[bytes], Line]:
    """Return what makes a line of a table its values again."""
    casts: list[tuple[int, Callable[[str], Any]]] = []
    for position, column in enumerate(table.columns):
        if isinstance(column.type, tables.Moment):
            casts.append((position, datetime.fromisoformat))
        elif isinstance(column.type, Date):
            casts.append((position, date.fromisoformat))

    def decode(line: bytes) -> Line:
        values: Line = json.loads(line)
        for position, cast in casts:
            if values[position] is not None:
                values[position] = cast(values[position])
        return values

    return decode


def lines(connection: Connection, table: Table) -> Iterator[bytes]:
    """Yield every row of a table, holding few at a time."""
    streamed = connection.execution_options(yield_per=_ROWS)
    for row in streamed.execute(select(table)):
        yield encode(tuple(row))


def store(
    connection: Connection, table: Table, found: Iterable[bytes], step: Step
) -> None:
    """Insert the rows of lines."""
    decode, names = decoder(table), table.columns.keys()
    rows = iter(found)
    while part := list(islice(rows, _ROWS)):
        values = [dict(zip(names, decode(line), strict=True)) for line in part]
        connection.execute(insert(table), values)
        step(len(part))


def digest(connection: Connection, table: Table, step: Step) -> Digest:
    """Return the digest of a table as it is in a database."""
    found = Digest()
    for line in lines(connection, table):
        found.add(line)
        if not found.rows % _ROWS:
            step(_ROWS)
    step(found.rows % _ROWS)
    return found


def count(connection: Connection, table: Table) -> int:
    """Return how many rows a table has."""
    return connection.scalar(select(func.count()).select_from(table)) or 0


def of_demographics(connection: Connection) -> list[Table]:
    """Return the versions of the demographics and, if there is one, the newest.

    Its columns are those of the file that was loaded.
    """
    if not inspect(connection).has_table(DEMOGRAPHICS):
        return [VERSIONS]
    found = inspect(connection).get_columns(DEMOGRAPHICS)
    return [VERSIONS, demographics([(c["name"], _kind(c["type"])) for c in found])]


def demographics(kinds: Iterable[Sequence[str]]) -> Table:
    """Return the table with columns of a name and a kind: number or text."""
    types: dict[str, Any] = {"number": Double, "text": Text}
    found = {name: types[kind]() for name, kind in kinds if name != KEY}
    return described(DEMOGRAPHICS, found)


def kinds(table: Table) -> list[list[str]]:
    """Return the columns of the demographics, each with its kind."""
    return [[column.name, _kind(column.type)] for column in table.columns]


def _kind(type_: Any) -> str:
    return "text" if type_.python_type is str else "number"
