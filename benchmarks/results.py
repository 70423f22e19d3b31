"""What a measurement was made on, and where its figures are put."""

import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "bench"
_LIBRARIES = ("flask", "gunicorn", "numpy", "structlog", "marshmallow", "werkzeug")


def commit() -> str:
    """Return the commit, marked where something is not committed."""
    command = ["git", "describe", "--always", "--dirty", "--exclude=*", "--abbrev=10"]
    found = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False
    )
    return found.stdout.strip() or "unknown"


def _script() -> str:
    return os.path.relpath(sys.argv[0], ROOT)


def about() -> dict[str, Any]:
    """Return date, commit, versions and as much of the machine as matters."""
    return {
        "command": " ".join(["python", _script(), *sys.argv[1:]]),
        "date": datetime.now(UTC).date().isoformat(),
        "commit": commit(),
        "python": platform.python_version(),
        "cores": len(os.sched_getaffinity(0)),
        "versions": {name: metadata.version(name) for name in _LIBRARIES},
    }


def folder() -> tempfile.TemporaryDirectory[str]:
    """Return a folder on the disk of the repository, gone after its `with`."""
    BUILD.mkdir(parents=True, exist_ok=True)
    return tempfile.TemporaryDirectory(prefix="run-", dir=BUILD)


def save(name: str, figures: Mapping[str, Any] | Sequence[Any]) -> Path:
    """Write figures, with what they were measured on, to build/bench/<name>.json."""
    BUILD.mkdir(parents=True, exist_ok=True)
    path = BUILD / f"{name}.json"
    path.write_text(json.dumps({"about": about(), "figures": figures}, indent=1) + "\n")
    print(f"{path.relative_to(ROOT)} written", file=sys.stderr)
    return path
