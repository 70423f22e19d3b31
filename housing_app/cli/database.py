"""`flask db …`"""

import click
from flask import current_app
from flask.cli import with_appcontext

from housing_app import database
from housing_app.database import StoreDown, schema

group = click.Group("db", help="Bring the databases to this release's schema.")
_SECONDS = 600.0


@group.command()
@with_appcontext
def upgrade() -> None:
    """Upgrade the databases that the settings name; each all or nothing.

    They are those of DATABASE_URL and DEMOGRAPHICS_URL.

    Without DATABASE_URL that is the SQLite file in INSTANCE_DIR.
    """
    for setting, one in database.databases(current_app).items():
        shown = f"{setting} ({_shown(one)})"
        try:
            before, after = one.run(schema.upgrade, _SECONDS)
        except StoreDown as error:
            raise click.ClickException(f"{shown}: {error}") from None
        if before == after:
            click.echo(f"{shown}: at {after} already")
        else:
            click.echo(f"{shown}: {before or 'empty'} -> {after}")


@group.command()
@with_appcontext
def status() -> None:
    """Show each database's revision and the one this release wants; exit 1 if not."""
    behind = []
    for setting, one in database.databases(current_app).items():
        try:
            found = one.run(schema.revision, _SECONDS, reads_only=True)
        except StoreDown as error:
            raise click.ClickException(f"{setting}: {error}") from None
        click.echo(
            f"{setting} ({_shown(one)}): at {found or 'nothing'}, wants {schema.head()}"
        )
        if found != schema.head():
            behind.append(setting)
    if behind:
        raise click.ClickException(f"{', '.join(behind)}: flask db upgrade")


def _shown(one: database.Database) -> str:
    """Return a database without its password, user or options."""
    url = one.url
    if one.is_sqlite:
        return f"SQLite {url.database}"
    return f"{url.get_backend_name()} {url.host}/{url.database}"
