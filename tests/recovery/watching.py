"""Watch machines from outside, as a probe does."""

import threading
import time
from collections.abc import Callable

from machines import Machine

OK = "ok"
AWAY = "no answer"
_PAUSE = 0.1
_ALIKE = 10  # answers in a row: each worker gives some of them


class Watch:
    """Ask machines for their /health, ten times a second; a context manager."""

    def __init__(self, machines: list[Machine]) -> None:
        self._seen: dict[int, list[tuple[float, str]]] = {m.port: [] for m in machines}
        self._done = threading.Event()
        self._threads = [
            threading.Thread(target=self._ask, args=(machine,)) for machine in machines
        ]

    def __enter__(self) -> "Watch":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, machine: Machine) -> None:
        while not self._done.wait(_PAUSE):
            try:
                status = str(machine.health()["status"])
            except (OSError, ValueError):
                status = AWAY
            self._seen[machine.port].append((time.monotonic(), status))

    def noticed(self, since: float, seconds: float = 60.0) -> float:
        """Wait until a machine is not ok; return how long after `since` that was."""
        found: list[float] = []

        def is_seen() -> bool:
            for samples in list(self._seen.values()):
                found.extend(
                    at for at, status in samples if at > since and status != OK
                )
            return bool(found)

        until(is_seen, "a loss is noticed", seconds)
        return min(found) - since

    def recovered(self, since: float, seconds: float = 120.0) -> float:
        """Wait until all are ok for good; return how long after `since` that was."""
        began = time.monotonic()

        def is_over() -> bool:
            return all(
                len(samples) > _ALIKE
                and samples[-_ALIKE][0] > began - _ALIKE * _PAUSE
                and {status for _, status in samples[-_ALIKE:]} == {OK}
                for samples in list(self._seen.values())
            )

        until(is_over, "everything is ok again", seconds)
        bad = [
            at
            for samples in self._seen.values()
            for at, status in samples
            if at > since and status != OK
        ]
        return max(bad, default=since) - since


def until(is_true: Callable[[], bool], what: str, seconds: float) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + seconds
    while not is_true():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds:.0f} s: {what}")
        time.sleep(0.02)
