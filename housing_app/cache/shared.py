"""Answers kept in Redis, for all workers of all machines."""

from time import time
from typing import Any, cast

import redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError
from redis.retry import Retry

from housing_app import checks, metrics
from housing_app.breaker import Breaker
from housing_app.cache import entries
from housing_app.cache.entries import Answer, Found
from housing_app.logs import log

PREFIX = b"housing:cache:"
MOST_BYTES = 1_000_000  # of an entry; a larger one would not come within the timeout
_TIMEOUT_SECONDS = 0.1


class Shared:
    """Keep answers in Redis; one that fails is left alone for a while."""

    def __init__(self, url: str, seconds: int) -> None:
        self._seconds = seconds
        self._client = redis.Redis.from_url(
            url,
            socket_timeout=_TIMEOUT_SECONDS,
            socket_connect_timeout=_TIMEOUT_SECONDS,
            retry=Retry(NoBackoff(), 0),  # a slow try is followed by no other
        )
        self._breaker = Breaker("cache")
        # A breaker of its own: a Redis that is full still knows what it has.
        self._writes = Breaker("cache writes")

    def get(self, key: bytes) -> Found:
        """Look an answer up, in one round trip."""
        if not self._breaker.allows():
            return Found(entries.BYPASSED)
        try:
            found = self._read(key)
        except (RedisError, OSError) as error:
            self._breaker.failed(type(error).__name__)
            return Found(entries.ERROR)
        self._breaker.worked()
        return found

    def put(self, key: bytes, answer: Answer) -> bool:
        """Keep an answer if it is not too large."""
        if not (self._breaker.allows() and self._writes.allows()):
            return False
        entry = entries.encode(key, answer, time() + self._seconds)
        if len(entry) > MOST_BYTES:
            return False
        try:
            self._client.set(PREFIX + key, entry, ex=self._seconds)
        except (RedisError, OSError) as error:
            is_there = isinstance(error, ResponseError)
            breaker = self._writes if is_there else self._breaker
            breaker.failed(type(error).__name__)
            metrics.cache_requests.labels(entries.ERROR).inc()
            return False
        self._writes.worked()
        return True

    def state(self) -> dict[str, Any]:
        """Say whether answers are found and kept."""
        for breaker, effect in (
            (self._breaker, "every home is valued anew"),
            (self._writes, "no more answers are kept"),
        ):
            if breaker.is_open:
                said = f"Redis fails ({breaker.reason}): {effect}"
                return {"status": checks.DEGRADED, "store": "redis", "detail": said}
        return {"status": checks.OK, "store": "redis"}

    def _read(self, key: bytes) -> Found:
        try:
            # Whatever may lie there, no more is fetched than an entry can have.
            read = self._client.getrange(PREFIX + key, 0, MOST_BYTES - 1)
            entry = cast(bytes, read)
            if not entry:
                return Found(entries.MISS)
            answer, end = entries.decode(key, entry)
        except entries.BadEntry:
            return self._refuse(key)
        except ResponseError as error:
            if not str(error).startswith("WRONGTYPE"):
                raise
            return self._refuse(key)
        left = end - time()
        return Found(entries.HIT, answer, left) if left > 0 else Found(entries.MISS)

    def _refuse(self, key: bytes) -> Found:
        self._client.unlink(PREFIX + key)
        log.warning("cache entry refused")
        return Found(entries.ERROR)
