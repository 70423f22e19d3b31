"""Rows of JSON lines: an object a line."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from housing_app.batch.errors import BatchError
from housing_app.batch.layout import Layout, Parsed
from housing_app.batch.rules import ABSENT, Errors, faults
from housing_app.errors import Problem
from housing_app.v1 import schemas
from housing_app.valuation.features import Slot

PEEK = 100  # lines whose members are taken for the file's columns
Record = Mapping[str, Any]


def names_of(block: bytes) -> list[str]:
    """Return the members of a file's first records, in the order they come up."""
    found: dict[str, None] = {}
    for line in block.removeprefix(b"\xef\xbb\xbf").split(b"\n", PEEK)[:PEEK]:
        try:
            record = schemas.parse_json(line)
        except Problem:
            continue  # one of the rejected, or a line that is longer than the block
        if isinstance(record, dict):
            found |= dict.fromkeys(record)
    if not found and block.strip():
        raise BatchError("not JSON lines: no line of the first ones is an object")
    return list(found)


def parse(content: bytes, layout: Layout, slot: Slot) -> Parsed:
    """Return the columns of a chunk.

    Members that no record had at the file's head are unknown fields, as to the API.
    """
    lines = content.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    if not lines[-1]:
        lines.pop()
    refused: dict[int, Errors] = {}
    records = [_record(line, row, refused) for row, line in enumerate(lines)]
    known = {*layout.names}
    for row, record in enumerate(records):
        if not record.keys() <= known:
            home = {k: v for k, v in record.items() if k not in layout.names
                    or k in layout.fields}  # fmt: skip
            refused[row] = faults(home, slot)
    return Parsed(
        len(records),
        {
            name: [record.get(name, ABSENT) for record in records]
            for name in layout.fields
        },
        {name: [record.get(name) for record in records] for name in layout.kept},
        refused,
        lambda row: _sent(records[row], lines[row]),
    )


def _record(line: bytes, row: int, refused: dict[int, Errors]) -> Record:
    """Return a line's record; where there is none, why, and an empty one."""
    try:
        record = schemas.parse_json(line)
        if b"\\u" in line:
            json.dumps(record, ensure_ascii=False).encode()
    except Problem as error:
        why = error.detail
    except UnicodeEncodeError:
        why = "holds half a character (a lone surrogate)"
    else:
        if isinstance(record, dict):
            return record
        why = "must be a JSON object"
    refused[row] = [{"pointer": "", "detail": why}]
    return {}


def _sent(record: Record, line: bytes) -> Any:
    try:
        json.dumps(record, allow_nan=False)
    except ValueError:
        record = {}
    return record or line.decode("utf-8", "backslashreplace")


def write(columns: Mapping[str, Sequence[Any]]) -> bytes:
    """Return a line for each row."""
    names = list(columns)
    rows = zip(*columns.values(), strict=True)
    lines = [_encode(dict(zip(names, row, strict=True))) for row in rows]
    return ("\n".join(lines) + "\n").encode() if lines else b""


# What other formats hold and JSON does not, dates for one, is text.
_encode = json.JSONEncoder(
    ensure_ascii=False, separators=(",", ":"), default=str
).encode
