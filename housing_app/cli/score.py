"""`flask score`"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

import click
from flask import current_app
from flask.cli import with_appcontext
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from housing_app import demographics, model_store, traffic
from housing_app.batch import cluster, cluster_run, run
from housing_app.batch.cuts import Chunk
from housing_app.batch.partition import Task, prepare
from housing_app.batch.parts import Places
from housing_app.batch.run import Files, Options
from housing_app.batch.source import Source
from housing_app.batch.target import Tally
from housing_app.batch.work import FORMATS, Done, Format
from housing_app.cli import failures, homes, places
from housing_app.valuation import predictor
from housing_app.valuation.comparables import MOST

_FILE = places.Place()
_STRICT = 3  # exit code


@click.command("score")
@click.argument("source", metavar="IN", type=_FILE)
@click.argument("target", metavar="OUT", type=_FILE)
@homes.SLOT
@homes.INTERVAL
@click.option("--explain", is_flag=True, help="Add the reasons of each price, as JSON.")
@click.option(
    "--comparables",
    type=click.IntRange(0, MOST),
    default=0,
    help="How many comparables to add, as JSON.",
)
@click.option(
    "--keep",
    default="all",
    metavar="NAMES",
    show_default=True,
    help="Columns to carry through: all that are no fields of a home, none, or names "
    "with commas between.",
)
@click.option(
    "--rejects",
    type=_FILE,
    help="JSON lines of the rows that break a rule. Default: OUT.rejects.jsonl; for "
    "stdout they go to stderr.",
)
@click.option(
    "--format", "kind", type=click.Choice(FORMATS), help="Of -; default: csv."
)
@click.option(
    "--workers", type=click.IntRange(1, 1024), help="Processes. Default: one a core."
)
@click.option(
    "--chunk",
    type=click.IntRange(1, 1_000_000),
    default=run.CHUNK,
    show_default=True,
    help="Rows scored together; memory grows with it.",
)
@click.option("--resume", is_flag=True, help="Go on where a run broke off.")
@click.option("--force", is_flag=True, help="Replace OUT.")
@click.option(
    "--dask",
    "address",
    metavar="ADDRESS",
    help="Score on the workers of this Dask scheduler, tcp://host:8786. IN and OUT are "
    "where all of them find them, or s3://…; OUT with a / at its end stays in parts.",
)
@click.option("--strict", is_flag=True, help=f"Exit {_STRICT} if a row was rejected.")
@with_appcontext
def command(
    *,
    source: Path | str,
    target: Path | str,
    slot: Any,
    interval: str,
    explain: bool,
    comparables: int,
    keep: str,
    rejects: Path | str | None,
    kind: Format | None,
    workers: int | None,
    chunk: int,
    resume: bool,
    force: bool,
    address: str | None,
    strict: bool,
) -> None:
    """Value every home of IN into OUT: CSV, JSON lines or Parquet, of any size.

    The ending of a name tells its format; - is stdin or stdout, of CSV or JSON lines.
    Rules, prices and ranges are those of POST /v1/predict. A row that breaks a rule
    goes to a file of rejects with every reason. OUT appears when it is complete.
    """
    if address and workers:
        raise click.UsageError(
            "--workers is not for --dask: it takes those that it has"
        )
    found: Files | Places
    if address:
        found = places.of_cluster(
            source, target, rejects, kind, resume=resume, force=force
        )
    else:
        found = places.of_machine(
            source, target, rejects, kind, resume=resume, force=force
        )
    with failures.in_one_line(Path(str(target))), threadpool_limits(1):
        task, versions = _installed(slot, float(interval), explain, comparables)
        started = perf_counter()
        try:
            with _progress() as (begin, step):
                if isinstance(found, Places):
                    on = cluster.Options(
                        str(address), _names(keep), chunk, resume, force
                    )
                    tally = cluster_run.score(found, task, on, begin, step)
                else:
                    options = Options(
                        _names(keep), workers or _cores(), chunk, resume, versions
                    )
                    tally = run.score(found, task, options, begin, step)
        except BrokenPipeError:
            # Whoever reads has read enough; Python shall not complain at its end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise SystemExit(1) from None
    click.echo(_summary(found, tally, perf_counter() - started), err=True)
    if strict and tally.rejected:
        raise SystemExit(_STRICT)


def _cores() -> int:
    return len(os.sched_getaffinity(0))


def _names(keep: str) -> list[str] | None:
    if keep == "all":
        return None
    return [] if keep == "none" else [name.strip() for name in keep.split(",")]


def _installed(
    slot: Any, interval: float, explain: bool, comparables: int
) -> tuple[Task, dict[str, str]]:
    """Load the champion and the demographics; return them by name and by version."""
    config = current_app.config
    traffic.install(config)
    model, table = predictor.current(slot), demographics.current()
    assert model is not None  # noqa: S101 # nosec B101 - serving.json names one
    task = Task(
        str((model_store.folder(config) / model.manifest.id).absolute()),
        str(Path(config["DEMOGRAPHICS_CSV"]).absolute()),
        slot,
        interval,
        explain,
        comparables,
        config["REFUSE_OUTSIDE_AREA"],
    )
    prepare(task, model, table)
    return task, {
        "the model": model.manifest.digest,
        "the demographics": table.digest,
        "the release": config["VERSION"],
    }


@contextmanager
def _progress() -> Iterator[Any]:
    """Yield what shows how far a run is, on a terminal."""
    form = "{desc} {percentage:3.0f}% |{bar}| {elapsed}<{remaining}{postfix}"
    with tqdm(desc="score", disable=None, bar_format=form) as bar:
        tally = {"rows": 0}
        columnar = False
        started = perf_counter()

        def begin(source: Source, found: Tally) -> None:
            nonlocal columnar
            columnar = source.columnar
            bar.total = source.total
            bar.initial = bar.n = found.read if columnar else found.position
            bar.refresh()

        def step(chunk: Chunk, done: Done) -> None:
            tally["rows"] += done.rows
            rate = tally["rows"] / (perf_counter() - started)
            bar.set_postfix_str(f"{tally['rows']:,} rows, {rate:,.0f}/s", refresh=False)
            bar.update(done.rows if columnar else chunk.after - bar.n)

        yield begin, step


def _summary(files: Files | Places, tally: Tally, seconds: float) -> str:
    fresh = tally.read - tally.resumed
    counts = f"{tally.scored:,} scored, {tally.rejected:,} rejected"
    target, rejects = (
        str(place or "").removeprefix("file://")
        for place in (files.target, files.rejects)
    )
    text = f"{target or 'stdout'}: {tally.read:,} rows read, {counts}"
    if tally.rejected and rejects:
        text += f" ({rejects})"
    if tally.resumed:
        text += f", {tally.resumed:,} of them by an earlier run"
    return f"{text}; {seconds:,.1f} s, {fresh / seconds:,.0f} rows/s"
