"""serving.json: which artifact has which role of which slot."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from housing_app.valuation import artifacts
from housing_app.valuation.artifacts import CURE, ID, json_of
from housing_app.valuation.errors import ArtifactError
from housing_app.valuation.features import SLOTS

SERVING = "serving.json"
ROLES = ("champion", "challenger", "shadow", "fallback")
SHARE = "share"  # beside a slot's roles: the share of clients with its challenger
CHANGED = "changed"  # beside the slots: when. No two changes look alike


class Serving(NamedTuple):
    """Hold the artifacts of each slot by role, and the shares of the challengers."""

    roles: dict[str, dict[str, str]]
    shares: dict[str, float]


def read(root: Path) -> Serving:
    """Read the serving.json of a folder."""
    path = root / SERVING
    return parsed(artifacts.read(path), path)


def parsed(content: bytes, path: Path) -> Serving:
    """Return what the content of a serving.json says; errors name `path`."""
    return checked(json_of(content, path), path)


def checked(stored: Mapping[str, Any], path: Path) -> Serving:
    """Check what a serving.json says; errors name `path`."""
    slots = {name: stored[name] for name in stored if name != CHANGED}
    roles: dict[str, dict[str, str]] = {}
    shares: dict[str, float] = {}
    for slot in map(str, SLOTS):
        if not isinstance(slots.get(slot), dict) or "champion" not in slots[slot]:
            raise ArtifactError(f"{path}: no champion for slot {slot}; {CURE}")
    if extra := slots.keys() - set(SLOTS):
        raise ArtifactError(f"{path}: there is no slot {min(extra)!r}; {CURE}")
    for slot, said in slots.items():
        roles[slot] = {role: said[role] for role in said if role != SHARE}
        _check_roles(slot, roles[slot], path)
        share = said.get(SHARE)
        if ("challenger" in said) != (share is not None):
            raise ArtifactError(
                f"{path}: slot {slot}: a challenger and a {SHARE} go together; {CURE}"
            )
        if share is not None:
            shares[slot] = _share(slot, share, path)
    return Serving(roles, shares)


def _check_roles(slot: str, roles: Mapping[str, Any], path: Path) -> None:
    for role, artifact in roles.items():
        if role not in ROLES:
            raise ArtifactError(f"{path}: there is no role {role!r}; {CURE}")
        if not isinstance(artifact, str) or not ID.fullmatch(artifact):
            raise ArtifactError(f"{path}: {slot}.{role} is not an artifact; {CURE}")


def _share(slot: str, share: Any, path: Path) -> float:
    is_number = isinstance(share, int | float) and not isinstance(share, bool)
    if not is_number or not 0 < share < 1:
        raise ArtifactError(f"{path}: {slot}.{SHARE} is not between 0 and 1; {CURE}")
    return float(share)
