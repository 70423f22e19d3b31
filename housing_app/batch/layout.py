"""What the columns of a file are: fields of a home, and others, carried along."""

import difflib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from housing_app.batch.errors import BatchError
from housing_app.batch.rules import Column, Errors, fields_of
from housing_app.v1.columns import VALUATION_DATE
from housing_app.valuation.features import Slot

ROW = "row"


class Layout(NamedTuple):
    """Name a file's columns in their order, and what is done with them.

    fields: those of a home; kept: those carried through.
    """

    names: tuple[str, ...]
    fields: tuple[str, ...]
    kept: tuple[str, ...]


class Parsed(NamedTuple):
    """Hold a chunk's rows by column, as `score_partition` takes them.

    kept: columns carried through; sent: returns a row as it was, for people to see.
    """

    rows: int
    columns: Mapping[str, Column]
    kept: Mapping[str, Sequence[Any]]
    refused: Mapping[int, Errors]
    sent: Callable[[int], Any]


def plan(
    names: Sequence[str], slot: Slot, keep: Sequence[str] | None, told: Sequence[str]
) -> Layout:
    """Say what becomes of the columns; a field that is missing ends it here, once.

    keep: names of columns to carry through, None for all; told: what the output holds.
    """
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise BatchError(f"two columns have the name {repeated[0]!r}")
    wanted = fields_of(slot)
    others = [name for name in names if name not in (*wanted, VALUATION_DATE)]
    if missing := [name for name in wanted if name not in names]:
        raise BatchError(_missing(missing, others))
    if unknown := [name for name in keep or () if name not in names]:
        raise BatchError(f"--keep: there is no column {unknown[0]!r}")
    kept = tuple(others if keep is None else keep)
    if taken := [name for name in kept if name in told]:
        raise BatchError(
            f"the column {taken[0]!r} has the name of one of the output: rename it, or "
            "leave it out with --keep"
        )
    fields = tuple(name for name in names if name in (*wanted, VALUATION_DATE))
    return Layout(tuple(names), fields, kept)


def _missing(missing: Sequence[str], others: Sequence[str]) -> str:
    text = []
    for name in missing:
        near = difflib.get_close_matches(name, others, 1)
        text.append(f"{name} (is it {near[0]!r}?)" if near else name)
    return (
        f"no column {', '.join(text)}: every home needs it, empty where it is unknown"
    )
