"""From the spool into the database: each record once, by its id.

A segment is removed after its rows are committed. Whoever ends in between leaves it to
be drained again, and rows that are there already are ignored.
"""

from collections.abc import Callable, Sequence
from math import inf
from pathlib import Path
from time import monotonic
from typing import Any, BinaryIO

from sqlalchemy import text
from sqlalchemy.exc import DataError, IntegrityError

from housing_app import metrics
from housing_app.database import Database, StoreDown
from housing_app.journal import records, store
from housing_app.journal.segment import adopted
from housing_app.journal.spool import Spool
from housing_app.logs import log

_ROWS = 500  # in one transaction
# No longer than a worker that ends may take; a transaction that takes longer is given
# up on, not lost: it ends by itself, and its rows are then there already.
_SECONDS = 1.5
_REFUSED = (DataError, IntegrityError, ValueError, OverflowError)

Rejects = list[tuple[str, bytes]]
Step = Callable[[int], Any]


class Outdated(StoreDown):
    """Say that the database lacks this release's tables."""


class Drain:
    """Move what waits in a spool into a database."""

    def __init__(self, spool: Spool, database: Database) -> None:
        self._spool = spool
        self._database = database
        self._is_checked = False

    def run(self, until: float = inf, step: Step = lambda rows: None) -> None:
        """Store what waits, up to a time; the caller holds the spool's lock.

        `step` is told the bytes that are done. Raises StoreDown.
        """
        try:
            self._drain(until, step)
        except StoreDown as error:
            self._is_checked = False
            self._spool.note(str(error))
            raise
        self._spool.note("")

    def _drain(self, until: float, step: Step) -> None:
        paths = self._spool.segments()
        if paths or self._database.breaker.is_open:
            self._check()
        for path in paths:
            if monotonic() > until:
                return
            with adopted(path) as file:
                if file is not None:
                    self._segment(path, file)
                    step(file.tell())

    def _check(self) -> None:
        """See whether the database is there, and has the tables."""
        if self._database.breaker.is_open:
            self._database.run(lambda connection: connection.execute(text("SELECT 1")))
        if self._is_checked:
            return
        if not self._database.run(store.fits, _SECONDS, reads_only=True):
            if not self._database.is_sqlite:
                raise Outdated("the schema is not this release's: flask db upgrade")
            # Deferred: alembic, which serving does without but for a new file.
            from housing_app.database import schema

            self._database.run(schema.upgrade)
        self._is_checked = True

    def _segment(self, path: Path, file: BinaryIO) -> None:
        try:
            rejects = self._store_lines(file)
            if rejects:
                self._spool.reject(path.with_suffix(".jsonl").name, rejects)
                metrics.journal_rejected.inc(len(rejects))
                log.error("journal records rejected", count=len(rejects))
            path.unlink(missing_ok=True)
        except OSError as error:  # of this file; the others are no worse for it
            log.error("journal segment", segment=path.name, exc_info=error)

    def _store_lines(self, file: BinaryIO) -> Rejects:
        """Store a segment's lines; return what the database does not take."""
        rejects: Rejects = []
        waiting: list[dict[str, Any]] = []
        for line in file:
            if not line.endswith(b"\n"):
                # Its process ended in the middle of it, before it answered.
                metrics.journal_torn.inc()
                log.warning("journal line torn", bytes=len(line))
                break
            try:
                waiting += records.rows(line)
            except records.Unreadable as error:
                rejects.append((str(error), line))
            if len(waiting) >= _ROWS:
                self._store(waiting, rejects)
                waiting = []
        self._store(waiting, rejects)
        return rejects

    def _store(self, rows: Sequence[dict[str, Any]], rejects: Rejects) -> None:
        for start in range(0, len(rows), _ROWS):
            self._insert(rows[start : start + _ROWS], rejects)

    def _insert(self, rows: Sequence[dict[str, Any]], rejects: Rejects) -> None:
        """Insert rows; those that are refused are found by halving."""
        try:
            self._database.run(lambda found: store.insert(found, rows), _SECONDS)
        except _REFUSED as error:
            if len(rows) == 1:
                rejects.append((_reason(error), records.line_of(rows[0])))
                return
            half = len(rows) // 2
            self._insert(rows[:half], rejects)
            self._insert(rows[half:], rejects)
        else:
            metrics.journal_drained.inc(sum(not records.is_shadow(row) for row in rows))


def _reason(error: Exception) -> str:
    """Return why, without the statement and its values."""
    cause = getattr(error, "orig", None) or error
    return f"{type(cause).__name__}: {cause}".splitlines()[0]
