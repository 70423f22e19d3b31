"""The artifacts of the repository, and which of them serve, whatever their versions."""

import json
from typing import Any

from housing_app.config import ROOT
from housing_app.valuation import serving

MODEL = ROOT / "model"
SERVING = serving.read(MODEL).roles
FULL, MINIMAL = SERVING["full"]["champion"], SERVING["minimal"]["champion"]
BASELINE = SERVING["full"]["fallback"]
CHAMPIONS = (FULL, MINIMAL)
SERVED = (BASELINE, FULL, MINIMAL)
SHIPPED = sorted(path.parent.name for path in MODEL.glob("*/manifest.json"))


def manifest(name: str) -> dict[str, Any]:
    """Return an artifact's manifest as it is stored."""
    return json.loads((MODEL / name / "manifest.json").read_text())


def of_kind(kind: str) -> list[str]:
    """Return the shipped artifacts of a kind."""
    return [name for name in SHIPPED if manifest(name)["kind"] == kind]
