"""The newest drift reports as metrics: of the server, or in a file of their own."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, Gauge, write_to_textfile

from housing_app import metrics
from housing_app.database import Database
from housing_app.drift import store

LEVELS = {"too few": -1, "quiet": 0, "warning": 1, "alarm": 2}
_OF_FIELDS = {
    "psi": metrics.drift_psi,
    "ks": metrics.drift_ks,
    "missing": metrics.drift_missing,
}
_OF_SLOTS = {
    "unseen": metrics.drift_unseen_zipcodes,
    "warnings": metrics.drift_warnings,
}
_OTHERS = (metrics.drift_level, metrics.drift_homes, metrics.drift_report_seconds)

Report = Mapping[str, Any]
Labelled = tuple[Gauge, tuple[str, ...]]
_told = metrics.Told()


def tell(reports: Iterable[Report]) -> None:
    """Set the gauges; those of which nothing is known any more become NaN."""
    _told.tell({key: figure for one in reports for key, figure in _gauged(one)})


def _gauged(report: Report) -> Iterator[tuple[Labelled, float]]:
    slot = report["slot"]
    model = report["model"], str(report["version"])
    yield (metrics.drift_level, (slot, *model)), LEVELS[report["verdict"]]
    yield (metrics.drift_homes, (slot,)), report["homes"]
    yield (metrics.drift_report_seconds, (slot,)), report["at"].timestamp()
    for check in report["checks"]:
        if check["value"] is None:
            continue
        if gauge := _OF_FIELDS.get(check["check"]):
            yield (gauge, (slot, check["field"])), check["value"]
        elif gauge := _OF_SLOTS.get(check["check"]):
            yield (gauge, (slot,)), check["value"]


def write(path: Path, report: Report) -> None:
    """Write a report as metrics, for node_exporter's textfile collector."""
    registry = CollectorRegistry()
    for gauge in (*_OF_FIELDS.values(), *_OF_SLOTS.values(), *_OTHERS):
        registry.register(gauge)
    tell([report])
    write_to_textfile(str(path), registry)


class Newest:
    """Keep the gauges of one process at the newest reports."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._marks: dict[str, datetime] = {}

    def refresh(self) -> None:
        """Read the reports if there are others than before."""
        marks = self._database.run(store.marks, reads_only=True)
        if marks != self._marks:
            tell(self._database.run(store.newest, reads_only=True))
            self._marks = marks
