"""`flask model push`, `pull` and `approve`: models in an MLflow registry."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from flask import current_app
from flask.cli import with_appcontext
from tqdm import tqdm

from housing_app.cli import failures
from housing_app.mlflow_registry import pull as pulling
from housing_app.mlflow_registry import push as pushing
from housing_app.mlflow_registry import versions
from housing_app.mlflow_registry.server import Server, connected

_registry = click.option(
    "--registry",
    metavar="URL",
    help="The MLflow server. Default: MLFLOW_TRACKING_URI.",
)


@contextmanager
def _opened(url: str | None) -> Iterator[Server]:
    """Hand out the server; what goes wrong becomes one line."""
    found = url or current_app.config["MLFLOW_TRACKING_URI"]
    if not found:
        raise click.ClickException(
            "no registry: say --registry http://… or set MLFLOW_TRACKING_URI"
        )
    place = current_app.config["MODEL_DIR"]
    with failures.in_one_line(place), connected(found) as server:
        yield server


@contextmanager
def _bar(verb: str) -> Iterator[Callable[[int, int], Any]]:
    # Drawn on stderr, and only on a terminal.
    with tqdm(desc=verb, unit=" files", disable=None, leave=False) as bar:

        def step(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield step


@click.command()
@click.argument("artifact")
@_registry
@click.option(
    "--experiment", default="housing_app", show_default=True, help="Of the new run."
)
@click.option(
    "--alias",
    type=click.Choice(versions.ALIASES),
    default="challenger",
    show_default=True,
    help="Given to the version; champion only if it is approved.",
)
@with_appcontext
def push(artifact: str, registry: str | None, experiment: str, alias: str) -> None:
    """Register ARTIFACT (a name from `flask model list`) in an MLflow registry.

    Its files become a run's, beside parameters, figures and plots, and a version of the
    registered model of its name. What is there already is found by its manifest's
    SHA-256 and only given the alias.
    """
    if Path(artifact).name != artifact:
        raise click.BadParameter("give the artifact's name, not a path")
    with _opened(registry) as server, _bar("push") as step:
        version, is_new = pushing.push(
            server,
            current_app.config["MODEL_DIR"] / artifact,
            experiment=experiment,
            alias=alias,
            release=current_app.config["VERSION"],
            step=step,
        )
    done = "registered" if is_new else "there already"
    click.echo(f"{server.url}: {version}: {done}, {alias}")
    click.echo(f"SHA-256 of its manifest: {version.manifest_sha256}")


@click.command()
@click.argument("name", metavar="NAME[@ALIAS|:VERSION]")
@_registry
@click.option(
    "--require-approval", is_flag=True, help="Refuse a version that nobody approved."
)
@with_appcontext
def pull(name: str, registry: str | None, require_approval: bool) -> None:
    """Fetch a registered model into MODEL_DIR: NAME, NAME@alias or NAME:version.

    NAME alone is its champion; VERSION is MLflow's number. The manifest must have the
    SHA-256 that the push noted, each file the one in the manifest, and the model must
    answer its golden rows, before anything appears in MODEL_DIR. Nothing is served by
    it yet.
    """
    root: Path = current_app.config["MODEL_DIR"]
    with _opened(registry) as server, _bar("pull") as step:
        version, manifest, is_new = pulling.pull(
            server,
            root,
            versions.parse(name),
            require_approval=require_approval,
            step=step,
        )
    done = "fetched" if is_new else "here already"
    click.echo(f"{server.url}: {version}: {done}, {root / manifest.id}")
    count = len(manifest.files)
    click.echo(f"verified: {count} files, {len(manifest.golden)} golden rows")
    by = f"by {version.approved_by}: {version.approved_why}"
    click.echo(f"approved {by}" if version.approved_by else "not approved")


@click.command()
@click.argument("name")
@click.argument("version", type=click.IntRange(1))
@_registry
@click.option("--who", required=True, help="Whose approval it is.")
@click.option("--why", required=True, help="What it rests on.")
@with_appcontext
def approve(name: str, version: int, registry: str | None, who: str, why: str) -> None:
    """Say in the registry that VERSION (MLflow's number) of NAME may be champion.

    The approval is of the manifest that the version has now, and of no other.
    """
    if not who.strip() or not why.strip():
        raise click.BadParameter("--who and --why take more than blanks")
    with _opened(registry) as server:
        wanted = versions.parse(f"{name}:{version}")
        found = versions.approve(server, wanted, who.strip(), why.strip())
    click.echo(f"{server.url}: {found}: approved by {found.approved_by}")
    click.echo(
        f"To make it champion: flask model push {found.artifact} --alias champion"
    )


COMMANDS = (push, pull, approve)
