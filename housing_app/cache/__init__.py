"""Answers to repeated requests, kept for a short while: in memory or in Redis.

What is kept is an answer without the ids that each has of its own. A store that fails,
or whose entry is not what was put there, costs a valuation and never an answer.
Why: docs/decisions/009.
"""

import hashlib
import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from flask import Flask, Response, current_app, g

from housing_app import checks, demographics, metrics
from housing_app.cache import entries
from housing_app.cache.entries import Answer
from housing_app.cache.memory import Memory
from housing_app.cache.shared import Shared
from housing_app.valuation.errors import NotReady
from housing_app.valuation.features import Slot
from housing_app.valuation.predictor import Details, Predictor

_KEY = "housing_app.cache"


class Cache:
    """Find answers given before, count how that went, and note it for the client."""

    def __init__(self, store: Memory | Shared, settings: Mapping[str, Any]) -> None:
        self._store = store
        # A hit is not checked again: what checks depend on is part of the key.
        self._settings = [
            settings[name] for name in ("VERSION", "MAX_RECORDS", "REFUSE_OUTSIDE_AREA")
        ]

    def key(
        self, body: bytes, slot: Slot, details: Details, model: Predictor, variant: str
    ) -> bytes | None:
        """Return what stands for a request and all that its answer depends on."""
        try:
            place = demographics.current().digest
        except NotReady:
            return None
        made_by = model.manifest
        begun = self._begun(
            slot, details, made_by.id, made_by.digest, variant, place
        ).copy()
        begun.update(body)
        return begun.hexdigest().encode()

    @lru_cache(maxsize=256)  # noqa: B019 - there is one cache for each app
    def _begun(self, slot: Slot, details: Details, *made_by: str) -> Any:
        """Return a hash of all but the body."""
        parts = [entries.FORMAT, *self._settings, slot, *details, *made_by]
        return hashlib.sha256(json.dumps(parts).encode() + b"\n")

    def get(self, key: bytes | None) -> Answer | None:
        """Return the answer that is kept; it is not to be changed."""
        found = self._store.get(key) if key else entries.Found(entries.BYPASSED)
        metrics.cache_requests.labels(found.result).inc()
        g.cache_status = f"hit; ttl={found.seconds:.0f}" if found.answer else "fwd=miss"
        if found.result == entries.BYPASSED:
            g.cache_status = "fwd=bypass"
        return found.answer

    def put(self, key: bytes | None, answer: Answer) -> None:
        """Keep an answer; it is not to be changed from here on."""
        if key and self._store.put(key, answer):
            g.cache_status += "; stored"


def init_app(app: Flask) -> None:
    """Keep answers where CACHE says."""
    settings = app.config
    store: Memory | Shared
    if settings["CACHE"] == "off":
        return
    if settings["CACHE"] == "redis":
        store = Shared(settings["REDIS_URL"], settings["CACHE_TTL"])
    else:
        store = Memory(settings["CACHE_SIZE"], settings["CACHE_TTL"])
    app.extensions[_KEY] = Cache(store, settings)
    checks.add(app, "cache", store.state)
    app.after_request(_describe)


def current() -> Cache | None:
    """Return the cache of this app, if it has one."""
    found: Cache | None = current_app.extensions.get(_KEY)
    return found


def _describe(response: Response) -> Response:
    """Say whether an answer was given before (RFC 9211)."""
    if "cache_status" in g and response.status_code == 200:
        response.headers["Cache-Status"] = f"housing_app; {g.cache_status}"
    return response
