"""What homes were sold for, and how near the valuations were."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from flask import Flask, current_app

from housing_app import background, checks, database
from housing_app.database import StoreDown
from housing_app.outcomes.live import Live, Row
from housing_app.outcomes.store import Report, Verdict, Waiting, Who
from housing_app.outcomes.store import report as _report

__all__ = ["Report", "Verdict", "Who", "init_app", "live_rows", "report"]
_KEY = "housing_app.outcomes"
_SECONDS = 10.0


def init_app(app: Flask) -> None:
    """Measure beside the requests how near valuations were."""
    with app.app_context():
        found = database.current()
    live = app.extensions[_KEY] = Live(found)

    def refresh() -> None:
        # The breaker has said so; what was measured stays.
        with suppress(StoreDown):
            live.refresh()

    def check() -> dict[str, Any]:
        breaker = found.breaker
        if not breaker.is_open:
            return {"status": checks.OK}
        detail = f"outcomes are not taken: {breaker.reason}"
        return {"status": checks.DEGRADED, "detail": detail}

    background.add(app, "outcomes", _SECONDS, refresh)
    checks.add(app, "outcomes", check)


def live_rows() -> Sequence[Row]:
    """Return what was measured last, a row for each model and part of the sales."""
    found: Live = current_app.extensions[_KEY]
    return found.rows


def report(reports: Sequence[Report], who: Who, waiting: Waiting | None) -> Verdict:
    """Store outcomes in the app's database; see `store.report`."""
    return _report(database.current(), reports, who, waiting)
