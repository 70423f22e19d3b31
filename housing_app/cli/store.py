"""`flask store …`"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from flask import current_app
from flask.cli import with_appcontext
from tqdm import tqdm

from housing_app import model_store
from housing_app.cli import failures
from housing_app.model_store import publish
from housing_app.model_store.fetch import fetch, is_here
from housing_app.valuation import artifacts

group = click.Group("store", help="Publish models in the object store, or fetch them.")


@contextmanager
def _opened() -> Iterator[model_store.Remote]:
    """Hand out the store; what goes wrong with it becomes one line."""
    url = current_app.config["MODEL_STORE_URL"]
    if not url:
        raise click.ClickException(
            "MODEL_STORE_URL is not set: name a store, such as s3://bucket/models"
        )
    with failures.in_one_line(current_app.config["INSTANCE_DIR"]):
        yield model_store.Remote(url)


@contextmanager
def _bar(total: int | None) -> Iterator[Callable[..., None]]:
    with tqdm(total=total, unit=" objects", disable=None, leave=False) as bar:
        yield lambda *_: bar.update()


@group.command()
@click.argument("names", metavar="[NAME]...", nargs=-1)
@with_appcontext
def push(names: tuple[str, ...]) -> None:
    """Publish models of MODEL_DIR: those named, or all that serve and serving.json.

    What is there already is left out; another artifact of the same name is refused.
    """
    root: Path = current_app.config["MODEL_DIR"]
    with _opened() as store:
        found = list(names) or publish.served(root)
        files = sum(len(artifacts.read_manifest(root / n).files) for n in found)
        with _bar(files) as step:
            pushed = {name: publish.push(store, root, name, step) for name in found}
        for name, is_new in pushed.items():
            click.echo(f"{name}: {'published' if is_new else 'there already'}")
        if not names:
            changed = publish.serve(store, root)
            click.echo(f"serving.json: {'published' if changed else 'there already'}")
        click.echo(f"{store.url}: {sum(pushed.values())} of {len(pushed)} new")


@group.command()
@with_appcontext
def pull() -> None:
    """Fetch what the store serves into INSTANCE_DIR/models, as a start does."""
    settings = current_app.config
    url = settings["REDIS_URL"]
    with _opened() as store, tqdm(unit=" files", disable=None, leave=False) as bar:

        def step(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        folder = model_store.folder(settings)
        cache = model_store.ByteCache(url) if url else None
        report = fetch(store, cache, folder, step)
    click.echo(
        f"{folder}: complete; {report.local} files were here, {report.cache} came from "
        f"Redis, {report.store} from the store"
    )
    if report.cache_failure:
        click.echo(f"Redis was left out: {report.cache_failure}", err=True)


@group.command()
@with_appcontext
def check() -> None:
    """Read and verify every object in the store; exit 1 if one is off."""
    with _opened() as store, _bar(None) as step:
        count, faults = publish.check(store, step)
    for fault in faults:
        click.echo(fault, err=True)
    if faults:
        raise click.ClickException(f"{store.url}: {len(faults)} found")
    click.echo(f"{store.url}: {count} objects are as they were published")


@group.command("list")
@with_appcontext
def list_() -> None:
    """List the models in the store, what they serve, and which are here."""
    with _opened() as store:
        found = publish.held(store)
        here = model_store.folder(current_app.config)
        click.echo(
            f"{'MODEL':26}  {'KIND':8}  {'SLOT':8}  {'MB':>6}  {'HERE':4}  SERVES AS"
        )
        for one in found:
            is_local = is_here(here, one.name, publish.pin(store, one.name))
            click.echo(
                f"{one.name:26}  {one.kind:8}  {one.slot:8}  {one.bytes / 1e6:6.1f}  "
                f"{'yes' if is_local else 'no':4}  {', '.join(one.roles) or '-'}"
            )
