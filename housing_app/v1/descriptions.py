"""What the service says of itself: its fields, models and measured accuracy."""

from collections.abc import Iterator
from typing import Any

from housing_app import demographics, outcomes
from housing_app.v1 import answers, schemas
from housing_app.valuation import (
    artifacts,
    features,
    intervals,
    predictor,
    ratios,
    serving,
)
from housing_app.valuation.predictor import Predictor

# Where a manifest keeps each segment's figures.
_SEGMENTS = {
    "decile": "by_decile",
    "zipcode": "by_zipcode",
    "month": "by_month",
    "missing": "by_missing",
}


def service(version: str) -> dict[str, Any]:
    """Return what `/v1/info` and `flask info` say."""
    models = [
        {"slot": slot, "role": role} | _model(model.manifest)
        for slot in features.SLOTS
        for role in serving.ROLES
        if (model := predictor.current(slot, role))
    ]
    return {
        "service": "housing_app",
        "version": version,
        "api": "v1",
        "currency": answers.CURRENCY,
        "intervals": list(intervals.LEVELS),
        "confidence_fsd_limits": {
            name: limit for name, limit in intervals.GRADES if limit != float("inf")
        },
        "fields": schemas.field_table(),
        "models": models,
        "demographics": source(),
    }


def _model(manifest: artifacts.Manifest) -> dict[str, Any]:
    trained, metrics = manifest.training, manifest.metrics
    later = metrics["out_of_time"]
    return {
        "name": manifest.name,
        "version": manifest.version,
        "kind": manifest.kind,
        "valuation_date": manifest.valuation_date,
        "training": {key: trained[key] for key in ("from", "to", "rows")},
        "training_zipcodes": len(manifest.zipcodes),
        "accuracy": {
            "holdout": {key: later[key] for key in ("from", "to", "train_rows")}
            | later["overall"]
            | {"coverage": later["coverage"]},
            "random_split": metrics.get("random_split"),
        },
    }


def source() -> dict[str, Any]:
    """Return what demographics are in service."""
    table = demographics.current()
    return {"zipcodes": len(table.rows), "columns": list(table.columns)}


def zipcodes() -> dict[str, Any]:
    """Return what `/v1/zipcodes` says: the training area of the full model.

    Middles of the homes sold, at least five of each zipcode; none without a model.
    """
    model = predictor.current("full")
    area = model.manifest.zipcodes if model else {}
    rows = [
        {"zipcode": zipcode, "training_homes": found["count"]}
        | {name: found[name] for name in ("lat", "long", "radius_km")}
        for zipcode, found in area.items()
    ]
    return {"zipcodes": rows}


def accuracy(segment: str | None) -> dict[str, Any]:
    """Return what `/v1/accuracy` says, of one kind of segment or of all."""
    every = [row for _, _, model in _serving() for row in _measured(model.manifest)]
    every += outcomes.live_rows()
    rows = [row for row in every if segment in (None, row["segment"])]
    limits = {name: list(pair) for name, pair in ratios.IAAO_LIMITS.items()}
    return {"accuracy": rows, "limits": limits}


def _measured(manifest: artifacts.Manifest) -> Iterator[dict[str, Any]]:
    """Yield a manifest's figures, a row a segment; nothing where none were measured."""
    later = manifest.metrics["out_of_time"]
    head = {
        "model": manifest.name,
        "version": manifest.version,
        "slot": manifest.slot,
        "source": "holdout",
        "from": later["from"],
        "to": later["to"],
    }
    whole = later["overall"] | {"coverage": later["coverage"]}
    yield head | {"segment": "overall", "value": None} | whole
    for segment, place in _SEGMENTS.items():
        for value, figures in _pairs(segment, later.get(place, {})):
            yield head | {"segment": segment, "value": value} | figures


def _pairs(segment: str, found: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(found, dict):
        yield from found.items()
        return
    for row in found:
        figures = {name: row[name] for name in row if name != segment}
        yield str(row[segment]), figures


def _serving() -> Iterator[tuple[str, str, Predictor]]:
    """Yield each serving model once, with a slot and role it has."""
    seen = set()
    for slot in features.SLOTS:
        for role in serving.ROLES:
            model = predictor.current(slot, role)
            if model and model.manifest.id not in seen:
                seen.add(model.manifest.id)
                yield slot, role, model
