"""Placeholder until the gate's branch is joined."""

from pathlib import Path

from housing_app.valuation.artifacts import Manifest


def why_not(root: Path, candidate: Manifest, champion: Manifest | None) -> str | None:
    """Say why a candidate may not be promoted, None where it may."""
    return "no gate was run"
