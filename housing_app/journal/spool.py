"""The folder where records wait for the database: bounded, and shared by all workers.

<milliseconds>-<pid>-<random>.open    a process appends to it
<milliseconds>-<pid>-<random>.jsonl   complete
rejected/                             what the database does not take, and why
drain.lock                            held by the one process that drains
drain.state                           why the last attempt failed; empty: it did not
"""

import json
import os
import re
import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic
from typing import NamedTuple

from housing_app import files
from housing_app.journal.segment import CLOSED, OPEN, Segment, age

_MANY = 32  # complete segments that wait: no need for more, shorter ones
_LARGE = 4_000_000
_STALE_SECONDS = 1.0
_SEARCHED = 8_000_000  # bytes that a request may look through
_ID = re.compile(rb'\["([0-9a-f-]{36})",')  # a prediction in a line begins with it


class Full(Exception):  # noqa: N818 - a state, which callers expect
    """Say that the spool holds as much as it may."""


class State(NamedTuple):
    """Hold what the spool looked like when it was last measured."""

    segments: int = 0
    complete: int = 0
    size: int = 0  # bytes, rejected ones included
    oldest: float = 0.0  # seconds
    rejected: int = 0  # files
    trouble: str = ""  # why the last attempt to drain failed, in any process


class Spool:
    """Append lines to this process's segment, within the bound of the whole folder."""

    def __init__(self, folder: Path, most: int) -> None:
        self.folder = folder
        self.most = most
        self.state = State()
        self._rejected = folder / "rejected"
        self._lock = threading.Lock()  # a segment is not closed below an append
        self._segment: Segment | None = None
        self._room = 0
        self._measured_at = -_STALE_SECONDS

    def append(self, line: bytes) -> None:
        """Write a line, all of it or nothing; raises Full or OSError."""
        with self._lock:
            if len(line) > self._room:
                if monotonic() - self._measured_at > _STALE_SECONDS:
                    self.measure()
                if len(line) > self._room:
                    raise Full
            segment = self._segment
            if segment is None or segment.pid != os.getpid():
                segment = self._open()
            try:
                segment.append(line)
            except OSError:
                if segment.is_torn:
                    self._close()
                raise
            self._room -= len(line)

    def _open(self) -> Segment:
        self._close()  # a parent's segment stays the parent's
        self.prepare()
        self._segment = Segment(self.folder)
        return self._segment

    def _close(self) -> None:
        if self._segment is not None:
            segment, self._segment = self._segment, None
            segment.close()

    def prepare(self) -> None:
        """Make the folder; records hold personal data."""
        self.folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder.mkdir(mode=0o700, exist_ok=True)

    def rotate(self) -> None:
        """Give the process's segment away to be drained, unless that is no use."""
        segment = self._segment
        if segment is None or segment.pid != os.getpid():
            return
        if self.state.complete < _MANY or segment.size >= _LARGE:
            self.close()

    def close(self) -> None:
        """Give the process's segment away."""
        with self._lock:
            segment, self._segment = self._segment, None
        # No request waits while the disk renames.
        if segment is not None:
            segment.close()

    def measure(self) -> State:
        """Look at all files; what they take is taken from the room."""
        paths = self.segments()
        rejected = self.rejected()
        size = 0
        for path in (*paths, *rejected):
            with suppress(FileNotFoundError):
                size += path.stat().st_size
        self.state = State(
            len(paths),
            sum(path.suffix == CLOSED for path in paths),
            size,
            age(paths[0]) if paths else 0.0,
            len(rejected),
            self._trouble(),
        )
        self._room = self.most - size
        self._measured_at = monotonic()
        return self.state

    def segments(self) -> list[Path]:
        """Return all segments, the oldest first."""
        return _listed(self.folder, OPEN, CLOSED)

    def holds(self, ids: Collection[str]) -> bool:
        """Say whether one of these predictions waits here, or may."""
        wanted, read = {one.encode() for one in ids}, 0
        for path in self.segments():
            with suppress(FileNotFoundError):
                content = path.read_bytes()
                read += len(content)
                if read > _SEARCHED or not wanted.isdisjoint(_ID.findall(content)):
                    return True
        return False

    def rejected(self) -> list[Path]:
        """Return the files of what the database does not take."""
        return _listed(self._rejected, CLOSED)

    @contextmanager
    def draining(self, seconds: float = 0.0) -> Iterator[bool]:
        """Say whether this process may drain; another that does is waited for."""
        try:
            file = (self.folder / "drain.lock").open("ab")
        except FileNotFoundError:  # nothing was ever recorded here
            yield False
            return
        with file:
            yield files.locked(file.fileno(), seconds)

    def note(self, trouble: str) -> None:
        """Tell all processes how the attempt to drain went."""
        if trouble != self._trouble():
            with suppress(OSError):  # on a full disk there is worse to tell
                (self.folder / "drain.state").write_text(trouble)

    def _trouble(self) -> str:
        try:
            return (self.folder / "drain.state").read_text("utf-8", "replace")[:200]
        except OSError:
            return ""

    def reject(self, name: str, lines: Sequence[tuple[str, bytes]]) -> None:
        """Keep lines with the reason why the database does not take them."""
        self._rejected.mkdir(mode=0o700, exist_ok=True)
        text = "".join(
            json.dumps({"reason": why, "line": _text(line)}) + "\n"
            for why, line in lines
        )
        _write(self._rejected / name, text.encode())

    def restore_rejected(self) -> int:
        """Let rejected lines be drained once more; return how many they are."""
        count = 0
        for path in self.rejected():
            found = [json.loads(text)["line"] for text in path.open(encoding="utf-8")]
            lines = b"".join(_bytes(line) for line in found)
            _write(self.folder / path.name, lines)
            path.unlink()
            count += len(found)
        return count


def _text(line: bytes) -> str:
    """Return a line's text; bytes that are no text survive."""
    return line.decode("utf-8", "surrogateescape").removesuffix("\n")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape") + b"\n"


def _listed(folder: Path, *suffixes: str) -> list[Path]:
    try:
        names = sorted(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [folder / name for name in names if name.endswith(suffixes)]


def _write(path: Path, content: bytes) -> None:
    """Write a file that appears complete or not at all."""
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(content)
    part.rename(path)
