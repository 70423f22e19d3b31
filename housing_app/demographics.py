"""Zipcode demographics, held in memory as a dict of rows.

A source is read once, into arrays, and closed; the request path only looks up.
"""

import csv
import hashlib
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from housing_app.valuation.errors import NotReady, ValuationError
from housing_app.valuation.features import FloatArray

KEY = "zipcode"
_ZIPCODE = re.compile(r"[0-9]{5}")


class DemographicsError(ValuationError):
    """Refuse a demographics source; the text names it and the cure."""


@dataclass
class Demographics:
    """Hold the rows of every zipcode, floats in the order of `columns`.

    digest: SHA-256 of what they were read from; number: version in SQL, 0 for a CSV.
    """

    source: str
    columns: tuple[str, ...]
    rows: dict[str, FloatArray]
    digest: str = ""
    number: int = 0
    _narrowed: dict[tuple[str, ...], FloatArray] = field(
        default_factory=dict, repr=False
    )

    def __post_init__(self) -> None:
        # Now, in the master: in a worker it would copy every page a zipcode is on.
        self._places = {zipcode: place for place, zipcode in enumerate(self.rows)}

    def require(self, columns: Sequence[str], needed_by: str) -> None:
        """Refuse a source without the columns a model names."""
        if missing := [name for name in columns if name not in self.columns]:
            raise DemographicsError(
                f"{self.source}: column {missing[0]!r} is missing, which model "
                f"{needed_by} needs: set DEMOGRAPHICS_CSV to a file that has it"
            )

    def fit(self, models: Iterable[tuple[str, Sequence[str]]]) -> None:
        """Make ready for models (their ids and columns), or refuse the source."""
        for name, columns in models:
            self.require(columns, name)
            self.narrowed(columns)

    def join(self, zipcodes: Sequence[str], columns: Sequence[str]) -> FloatArray:
        """Return (n, len(columns)) rows; all NaN for a zipcode that is not here."""
        places = self._places
        return self.narrowed(columns)[[places.get(zipcode, -1) for zipcode in zipcodes]]

    def narrowed(self, columns: Sequence[str]) -> FloatArray:
        """Return just these columns of all rows, then one of NaN; made once a model."""
        key = tuple(columns)
        if key not in self._narrowed:
            positions = [self.columns.index(name) for name in key]
            made = np.full((len(self.rows) + 1, len(key)), np.nan)
            for place, row in enumerate(self.rows.values()):
                made[place] = row[positions]
            self._narrowed[key] = made
        return self._narrowed[key]

    def row(self, zipcode: str) -> dict[str, float | None] | None:
        """Return one zipcode's demographics by name, null where unknown."""
        found = self.rows.get(zipcode)
        if found is None:
            return None
        values = [None if np.isnan(value) else float(value) for value in found]
        return dict(zip(self.columns, values, strict=True))


def load(source: str | Path) -> Demographics:
    """Read a CSV with a `zipcode` column; empty cells are unknown.

    Columns that hold anything but numbers are left out.
    """
    path = Path(source)
    content = _content(path)
    zipcodes, cells = _parsed(path, content)
    columns = {
        name: numbers
        for name, column in cells.items()
        if (numbers := numeric(column)) is not None
    }
    digest = hashlib.sha256(content).hexdigest()
    return assembled(str(path), zipcodes, columns, digest)


def assembled(
    source: str,
    zipcodes: Sequence[str],
    columns: Mapping[str, FloatArray],
    digest: str,
    number: int = 0,
) -> Demographics:
    """Return the demographics of columns of numbers, NaN where unknown."""
    table = np.empty((len(zipcodes), len(columns)))
    for i, numbers in enumerate(columns.values()):
        table[:, i] = numbers
    rows = dict(zip(zipcodes, table, strict=True))
    return Demographics(source, tuple(columns), rows, digest, number)


def read(path: Path) -> tuple[list[str], dict[str, list[str]]]:
    """Return a CSV's zipcodes and the cells of its other columns, as they are."""
    return _parsed(path, _content(path))


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise DemographicsError(
            f"{path}: missing; set DEMOGRAPHICS_CSV to a CSV with a zipcode column, or "
            "make the shipped one again with `flask demographics build`"
        ) from None
    except OSError as error:
        raise DemographicsError(f"{path}: not readable as CSV ({error})") from None


def _parsed(path: Path, content: bytes) -> tuple[list[str], dict[str, list[str]]]:
    try:
        text = io.StringIO(content.decode("utf-8-sig"), newline="")
        lines = list(csv.reader(text))
    except (UnicodeDecodeError, csv.Error) as error:
        raise DemographicsError(f"{path}: not readable as CSV ({error})") from None
    header = [name.strip() for name in lines[0]] if lines else []
    if KEY not in header:
        raise DemographicsError(f"{path}: has no column named zipcode")
    if len(set(header)) != len(header):
        raise DemographicsError(f"{path}: two columns have the same name")
    return _columns(path, header, lines[1:])


def _columns(
    path: Path, header: list[str], lines: list[list[str]]
) -> tuple[list[str], dict[str, list[str]]]:
    """Return checked and padded zipcodes, and the other columns' cells by name."""
    numbered = [(number, line) for number, line in enumerate(lines, 2) if line]
    for number, line in numbered:
        if len(line) != len(header):
            raise DemographicsError(
                f"{path}, line {number}: {len(line)} cells, not {len(header)}: "
                "is the file truncated?"
            )
    if not numbered:
        raise DemographicsError(f"{path}: has no rows")
    columns = zip(*(line for _, line in numbered), strict=True)
    cells = dict(zip(header, map(list, columns), strict=True))
    sent = cells.pop(KEY)
    # Spreadsheets drop the leading zeros of the north-east and append ".0".
    zipcodes = [text.strip().removesuffix(".0").zfill(5) for text in sent]
    seen: set[str] = set()
    for (number, _), text, zipcode in zip(numbered, sent, zipcodes, strict=True):
        if not _ZIPCODE.fullmatch(zipcode) or zipcode == "00000":
            raise DemographicsError(f"{path}, line {number}: {text!r} is not a zipcode")
        if zipcode in seen:
            raise DemographicsError(f"{path}, line {number}: {zipcode} comes twice")
        seen.add(zipcode)
    return zipcodes, cells


def numeric(cells: list[str]) -> FloatArray | None:
    """Return the cells as floats, NaN where empty, or None if one is no number."""
    try:
        # Python's own conversion is four times as fast as numpy's of text.
        numbers = np.array([float(cell) if cell else np.nan for cell in cells])
    except ValueError:
        stripped = [cell.strip() for cell in cells]
        return None if stripped == cells else numeric(stripped)
    return None if np.isinf(numbers).any() else numbers


# --- what is in service -------------------------------------------------------------

_installed: Demographics | None = None


def install(table: Demographics) -> None:
    """Put a table into service."""
    global _installed  # noqa: PLW0603 - the one in-memory table of this process
    _installed = table


def current() -> Demographics:
    """Return the table in service."""
    if _installed is None:
        raise NotReady("no demographics are loaded")
    return _installed
