"""`flask model …`"""

import json
from datetime import date, datetime
from pathlib import Path
from typing import Any

import click
from flask import current_app
from flask.cli import with_appcontext

from housing_app import demographics as demographics_module
from housing_app.cli import homes
from housing_app.config import ROOT
from housing_app.valuation import (
    artifacts,
    features,
    loading,
    serving,
)
from housing_app.valuation.errors import ArtifactError, ValuationError

group = click.Group("model", help="Train, import, list and show models.")
_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@group.command()
@click.option(
    "--kind", type=click.Choice(["catboost", "knn", "lightgbm"]), required=True
)
@click.option("--slot", type=click.Choice(features.SLOTS), required=True)
@click.option(
    "--sales", type=_FILE, required=True, help="CSV of id, date, price, home."
)
@click.option("--demographics", type=_FILE, help="CSV; default: DEMOGRAPHICS_CSV.")
@click.option("--name", help="Default: KIND-SLOT.")
@click.option("--version", type=click.IntRange(1), help="Default: the next free one.")
@click.option(
    "--cut",
    type=click.DateTime(["%Y-%m-%d"]),
    help="Judge on sales from this day on. Default: the last two calendar months.",
)
@click.option(
    "--keep-sales",
    is_flag=True,
    help="knn: store single sales, not groups of five. Never publish such a model.",
)
@click.option("--columns", type=_FILE, help="knn: JSON list of columns, in order.")
@click.option("--neighbours", type=click.IntRange(1, 1000), help="knn: how many.")
@click.option("--weights", type=click.Choice(["uniform", "distance"]), help="knn.")
@click.option(
    "--reference-split",
    is_flag=True,
    help="Ship the fit on the 75 % that train_test_split(random_state=42) chooses.",
)
@click.option(
    "--trees", type=click.IntRange(1, 5000), help="Fewer for a quick draft, or more."
)
@with_appcontext
def train(
    *,
    kind: str,
    slot: Any,
    sales: Path,
    demographics: Path | None,
    name: str | None,
    version: int | None,
    cut: datetime | None,
    keep_sales: bool,
    columns: Path | None,
    neighbours: int | None,
    weights: str | None,
    reference_split: bool,
    trees: int | None,
) -> None:
    """Train a model on a file of sales and judge it on the latest of them."""
    # Deferred: pandas and scikit-learn, 3 s that no other command should wait for.
    from housing_app.training import dataset
    from housing_app.training import train as training
    from housing_app.training.recipes import Recipe, column_list

    root = current_app.config["MODEL_DIR"]
    name = name or f"{kind}-{slot}"
    version = free_version(root, name, version)
    try:
        recipe = Recipe(
            kind,
            slot,
            keep_sales,
            column_list(columns) if columns else None,
            neighbours,
            weights,
            trees,
        )
        data = dataset.read(sales)
        for line in data.rejected:
            click.echo(f"refused: {sales}, {line}", err=True)
        joined = demographics_module.load(
            demographics or current_app.config["DEMOGRAPHICS_CSV"]
        )
        made = training.train(
            recipe,
            data,
            joined,
            examples_on(data.window[1]),
            name=name,
            version=version,
            cut=cut.date() if cut else dataset.default_cut(data),
            reference_split=reference_split,
        )
        manifest = made.manifest
        directory = artifacts.write(root, manifest, made.files)
        loading.load(directory)
    except ValuationError as error:
        raise click.ClickException(str(error)) from None
    except (ValueError, OSError) as error:
        raise click.ClickException(f"cannot train: {error}") from None
    click.echo(f"{directory}: trained on {len(data):,} sales")
    click.echo(figures_of(manifest.metrics))
    click.echo(f"To serve it: flask model gate {manifest.id}, then promote it.")


@group.command("list")
@with_appcontext
def list_models() -> None:
    """List the artifacts, with their accuracy and what they serve."""
    root: Path = current_app.config["MODEL_DIR"]
    roles: dict[str, list[str]] = {}
    if (root / serving.SERVING).exists():
        for slot, named in _or_exit(serving.read, root).roles.items():
            for role, artifact in named.items():
                roles.setdefault(artifact, []).append(f"{slot} {role}")
    click.echo(
        f"{'MODEL':<28}{'KIND':<10}{'SLOT':<9}{'MdAPE':>7}{'PPE10':>7}  SERVES AS"
    )
    for path in sorted(root.glob("[a-z]*/" + artifacts.MANIFEST)):
        manifest = _or_exit(artifacts.read_manifest, path.parent)
        figures = manifest.metrics.get("out_of_time", {}).get("overall", {})
        mdape, ppe10 = (
            f"{figures[key]:.1%}" if key in figures else "-"
            for key in ("mdape", "ppe10")
        )
        serves = ", ".join(roles.get(manifest.id, ["-"]))
        click.echo(
            f"{manifest.id:<28}{manifest.kind:<10}{manifest.slot:<9}"
            f"{mdape:>7}{ppe10:>7}  {serves}"
        )


