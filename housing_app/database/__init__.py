"""SQL: one schema for PostgreSQL and SQLite, and a way to it that cannot hang."""

from flask import Flask, current_app
from sqlalchemy import URL
from sqlalchemy.exc import ArgumentError

from housing_app.casts import ConfigError
from housing_app.database.engine import Database, StoreDown

__all__ = ["Database", "StoreDown", "current", "init_app"]
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
