"""Files that several processes share: one at a time, and whole or not at all."""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

_LOCK = ".lock"
_POLL_SECONDS = 0.01


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Let one process at a time change a folder; the others wait."""
    with (folder / _LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def locked(descriptor: int, seconds: float = 0.0) -> bool:
    """Take the lock of an open file within some seconds; say whether it was had.

    It goes with the file; the kernel lets go of one whose holder was killed.
    """
    until = monotonic() + seconds
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if monotonic() >= until:
                return False
            sleep(_POLL_SECONDS)
        else:
            return True


def replace(path: Path, text: str) -> None:
    """Write a file that all may read, instead of an earlier one."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    draft = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fchmod(file.fileno(), 0o644)
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
