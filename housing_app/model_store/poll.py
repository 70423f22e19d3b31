"""Look at the model store now and then: what it serves comes here, and into service.

By `flask store pull` in a process of its own, since the stores' clients take a second
and 100 MB; by one worker of a machine at a time.
"""

import os
import subprocess  # nosec B404 - runs our own command
import sys
from contextlib import suppress
from pathlib import Path
from time import time
from typing import Any

from housing_app import checks, files, metrics
from housing_app.casts import ROOT
from housing_app.logs import log
from housing_app.registry import trial

NAME = "model store"
_LOCK = ".poll"  # holds how the last look went
_FINE = "ok"
_SECONDS = 120.0
_COMMAND = [sys.executable, "-m", "flask", "--app", "housing_app", "store", "pull"]


def look(folder: Path, seconds: int, state: dict[str, Any]) -> None:
    """Fetch what the store serves now, and note how it went.

    What is fetched changes serving.json last, which the workers follow. One worker
    looks at a time; those that come soon after take its word, or they would go on
    saying what they found themselves, perhaps long ago.
    """
    with (folder / _LOCK).open("a+", encoding="utf-8") as lock:
        if not files.locked(lock.fileno()):
            return
        if time() - os.fstat(lock.fileno()).st_mtime < seconds / 2:
            lock.seek(0)
            if not (found := lock.read()):
                return  # nobody has looked yet
        else:
            os.utime(lock.fileno())
            found = _pull() or _FINE
            lock.truncate(0)
            lock.write(found)
    _tell(found, state)


def note(folder: Path, reason: str | None) -> None:
    """Let workers know how a look went that was not theirs: that of a start."""
    with suppress(OSError):  # on a full disk a start has worse to tell
        (folder / _LOCK).write_text(reason or _FINE, "utf-8")


def _tell(found: str, state: dict[str, Any]) -> None:
    is_down = found != _FINE
    if is_down and state.get("detail") != found:
        log.warning(NAME, up=False, reason=found)
    if is_down or state.get("status") != checks.OK:
        state.clear()
        state.update(
            {"status": checks.DEGRADED, "detail": found}
            if is_down
            else {"status": checks.OK}
        )
    metrics.store_down.labels(NAME).set(is_down)


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
