"""The files a run writes: whole or not at all, and a place to go on from.

Output grows under a hidden name beside its own, rejects likewise. A checkpoint says how
much of them is whole; what was written after it is cut off and made again.
"""

import json
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import IO, Any

from housing_app import files
from housing_app.batch.errors import BatchError
from housing_app.batch.work import Done

_SECONDS = 1.0  # between two checkpoints
_WAIT = 5.0  # for the workers of a killed run, which hold its lock until they end


@dataclass
class Tally:
    """Count what was done; `position` is where the next chunk begins."""

    position: int
    read: int = 0
    scored: int = 0
    rejected: int = 0
    output: int = 0  # bytes
    rejects: int = 0
    resumed: int = 0  # rows that an earlier run had done

    def add(self, done: Done, position: int) -> None:
        """Add a chunk; end if its rows do not balance."""
        if done.rows != done.scored + done.rejected:
            raise BatchError(
                f"{done.rows:,} rows, but {done.scored:,} scored and "
                f"{done.rejected:,} rejected: nothing of it is kept"
            )
        self.position = position
        self.read += done.rows
        self.scored += done.scored
        self.rejected += done.rejected
        self.output += len(done.output)
        self.rejects += len(done.rejects)


def hidden(path: Path, ending: str) -> Path:
    """Return a hidden name beside a file."""
    return path.with_name(f".{path.name}.{ending}")


class Streams:
    """Write to stdout, and rejects to a file or to stderr."""

    def __init__(self, rejects: Path | None) -> None:
        self._rejects_path = rejects
        self._out = sys.stdout.buffer
        self._rejects: IO[bytes] = (
            hidden(rejects, "part").open("wb") if rejects else sys.stderr.buffer
        )

    def begin(self, header: bytes, tally: Tally) -> None:
        """Write what comes before the rows."""
        self._out.write(header)

    def append(self, done: Done, tally: Tally) -> None:
        """Write a chunk."""
        self._out.write(done.output)
        self._out.flush()
        self._rejects.write(done.rejects)

    def finish(self, tally: Tally) -> None:
        """Put the rejects in their place."""
        self._rejects.flush()
        if self._rejects_path:
            os.fsync(self._rejects.fileno())
            hidden(self._rejects_path, "part").replace(self._rejects_path)

    def close(self) -> None:
        """Let go of the file of rejects."""
        if self._rejects_path:
            self._rejects.close()
            hidden(self._rejects_path, "part").unlink(missing_ok=True)


class Target:
    """Write an output file and its rejects."""

    def __init__(
        self,
        path: Path,
        rejects: Path,
        pins: Mapping[str, Any],
        join: Callable[[IO[bytes], IO[bytes]], int] | None = None,
    ) -> None:
        """Take the names; another run that writes the same output ends this one.

        pins: what must not have changed when a run goes on; join: makes the file of
        its parts and returns its rows, where it is more than their sequence.
        """
        self._path, self._rejects_path, self._join = path, rejects, join
        self._pins = dict(pins)
        self._part, self._rejected = hidden(path, "part"), hidden(rejects, "part")
        self._checkpoint = hidden(path, "checkpoint")
        self._marked = monotonic()
        self._out = self._open(self._part)
        if not files.locked(self._out.fileno(), _WAIT):
            raise BatchError(f"{path}: another run is writing it")
        self._bad = self._open(self._rejected)

    @staticmethod
    def _open(path: Path) -> IO[bytes]:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        return os.fdopen(descriptor, "r+b")

    def resumed(self, tally: Tally) -> bool:
        """Go on from the checkpoint, if there is one; refuse if anything changed."""
        try:
            stored = json.loads(self._checkpoint.read_bytes())
            pins = stored.pop("pins")
            found = Tally(**stored)
        except FileNotFoundError:
            return False
        except (ValueError, TypeError, KeyError, AttributeError):
            raise BatchError(f"{self._checkpoint}: not a checkpoint; {_ANEW}") from None
        for name, value in self._pins.items():
            if pins.get(name) != value:
                raise BatchError(
                    f"{name} changed since the run that broke off; {_ANEW}"
                )
        sizes = (self._part, found.output), (self._rejected, found.rejects)
        for path, size in sizes:
            if path.stat().st_size < size:
                raise BatchError(f"{path}: shorter than its checkpoint says; {_ANEW}")
        vars(tally).update(vars(found))
        tally.resumed = tally.read
        return True

    def begin(self, header: bytes, tally: Tally) -> None:
        """Cut off what no checkpoint vouches for; write a header if there is none."""
        if not tally.read:
            # Before anything is written over that an older checkpoint speaks of.
            self._checkpoint.unlink(missing_ok=True)
            tally.output = tally.rejects = 0
        for file, size in ((self._out, tally.output), (self._bad, tally.rejects)):
            file.truncate(size)
            file.seek(size)
        if not tally.output:
            self._out.write(header)
            tally.output = len(header)

    def append(self, done: Done, tally: Tally) -> None:
        """Write a chunk, and from time to time a checkpoint."""
        self._out.write(done.output)
        self._bad.write(done.rejects)
        if monotonic() - self._marked >= _SECONDS:
            self.mark(tally)

    def mark(self, tally: Tally) -> None:
        """Write a checkpoint of what is safely on the disk."""
        for file in (self._out, self._bad):
            file.flush()
            os.fsync(file.fileno())
        text = json.dumps(vars(tally) | {"pins": self._pins})
        files.replace(self._checkpoint, text + "\n")
        self._marked = monotonic()

    def finish(self, tally: Tally) -> None:
        """Put rejects and output in their places, the output last."""
        self.mark(tally)
        part = self._part
        if self._join:
            part = hidden(self._path, "joined")
            self._out.seek(0)
            with part.open("wb") as whole:
                rows = self._join(self._out, whole)
                whole.flush()
                os.fsync(whole.fileno())
            if rows != tally.scored:
                raise BatchError(f"{rows:,} rows in the file, {tally.scored:,} scored")
        # Without the checkpoint a run that is cut off here begins anew.
        self._checkpoint.unlink()
        self._rejected.replace(self._rejects_path)
        part.replace(self._path)
        self._part.unlink(missing_ok=True)
        for folder in {self._path.parent, self._rejects_path.parent}:
            _sync(folder)

    def close(self) -> None:
        """Close the files; what they hold stays for --resume."""
        for file in (self._out, self._bad):
            with suppress(OSError):  # it could not be written before either
                file.close()


_ANEW = "start anew without --resume"


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
