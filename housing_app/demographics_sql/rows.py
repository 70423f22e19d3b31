"""The rows of a version, however they are stored, and the SHA-256 that tells them."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import isnan
from typing import Any

from housing_app import demographics

_NAME_BYTES = 63  # PostgreSQL cuts longer ones without a word
Cell = float | str | None


@dataclass(frozen=True)
class Content:
    """Hold columns as they are stored: numbers or text, None where unknown."""

    zipcodes: list[str]
    columns: dict[str, list[Cell]]

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """Yield each zipcode with its cells."""
        return zip(self.zipcodes, *self.columns.values(), strict=True)

    @cached_property
    def numbers(self) -> list[str]:
        """Return the columns that hold no text: those that can be served."""
        return [
            name
            for name, cells in self.columns.items()
            if not any(isinstance(cell, str) for cell in cells)
        ]


def content(zipcodes: Sequence[str], cells: Mapping[str, Sequence[str]]) -> Content:
    """Type the cells of a CSV: a column is of numbers, or of text on one line.

    Raises DemographicsError.
    """
    _check_names(cells)
    columns: dict[str, list[Cell]] = {}
    for name, column in cells.items():
        numbers = demographics.numeric(list(column))
        if numbers is not None:
            # SQLite drops the sign of a zero.
            plain = (numbers + 0.0).tolist()
            columns[name] = [None if isnan(x) else x for x in plain]
            continue
        if any("\0" in cell for cell in column):
            raise demographics.DemographicsError(f"column {name!r}: holds a NUL")
        columns[name] = [" ".join(cell.split()) or None for cell in column]
    order = sorted(range(len(zipcodes)), key=lambda i: zipcodes[i])
    ordered = {n: [column[i] for i in order] for n, column in columns.items()}
    return Content([zipcodes[i] for i in order], ordered)


def _check_names(names: Iterable[str]) -> None:
    """Refuse names that one of the databases would cut or mix up."""
    seen = {demographics.KEY}
    for name in names:
        if not name or len(name.encode()) > _NAME_BYTES or "\0" in name:
            raise demographics.DemographicsError(
                f"{name[:80]!r} is no column name of 1 to {_NAME_BYTES} bytes"
            )
        if name.casefold() in seen:
            raise demographics.DemographicsError(
                f"{name!r}: two columns differ in nothing but capitals"
            )
        seen.add(name.casefold())


def digest(found: Content) -> str:
    """Return the SHA-256 of names, types and rows, however they are stored."""
    numbers = set(found.numbers)
    head = [[name, name in numbers] for name in found.columns]
    taken = hashlib.sha256(json.dumps(head).encode())
    for row in found.rows():
        taken.update(json.dumps(row).encode())
    return taken.hexdigest()


def lines(found: Content) -> Iterable[list[str]]:
    """Yield the lines of a CSV that is loaded to the same SHA-256."""
    yield [demographics.KEY, *found.columns]
    for row in found.rows():
        yield ["" if cell is None else str(cell) for cell in row]
