"""Drift: what reports are made of, reports that were kept, and the newest as metrics.

Reports are made by `flask drift report` (training/drift.py), not by a server.
"""

from contextlib import suppress

from flask import Flask

from housing_app import background, database
from housing_app.database import StoreDown
from housing_app.drift.gauges import Newest

__all__ = ["init_app"]
_SECONDS = 15.0


def init_app(app: Flask) -> None:
    """Show the newest report of each slot as metrics."""
    with app.app_context():
        newest = Newest(database.current())

    def refresh() -> None:
        # The breaker has said so; what was told stays.
        with suppress(StoreDown):
            newest.refresh()

    background.add(app, "drift", _SECONDS, refresh)
