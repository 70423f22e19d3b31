"""Demographics in a database: loaded whole, followed by every worker.

Nobody serves rows whose SHA-256 is not the one of their version.
"""

from flask import Flask

from housing_app import background, checks
from housing_app.demographics_sql.follower import Follower, describe
from housing_app.demographics_sql.rows import Content, content, digest, lines
from housing_app.demographics_sql.table import Version, newest, read, store

__all__ = [
    "Content",
    "Follower",
    "Version",
    "content",
    "describe",
    "digest",
    "init_app",
    "lines",
    "newest",
    "read",
    "store",
]
_SECONDS = 2.0


def init_app(app: Flask) -> None:
    """Follow the database of DEMOGRAPHICS_URL, if there is one."""
    if url := app.config["DEMOGRAPHICS_URL"]:
        follower = Follower(url)
        background.add(app, "demographics", _SECONDS, follower.follow)
        checks.add(app, "demographics", follower.check)
