"""The tables: written whole, read whole.

`demographics` has a column for each of the CSV's and is made anew by each load;
`demographics_versions` says what it holds.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np
from sqlalchemy import (
    Column,
    Connection,
    Double,
    MetaData,
    String,
    Table,
    Text,
    func,
    insert,
    select,
)

from housing_app import demographics
from housing_app.database.tables import demographics_versions as versions
from housing_app.demographics import KEY, Demographics, DemographicsError
from housing_app.demographics_sql.rows import Content, digest

TABLE, _DRAFT = "demographics", "demographics_draft"
_BATCH = 1_000
_LOCK, _LOCK_SECONDS = 4_724_863, 30


class Version(NamedTuple):
    """Describe one load."""

    number: int
    sha256: str
    rows: int
    source: str
    loaded_at: datetime


def store(
    connection: Connection,
    found: Content,
    source: str,
    step: Callable[[int], Any] = lambda rows: None,
) -> Version:
    """Put a new version in place of the old, all or nothing.

    `step` is told how many rows were written.
    """
    if connection.dialect.name == "postgresql":
        # Loads and readers take turns, so that no reader finds the version of one and
        # the rows of another; locks go with the transaction.
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_LOCK_SECONDS}s'")
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
    numbers = set(found.numbers)
    kinds = {name: Double() if name in numbers else Text() for name in found.columns}
    draft = described(_DRAFT, kinds)
    draft.drop(connection, checkfirst=True)
    draft.create(connection)
    for batch in _batches(found):
        connection.execute(insert(draft), batch)
        step(len(batch))
    quote = connection.dialect.identifier_preparer.quote
    connection.exec_driver_sql(f"DROP TABLE IF EXISTS {quote(TABLE)}")
    connection.exec_driver_sql(f"ALTER TABLE {quote(_DRAFT)} RENAME TO {quote(TABLE)}")
    number = 1 + (connection.scalar(select(func.max(versions.c.version))) or 0)
    made = Version(
        number, digest(found), len(found.zipcodes), source[:255], datetime.now(UTC)
    )
    values = made._asdict()
    connection.execute(insert(versions).values(version=values.pop("number"), **values))
    return made


def described(name: str, kinds: Mapping[str, Any]) -> Table:
    """Return a table of zipcodes with columns of some names and types."""
    columns = [Column(KEY, String(5), primary_key=True)]
    # Keys of their own: a column's name may be anything, a colon or bracket included.
    columns += [
        Column(column, kind, key=f"c{i}")
        for i, (column, kind) in enumerate(kinds.items())
    ]
    return Table(name, MetaData(), *columns)


def _batches(found: Content) -> Iterator[list[dict[str, Any]]]:
    keys = [KEY, *(f"c{i}" for i in range(len(found.columns)))]
    rows = [dict(zip(keys, row, strict=True)) for row in found.rows()]
    for start in range(0, len(rows), _BATCH):
        yield rows[start : start + _BATCH]


def newest(connection: Connection) -> Version | None:
    """Return the version in place, None where nothing was loaded yet."""
    query = select(
        versions.c.version,
        versions.c.sha256,
        versions.c.rows,
        versions.c.source,
        versions.c.loaded_at,
    ).order_by(versions.c.version.desc())
    row = connection.execute(query.limit(1)).first()
    return Version(*row) if row else None


def read(connection: Connection) -> tuple[Version, Content]:
    """Return the newest version and its rows; refuse rows that are not its own."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock_shared({_LOCK})")
    version = newest(connection)
    if version is None:
        raise DemographicsError(
            "the database holds no demographics: flask demographics load FILE"
        )
    table = Table(TABLE, MetaData(), autoload_with=connection)
    if KEY not in table.c:
        raise DemographicsError(f"table {TABLE}: has no column {KEY}")
    names = [column.name for column in table.c if column.name != KEY]
    query = select(table.c[KEY], *(table.c[name] for name in names))
    # Sorted here: databases have orders of their own.
    rows = sorted(connection.execute(query).all(), key=lambda row: row[0])
    columns = [list(cells) for cells in zip(*rows, strict=True)]
    zipcodes, *others = columns or [[] for _ in query.selected_columns]
    found = Content(zipcodes, dict(zip(names, others, strict=True)))
    if digest(found) != version.sha256:
        raise DemographicsError(
            f"version {version.number} in the database is not what was loaded (its "
            "SHA-256 differs): load the file again"
        )
    return version, found


def load(connection: Connection) -> Demographics:
    """Return the newest version, ready to be served."""
    version, found = read(connection)
    columns = {
        name: np.array(
            [np.nan if cell is None else cell for cell in found.columns[name]],
            dtype=np.float64,
        )
        for name in found.numbers
    }
    return demographics.assembled(
        "database", found.zipcodes, columns, version.sha256, version.number
    )
