"""`flask openapi`: the document, for generators and reviews."""

import json

import click
from flask import current_app
from flask.cli import with_appcontext

from housing_app.v1 import openapi


@click.command("openapi")
@with_appcontext
def command() -> None:
    """Print the OpenAPI document, as /v1/openapi.json answers it (JSON)."""
    click.echo(json.dumps(openapi.build(current_app), indent=1))
