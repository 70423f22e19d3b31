"""Follow serving.json: change models in a running worker, whole slots at a time.

A worker looks at the file every second. What it names newly is tried in a process of
its own, once a machine (registry/verdicts.py); each worker then loads it beside the old
models and changes a slot by one assignment, so a request sees one set of models or the
other. A slot with a model that is refused stays as it is, in every worker.
"""

import ctypes
import gc
import hashlib
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from flask import Flask

from housing_app import background, checks, demographics, metrics, model_store
from housing_app.logs import log
from housing_app.registry import changes
from housing_app.registry.changes import Author
from housing_app.registry.trial import Limits
from housing_app.registry.verdicts import Verdicts
from housing_app.traffic import tally
from housing_app.valuation import artifacts, loading, predictor, serving
from housing_app.valuation.errors import ArtifactError, ValuationError
from housing_app.valuation.features import SLOTS
from housing_app.valuation.predictor import Installed, Predictor

_SECONDS = 1.0
_KEY = "housing_app.swap"
Stamp = tuple[int, int, int] | None


class _Named(NamedTuple):
    """Hold a slot's artifacts by role: names, so that the models themselves can go."""

    roles: Mapping[str, str]
    share: float


def init_app(app: Flask) -> None:
    """Follow serving.json in every worker."""
    follower = app.extensions[_KEY] = Follower(app.config)
    background.add(app, "models", _SECONDS, follower.tick)
    checks.add(app, "model changes", follower.check)


def current(app: Flask) -> "Follower":
    """Return the app's follower."""
    found: Follower = app.extensions[_KEY]
    return found


