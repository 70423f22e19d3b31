"""`flask model gate`: hold a candidate beside the champion it would replace."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from flask import current_app
from flask.cli import with_appcontext

from housing_app.cli.judge import FILE, OUTPUT, demographics_of, directory_of, write
from housing_app.registry import gates
from housing_app.valuation import artifacts, features, loading, serving
from housing_app.valuation.errors import ArtifactError, ValuationError
from housing_app.valuation.predictor import Predictor

FAILED = 2  # exit code


@click.command()
@click.argument("candidate")
@click.option(
    "--slot", type=click.Choice(features.SLOTS), help="Default: the candidate's own."
)
@click.option("--sales", type=FILE, help="CSV of id, date, price, home.")
@click.option("--demographics", type=FILE, help="CSV; default: DEMOGRAPHICS_CSV.")
@click.option("--against", help="Another artifact than the slot's champion.")
@click.option("--json", "json_", type=OUTPUT, help="Write the record there too.")
@with_appcontext
def gate(
    *,
    candidate: str,
    slot: str | None,
    sales: Path | None,
    demographics: Path | None,
    against: str | None,
    json_: Path | None,
) -> None:
    """Hold CANDIDATE to every criterion of a champion, and keep the record.

    Without --sales: what both manifests say, where they were judged on the same sales.
    With --sales: both as they are, on the sales later than both training windows; where
    these are too few, the candidate's recipe is fitted again on the sales before the
    day it was judged from, and so is the champion's if it has seen sales after it.

    Exits 0 where the gate is passed, 2 where it is not. `flask model promote` asks for
    a passed gate against the champion of that moment.
    """
    # Deferred: pandas and scikit-learn, 3 s that no other command should wait for.
    from housing_app.training import evidence, gate, screening

    root: Path = current_app.config["MODEL_DIR"]
    try:
        manifest = artifacts.read_manifest(directory_of(candidate))
        slot = slot or manifest.slot
        if manifest.slot != slot:
            raise click.UsageError(f"{candidate} is of slot {manifest.slot}")
        champion = loading.load(directory_of(against or champion_of(slot)))
        if champion.manifest.id == candidate:
            raise click.UsageError(f"{candidate} is the champion: nothing to gate")
        if champion.manifest.slot != slot:
            raise click.UsageError(f"{champion.manifest.id} is not of slot {slot}")
        table = demographics_of(demographics)
        try:
            model = loading.load(directory_of(candidate))
        except ArtifactError as error:
            now = datetime.now(UTC)
            conclude(gate.unsound(manifest, champion.manifest, str(error), now), json_)
        if sales:
            data = screening.again(sales, manifest)
            for line in data.rejected:
                click.echo(f"refused: {sales}, {line}", err=True)
            told = evidence.gather((model, champion), data, table)
        else:
            told = evidence.stored(manifest, champion.manifest)
        conclude(judged(root, (model, champion), told, table), json_)
    except ValuationError as error:
        raise click.ClickException(str(error)) from None


def champion_of(slot: str) -> str:
    """Return the name of the artifact that is champion of a slot."""
    root: Path = current_app.config["MODEL_DIR"]
    return serving.read(root).roles[slot]["champion"]


def judged(
    root: Path, pair: tuple[Predictor, Predictor], told: Any, demographics: Any
) -> dict[str, Any]:
    """Return the record of a gate, what both models cost here included."""
    from housing_app.training import costs, gate

    times = costs.latencies(pair, demographics)
    grown = [costs.memory(root / model.manifest.id) for model in pair]
    values = {name: (ratio, None) for name, ratio in times.items()}
    found = values | {"memory": (grown[0], grown[1])}
    return gate.judge(pair, told, found, demographics, datetime.now(UTC))


def keep(record: dict[str, Any]) -> None:
    """Show a gate's record and keep it beside the artifacts."""
    from housing_app.training import gate

    click.echo(gate.table(record).text())
    path = gates.write(current_app.config["MODEL_DIR"], record)
    click.echo(f"\nkept: {path}", err=True)


def conclude(record: dict[str, Any], json_: Path | None) -> None:
    """Show and keep a gate's record, and exit as it came out."""
    keep(record)
    write(json_, lambda: json.dumps(record, indent=1, sort_keys=True) + "\n")
    raise SystemExit(0 if record["passed"] else FAILED)


COMMANDS = (gate,)
