"""`flask drift …`"""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
from flask import current_app
from flask.cli import with_appcontext
from tqdm import tqdm

from housing_app import database, model_store
from housing_app.cli import failures
from housing_app.drift import gauges, store
from housing_app.valuation import artifacts, features, serving
from housing_app.valuation.artifacts import Manifest

group = click.Group("drift", help="Tell whether what is asked is still as in training.")

EXITS = {"quiet": 0, "warning": 3, "alarm": 4, "too few": 5}
_DAY = click.DateTime(["%Y-%m-%d"])
_OUTPUT = click.Path(path_type=Path, dir_okay=False)
_SECONDS = 10.0
_DAYS = 30
Report = dict[str, Any]


@group.command()
@click.option(
    "--slot", type=click.Choice(features.SLOTS), default="full", show_default=True
)
@click.option("--model", help="An artifact's name. Default: the slot's champion.")
@click.option("--days", type=click.IntRange(1, 3650), help="Up to now. Default: 30.")
@click.option("--from", "start", type=_DAY, help="First day (UTC), instead of --days.")
@click.option("--to", "end", type=_DAY, help="Last day (UTC). Default: up to now.")
@click.option("--json", "json_", type=_OUTPUT, help="Write every figure as JSON.")
@click.option("--html", type=_OUTPUT, help="Write a page with plots.")
@click.option(
    "--prometheus", type=_OUTPUT, help="Write metrics for a textfile collector."
)
@click.option("--save", is_flag=True, help="Keep it; servers show it in /metrics.")
@with_appcontext
def report(
    *,
    slot: str,
    model: str | None,
    days: int | None,
    start: datetime | None,
    end: datetime | None,
    json_: Path | None,
    html: Path | None,
    prometheus: Path | None,
    save: bool,
) -> None:
    """Compare the answers of some days with what the model learned from.

    Homes, prices, warnings and, where sales were reported, errors. Homes are those of
    answers that the journal has drained into its database; sales are those reported in
    these days.

    Exit 0 if all is quiet, 3 for a warning, 4 for an alarm, 5 if there are too few
    homes to say anything; 1 for an error, 2 for a wrong call.
    """
    if days and start:
        raise click.UsageError("give --days or --from, not both")
    # Deferred: scipy and pandas, 2 s that no other command should wait for.
    from housing_app.training import drift_report

    with failures.of_database(), failures.in_one_line(current_app.config["MODEL_DIR"]):
        manifest = _manifest(slot, model)
        found = _made(manifest, slot, *_period(days or _DAYS, start, end))
        click.echo(drift_report.text(found))
        if save:
            # As JSON has it: times are columns of their own.
            stored = json.loads(_json(found))
            at = found["at"]
            database.current().run(lambda c: store.save(c, stored, at), _SECONDS)
        _write(json_, lambda path: path.write_text(_json(found), "utf-8"))
        _write(html, lambda path: path.write_text(drift_report.html(found), "utf-8"))
        _write(prometheus, lambda path: gauges.write(path, found))
    click.get_current_context().exit(EXITS[found["verdict"]])


def _manifest(slot: str, name: str | None) -> Manifest:
    """Return the manifest of a model, or of the one that serves the slot."""
    if name and Path(name).name != name:
        raise click.BadParameter(f"{name}: give an artifact's name, not a path")
    root = model_store.folder(current_app.config)
    name = name or serving.read(root).roles[slot]["champion"]
    return artifacts.read_manifest(root / name)


def _period(
    days: int, start: datetime | None, end: datetime | None
) -> tuple[datetime, datetime]:
    last = datetime.now(UTC)
    if end:
        last = end.replace(tzinfo=UTC) + timedelta(days=1)
    first = start.replace(tzinfo=UTC) if start else last - timedelta(days=days)
    if first >= last:
        raise click.BadParameter("--from lies after --to")
    return first, last


def _made(manifest: Manifest, slot: str, start: datetime, end: datetime) -> Report:
    from housing_app.drift import live
    from housing_app.training import drift

    found, period = database.current(), drift.Period(start, end)
    failures.require_journal(found)
    if not found.run(store.has_table, _SECONDS, reads_only=True):
        raise failures.no_journal()
    answers = live.count(found, manifest, slot, period)
    with tqdm(total=answers, desc="read", unit="answer", disable=None) as bar:
        asked = live.asked(found, manifest, slot, period, bar.update)
    sold = live.sold(found, manifest, slot, period)
    made = drift.report(manifest, slot, asked, sold)
    times = {"at": datetime.now(UTC), "from": start, "to": end}
    return made | times | {"answers": answers}


def _json(found: Report) -> str:
    return json.dumps(found, indent=1, default=datetime.isoformat) + "\n"


def _write(path: Path | None, write: Callable[[Path], Any]) -> None:
    if path is None:
        return
    try:
        write(path)
    except OSError as error:
        raise click.ClickException(f"{path}: {error.strerror or error}") from None
    click.echo(f"written: {path}", err=True)
