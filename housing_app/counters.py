"""Counters of rate limits in memory."""

from threading import Lock
from time import time

from limits.storage import MemoryStorage

_FORGET_SECONDS = 1.0


class Counters(MemoryStorage):
    """Count as its base does, without a thread.

    The base starts a thread a hundred times a second to forget what has expired, as
    long as requests come: it costs more than the counting.
    """

    STORAGE_SCHEME = ["counters"]  # noqa: RUF012 - as the base declares it

    def __init__(self, uri: str | None = None, **_: str) -> None:
        super().__init__(uri)
        self._lock = Lock()
        self._forget_at = 0.0

    def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        """Add to a counter and return it; it is forgotten `expiry` seconds later."""
        now = time()
        with self._lock:
            if now >= self._forget_at:
                self._forget(now)
            if self.expirations.get(key, 0) <= now:
                self.storage[key] = 0
                self.expirations[key] = now + expiry
            self.storage[key] += amount
            return self.storage[key]

    def _forget(self, now: float) -> None:
        self._forget_at = now + _FORGET_SECONDS
        for key in [key for key, end in self.expirations.items() if end <= now]:
            del self.storage[key], self.expirations[key]
