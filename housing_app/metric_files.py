"""The files in which processes count for /metrics, kept few.

prometheus-client gives each process files of its own and keeps those of ended ones, for
what they counted still counts: after hundreds of deaths a scrape would read thousands.
Here ended processes' files are added up into one of each kind.
"""

import fcntl
import os
import struct
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector

from housing_app import files

_SUMS = ("counter", "histogram", "summary")
_NEWEST = "gauge_mostrecent"
_OF_LIVING = "gauge_live"  # says nothing of the dead
_WAIT_SECONDS = 0.5

Values = dict[str, tuple[float, float]]  # by metric and labels: value, time it was set


class Collector(MultiProcessCollector):
    """Add up what processes counted, those included that are about to begin.

    Between two system calls of its process a new file is empty, and stays so if the
    process is killed there. prometheus-client would fail on it.
    """

    @staticmethod
    def merge(files: Iterable[str], accumulate: bool = True) -> Any:
        """Merge the files in which something may be."""
        filled = [path for path in files if os.path.getsize(path)]
        return MultiProcessCollector.merge(filled, accumulate)


@contextmanager
def reading(folder: str | None) -> Iterator[None]:
    """Hold back changes of the set of files while a scrape reads it."""
    if folder is None:  # one process, nothing in files
        yield
        return
    with (Path(folder) / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        yield


def merge_dead(folder: str) -> bool:
    """Add the files of ended processes to those that are kept; say whether it was done.

    A reader that hangs makes it give up rather than wait: the files are there the next
    time, and until then they are read one by one.
    """
    place = Path(folder)
    with (place / "lock").open("a") as lock:
        if not files.locked(lock.fileno(), _WAIT_SECONDS):
            return False
        dead: dict[str, list[Path]] = {}
        for path in place.glob("*_*.db"):
            kind, _, process = path.stem.rpartition("_")
            if process.isdecimal() and not _lives(int(process)):
                dead.setdefault(kind, []).append(path)
        for kind, paths in dead.items():
            if kind in _SUMS or kind == _NEWEST:
                _merge(kind, place / f"{kind}_ended.db", paths)
            elif kind.startswith(_OF_LIVING):
                _remove(paths)
    return True


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # another user's
    return True


def _merge(kind: str, kept: Path, paths: list[Path]) -> None:
    found: Values = {}
    for path in [kept, *paths]:
        for key, value, at in _read(path):
            old, since = found.get(key, (0.0, 0.0))
            if kind in _SUMS:
                found[key] = old + value, 0.0
            elif at >= since:
                found[key] = value, at
    new = kept.with_suffix(".new")  # is not read as long as it is called so
    new.unlink(missing_ok=True)
    values = MmapedDict(str(new))
    for key, (value, at) in found.items():
        values.write_value(key, value, at)
    values.close()
    # Ended between these two lines, it would have counted these processes twice: no
    # counter falls, which Prometheus would take for a restart from 0.
    new.replace(kept)
    _remove(paths)


def _read(path: Path) -> Iterator[tuple[str, float, float]]:
    try:
        for key, value, at, _ in MmapedDict.read_all_values_from_file(str(path)):
            yield key, value, at
    except FileNotFoundError:
        return
    except struct.error:
        return  # its process ended before it wrote anything


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)
