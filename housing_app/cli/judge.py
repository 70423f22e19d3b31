"""`flask model evaluate`, `compare` and `card`: how good models are."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import click
from flask import current_app
from flask.cli import with_appcontext
from tqdm import tqdm

from housing_app import demographics as demographics_module
from housing_app.demographics import Demographics
from housing_app.valuation import (
    artifacts,
    loading,
)
from housing_app.valuation.errors import ArtifactError, ValuationError
from housing_app.valuation.predictor import Predictor

FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
OUTPUT = click.Path(path_type=Path, dir_okay=False)
_DAY = click.DateTime(["%Y-%m-%d"])
_SALES_HELP = "CSV of id, date, price, home."
_DEMOGRAPHICS_HELP = "CSV; default: DEMOGRAPHICS_CSV."


@click.command()
@click.argument("artifact")
@click.option("--sales", type=FILE, required=True, help=_SALES_HELP)
@click.option("--demographics", type=FILE, help=_DEMOGRAPHICS_HELP)
@click.option("--from", "start", type=_DAY, help="Judge on sales from this day on.")
@click.option("--html", type=OUTPUT, help="Write a page with plots.")
@click.option("--json", "json_", type=OUTPUT, help="Write every figure as JSON.")
@click.option("--markdown", type=OUTPUT, help="Write the tables as Markdown.")
@with_appcontext
def evaluate(
    *,
    artifact: str,
    sales: Path,
    demographics: Path | None,
    start: datetime | None,
    html: Path | None,
    json_: Path | None,
    markdown: Path | None,
) -> None:
    """Judge ARTIFACT on sales, each valued at its own date.

    Figures are of later sales only if the sales are later than those it was trained
    on; a warning says so where they are not. What the report holds stands for five
    sales or more: no single sale can be read from it.
    """
    # Deferred: pandas and scikit-learn, 3 s that no other command should wait for.
    from housing_app.training import report

    try:
        model = _load(artifact)
        data = _sales(sales)
        if start:
            data = data.where(data.homes.days >= start.toordinal())
        joined = demographics_of(demographics)
        # Drawn on stderr, and only on a terminal.
        with tqdm(
            total=report.steps(model, data), desc="value", unit="home", disable=None
        ) as bar:
            found = report.examine(model, data, joined, bar.update)
        click.echo(report.text(found))
        if told := report.warning(found):
            click.echo(f"\nWarning: {told}", err=True)
        write(json_, lambda: json.dumps(found, indent=1, sort_keys=True) + "\n")
        write(markdown, lambda: report.markdown(found))
        write(html, lambda: report.html(found))
    except ValuationError as error:
        raise click.ClickException(str(error)) from None


@click.command()
@click.argument("a")
@click.argument("b")
@click.option("--sales", type=FILE, help=_SALES_HELP)
@click.option("--demographics", type=FILE, help=_DEMOGRAPHICS_HELP)
@click.option(
    "--cut",
    type=_DAY,
    help="Fit both again on the sales before this day, judge on those from it on.",
)
@click.option(
    "--trees", type=click.IntRange(1, 5000), help="With --cut: fewer for a quick look."
)
@click.option("--json", "json_", type=OUTPUT, help="Write every figure as JSON.")
@with_appcontext
def compare(
    *,
    a: str,
    b: str,
    sales: Path | None,
    demographics: Path | None,
    cut: datetime | None,
    trees: int | None,
    json_: Path | None,
) -> None:
    """Say which of the artifacts A and B values later sales better, and how surely.

    A shipped artifact has seen every sale it was trained on, so it is never judged on
    those. Without --sales: what both manifests say, where they were judged on the same
    sales. With --sales: both as they are, on the sales after both training windows.
    With --cut too: both recipes fitted again on the sales before that day and judged
    on the others, which takes some minutes for catboost.

    The difference in median error comes with a paired bootstrap interval, Wilcoxon's
    signed-rank test and the sign test.
    """
    from housing_app.training import compare as comparing

    if (cut and not sales) or (trees and not cut):
        raise click.UsageError("--cut needs --sales, and --trees needs --cut")
    try:
        pair = (_load(a), _load(b))
        known = comparing.stored(pair[0].manifest, pair[1].manifest)
        found: dict[str, Any] = {"stored": known}
        if known:
            click.echo(comparing.table(known).text())
        else:
            click.echo("Their manifests were judged on different sales.")
        if sales:
            data, joined = _sales(sales), demographics_of(demographics)
            judged = (
                comparing.refitted(pair, data, joined, cut.date(), trees)
                if cut
                else comparing.as_shipped(pair, data, joined)
            )
            click.echo("\n" + comparing.table(judged).text())
            found["judged"] = judged
        write(json_, lambda: json.dumps(found, indent=1, sort_keys=True) + "\n")
    except ValuationError as error:
        raise click.ClickException(str(error)) from None


@click.command()
@click.argument("artifact")
@with_appcontext
def card(artifact: str) -> None:
    """Print the model card of ARTIFACT (Markdown), made from its manifest alone."""
    from housing_app.training import cards

    try:
        click.echo(
            cards.card(artifacts.read_manifest(directory_of(artifact))), nl=False
        )
    except ArtifactError as error:
        raise click.ClickException(str(error)) from None


def directory_of(artifact: str) -> Path:
    """Return the directory of an artifact by its name; a path is refused."""
    if Path(artifact).name != artifact:
        raise click.BadParameter(f"{artifact}: give an artifact's name, not a path")
    root: Path = current_app.config["MODEL_DIR"]
    return root / artifact


def _load(artifact: str) -> Predictor:
    return loading.load(directory_of(artifact))


def _sales(path: Path) -> Any:
    from housing_app.training import dataset

    data = dataset.read(path)
    for line in data.rejected:
        click.echo(f"refused: {path}, {line}", err=True)
    return data


def demographics_of(path: Path | None) -> Demographics:
    """Return the demographics of a file, by default the configured one."""
    return demographics_module.load(path or current_app.config["DEMOGRAPHICS_CSV"])


def write(path: Path | None, made: Any) -> None:
    """Write a file, if one is asked for; `made` returns its text."""
    if path is None:
        return
    content = made()
    try:
        path.write_text(content, "utf-8")
    except OSError as error:
        raise click.ClickException(f"{path}: {error.strerror or error}") from None
    click.echo(f"\nwritten: {path}", err=True)


COMMANDS = (evaluate, compare, card)
