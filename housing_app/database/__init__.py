"""SQL: one schema for PostgreSQL and SQLite, and a way to it that cannot hang."""

from flask import Flask, current_app
from sqlalchemy import URL
from sqlalchemy.exc import ArgumentError

from housing_app.casts import ConfigError
from housing_app.database import schema
from housing_app.database.engine import Database, StoreDown, normalised
from housing_app.logs import log

__all__ = ["Database", "StoreDown", "current", "databases", "init_app", "prepare"]
_KEY = "housing_app.database"


def init_app(app: Flask) -> None:
    """Give the app its database, of journal and outcomes; nothing connects yet."""
    file = app.config["INSTANCE_DIR"] / "housing.db"
    default = URL.create("sqlite", database=str(file))
    try:
        made = Database(app.config["DATABASE_URL"] or default, "journal")
    except (ArgumentError, ValueError):
        # The address may hold a password.
        raise ConfigError("DATABASE_URL: its value names no database") from None
    app.extensions[_KEY] = made


def current() -> Database:
    """Return the app's database."""
    found: Database = current_app.extensions[_KEY]
    return found


def databases(app: Flask) -> dict[str, Database]:
    """Return every database of the settings, by the setting that names it."""
    found = {"DATABASE_URL": app.extensions[_KEY]}
    url = app.config["DEMOGRAPHICS_URL"]
    if url and normalised(url) != found["DATABASE_URL"].url:
        found["DEMOGRAPHICS_URL"] = Database(url, "demographics")
    return found


def prepare(app: Flask) -> None:
    """Bring SQLite files to this release's schema, before a server starts."""
    for setting, one in databases(app).items():
        if setting == "DATABASE_URL" and app.config["JOURNAL"] == "off":
            continue  # nothing asks for it, and the disk may be read-only
        try:
            schema.prepare(one)
        except StoreDown as error:
            log.warning("database", setting=setting, reason=str(error))
