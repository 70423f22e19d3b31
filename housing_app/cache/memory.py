"""Answers kept in a worker's own memory."""

from collections import OrderedDict
from collections.abc import Callable
from time import monotonic
from typing import Any

from housing_app import checks
from housing_app.cache import entries
from housing_app.cache.entries import Answer, Found


class Memory:
    """Keep answers of so many homes; the least recently used make room."""

    def __init__(
        self, homes: int, seconds: float, clock: Callable[[], float] = monotonic
    ) -> None:
        self._size = self._room = homes
        self._seconds = seconds
        self._clock = clock
        self._kept: OrderedDict[bytes, tuple[float, Answer]] = OrderedDict()

    def get(self, key: bytes) -> Found:
        """Look an answer up."""
        if key not in self._kept:
            return Found(entries.MISS)
        end, answer = self._kept[key]
        left = end - self._clock()
        if left <= 0:
            self._drop(key)
            return Found(entries.MISS)
        self._kept.move_to_end(key)
        return Found(entries.HIT, answer, left)

    def put(self, key: bytes, answer: Answer) -> bool:
        """Keep an answer if there is room for it; nobody may change it afterwards."""
        if key in self._kept:
            self._drop(key)
        homes = entries.homes(answer)
        if homes > self._size:
            return False
        while homes > self._room:
            self._drop(next(iter(self._kept)))
        self._kept[key] = self._clock() + self._seconds, answer
        self._room -= homes
        return True

    def state(self) -> dict[str, Any]:
        """Say how much is kept."""
        homes = self._size - self._room
        return {"status": checks.OK, "store": "memory", "homes": homes}

    def _drop(self, key: bytes) -> None:
        _, answer = self._kept.pop(key)
        self._room += entries.homes(answer)
