"""Serve what the database holds: at the start, and whenever that changes."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from housing_app import checks, demographics, metrics
from housing_app.database import Database, StoreDown
from housing_app.demographics import Demographics, DemographicsError
from housing_app.demographics_sql import table
from housing_app.logs import log
from housing_app.valuation import features, predictor, serving

_LOAD_SECONDS = 30.0
Needs = tuple[str, Sequence[str]]  # a model's id, and the columns it takes


class Follower:
    """Keep the demographics in service the same as those in a database.

    What was good last stays in service while the database is away or holds anything
    that does not verify.
    """

    def __init__(self, url: str) -> None:
        self._database = Database(url, "demographics")
        self._refused = ""  # why the newest version is not served
        self._refused_number = 0

    def start(self, fallback: Path, models: Iterable[Needs]) -> Demographics:
        """Return what to begin with: the database's, else that of the CSV."""
        try:
            return self._load(models)
        except (StoreDown, DemographicsError) as error:
            self._refused = str(error)
        finally:
            self._database.close()  # workers are forked later
        log.warning("demographics from the CSV", reason=self._refused)
        # Of this process, which may be a master that never asks again.
        metrics.store_down.labels("demographics").set(0)
        return demographics.load(fallback)

    def follow(self) -> None:
        """Put a newer version into service, if it verifies."""
        try:
            newest = self._database.run(table.newest, reads_only=True)
            if newest is None:
                self._refuse(0, "no demographics in the database: load a file")
            elif (newest.number, newest.sha256) == _served():
                self._refused, self._refused_number = "", 0
            elif newest.number != self._refused_number:
                self._replace(newest.number)
        except StoreDown as error:
            self._refused, self._refused_number = str(error), 0
        # Set by workers alone: a master never asks again, and would stay at its value.
        metrics.demographics_version.set(demographics.current().number)
        metrics.demographics_zipcodes.set(len(demographics.current().rows))

    def _replace(self, number: int) -> None:
        try:
            found = self._load(_models())
        except DemographicsError as error:
            self._refuse(number, str(error))
            return
        demographics.install(found)
        self._refused, self._refused_number = "", 0
        log.info("demographics", version=found.number, zipcodes=len(found.rows))

    def _load(self, models: Iterable[Needs]) -> Demographics:
        found = self._database.run(table.load, _LOAD_SECONDS, reads_only=True)
        found.fit(models)
        return found

    def _refuse(self, number: int, reason: str) -> None:
        if reason != self._refused:
            log.error("demographics refused", version=number, reason=reason)
        self._refused, self._refused_number = reason, number

    def check(self) -> dict[str, Any]:
        """Say what is served and whether it is what the database holds."""
        state = checks.DEGRADED if self._refused else checks.OK
        found = {"status": state} | describe()
        if self._refused:
            serves = "" if demographics.current().number else "; the CSV serves"
            found["detail"] = self._refused + serves
        return found


def _served() -> tuple[int, str]:
    found = demographics.current()
    return found.number, found.digest


def _models() -> Iterator[Needs]:
    for slot in features.SLOTS:
        for role in serving.ROLES:
            if model := predictor.current(slot, role):
                yield model.manifest.id, model.demographics


def describe() -> dict[str, Any]:
    """Return what is in service."""
    found = demographics.current()
    source = {"source": "database" if found.number else "csv"}
    version = {"version": found.number} if found.number else {}
    return source | version | {"zipcodes": len(found.rows)}
