"""A file of whole lines that belongs to one process for as long as it lives.

The lock on it goes with the process, however that ends: a segment that can be locked
has no owner any more.
"""

import errno
import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import time
from typing import BinaryIO

OPEN, CLOSED = ".open", ".jsonl"


class Segment:
    """Append whole lines; one that does not fit is taken back."""

    def __init__(self, folder: Path) -> None:
        self.pid = os.getpid()
        self.size = 0
        self.is_torn = False  # a line could be neither finished nor taken back
        self.path, self._fd = _create(folder)

    def append(self, line: bytes) -> None:
        """Write a line, all of it or, with an OSError, nothing."""
        written = os.write(self._fd, line)
        if written == len(line):
            self.size += written
            return
        try:
            os.ftruncate(self._fd, self.size)
        except OSError:
            self.is_torn = True
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def close(self) -> None:
        """Leave it to whoever drains it."""
        if self.pid == os.getpid():
            # It would be found without that, too, but not be known to be complete.
            with suppress(OSError):
                self.path.rename(self.path.with_suffix(CLOSED))
        os.close(self._fd)


def _create(folder: Path) -> tuple[Path, int]:
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    while True:
        # Names sort by age.
        name = f"{int(1000 * time()):014d}-{os.getpid()}-{secrets.token_hex(4)}{OPEN}"
        path = folder / name
        fd = os.open(path, flags, 0o600)
        with suppress(BlockingIOError):
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # One who drains may have been quicker, and removed it as empty.
            if os.fstat(fd).st_nlink:
                return path, fd
        os.close(fd)


def age(path: Path) -> float:
    """Return how many seconds ago a segment was begun."""
    text = path.name.partition("-")[0]
    return max(0.0, time() - int(text) / 1000) if text.isdigit() else 0.0


@contextmanager
def adopted(path: Path) -> Iterator[BinaryIO | None]:
    """Open a segment to read it; None while it belongs to a process that lives."""
    try:
        file = path.open("rb")
    except FileNotFoundError:  # drained, or closed under its other name
        yield None
        return
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
            return
        yield file
