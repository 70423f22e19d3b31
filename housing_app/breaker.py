"""A circuit breaker: a store that failed is left alone for a while.

A store that hangs is worse than one that is gone: each request would wait for it.
"""

from time import monotonic

import structlog

from housing_app import metrics

RETRY_SECONDS = 5.0


class Breaker:
    """Remember whether one store works; say so in a metric and a log line."""

    def __init__(self, store: str, seconds: float = RETRY_SECONDS) -> None:
        self.store = store
        self.reason = ""  # why it is open, without addresses or secrets
        self._seconds = seconds
        metrics.store_down.labels(
            store
        )  # shown as 0 before it fails for the first time
        self._closed_at = 0.0  # when the store may be asked again; 0: it works

    @property
    def is_open(self) -> bool:
        """Say whether the store failed when it was last asked."""
        return self._closed_at > 0

    def allows(self) -> bool:
        """Say whether the store may be asked: it works, or was left long enough."""
        return not self._closed_at or monotonic() >= self._closed_at

    def worked(self) -> None:
        """Note that the store answered."""
        if self._closed_at:
            self._closed_at, self.reason = 0.0, ""
            self._say(up=True)

    def failed(self, reason: str) -> None:
        """Note that the store did not answer, and leave it alone."""
        is_new = not self._closed_at
        self._closed_at, self.reason = monotonic() + self._seconds, reason
        if is_new:
            self._say(up=False)

    def _say(self, *, up: bool) -> None:
        metrics.store_down.labels(self.store).set(not up)
        log = structlog.get_logger()
        log.warning("store", store=self.store, up=up, reason=self.reason)
