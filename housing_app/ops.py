"""Health: what is up, for people and for probes. /metrics is the exporter's."""

from time import time
from typing import Any

import numpy as np
from flask import Blueprint, current_app

from housing_app import checks, demographics_sql
from housing_app.extensions import limiter
from housing_app.valuation import features, golden, predictor
from housing_app.valuation.errors import NotReady, ValuationError

blueprint = Blueprint("ops", __name__)
limiter.exempt(blueprint)
_started = time()


@blueprint.get("/health")
def health() -> dict[str, Any]:
    """Summarise the parts and their state."""
    models = {
        slot: found.manifest.id if (found := predictor.current(slot)) else None
        for slot in features.SLOTS
    }
    try:
        joined = {"status": checks.OK} | demographics_sql.describe()
    except ValuationError as error:
        joined = {"status": "failed", "detail": str(error)}
    parts: dict[str, Any] = {
        "models": {"status": "ok" if all(models.values()) else "failed"} | models,
        "demographics": joined,
    } | checks.results(current_app)
    return {
        "status": _worst(parts),
        "version": current_app.config["VERSION"],
        "uptime_seconds": round(time() - _started, 1),
        "checks": parts,
    }


def _worst(found: dict[str, dict[str, Any]]) -> str:
    states = {check["status"] for check in found.values()}
    for state in (checks.FAILED, checks.DEGRADED):
        if state in states:
            return state
    return checks.OK


@blueprint.get("/health/live")
def live() -> dict[str, str]:
    """Answer while the process can; touches nothing else."""
    return {"status": "ok"}


@blueprint.get("/health/ready")
@blueprint.get("/health/startup", endpoint="startup")
def ready() -> dict[str, Any]:
    """Value a home with each slot's model and check the answer; name what is degraded.

    What is degraded costs no answer, so it takes nobody out of service.
    """
    for slot in features.SLOTS:
        model = predictor.current(slot)
        if model is None:
            raise NotReady(f"no model is loaded for slot {slot}")
        homes, rows = golden.inputs(model.manifest)
        try:
            price = model.value(homes, rows).prices[0]
        except Exception as error:
            raise NotReady(f"{model.manifest.id} cannot value a home") from error
        if not np.isclose(price, model.manifest.golden[0]["expected"][0], rtol=1e-6):
            raise NotReady(f"{model.manifest.id} gives a wrong price")
    found = checks.results(current_app)
    degraded = sorted(n for n, check in found.items() if check["status"] != checks.OK)
    return {"status": "ok"} | ({"degraded": degraded} if degraded else {})
