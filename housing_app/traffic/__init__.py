"""Which model answers: champion or challenger, or the fallback when those raise."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

from flask import Flask

from housing_app import (
    demographics,
    demographics_sql,
    error_reports,
    metrics,
    model_store,
    tracing,
)
from housing_app.demographics import Demographics
from housing_app.logs import log
from housing_app.traffic import shadow, swap, tally
from housing_app.traffic.assignment import Choice, choose, hashed
from housing_app.traffic.shadow import answering, offer
from housing_app.traffic.swap import announce
from housing_app.valuation import loading, predictor
from housing_app.valuation.errors import OutsideArea
from housing_app.valuation.features import Homes, Slot
from housing_app.valuation.predictor import Details, Predictor, Valuations

__all__ = [
    "Answer",
    "Choice",
    "answering",
    "choose",
    "count",
    "follow",
    "hashed",
    "init_app",
    "install",
    "offer",
    "value",
]
_FALLBACK = {
    "code": "fallback-model",
    "detail": "the champion could not answer; a simpler model did",
}


class Answer(NamedTuple):
    """Hold valuations and the model that gave them."""

    valuations: Valuations
    model: Predictor
    variant: str


def init_app(app: Flask, record: shadow.Record) -> None:
    """Follow serving.json in every worker; `record` takes what the shadow valued."""
    swap.init_app(app)
    shadow.init_app(app, record)


def follow(app: Flask) -> None:
    """Change to what serving.json names now, before a worker's first request."""
    with app.app_context():
        try:
            swap.current(app).tick()
        except Exception as error:
            # The master's models are good: better those than no worker.
            log.error("models are not followed", exc_info=error)


def install(config: dict[str, Any]) -> None:
    """Load and verify models and demographics, and put them into service.

    Raises ValuationError whose text names the file and the cure.
    """
    started = perf_counter()
    slots = loading.load_serving(model_store.prepare(config))
    needed = {
        model.manifest.id: model.demographics
        for slot in slots.values()
        for model in slot.roles.values()
    }
    table = _demographics(config, needed)
    table.fit(needed.items())
    demographics.install(table)
    for slot, found in slots.items():
        for model in found.roles.values():
            _ = model.manifest.digest  # now: in a worker it would copy what they share
        before = predictor.installed(slot)
        predictor.install(slot, *found)
        announce(slot, before, found)
    metrics.model_load_seconds.set(perf_counter() - started)


def _demographics(
    config: dict[str, Any], needed: Mapping[str, Sequence[str]]
) -> Demographics:
    source: Path = config["DEMOGRAPHICS_CSV"]
    if url := config["DEMOGRAPHICS_URL"]:
        return demographics_sql.Follower(url).start(source, needed.items())
    return demographics.load(source)


def value(
    slot: Slot,
    homes: Homes,
    details: Details,
    choice: Choice | None = None,
    *,
    refuse_outside: bool = False,
) -> Answer:
    """Value homes with the chosen model, the champion unless another was chosen.

    Where that raises the champion answers for a challenger, and the slot's fallback for
    the champion. Raises OutsideArea when asked to refuse, NotReady without a model.
    """
    chosen = choice or choose(slot, None)
    if refuse_outside and (positions := chosen.model.outside_area(homes.zipcodes)):
        raise OutsideArea(positions)
    for model, variant in _candidates(slot, chosen):
        try:
            found = _value(model, slot, variant, homes, details)
        except Exception as error:
            _failed(model, error)
            last = error
            continue
        if variant == "fallback":
            for warnings in found.warnings:
                warnings.append(_FALLBACK)
        return Answer(found, model, variant)
    raise last


def _candidates(slot: Slot, chosen: Choice) -> Iterator[tuple[Predictor, str]]:
    """Yield the chosen model, and then who stands in for it."""
    yield chosen.model, chosen.variant
    roles = predictor.installed(slot).roles
    for role in ("champion", "fallback"):
        model = roles.get(role)
        if model is not None and model is not chosen.model:
            yield model, role


def _failed(model: Predictor, error: Exception) -> None:
    found = model.manifest
    metrics.prediction_errors.labels(found.name, found.version).inc()
    tally.of(found.id).failed()
    log.error("model failed", model=found.id, exc_info=error)
    error_reports.send(error, model=found.id)


def _value(
    model: Predictor, slot: Slot, variant: str, homes: Homes, details: Details
) -> Valuations:
    started = perf_counter()
    with tracing.step("join"):
        rows = demographics.current().join(homes.zipcodes, model.demographics)
    with tracing.step("value", model.manifest.id):
        valuations = model.value(homes, rows, details, slot)
    manifest, seconds = model.manifest, perf_counter() - started
    name, version = manifest.name, manifest.version
    metrics.labelled(metrics.prediction_seconds, name, version).observe(seconds)
    tally.of(manifest.id).answered(len(homes.zipcodes), seconds)
    count(name, version, variant, slot, len(homes.zipcodes))
    return valuations


def count(name: str, version: int, variant: str, slot: Slot, homes: int) -> None:
    """Count an answer, whether the model gave it now or before."""
    metrics.labelled(metrics.predictions, name, version, variant, slot).inc()
    metrics.labelled(metrics.homes_valued, name, version).inc(homes)
