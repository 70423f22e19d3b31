"""`flask experiment …`"""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import click
from flask import current_app
from flask.cli import with_appcontext
from sqlalchemy import Connection
from tqdm import tqdm

from housing_app import database
from housing_app.cli import failures
from housing_app.cli.judge import OUTPUT, write
from housing_app.valuation import serving
from housing_app.valuation.errors import ArtifactError
from housing_app.valuation.features import SLOTS

group = click.Group(
    "experiment", help="Compare a challenger or a shadow with the champion."
)

_SECONDS = 120.0
_DAY = click.DateTime(["%Y-%m-%d"])
_SLOT = click.Choice(list(SLOTS))
_ID = re.compile(r"[a-z][a-z0-9-]*-[0-9]{1,9}/[a-z][a-z0-9-]*-[0-9]{1,9}")
Result = TypeVar("Result")
Figures = dict[str, Any]


def _ask(work: Callable[[Connection], Result]) -> Result:
    """Return what the database says, or end with why it says nothing."""
    found = database.current()
    with failures.of_database():
        failures.require_journal(found)
        return found.run(work, _SECONDS, reads_only=True)


@group.command("list")
@with_appcontext
def list_() -> None:
    """List the experiments that recorded predictions are of, the latest first."""
    from housing_app.outcomes import arms  # scipy, which other commands do without
    from housing_app.training.tables import Table

    found = _ask(arms.experiments)
    if not found:
        click.echo("No recorded prediction is of an experiment.")
        return
    rows = [
        (
            *(one.slot, one.id, f"{one.first:%Y-%m-%d}", f"{one.last:%Y-%m-%d}"),
            *(f"{a:,} + {b:,}" for a, b in (one.answers, one.outcomes)),
        )
        for one in found
    ]
    head = ("SLOT", "CHAMPION/CHALLENGER", "FROM", "TO", "HOMES", "OUTCOMES")
    click.echo(Table("", head, rows, words=4).text().lstrip("\n"))


@group.command()
@click.option("--experiment", "id_", help="CHAMPION/CHALLENGER, as `list` shows it.")
@click.option("--slot", type=_SLOT, help="The slot it runs in.")
@click.option(
    "--alpha",
    type=click.FloatRange(0.001, 0.2),
    default=0.05,
    show_default=True,
    help="How often equal models may be told apart.",
)
@click.option(
    "--share",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="The challenger's, of clients; default: serving.json's.",
)
@click.option(
    "--from", "start", type=_DAY, help="Answers from this day (UTC) on, of one share."
)
@click.option("--json", "json_", type=OUTPUT, help="Write every figure as JSON.")
@with_appcontext
def report(
    *,
    id_: str | None,
    slot: str | None,
    alpha: float,
    share: float | None,
    start: datetime | None,
    json_: Path | None,
) -> None:
    """Say which of two models was nearer to what homes sold for.

    The verdict may be looked at as often as one likes: equal models are told apart
    with a probability of at most ALPHA in all looks together.
    """
    from housing_app.outcomes import arms
    from housing_app.training import experiment, experiment_text

    id_, slot = _chosen(id_, slot)
    since = start.replace(tzinfo=UTC) if start else None
    both, clients, pairs = _ask(
        lambda c: (
            arms.arms(c, id_, slot, since),
            arms.clients(c, id_, slot, since),
            arms.pairs(c, id_, slot, since),
        )
    )
    share = share or _served_share(id_, slot)
    steps = experiment.steps()
    with tqdm(total=steps, desc="bootstrap", unit="draw", disable=None) as bar:
        found = experiment.examine(
            both, clients, pairs, share=share, alpha=alpha, step=bar.update
        )
    found = {"experiment": id_, "slot": slot} | found
    click.echo(experiment_text.report(found))
    _write(json_, found)


def _chosen(id_: str | None, slot: str | None) -> tuple[str, str]:
    """Return the one experiment that is meant."""
    from housing_app.outcomes import arms

    if id_ and not _ID.fullmatch(id_):
        raise click.BadParameter("give CHAMPION/CHALLENGER", param_hint="--experiment")
    if id_ and slot:
        return id_, slot  # it may be known by its shadow alone
    found = [
        (one.id, one.slot)
        for one in _ask(arms.experiments)
        if id_ in (None, one.id) and slot in (None, one.slot)
    ]
    if len(found) == 1:
        return found[0]
    if not found:
        raise click.ClickException(
            "no recorded prediction is of such an experiment: name its --experiment "
            "and --slot to compare models on the homes a shadow valued"
        )
    shown = "; ".join(f"--experiment {id_} --slot {slot}" for id_, slot in found)
    raise click.ClickException(f"more than one experiment: choose from {shown}")


def _served_share(id_: str, slot: str) -> float | None:
    """Return the challenger's share, where the experiment runs now."""
    try:
        found = serving.read(current_app.config["MODEL_DIR"])
    except ArtifactError:
        return None
    roles = found.roles[slot]
    runs = f"{roles['champion']}/{roles.get('challenger')}"
    return found.shares[slot] if runs == id_ else None


@group.command()
@click.option("--slot", type=_SLOT, help="Of this slot alone.")
@click.option("--json", "json_", type=OUTPUT, help="Write every figure as JSON.")
@with_appcontext
def shadow(slot: str | None, json_: Path | None) -> None:
    """Say how far shadows were from what was answered, on the same homes.

    Whatever the homes sold for: for that see `flask experiment report`.
    """
    from housing_app.outcomes import arms
    from housing_app.training import disagreement, experiment_text

    found = []
    for one in _ask(lambda connection: arms.shadows(connection, slot)):
        figures = disagreement.measured(one.price, one.shadow_price)
        head = {"slot": one.slot, "model": one.model, "shadow": one.shadow}
        found.append(head | {"disagreement": figures})
    if not found:
        click.echo("No recorded prediction was valued by a shadow.")
    click.echo("\n\n".join(map(experiment_text.apart, found)), nl=bool(found))
    _write(json_, found)


def _write(path: Path | None, found: Any) -> None:
    write(path, lambda: json.dumps(found, indent=1, sort_keys=True) + "\n")
