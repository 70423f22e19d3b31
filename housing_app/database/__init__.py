"""SQL: one schema for PostgreSQL and SQLite, and a way to it that cannot hang."""

from housing_app.database.engine import Database, StoreDown

__all__ = ["Database", "StoreDown"]
