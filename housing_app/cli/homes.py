"""Read homes from the files people have, CSV or JSON; what commands ask of them."""

import csv
import io
from pathlib import Path
from typing import Any

import click

from housing_app.errors import Problem
from housing_app.v1 import schemas
from housing_app.valuation import features, intervals

# Of the commands that value homes.
SLOT = click.option("--slot", type=click.Choice(features.SLOTS), default="full")
INTERVAL = click.option(
    "--interval",
    type=click.Choice([str(level) for level in intervals.LEVELS]),
    default=str(intervals.DEFAULT_LEVEL),
    show_default=True,
    help="Share of later sale prices the range should hold.",
)


def read(path: Path) -> dict[str, Any]:
    """Return a file's homes as a request payload; see `parse`."""
    try:
        return parse(path.read_bytes(), path.suffix.lower() == ".csv")
    except OSError as error:
        raise click.ClickException(f"{path}: {error.strerror}") from None
    except click.ClickException as error:
        raise click.ClickException(f"{path}: {error.message}") from None


def parse(content: bytes, is_csv: bool) -> dict[str, Any]:
    """Return homes as a request payload, unchecked.

    JSON is one home, a list of them or `{"records": […]}`; an empty CSV cell is an
    unknown value.
    """
    try:
        if not is_csv:
            payload = schemas.parse_json(content)
            return payload if isinstance(payload, dict) else {"records": payload}
        rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))))
    except (UnicodeDecodeError, csv.Error) as error:
        raise click.ClickException(f"not readable as text ({error})") from None
    except Problem as error:
        raise click.ClickException(error.detail) from None
    if not rows:
        raise click.ClickException("holds no homes")
    for number, row in enumerate(rows, 2):
        if None in row or None in row.values():
            raise click.ClickException(f"line {number} has not as many cells as line 1")
    return {"records": [{k: _cell(k, v) for k, v in row.items()} for row in rows]}


def _cell(name: str, text: str) -> Any:
    if not text.strip():
        return None
    if name in {"zipcode", "valuation_date"}:
        return text.strip()
    try:
        return float(text)
    except ValueError:
        return text  # the schema will point at it
