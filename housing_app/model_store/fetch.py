"""From the store to this machine: what serves, complete or not at all.

An artifact that is here already, as the store pins it, is not fetched. Others come file
by file: from Redis by SHA-256, or else from the store; each is checked before use.
"""

import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import Any

from housing_app import files
from housing_app.model_store import pins
from housing_app.model_store.byte_cache import MOST_BYTES, ByteCache
from housing_app.model_store.pins import CURE
from housing_app.model_store.remote import Missing, ModelStoreError, Remote
from housing_app.valuation import artifacts
from housing_app.valuation.artifacts import MANIFEST, Manifest
from housing_app.valuation.errors import ArtifactError
from housing_app.valuation.serving import SERVING

_AT_ONCE = 8
_DRAFT = ".fetch-"

Step = Callable[[int, int], Any]  # files that are done, of so many


@dataclass
class Report:
    """Count the objects by where they were found."""

    local: int = 0
    cache: int = 0
    store: int = 0
    poisoned: int = 0
    cache_failure: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return it for another process."""
        return asdict(self)


class Fetch:
    """Fetch objects by SHA-256, and count."""

    def __init__(self, store: Remote, cache: ByteCache | None) -> None:
        self.report = Report()
        self._store = store
        self._cache = cache
        self._lock = Lock()

    def count(self, source: str, objects: int = 1) -> None:
        """Count objects that were found somewhere."""
        with self._lock:
            setattr(self.report, source, getattr(self.report, source) + objects)

    def into(self, target: Path, name: str, digest: str) -> None:
        """Write the object with a SHA-256 to a file."""
        if self._cache and (content := self._cache.get(digest)) is not None:
            target.write_bytes(content)
            self.count("cache")
            return
        try:
            self._store.download(name, target)
        except Missing as error:
            raise ModelStoreError(f"{error}; {CURE}") from None
        if artifacts.sha256_of(target) != digest:
            raise ModelStoreError(
                f"{self._store.url}/{name}: SHA-256 differs from what was published; "
                f"{CURE} from a machine that has it whole"
            )
        self.count("store")
        if self._cache and target.stat().st_size <= MOST_BYTES:
            self._cache.put(digest, target.read_bytes())


def fetch(
    store: Remote, cache: ByteCache | None, root: Path, step: Step = lambda n, of: None
) -> Report:
    """Bring what the store serves to a folder; return where it was found.

    Raises ModelStoreError, and leaves the folder as it was.
    """
    root.mkdir(parents=True, exist_ok=True)
    job = Fetch(store, cache)
    with _alone(root), TemporaryDirectory(prefix=_DRAFT, dir=root) as scratch:
        draft = Path(scratch)
        serving = pins.read(store)
        job.count("store")
        (draft / SERVING).write_text(serving.text, "utf-8")
        wanted = [
            name
            for name, pin in serving.manifests.items()
            if not is_here(root, name, pin)
        ]
        for name in serving.manifests.keys() - set(wanted):
            job.count("local", 1 + len(artifacts.read_manifest(root / name).files))
        _artifacts(job, draft, {n: serving.manifests[n] for n in wanted}, step)
        for name in wanted:
            _place(draft / name, root / name, draft / f"{name}.old")
        (draft / SERVING).replace(root / SERVING)
    if cache:
        job.report.poisoned, job.report.cache_failure = cache.poisoned, cache.failure
    return job.report


def is_here(root: Path, name: str, pin: str) -> bool:
    """Say whether a folder holds an artifact with the manifest that is pinned."""
    try:
        if artifacts.sha256_of(root / name / MANIFEST) != pin:
            return False
        artifacts.verify_files(root / name, artifacts.read_manifest(root / name))
    except (OSError, ArtifactError):
        return False
    return True


def _artifacts(job: Fetch, draft: Path, wanted: dict[str, str], step: Step) -> None:
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        read = pool.map(lambda item: _manifest(job, draft, *item), wanted.items())
        files = [
            (manifest.id, name, digest)
            for manifest in list(read)
            for name, digest in manifest.files.items()
        ]

        def one(artifact: str, name: str, digest: str) -> None:
            job.into(draft / artifact / name, f"{artifact}/{name}", digest)

        done = [pool.submit(one, *file) for file in files]
        try:
            for number, future in enumerate(done, 1):
                future.result()
                step(number, len(done))
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _manifest(job: Fetch, draft: Path, name: str, pin: str) -> Manifest:
    (draft / name).mkdir()
    job.into(draft / name / MANIFEST, f"{name}/{MANIFEST}", pin)
    try:
        return artifacts.read_manifest(draft / name)
    except ArtifactError as error:
        text = str(error).replace(f"{draft}/", "").removesuffix(f"; {artifacts.CURE}")
        raise ModelStoreError(f"{text}; {CURE}") from None


def _place(draft: Path, target: Path, old: Path) -> None:
    if target.exists():  # broken, or something else under this name
        target.rename(old)
    draft.rename(target)


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    """Let one process at a time change a folder, and clear what dead ones left."""
    with files.alone(root):
        for left in root.glob(_DRAFT + "*"):
            shutil.rmtree(left, ignore_errors=True)
        yield
