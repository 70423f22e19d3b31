"""Which model answers: the champion of a slot, or its fallback when that raises."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

from housing_app import demographics, demographics_sql, metrics, model_store
from housing_app.demographics import Demographics
from housing_app.logs import log
from housing_app.valuation import (
    loading,
    predictor,
)
from housing_app.valuation.errors import NotReady, OutsideArea
from housing_app.valuation.features import Homes, Slot
from housing_app.valuation.predictor import Details, Predictor, Valuations

_FALLBACK = {
    "code": "fallback-model",
    "detail": "the champion could not answer; a simpler model did",
}


class Answer(NamedTuple):
    """Hold valuations and the model that gave them."""

    valuations: Valuations
    model: Predictor
    variant: str


def install(config: dict[str, Any]) -> None:
    """Load and verify models and demographics, and put them into service.

    Raises ValuationError whose text names the file and the cure.
    """
    started = perf_counter()
    slots = loading.load_serving(model_store.prepare(config))
    needed = {
        model.manifest.id: model.demographics
        for roles in slots.values()
        for model in roles.values()
    }
    table = _demographics(config, needed)
    table.fit(needed.items())
    demographics.install(table)
    for slot, roles in slots.items():
        predictor.install(slot, roles)
        for role, model in roles.items():
            found = model.manifest
            metrics.model_info.labels(slot, role, found.name, found.version).set(1)
    metrics.model_load_seconds.set(perf_counter() - started)


def _demographics(
    config: dict[str, Any], needed: Mapping[str, Sequence[str]]
) -> Demographics:
    source: Path = config["DEMOGRAPHICS_CSV"]
    if url := config["DEMOGRAPHICS_URL"]:
        return demographics_sql.Follower(url).start(source, needed.items())
    return demographics.load(source)


def value(
    slot: Slot, homes: Homes, details: Details, *, refuse_outside: bool = False
) -> Answer:
    """Value homes with the slot's champion, or with its fallback if that raises.

    Raises OutsideArea when asked to refuse, NotReady without a model.
    """
    champion = predictor.current(slot)
    if champion is None:
        raise NotReady(f"no model is loaded for slot {slot}")
    if refuse_outside and (positions := champion.outside_area(homes.zipcodes)):
        raise OutsideArea(positions)
    try:
        return Answer(
            _value(champion, slot, "champion", homes, details), champion, "champion"
        )
    except Exception as error:
        found = champion.manifest
        metrics.prediction_errors.labels(found.name, found.version).inc()
        log.error("model failed", model=found.id, exc_info=error)
        fallback = predictor.current(slot, "fallback")
        if fallback is None:
            raise
    valuations = _value(fallback, slot, "fallback", homes, details)
    for warnings in valuations.warnings:
        warnings.append(_FALLBACK)
    return Answer(valuations, fallback, "fallback")


def _value(
    model: Predictor, slot: Slot, variant: str, homes: Homes, details: Details
) -> Valuations:
    started = perf_counter()
    rows = demographics.current().join(homes.zipcodes, model.demographics)
    valuations = model.value(homes, rows, details, slot)
    name, version = model.manifest.name, model.manifest.version
    seconds = metrics.labelled(metrics.prediction_seconds, name, version)
    seconds.observe(perf_counter() - started)
    count(name, version, variant, slot, len(homes.zipcodes))
    return valuations


def count(name: str, version: int, variant: str, slot: Slot, homes: int) -> None:
    """Count an answer, whether the model gave it now or before."""
    metrics.labelled(metrics.predictions, name, version, variant, slot).inc()
    metrics.labelled(metrics.homes_valued, name, version).inc(homes)
