"""`flask health`, `flask info`, `flask value` and `flask config`."""

import http.client
import json
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import click
from flask import current_app
from flask.cli import with_appcontext

from housing_app import config, ops, traffic
from housing_app.cli import homes
from housing_app.errors import Problem
from housing_app.v1 import answers, descriptions
from housing_app.valuation.comparables import MOST
from housing_app.valuation.errors import NotReady, ValuationError
from housing_app.valuation.predictor import Details

_SECONDS = 5.0


@click.command()
@click.option("--url", help="Ask a running server, such as http://127.0.0.1:8000.")
@with_appcontext
def health(url: str | None) -> None:
    """Say whether the service can value homes; exit 1 if it cannot.

    Without --url the models and data on disk are loaded and tried.
    """
    if url is None:
        _install()
        try:
            ops.ready()
        except NotReady as error:
            raise click.ClickException(str(error)) from None
        click.echo("ok: the models on disk value homes")
        return
    if not url.startswith(("http://", "https://")):
        raise click.BadParameter("give a URL that starts with http:// or https://")
    address = url.rstrip("/") + "/health/ready"
    try:
        with urllib.request.urlopen(  # noqa: S310  # nosec B310
            address, timeout=_SECONDS
        ) as answer:
            click.echo(f"ok: {address} answered {answer.status}")
    except urllib.error.HTTPError as error:
        raise click.ClickException(f"{address} answered {error.code}") from None
    except (OSError, ValueError, http.client.HTTPException) as error:
        text = " ".join(str(error).split())
        raise click.ClickException(f"{address} did not answer: {text}") from None


@click.command()
@with_appcontext
def info() -> None:
    """Describe the service and its models, as /v1/info does (JSON)."""
    _install()
    click.echo(
        json.dumps(descriptions.service(current_app.config["VERSION"]), indent=1)
    )


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), default="-")
@homes.SLOT
@homes.INTERVAL
@click.option("--explain", is_flag=True, help="Add the reasons of each price.")
@click.option(
    "--comparables",
    type=click.IntRange(0, MOST),
    default=0,
    help="How many comparables to add.",
)
@with_appcontext
def value(
    file: Path, slot: Any, interval: str, explain: bool, comparables: int
) -> None:
    """Value the homes of FILE (JSON or CSV; - for JSON on stdin) without a server.

    Exit 1 if a home breaks a rule; every error is listed on stderr.
    """
    if str(file) == "-":
        payload = homes.parse(sys.stdin.buffer.read(), is_csv=False)
    else:
        payload = homes.read(file)
    _install()
    # A file is not an upload: its size is its owner's business.
    details = Details(float(interval), explain, comparables)
    settings = dict(current_app.config, MAX_RECORDS=sys.maxsize)
    try:
        answer = answers.value_payload(payload, slot, details, settings)
    except Problem as error:
        for found in error.errors:
            click.echo(f"{found.get('pointer') or '/'}: {found['detail']}", err=True)
        raise click.ClickException(error.detail) from None
    click.echo(json.dumps(answer, indent=1))


@click.command("config")
@with_appcontext
def show_config() -> None:
    """List every setting with its value, default and meaning; secrets are masked."""
    shown = config.masked(current_app.config)
    for setting in config.SETTINGS:
        default = setting.default or "none"
        click.echo(f"{setting.name}={shown[setting.name]}")
        click.echo(f"    {setting.help} Default: {default}.")


def _install() -> None:
    try:
        traffic.install(current_app.config)
    except ValuationError as error:
        raise click.ClickException(str(error)) from None


COMMANDS = (health, info, value, show_config)
