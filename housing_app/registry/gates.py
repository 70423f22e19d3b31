"""The record of a gate: what a candidate was held to, and what came of it.

One file for each candidate, beside the artifacts. It counts only for the very two
artifacts it was made of, and only as it was written.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

from housing_app import files
from housing_app.valuation.artifacts import Manifest
from housing_app.valuation.errors import ValuationError

FOLDER = "gates"
_MADE_OF = ("candidate", "champion", "rows", "passed", "date")
_SUM = "sha256"


class GateError(ValuationError):
    """Refuse the record of a gate; the text names the file and the cure."""


def path_of(root: Path, candidate: str) -> Path:
    """Return where the gate of a candidate is kept."""
    return root / FOLDER / f"{candidate}.json"


def write(root: Path, record: dict[str, Any]) -> Path:
    """Keep the record of a gate instead of an earlier one; complete or not at all."""
    path = path_of(root, record["candidate"]["id"])
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(record | {_SUM: _sum(record)}, indent=1, allow_nan=False)
    files.replace(path, text + "\n")
    return path


def read(root: Path, candidate: str) -> dict[str, Any]:
    """Return the record of a candidate's gate as it was written, or refuse it."""
    path = path_of(root, candidate)
    again = f"run `flask model gate {candidate}`"
    try:
        record = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise GateError(f"{candidate} has passed no gate: {again}") from None
    except (OSError, ValueError, RecursionError) as error:
        raise GateError(f"{path}: not readable as JSON ({error}); {again}") from None
    if not isinstance(record, dict) or any(part not in record for part in _MADE_OF):
        raise GateError(f"{path}: not the record of a gate; {again}")
    if record.pop(_SUM, None) != _sum(record):
        raise GateError(f"{path}: changed since it was written; {again}")
    return record


def why_not(root: Path, candidate: Manifest, champion: Manifest | None) -> str | None:
    """Return None where the candidate passed against the champion, else why not.

    Without a champion, a gate against any model counts.
    """
    try:
        record = read(root, candidate.id)
    except GateError as error:
        return str(error)
    again = f"run `flask model gate {candidate.id}` again"
    if record["candidate"]["digest"] != candidate.digest:
        return f"{candidate.id} is not as it was when its gate was made: {again}"
    against = record["champion"]
    if champion is not None and against["digest"] != champion.digest:
        if against["id"] == champion.id:
            return (
                f"{champion.id} is not as it was when the gate of {candidate.id} was "
                f"made: {again}"
            )
        return (
            f"the gate of {candidate.id} was against {against['id']}, not against the "
            f"champion {champion.id}: {again}"
        )
    failed = [row["name"] for row in record["rows"] if row["passed"] is False]
    if not record["passed"] or failed:
        named = ", ".join(failed) or "not every criterion could be judged"
        return f"{candidate.id} failed its gate on {record['date'][:10]}: {named}"
    return None


def _sum(record: dict[str, Any]) -> str:
    text = json.dumps(record, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
