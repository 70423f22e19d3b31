"""From the registry into MODEL_DIR: verified first, complete or not at all.

The version's tag pins the manifest, and that pins every file. Nothing is unpickled, and
nothing of MLflow's loads a model.
"""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from housing_app.mlflow_registry import versions
from housing_app.mlflow_registry.server import RegistryError, Server
from housing_app.mlflow_registry.versions import Version, Wanted
from housing_app.valuation import artifacts, loading
from housing_app.valuation.artifacts import MANIFEST, Manifest
from housing_app.valuation.errors import ArtifactError

# The largest shipped model has 13 MB in 7 files, its manifest 80 kB.
MOST_BYTES, MOST_FILES, MOST_MANIFEST = 1_000_000_000, 100, 5_000_000

_CURE = "nothing was taken: delete that version in MLflow and push it again"

Step = Callable[[int, int], Any]  # files that are done, of so many


class Pulled(NamedTuple):
    """Hold a version, its artifact's manifest, and whether it was not here yet."""

    version: Version
    manifest: Manifest
    is_new: bool


def pull(
    server: Server,
    root: Path,
    wanted: Wanted,
    *,
    require_approval: bool = False,
    step: Step = lambda n, of: None,
) -> Pulled:
    """Bring a version's artifact into a folder of artifacts, and say which it is.

    Raises RegistryError, and leaves the folder as it was.
    """
    version = versions.find(server, wanted)
    if require_approval:
        versions.check_approved(server, version)
    target = root / version.artifact
    if target.exists():
        return Pulled(version, _present(target, version), False)
    root.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f".{version.artifact}.", dir=root) as scratch:
        draft = Path(scratch) / version.artifact
        draft.mkdir()
        try:
            _fetch(server, version, draft, step)
            manifest = loading.load(draft).manifest
        except ArtifactError as error:
            text = str(error).replace(f"{scratch}/", "")
            text = text.removesuffix(f"; {artifacts.CURE}")
            raise RegistryError(f"{server.url}: {text}; {_CURE}") from None
        draft.rename(target)
    return Pulled(version, manifest, True)


def _present(target: Path, version: Version) -> Manifest:
    """Return the manifest of an artifact that is here already, if it is that one."""
    path = target / MANIFEST
    if not path.is_file() or artifacts.sha256_of(path) != version.manifest_sha256:
        raise RegistryError(
            f"{target} is another artifact than {version}: move it away first"
        )
    return loading.load(target).manifest


def _fetch(server: Server, version: Version, draft: Path, step: Step) -> None:
    def refused(why: str) -> RegistryError:
        return RegistryError(f"{server.url}: {version}: {why}; {_CURE}")

    path = draft / MANIFEST
    server.download(version.source, MANIFEST, path, MOST_MANIFEST)
    if artifacts.sha256_of(path) != version.manifest_sha256:
        raise refused(f"SHA-256 of {MANIFEST} differs from the tag that its push set")
    manifest = artifacts.read_manifest(draft)
    if manifest.digest != version.digest:
        raise refused(f"its tag manifest_digest is not that of {MANIFEST}")
    if len(manifest.files) > MOST_FILES:
        raise refused(f"has {len(manifest.files):,} files, more than {MOST_FILES}")
    left = MOST_BYTES
    for number, (name, digest) in enumerate(manifest.files.items(), 1):
        left -= server.download(version.source, name, draft / name, left)
        if artifacts.sha256_of(draft / name) != digest:
            raise refused(f"SHA-256 of {name} differs from {MANIFEST}")
        step(number, len(manifest.files))
