"""Processes and their children, from /proc."""

from collections.abc import Iterable
from pathlib import Path


def children(pid: int) -> list[int]:
    """Return the living processes whose parent is `pid`."""
    return [child for child, parent, state in _processes() if parent == pid and state]


def _processes() -> Iterable[tuple[int, int, bool]]:
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The second field is the command in brackets and may hold anything.
            state, parent = stat.read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue  # it ended meanwhile
        yield int(stat.parent.name), int(parent), state not in "ZX"


def is_alive(pid: int) -> bool:
    """Say whether a process runs; one that ended and was not waited for does not."""
    return any(found == pid and state for found, _, state in _processes())


def read_pid(path: Path) -> int:
    """Return the process of a pid file, if it is alive and one of ours; else 0."""
    try:
        pid = int(path.read_text())
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (OSError, ValueError):
        return 0
    # The number may be another's by now.
    is_ours = b"gunicorn" in command or b"nginx" in command
    return pid if is_ours and is_alive(pid) else 0
