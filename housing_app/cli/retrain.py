"""`flask model retrain`: from newer sales to a candidate that waits for approval."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from flask import current_app
from flask.cli import with_appcontext

from housing_app.cli.gate import FAILED, champion_of, judged, keep
from housing_app.cli.judge import FILE, OUTPUT, demographics_of, write
from housing_app.cli.model import examples_on, figures_of, free_version
from housing_app.registry import changes
from housing_app.registry.changes import Author
from housing_app.valuation import artifacts, features, loading
from housing_app.valuation.errors import ValuationError


@click.command()
@click.option("--slot", type=click.Choice(features.SLOTS), required=True)
@click.option("--sales", type=FILE, required=True, help="CSV of id, date, price, home.")
@click.option("--demographics", type=FILE, help="CSV; default: DEMOGRAPHICS_CSV.")
@click.option(
    "--kind",
    type=click.Choice(["catboost", "knn", "lightgbm"]),
    help="Default: the champion's, by the champion's recipe.",
)
@click.option(
    "--trees", type=click.IntRange(1, 5000), help="Fewer for a quick draft, or more."
)
@click.option(
    "--rejected",
    type=OUTPUT,
    help="Write a CSV of every refused and noted row: line, verdict, reason.",
)
@click.option("--dry-run", is_flag=True, help="Screen the sales and plan, no more.")
@click.option(
    "--auto-promote", is_flag=True, help="Make it champion if it passes the gate."
)
@with_appcontext
def retrain(
    *,
    slot: Any,
    sales: Path,
    demographics: Path | None,
    kind: str | None,
    trees: int | None,
    rejected: Path | None,
    dry_run: bool,
    auto_promote: bool,
) -> None:
    """Train a champion's successor on newer sales, and hold it to the gate.

    The sales are screened first: rows that are refused are listed, and a file that is
    wrong as a whole stops here. Then the champion's recipe is trained anew, judged on
    sales neither model has seen, written as the next version and held to the gate
    beside the champion. It serves nothing until it is promoted.

    Exits 0 where the gate is passed, 2 where it is not, 1 where nothing was trained.
    """
    # Deferred: pandas and scikit-learn, 3 s that no other command should wait for.
    from housing_app.training import evidence, retrain, screening

    root: Path = current_app.config["MODEL_DIR"]
    try:
        champion = loading.load(root / champion_of(slot))
        today = datetime.now(UTC).date()
        screened = screening.screen(sales, today, champion.manifest)
        _tell(screened, sales, rejected)
        if screened.faults:
            found = "; ".join(screened.faults)
            raise click.ClickException(f"{sales}: not to be trained on: {found}")
        data = screened.sales
        planned = retrain.plan(champion, data, kind, trees)
        known = map(artifacts.read_manifest, sorted(root.glob(f"{planned.name}-*")))
        if before := retrain.made_already(planned, data, known):
            raise click.ClickException(
                f"{before.id} is of these very sales and this recipe already"
            )
        version = free_version(root, planned.name, None)
        first, last = data.window
        click.echo(
            f"{planned.name}-{version}: {planned.recipe.kind}, on {len(data):,} sales "
            f"of {first} to {last}, judged from {planned.cut} on, beside "
            f"{champion.manifest.id}"
        )
        if dry_run:
            return
        table = demographics_of(demographics)
        made = retrain.train(planned, data, table, examples_on(last), version)
        directory = artifacts.write(root, made.manifest, made.files)
        candidate = loading.load(directory)
        click.echo(f"written: {directory}\n{figures_of(made.manifest.metrics)}\n")
        told = evidence.of_training(made.judged, champion, data, table, planned.cut)
        record = judged(root, (candidate, champion), told, table)
        keep(record)
    except ValuationError as error:
        raise click.ClickException(str(error)) from None
    except (ValueError, OSError) as error:
        raise click.ClickException(f"cannot retrain: {error}") from None
    name = made.manifest.id
    if not record["passed"]:
        raise SystemExit(FAILED)
    if auto_promote:
        _promote(root, name, sales)
        return
    click.echo(f"\nTo serve it:\n  flask model promote {name}")


def _promote(root: Path, candidate: str, sales: Path) -> None:
    why = f"--auto-promote: trained on {sales.name}, passed its gate"
    author = Author("flask model retrain", why, datetime.now(UTC))
    try:
        change = changes.promote(root, candidate, author)
    except ValuationError as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"\n{candidate} is champion of {change.slot} now.")


def _tell(screened: Any, sales: Path, rejected: Path | None) -> None:
    """Show what screening found: totals, and every line here or in a file."""
    refused = screened.rows - len(screened.sales)
    click.echo(
        f"{sales}: {screened.rows:,} rows, {refused:,} refused "
        f"({100 * refused / screened.rows:.1f} %)"
    )
    for reason, count in screened.totals.items():
        click.echo(f"  {count:>6,}  {reason}")
    write(rejected, screened.csv)
    if rejected is None:
        for told in screened.told:
            click.echo(
                f"{told.verdict}: {sales}, row {told.line}: {told.reason}", err=True
            )


COMMANDS = (retrain,)