class Follower:
    """Change this process's models as serving.json changes."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._root = model_store.folder(settings)
        self._limits = Limits(settings["MODEL_MAX_MS"], settings["MODEL_MAX_MB"])
        self._verdicts = Verdicts(settings["INSTANCE_DIR"] / "trials", self._limits)
        self._stamp: Stamp = None
        self._key = ""
        self._refused: dict[str, str] = {}  # why, by slot; or serving.json itself
        self._watched: dict[str, _Named] = {}  # what a slot had before, by slot
        self._seen: set[str] = set()  # champions so far
        # The models of the start: whoever goes back to them need not load them again.
        self._first: dict[str, Predictor] = {}
        self._manifests: dict[str, str] = {}  # their files' SHA-256, by artifact

    def tick(self) -> None:
        """Change what has to be changed."""
        if not self._first:
            self._first = _in_service()
            self._seen = set(self._first)
            for name in self._first:
                with suppress(OSError, ArtifactError):
                    self._manifests[name] = self._sha256(name)
        stamp = _stamp(self._root / serving.SERVING)
        if stamp != self._stamp:
            if self._follow():
                _give_back()
            self._stamp = stamp
        for slot in list(self._watched):
            self._watch(slot)

    def _follow(self) -> bool:
        """Change all slots; say whether one has other models now."""
        path = self._root / serving.SERVING
        try:
            content = artifacts.read(path)
            self._key = hashlib.sha256(content).hexdigest()[:16]
            wanted = serving.parsed(content, path)
        except ArtifactError as error:
            self._refuse(serving.SERVING, str(error))
            return False
        self._refused = {}
        changed = [
            self._change(slot, names, wanted.shares.get(slot, 0.0))
            for slot, names in wanted.roles.items()
        ]
        return any(changed)

    def _change(self, slot: str, names: Mapping[str, str], share: float) -> bool:
        before = predictor.installed(slot)
        try:
            new = Installed(self._loaded(slot, names), share)
        except (ValuationError, OSError) as error:
            self._refuse(slot, str(error))
            return False
        if _same(before, new):
            return False
        predictor.install(slot, *new)
        announce(slot, before, new)
        told = {role: model.manifest.id for role, model in new.roles.items()}
        log.info("models changed", slot=slot, share=share, **told)
        self._watched.pop(slot, None)
        name = new.roles["champion"].manifest.id
        # Nobody goes back to a model that was left for another one.
        if before.roles and name not in self._seen:
            tally.reset(name)
            self._seen.add(name)
            named = {role: model.manifest.id for role, model in before.roles.items()}
            self._watched[slot] = _Named(named, before.share)
        return True

    def _loaded(self, slot: str, names: Mapping[str, str]) -> dict[str, Predictor]:
        """Return the models of a slot; only those that are new here are loaded."""
        known = self._first | _in_service()
        found: dict[str, Predictor] = {}
        for role, name in names.items():
            # By the file: to read it would leave a worker megabytes of holes.
            model = known.get(name)
            if model is None or self._manifests.get(name) != self._sha256(name):
                model = known[name] = self._new(name)
            elif why := self._verdicts.refused(self._key, name):
                raise ArtifactError(f"{name} is refused: {why}")
            loading.check_role(model.manifest, role, slot, self._root)
            found[role] = model
        return found

    def _new(self, name: str) -> Predictor:
        verdict = self._verdicts.verdict(self._key, self._root / name)
        if not verdict["ok"]:
            raise ArtifactError(f"{name} is refused: {verdict['why']}")
        sha256 = self._sha256(name)
        model = loading.load(self._root / name)
        demographics.current().fit([(name, model.demographics)])
        self._manifests[name] = sha256
        return model

    def _sha256(self, name: str) -> str:
        path = self._root / name / artifacts.MANIFEST
        try:
            return artifacts.sha256_of(path)
        except FileNotFoundError:
            raise ArtifactError(f"{path}: missing; {artifacts.CURE}") from None

    def _watch(self, slot: str) -> None:
        """Go back to the old models if the new champion fares badly, here or elsewhere.

        By serving.json, where that can be written, so that it lasts.
        """
        champion = predictor.current(slot)
        if champion is None:
            return
        name = champion.manifest.id
        why = self._verdicts.refused(self._key, name)
        if why is None:
            why = tally.of(name).trouble(self._limits.milliseconds)
            if why is None:
                return
            metrics.model_rollbacks.labels(slot).inc()
            log.error("model rolled back", slot=slot, model=name, reason=why)
            self._verdicts.refuse(self._key, name, why)
            self._roll_back(slot, name, why)
        before = self._watched.pop(slot)
        self._change(slot, before.roles, before.share)
        self._watched.pop(slot, None)
        self._refuse(slot, f"{name} is refused: {why}")

    def _roll_back(self, slot: str, name: str, why: str) -> None:
        author = Author("guardrail", f"{name}: {why}", datetime.now(UTC))
        try:
            if serving.read(self._root).roles[slot]["champion"] == name:
                changes.rollback(self._root, slot, author)
        except (ValuationError, OSError) as error:
            log.warning("serving.json is not changed", slot=slot, reason=str(error))

    def _refuse(self, what: str, why: str) -> None:
        self._refused[what] = why
        metrics.model_refusals.labels(what).inc()
        log.error("models are not changed", what=what, reason=why)

    def check(self) -> dict[str, Any]:
        """Say what was refused, and what answers which role."""
        state: dict[str, Any] = {"status": checks.OK}
        if self._refused:
            said = [f"{what}: {why}" for what, why in self._refused.items()]
            state = {"status": checks.DEGRADED, "detail": "; ".join(said)}
        return state | {
            slot: {r: model.manifest.id for r, model in found.roles.items()}
            | ({"share": found.share} if found.share else {})
            for slot in SLOTS
            if (found := predictor.installed(slot)).roles
        }


def announce(slot: str, before: Installed, after: Installed) -> None:
    """Tell metrics what a slot has now."""
    for role, model in before.roles.items():
        if after.roles.get(role) is not model:
            found = model.manifest
            metrics.model_info.labels(slot, role, found.name, found.version).set(0)
    for role, model in after.roles.items():
        found = model.manifest
        metrics.model_info.labels(slot, role, found.name, found.version).set(1)


def _in_service() -> dict[str, Predictor]:
    """Return the models in service by their ids."""
    return {
        model.manifest.id: model
        for slot in SLOTS
        for model in predictor.installed(slot).roles.values()
    }


def _give_back() -> None:
    """Return the memory of models that went to the system, where glibc can."""
    gc.collect()
    with suppress(AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def _same(a: Installed, b: Installed) -> bool:
    if a.roles.keys() != b.roles.keys() or a.share != b.share:
        return False
    return all(a.roles[role] is b.roles[role] for role in a.roles)


def _stamp(path: Path) -> Stamp:
    with suppress(OSError):
        found = path.stat()
        return found.st_mtime_ns, found.st_ino, found.st_size
    return None
