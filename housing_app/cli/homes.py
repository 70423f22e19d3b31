"""Read homes from the files people have: CSV with a header, or JSON."""

import csv
from pathlib import Path
from typing import IO, Any

import click

from housing_app.errors import Problem
from housing_app.v1 import schemas


def read(path: Path) -> dict[str, Any]:
    """Return a file's homes as a request payload; see `read_stream`."""
    with path.open(encoding="utf-8-sig", newline="") as stream:
        return read_stream(stream, path.suffix.lower() == ".csv")


def read_stream(stream: IO[str], is_csv: bool) -> dict[str, Any]:
    """Return a stream's homes as a request payload, unchecked.

    JSON is one home or `{"records": […]}`; an empty CSV cell is an unknown value.
    """
    try:
        if not is_csv:
            payload = schemas.parse_json(stream.read().encode())
            return payload if isinstance(payload, dict) else {"records": payload}
        return {"records": [_typed(row) for row in csv.DictReader(stream)]}
    except (UnicodeDecodeError, csv.Error) as error:
        raise click.ClickException(f"not readable as text ({error})") from None
    except Problem as error:
        raise click.ClickException(error.detail) from None


def _typed(row: dict[str, Any]) -> dict[str, Any]:
    return {name: _cell(name, text) for name, text in row.items() if name is not None}


def _cell(name: str, text: str | None) -> Any:
    if text is None or not text.strip():
        return None
    if name in {"zipcode", "valuation_date"}:
        return text.strip()
    try:
        return float(text)
    except ValueError:
        return text  # the schema will point at it
