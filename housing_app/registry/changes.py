"""Change serving.json: whole or not at all, one at a time, each with its history.

history.jsonl beside it has a line for each change: when, who, why, the slot before and
after, and what the models' manifests say of their accuracy. A line without its change
(the program ended in between) is later than serving.json's own `changed`, and ignored.
"""

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from housing_app import files
from housing_app.registry import gates
from housing_app.valuation import artifacts, loading, serving
from housing_app.valuation.artifacts import Manifest
from housing_app.valuation.errors import ArtifactError, ValuationError
from housing_app.valuation.serving import CHANGED, SERVING, SHARE

HISTORY = "history.jsonl"
_FIGURES = ("n", "mdape", "ppe10", "ppe20", "bias")

Roles = dict[str, Any]  # of a slot, as serving.json has them: with the share


class RegistryError(ValuationError):
    """Say why a change is not made."""


@dataclass(frozen=True)
class Change:
    """Hold a change of a slot."""

    at: str
    who: str
    action: str
    slot: str
    why: str
    before: Roles
    after: Roles
    metrics: dict[str, dict[str, float]]  # on later sales, by artifact
    is_forced: bool = False


@dataclass(frozen=True)
class Author:
    """Say who changes something, why and when."""

    who: str
    why: str
    now: datetime


def promote(
    root: Path, artifact: str, author: Author, *, is_forced: bool = False
) -> Change:
    """Make an artifact the champion of its slot.

    Raises RegistryError unless a gate against the present champion was passed, or the
    change is forced, with a reason.
    """
    manifest = _verified(root, artifact)

    def make(roles: Roles) -> Roles:
        champion = roles["champion"]
        if champion == artifact:
            raise RegistryError(f"{artifact} is the champion of {manifest.slot}")
        if not is_forced:
            held = _champion(root, champion)
            if why := gates.why_not(root, manifest, held):
                raise RegistryError(
                    f"{artifact} is not promoted: {why}; or say --force and --why"
                )
        return _without(roles, artifact) | {"champion": artifact}

    return _changed(root, manifest.slot, "promote", make, author, is_forced=is_forced)


def rollback(root: Path, slot: str, author: Author) -> Change:
    """Give a slot back the champion it had before; again: the one before that."""

    def make(roles: Roles) -> Roles:
        before = _predecessor(root, slot, roles["champion"])
        _verified(root, before)
        return _without(roles, before) | {"champion": before}

    return _changed(root, slot, "rollback", make, author)


def challenge(root: Path, artifact: str, share: float, author: Author) -> Change:
    """Have an artifact answer a share of the clients of its slot."""
    manifest = _verified(root, artifact)

    def make(roles: Roles) -> Roles:
        _refuse_champion(roles, artifact)
        return _without(roles, artifact) | {"challenger": artifact, SHARE: share}

    return _changed(root, manifest.slot, "challenge", make, author)


def shadow(root: Path, artifact: str, author: Author) -> Change:
    """Have an artifact value what its slot's champion values, unseen by clients."""
    manifest = _verified(root, artifact)

    def make(roles: Roles) -> Roles:
        _refuse_champion(roles, artifact)
        return _without(roles, artifact) | {"shadow": artifact}

    return _changed(root, manifest.slot, "shadow", make, author)


def retire(root: Path, artifact: str, author: Author) -> Change:
    """Take the role of challenger or shadow from an artifact."""
    slots = serving.read(root).roles
    found = [
        slot
        for slot, roles in slots.items()
        if artifact in (roles.get("challenger"), roles.get("shadow"))
    ]
    if not found:
        raise RegistryError(f"{artifact} is neither challenger nor shadow")
    return _changed(
        root, found[0], "retire", lambda roles: _without(roles, artifact), author
    )


def history(root: Path, slot: str | None = None) -> list[Change]:
    """Return the changes that took effect, the oldest first."""
    stored = artifacts.read_json(root / SERVING)
    last = str(stored.get(CHANGED, ""))
    return [
        change
        for change in _lines(root)
        if change.at <= last and slot in (None, change.slot)
    ]


def _lines(root: Path) -> Iterator[Change]:
    path = root / HISTORY
    if not path.exists():
        return
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        try:
            yield Change(**json.loads(line))
        except (ValueError, TypeError) as error:
            raise RegistryError(f"{path}:{number}: not a change ({error})") from None


def _predecessor(root: Path, slot: str, champion: str) -> str:
    """Return the champion before this one: what is rolled back does not come again."""
    held: list[str] = []
    for change in history(root, slot):
        held = held or [change.before["champion"]]
        after = change.after["champion"]
        if change.action == "rollback" and len(held) > 1:
            held.pop()
        if held[-1] != after:
            held.append(after)
    if held and held[-1] == champion:
        held.pop()
    if not held:
        raise RegistryError(
            f"{HISTORY} knows no champion of {slot} before {champion}: promote the "
            "one you want with --force and --why"
        )
    return held[-1]


def _changed(
    root: Path,
    slot: str,
    action: str,
    make: Callable[[Roles], Roles],
    author: Author,
    *,
    is_forced: bool = False,
) -> Change:
    if is_forced and not author.why.strip():
        raise RegistryError("what is forced needs a reason: say --why")
    path = root / SERVING
    with files.alone(root):
        stored = artifacts.read_json(path)
        serving.checked(stored, path)
        before = stored[slot]
        after = make(dict(before))
        if after == before:
            raise RegistryError(f"slot {slot} is so already")
        at = author.now.astimezone(UTC).isoformat(timespec="microseconds")
        new = {**stored, slot: after, CHANGED: at}
        serving.checked(new, path)
        change = Change(
            at,
            author.who,
            action,
            slot,
            author.why,
            before,
            after,
            _metrics(root, (before, after)),
            is_forced,
        )
        _append(root / HISTORY, json.dumps(asdict(change)) + "\n")
        files.replace(path, json.dumps(new, indent=1) + "\n")
    return change


def _without(roles: Roles, artifact: str) -> Roles:
    """Return roles in which an artifact neither challenges nor shadows."""
    gone = [r for r in ("challenger", "shadow") if roles.get(r) == artifact]
    gone += [SHARE] if "challenger" in gone else []
    return {role: roles[role] for role in roles if role not in gone}


def _refuse_champion(roles: Roles, artifact: str) -> None:
    if roles["champion"] == artifact:
        raise RegistryError(f"{artifact} is the champion")


def _verified(root: Path, artifact: str) -> Manifest:
    if not artifacts.ID.fullmatch(artifact):
        raise RegistryError(f"{artifact!r} is not an artifact of `flask model list`")
    return loading.load(root / artifact).manifest


def _champion(root: Path, artifact: str) -> Manifest | None:
    """Return the champion's manifest, None for one that is damaged or gone."""
    try:
        return artifacts.read_manifest(root / artifact)
    except ArtifactError:
        return None


def _metrics(root: Path, slots: tuple[Roles, ...]) -> dict[str, dict[str, float]]:
    found = {}
    for name in {r[k] for r in slots for k in r if k != SHARE}:
        if manifest := _champion(root, name):
            later = manifest.metrics["out_of_time"]["overall"]
            found[name] = {key: later[key] for key in _FIGURES if key in later}
    return dict(sorted(found.items()))


def _append(path: Path, text: str) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
