"""Models' bytes in Redis, by their SHA-256: near, and never believed unread."""

import hashlib

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError
from redis.retry import Retry

MOST_BYTES = 32_000_000  # of one entry; larger files come from the store each time
_DAYS = 7
_CONNECT_SECONDS, _SECONDS = 0.25, 0.5


class ByteCache:
    """Keep bytes for other machines; fail quietly, and then leave Redis alone.

    It lives as long as one fetch, so that a Redis that failed is not asked again.
    """

    def __init__(self, url: str) -> None:
        self.failure = ""  # why Redis was left alone
        self.poisoned = 0
        # Threads share this client; each of them takes a connection of its own.
        self._redis = Redis.from_url(
            url,
            socket_connect_timeout=_CONNECT_SECONDS,
            socket_timeout=_SECONDS,
            retry=Retry(NoBackoff(), 0),
        )

    def get(self, digest: str) -> bytes | None:
        """Return the bytes with a SHA-256, if they are here and are those bytes."""
        if self.failure:
            return None
        try:
            found = self._redis.get(_key(digest))
        except ResponseError:
            return None  # something of another type lies there
        except (RedisError, OSError) as error:
            self.failure = type(error).__name__
            return None
        if not isinstance(found, bytes):
            return None
        if hashlib.sha256(found).hexdigest() != digest:
            self.poisoned += 1
            return None
        return found

    def put(self, digest: str, content: bytes) -> None:
        """Keep bytes for some days."""
        if self.failure or len(content) > MOST_BYTES:
            return
        try:
            self._redis.set(_key(digest), content, ex=_DAYS * 86_400)
        except ResponseError:
            return  # full, or read-only: what it holds can still be read
        except (RedisError, OSError) as error:
            self.failure = type(error).__name__


def _key(digest: str) -> str:
    return f"housing:model:{digest}"
