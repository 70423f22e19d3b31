"""The journal: every answered prediction, in a spool at once and in SQL soon after."""

import errno
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any

from flask import Flask, Response, current_app, g

from housing_app import background, checks, database
from housing_app.casts import ConfigError
from housing_app.journal.recorder import Journal, JournalFull
from housing_app.journal.records import Homes
from housing_app.journal.spool import Spool

__all__ = [
    "HEADER",
    "Journal",
    "JournalFull",
    "current",
    "init_app",
    "made",
    "prepare",
    "record",
    "record_shadow",
]
# On an answer that could not be recorded.
HEADER = ("Prediction-Recorded", "no")
_KEY = "housing_app.journal"
ShadowRow = tuple[str, float, float, float]
_SECONDS = 0.5


def made(app: Flask) -> Journal:
    """Return a journal by the app's settings, whether or not it is kept."""
    spool = Spool(
        app.config["INSTANCE_DIR"] / "spool", 1_000_000 * app.config["SPOOL_MAX_MB"]
    )
    required = app.config["JOURNAL"] == "required"
    with app.app_context():
        return Journal(spool, database.current(), required=required)


def current() -> Journal | None:
    """Return the app's journal, if it keeps one."""
    found: Journal | None = current_app.extensions.get(_KEY)
    return found


def init_app(app: Flask) -> None:
    """Keep a journal, unless JOURNAL=off."""
    if app.config["JOURNAL"] == "off":
        return
    journal = app.extensions[_KEY] = made(app)
    background.add(app, "journal", _SECONDS, journal.tend, journal.finish)
    checks.add(app, "journal", journal.check)

    @app.after_request
    def tell(response: Response) -> Response:
        if "unrecorded" in g:
            response.headers[HEADER[0]] = HEADER[1]
        return response


def prepare(app: Flask) -> None:
    """Make the spool; raise ConfigError where nothing can be written.

    A full disk does not stop a start: it may have room again, and JOURNAL says what
    happens until then.
    """
    journal: Journal | None = app.extensions.get(_KEY)
    if journal is None:
        return
    try:
        # Loads the driver, once for all workers; nothing connects yet.
        _ = journal.database.engine
        journal.spool.prepare()
        with tempfile.TemporaryFile(dir=journal.spool.folder):
            pass
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            folder = app.config["INSTANCE_DIR"]
            raise ConfigError(
                f"INSTANCE_DIR: {folder} takes no files ({error.strerror}): name a "
                "folder that does, or set JOURNAL=off"
            ) from None


def record(endpoint: str, homes: Homes, answer: Mapping[str, Any]) -> None:
    """Record an answer before it leaves; raise JournalFull where that has to be."""
    journal = current()
    if journal is not None and not journal.record(endpoint, homes, answer):
        g.unrecorded = True


def record_shadow(model: str, version: int, rows: Sequence[ShadowRow]) -> None:
    """Record what a shadow valued: predictions' ids, prices, lows and highs."""
    journal = current()
    if journal is not None:
        journal.record_shadow(model, version, rows)
