"""Look at the model store now and then: what it serves comes here, and into service.

By `flask store pull` in a process of its own, since the stores' clients take a second
and 100 MB; by one worker of a machine at a time.
"""

import os
import subprocess  # nosec B404 - runs our own command
import sys
from pathlib import Path
from time import time
from typing import Any

from housing_app import checks, files, metrics
from housing_app.casts import ROOT
from housing_app.logs import log
from housing_app.registry import trial

NAME = "model store"
_LOCK = ".poll"
_SECONDS = 120.0
_COMMAND = [sys.executable, "-m", "flask", "--app", "housing_app", "store", "pull"]


def look(folder: Path, seconds: int, state: dict[str, Any]) -> None:
    """Fetch what the store serves now, unless a worker did so lately; note how it went.

    What is fetched changes serving.json last, which the workers follow.
    """
    with (folder / _LOCK).open("a") as lock:
        if not files.locked(lock.fileno()):
            return
        if time() - os.fstat(lock.fileno()).st_mtime < seconds / 2:
            return
        os.utime(lock.fileno())
        reason = _pull()
    if reason and state.get("detail") != reason:
        log.warning(NAME, up=False, reason=reason)
    state.clear()
    state.update(
        {"status": checks.DEGRADED, "detail": reason}
        if reason
        else {"status": checks.OK}
    )
    metrics.store_down.labels(NAME).set(bool(reason))


def _pull() -> str | None:
    """Run the command; return why it failed."""
    try:
        done = subprocess.run(  # noqa: S603  # nosec B603 - no shell, no input
            _COMMAND,
            env=trial.environ(),
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"no answer in {_SECONDS:.0f} s"
    if done.returncode == 0:
        return None
    last = (done.stderr.strip().splitlines() or ["it failed"])[-1]
    return last.removeprefix("Error: ")[:500]