@group.command()
@click.argument("artifact")
@click.option("--json", "as_json", is_flag=True, help="The whole manifest.")
@with_appcontext
def show(artifact: str, as_json: bool) -> None:
    """Verify ARTIFACT (a name from `flask model list`) and show what it is."""
    if Path(artifact).name != artifact:
        raise click.BadParameter("give the artifact's name, not a path")
    directory = current_app.config["MODEL_DIR"] / artifact
    manifest = _or_exit(loading.load, directory).manifest
    if as_json:
        click.echo(json.dumps(vars(manifest), indent=1, sort_keys=True))
        return
    trained = manifest.training
    click.echo(f"{manifest.id}: {manifest.kind}, slot {manifest.slot}")
    click.echo(
        f"trained on {trained['rows']:,} sales, {trained['from']} to {trained['to']} "
        f"(SHA-256 {trained['sha256'][:12]}…)"
    )
    click.echo(f"values homes at {manifest.valuation_date} unless told otherwise")
    click.echo(f"{len(manifest.features)} features: {', '.join(manifest.features)}")
    click.echo(figures_of(manifest.metrics))
    count = len(manifest.files)
    click.echo(f"verified: {count} files, {len(manifest.golden)} golden rows")


@group.command("import")
@click.argument("pickled", type=_FILE)
@click.argument("columns", type=_FILE)
@click.option("--slot", type=click.Choice(features.SLOTS), default="minimal")
@click.option("--name", default="imported", show_default=True)
@click.option("--version", type=click.IntRange(1), help="Default: the next free one.")
@click.option("--sales", type=_FILE, required=True, help="Sales for ranges and checks.")
@click.option("--demographics", type=_FILE, help="CSV; default: DEMOGRAPHICS_CSV.")
@click.option(
    "--trust-pickle",
    is_flag=True,
    help="Unpickling runs any code the file holds. Say that you trust its maker.",
)
@with_appcontext
def import_model(
    *,
    pickled: Path,
    columns: Path,
    slot: Any,
    name: str,
    version: int | None,
    sales: Path,
    demographics: Path | None,
    trust_pickle: bool,
) -> None:
    """Convert a scikit-learn model.pkl and its model_features.json.

    A RobustScaler + KNeighborsRegressor pipeline becomes the fast knn kind, any other
    regressor the sklearn kind. Every row of SALES must get the price the pickled model
    gives. The artifact holds whatever the model held: single sales too.
    """
    if not trust_pickle:
        raise click.UsageError(
            f"{pickled} is a pickle, and reading it runs any code it holds. "
            "If you trust its maker, say --trust-pickle."
        )
    from housing_app.training import dataset
    from housing_app.training import pickled as importer
    from housing_app.training.recipes import column_list

    root = current_app.config["MODEL_DIR"]
    version = free_version(root, name, version)
    try:
        names = column_list(columns)
        data = dataset.read(sales)
        joined = demographics_module.load(
            demographics or current_app.config["DEMOGRAPHICS_CSV"]
        )
        manifest, files, notes = importer.convert(
            pickled,
            names,
            data,
            joined,
            examples_on(data.window[1]),
            slot=slot,
            name=name,
            version=version,
        )
        directory = artifacts.write(root, manifest, files)
        loading.load(directory)
    except ValuationError as error:
        raise click.ClickException(str(error)) from None
    except (ValueError, OSError) as error:
        raise click.ClickException(f"cannot import: {error}") from None
    click.echo(f"{directory}: kind {manifest.kind}")
    for note in notes:
        click.echo(f"- {note}")


def examples_on(day: date) -> features.Homes:
    """Return the example homes, of which golden rows are made, as of a day."""
    records = homes.read(ROOT / "data" / "example_homes.csv")["records"]
    return features.homes(records, day)


def free_version(root: Path, name: str, wanted: int | None) -> int:
    """Return the wanted version, or the next free one; exit if it is taken."""
    if wanted is None:
        wanted = 1
        while (root / f"{name}-{wanted}").exists():
            wanted += 1
    elif (root / f"{name}-{wanted}").exists():
        raise click.ClickException(f"{name}-{wanted} exists: choose another --version")
    return wanted


def figures_of(metrics: dict[str, Any]) -> str:
    """Return the overall figures of each split, a line for each."""
    lines = []
    for split in ("out_of_time", "random_split", "reference_split"):
        found = metrics.get(split, {})
        figures = found.get("overall", found)
        if figures:
            lines.append(
                f"{split.replace('_', ' '):<16} n {figures['n']:,}  "
                f"MdAPE {figures['mdape']:.1%}  PPE10 {figures['ppe10']:.1%}  "
                f"PPE20 {figures['ppe20']:.1%}  bias {figures['bias']:+.1%}  "
                f"R2 {figures['r2']:.3f}  COD {figures['cod']:.1f}  "
                f"PRD {figures['prd']:.3f}  PRB {figures['prb']:+.3f}"
            )
    return "\n".join(lines)


def _or_exit(function: Any, *arguments: Any) -> Any:
    try:
        return function(*arguments)
    except ArtifactError as error:
        raise click.ClickException(str(error)) from None
