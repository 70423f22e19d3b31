"""What is kept, and how it is written down: JSON that vouches for itself."""

import json
import math
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, NamedTuple

FORMAT = 1  # of keys and entries; what has another one is not found
HIT, MISS, ERROR, BYPASSED = "hit", "miss", "error", "bypassed"
_HEAD = b"housing%d " % FORMAT

Answer = Mapping[str, Any]


class Found(NamedTuple):
    """Tell how a look-up went; on a hit the answer, and the seconds it has left."""

    result: str
    answer: Answer | None = None
    seconds: float = 0.0


class BadEntry(Exception):  # noqa: N818 - a finding about what lies in the store
    """Refuse an entry that is not as it was written."""


def homes(answer: Answer) -> int:
    """Return how many homes an answer values."""
    return len(answer["predictions"])


def encode(key: bytes, answer: Answer, end: float) -> bytes:
    """Write an answer down, to be used until `end`."""
    text = json.dumps(answer, separators=(",", ":"))
    body = b"%d %s" % (math.ceil(end), text.encode())
    return _HEAD + _checksum(key, body) + b" " + body


def decode(key: bytes, entry: bytes) -> tuple[Answer, int]:
    """Return an entry's answer and its end, or raise BadEntry."""
    head, rest = entry[: len(_HEAD)], entry[len(_HEAD) :]
    found, _, body = rest.partition(b" ")
    if head != _HEAD or found != _checksum(key, body):
        raise BadEntry
    end, _, text = body.partition(b" ")
    try:
        answer, second = json.loads(text), int(end)
    except (ValueError, RecursionError):
        raise BadEntry from None
    if not _is_answer(answer):
        raise BadEntry
    return answer, second


def _checksum(key: bytes, body: bytes) -> bytes:
    """Return what changes with the key, too: no entry answers another request.

    It guards against accidents. Whoever may write to Redis can make entries that fit.
    """
    return blake2b(body, digest_size=16, key=key).hexdigest().encode()


def _is_answer(found: Any) -> bool:
    """Say whether an answer can be made of it."""
    if not isinstance(found, dict):
        return False
    predictions, model = found.get("predictions"), found.get("model")
    return (
        isinstance(predictions, list)
        and all(isinstance(one, dict) for one in predictions)
        and isinstance(model, dict)
        and {"name", "version", "variant"} <= model.keys()
    )
