"""`flask model promote`, `rollback`, `challenge`, `shadow`, `retire` and `history`."""

import getpass
import json
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from flask import current_app
from flask.cli import with_appcontext

from housing_app.cli import failures
from housing_app.registry import changes
from housing_app.registry.changes import Author, Change
from housing_app.valuation import features

_why = click.option("--why", default="", help="The reason; kept in the history.")
_who = click.option(
    "--who", default=None, help="Who decides. Default: the user of this machine."
)


@click.command()
@click.argument("artifact")
@click.option("--force", is_flag=True, help="Without a passed gate; needs --why.")
@_why
@_who
@with_appcontext
def promote(artifact: str, force: bool, why: str, who: str | None) -> None:
    """Make ARTIFACT the champion of its slot.

    It must have passed `flask model gate` against the present champion. Workers change
    over within seconds, without a restart; one that finds it broken, slow or too large
    keeps the old one.
    """
    _make(changes.promote, artifact, _author(who, why), is_forced=force)


@click.command()
@click.option(
    "--slot", type=click.Choice(features.SLOTS), default="full", show_default=True
)
@_why
@_who
@with_appcontext
def rollback(slot: str, why: str, who: str | None) -> None:
    """Give a slot back the champion it had before."""
    _make(changes.rollback, slot, _author(who, why))


@click.command()
@click.argument("artifact")
@click.option(
    "--share",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    required=True,
    help="Of the clients, such as 0.1.",
)
@_why
@_who
@with_appcontext
def challenge(artifact: str, share: float, why: str, who: str | None) -> None:
    """Have ARTIFACT answer a share of the clients of its slot (an experiment).

    A client keeps its model as long as the experiment lasts. Only clients that say who
    they are (a token or X-Client-Id) take part; see `flask experiment report`.
    """
    _make(changes.challenge, artifact, share, _author(who, why))


@click.command()
@click.argument("artifact")
@_why
@_who
@with_appcontext
def shadow(artifact: str, why: str, who: str | None) -> None:
    """Have ARTIFACT value what its slot's champion values, unseen by clients."""
    _make(changes.shadow, artifact, _author(who, why))


@click.command()
@click.argument("artifact")
@_why
@_who
@with_appcontext
def retire(artifact: str, why: str, who: str | None) -> None:
    """Take the role of challenger or shadow from ARTIFACT."""
    _make(changes.retire, artifact, _author(who, why))


@click.command()
@click.option("--slot", type=click.Choice(features.SLOTS), help="Only of this slot.")
@click.option("--json", "as_json", is_flag=True, help="Every member, a line a change.")
@with_appcontext
def history(slot: str | None, as_json: bool) -> None:
    """List the changes of what serves, the oldest first."""
    root = _root()
    with failures.in_one_line(root):
        found = changes.history(root, slot)
    if not found and not as_json:
        click.echo("Nothing was changed yet.")
    for change in found:
        click.echo(json.dumps(asdict(change)) if as_json else _line(change))


def _make(change: Callable[..., Change], *arguments: Any, **options: Any) -> None:
    root = _root()
    with failures.in_one_line(root):
        click.echo(_line(change(root, *arguments, **options)))


def _root() -> Path:
    root: Path = current_app.config["MODEL_DIR"]
    return root


def _author(who: str | None, why: str) -> Author:
    return Author(who or getpass.getuser(), why, datetime.now(UTC))


def _line(change: Change) -> str:
    forced = " (forced)" if change.is_forced else ""
    why = f": {change.why}" if change.why else ""
    return (
        f"{change.at[:19]}Z  {change.who}  {change.action}{forced}  {change.slot}  "
        f"{_roles(change.before)} -> {_roles(change.after)}{why}"
    )


def _roles(roles: dict[str, Any]) -> str:
    """Return a slot's roles in short; the fallback goes without saying."""
    share = roles.get("share")
    parts = [
        f"{role} {roles[role]}" + (f" ({share:.0%})" if role == "challenger" else "")
        for role in ("champion", "challenger", "shadow")
        if role in roles
    ]
    return ", ".join(parts)


COMMANDS = (promote, rollback, challenge, shadow, retire, history)
