"""What operators do with a store: publish models into it, look at it, verify it."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from housing_app.model_store import pins
from housing_app.model_store.remote import Missing, ModelStoreError, Remote
from housing_app.valuation import artifacts, serving
from housing_app.valuation.artifacts import MANIFEST, Manifest
from housing_app.valuation.errors import ArtifactError
from housing_app.valuation.serving import SERVING

Step = Callable[[str], Any]  # an object's name, once it is done


class Held(NamedTuple):
    """Describe an artifact of a store."""

    name: str
    slot: str
    kind: str
    files: int
    bytes: int
    roles: list[str]


def push(store: Remote, root: Path, name: str, step: Step = lambda name: None) -> bool:
    """Publish an artifact, its manifest last; say whether it was not there yet.

    Raises ModelStoreError over another artifact of this name: none is ever changed.
    """
    manifest = artifacts.read_manifest(root / name)
    artifacts.verify_files(root / name, manifest)
    content = (root / name / MANIFEST).read_bytes()
    if _has(store, name, content):
        return False
    for file in manifest.files:
        store.upload(root / name / file, f"{name}/{file}")
        step(f"{name}/{file}")
    try:
        store.write(f"{name}/{MANIFEST}", content, new=True)
    except FileExistsError:  # another push was quicker
        return not _has(store, name, content)
    return True


def _has(store: Remote, name: str, manifest: bytes) -> bool:
    try:
        found = store.read(f"{name}/{MANIFEST}")
    except Missing:
        return False
    if found != manifest:
        raise ModelStoreError(
            f"{store.url}/{name} is another artifact of the same name: give yours "
            "another version"
        )
    return True


def served(root: Path) -> list[str]:
    """Return the artifacts that a folder's serving.json names."""
    roles = serving.read(root).roles.values()
    return list(dict.fromkeys(name for one in roles for name in one.values()))


def serve(store: Remote, root: Path) -> bool:
    """Publish serving.json, whose artifacts are there; say whether it is another."""
    text = (root / SERVING).read_text("utf-8")
    pinned = {
        name: artifacts.sha256_of(root / name / MANIFEST) for name in pins.named(text)
    }
    return pins.write(store, text, pinned)


def held(store: Remote) -> list[Held]:
    """Return the artifacts of a store, by name."""
    try:
        roles = _roles(pins.read(store).text)
    except ModelStoreError:
        roles = {}
    sizes = store.sizes()
    found = []
    for name in _names(sizes):
        own = [size for path, size in sizes.items() if path.startswith(f"{name}/")]
        try:
            manifest = _manifest(store, name)
            kinds = manifest.slot, manifest.kind
        except ModelStoreError:
            kinds = "?", "?"
        found.append(Held(name, *kinds, len(own), sum(own), roles.get(name, [])))
    return found


def pin(store: Remote, name: str) -> str:
    """Return the SHA-256 of an artifact's manifest."""
    return pins.sha256(store.read(f"{name}/{MANIFEST}"))


def check(store: Remote, step: Step = lambda name: None) -> tuple[int, list[str]]:
    """Read everything in a store; return the count of objects and what is wrong."""
    sizes = store.sizes()
    faults, expected = [], {SERVING}
    for name in _names(sizes):
        expected.add(f"{name}/{MANIFEST}")
        try:
            manifest = _manifest(store, name)
        except ModelStoreError as error:
            faults.append(str(error))
            expected |= {path for path in sizes if path.startswith(f"{name}/")}
            continue
        expected |= {f"{name}/{file}" for file in manifest.files}
        faults += _differing(store, manifest, step)
    faults += _unpinned(store)
    faults += [
        f"{store.url}/{path}: in no manifest"
        for path in sorted(sizes.keys() - expected)
    ]
    return len(sizes), faults


def _differing(store: Remote, manifest: Manifest, step: Step) -> Iterable[str]:
    with TemporaryDirectory() as folder:
        for file, digest in manifest.files.items():
            path, name = Path(folder) / file, f"{manifest.id}/{file}"
            try:
                store.download(name, path)
            except Missing as error:
                yield str(error)
                continue
            if artifacts.sha256_of(path) != digest:
                yield f"{store.url}/{name}: SHA-256 differs from the manifest"
            path.unlink()
            step(name)


def _unpinned(store: Remote) -> Iterable[str]:
    """Say what is wrong with serving.json and what it pins."""
    try:
        for name, pinned in pins.read(store).manifests.items():
            if pin(store, name) != pinned:
                yield f"{store.url}/{name}/{MANIFEST}: SHA-256 differs from {SERVING}"
    except ModelStoreError as error:
        yield str(error)


def _names(paths: Iterable[str]) -> list[str]:
    ending = f"/{MANIFEST}"
    return sorted(p.removesuffix(ending) for p in paths if p.endswith(ending))


def _manifest(store: Remote, name: str) -> Manifest:
    with TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.mkdir(parents=True)
        (path / MANIFEST).write_bytes(store.read(f"{name}/{MANIFEST}"))
        try:
            return artifacts.read_manifest(path)
        except ArtifactError as error:
            text = str(error).replace(folder, store.url)
            raise ModelStoreError(text.removesuffix(f"; {artifacts.CURE}")) from None


def _roles(text: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for slot, roles in json.loads(text).items():
        for role, name in roles.items():
            found.setdefault(name, []).append(f"{slot} {role}")
    return found
