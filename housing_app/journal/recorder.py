"""The journal of an app: what requests, workers, probes and commands do with it."""

import threading
from collections.abc import Collection, Mapping
from time import monotonic, perf_counter, time
from typing import Any

from flask import g

from housing_app import checks, metrics
from housing_app.database import Database, StoreDown
from housing_app.journal import records
from housing_app.journal.drain import Drain
from housing_app.journal.spool import Full, Spool
from housing_app.logs import log

_LAST_SECONDS = 1.0  # what a worker that ends spends on draining
_LATE_SECONDS = 30.0  # a record that waits longer is worth a word


class JournalFull(Exception):  # noqa: N818 - an answer, as Problem is
    """Refuse a request whose answer cannot be recorded."""


class Journal:
    """Record answers in the spool, and drain it beside the requests."""

    def __init__(self, spool: Spool, database: Database, *, required: bool) -> None:
        self.spool = spool
        self.database = database
        self.drain = Drain(spool, database)
        self._required = required
        self._dropping = ""  # why, while records are dropped
        self._dropped = 0

    def record(
        self, endpoint: str, homes: records.Homes, answer: Mapping[str, Any]
    ) -> bool:
        """Record an answer before it leaves; say whether that was done.

        Raises JournalFull where a record is required.
        """
        here = g._get_current_object()  # asked for each name, it takes longer
        milliseconds = round(1000 * (perf_counter() - here.arrived), 3)
        about = records.Request(
            here.request_id,
            here.subject,
            endpoint,
            time(),
            milliseconds,
            here.get("arm"),
        )
        try:
            self.spool.append(records.line(about, homes, answer))
        except (Full, OSError) as error:
            self._fail(error, len(homes))
            return False
        metrics.journal_records.inc(len(homes))
        if self._dropping:
            log.warning("journal records again", dropped=self._dropped)
            self._dropping, self._dropped = "", 0
        return True

    def record_shadow(self, model: str, version: int, found: records.Shadow) -> bool:
        """Record what a shadow said of predictions; say whether that was done.

        From any thread, before the predictions are recorded or after.
        """
        try:
            self.spool.append(records.shadow_line(model, version, time(), found))
        except (Full, OSError):
            return False  # the requests say so, which wait for more
        return True

    def _fail(self, error: Exception, count: int) -> None:
        why = "the spool is full" if isinstance(error, Full) else "the disk failed"
        if isinstance(error, OSError):
            why += f": {error.strerror}"
        if not self._dropping:
            log.error("journal cannot record", reason=why, required=self._required)
        self._dropping = why
        self._dropped += count
        metrics.journal_dropped.inc(count)
        if self._required:
            raise JournalFull("the answer could not be recorded, and has to be")

    def tend(self) -> None:
        """Drain what waits, unless another process is at it."""
        self.spool.rotate()
        try:
            with self.spool.draining() as mine:
                if mine:
                    self.drain.run()
        except StoreDown:
            pass  # the breaker has said so
        finally:
            found = self.spool.measure()
            metrics.journal_spool_bytes.set(found.size)
            metrics.journal_oldest_seconds.set(found.oldest)

    def finish(self) -> None:
        """Leave nothing of this process's undrained, if that is quickly done."""
        self.spool.close()
        until = monotonic() + _LAST_SECONDS
        try:
            with self.spool.draining(_LAST_SECONDS) as mine:
                # Another worker that ends may have found out by now.
                if mine and not self.spool.measure().trouble:
                    self.drain.run(until)
        except StoreDown:
            pass  # the next to start drains it

    def holds(self, ids: Collection[str]) -> bool:
        """Say whether one of these predictions waits for the database, or may."""
        return self.spool.holds(ids)

    def hurry(self, seconds: float) -> None:
        """Drain now what waits; what takes longer goes on without the caller."""
        self.spool.close()
        thread = threading.Thread(target=self._drain, args=(seconds,), daemon=True)
        thread.start()
        thread.join(seconds)

    def _drain(self, seconds: float) -> None:
        try:
            with self.spool.draining(seconds) as mine:
                if mine:
                    self.drain.run()
        except StoreDown:
            pass  # the breaker has said so

    def check(self) -> dict[str, Any]:
        """Say what waits and what is wrong, from memory."""
        found = self.spool.state
        why = self._troubles()
        return {
            "status": checks.DEGRADED if why else checks.OK,
            **({"detail": "; ".join(why)} if why else {}),
            "database": found.trouble or "ok",
            "waiting_segments": found.segments,
            "waiting_bytes": found.size,
            "oldest_seconds": round(found.oldest, 1),
        }

    def _troubles(self) -> list[str]:
        found = self.spool.state
        why = [f"records are dropped: {self._dropping}"] if self._dropping else []
        if found.size >= self.spool.most:
            why.append("the spool is full")
        if found.trouble:
            why.append(f"records wait for the database: {found.trouble}")
        elif found.oldest > _LATE_SECONDS:
            why.append("records are not drained")
        if found.rejected:
            why.append(f"{found.rejected} files of rejected records")
        return why
