"""Alembic's entry: migrate over the connection that `schema.upgrade` hands in."""

from alembic import context

from housing_app.database.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite changes a table by copying it
)
with context.begin_transaction():
    context.run_migrations()
