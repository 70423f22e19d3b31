"""What prices depend on, beside the homes: to be the same on every machine."""

import hashlib
import platform
from collections.abc import Mapping
from functools import cache
from importlib import metadata
from pathlib import Path

from housing_app.batch.partition import Task, models

_CODE = Path(__file__).parents[1]
_PACKAGES = ("lightgbm", "numpy", "scipy")


def here(task: Task, *, with_parquet: bool) -> dict[str, str]:
    """Return {what: version} of this process and of the models it has for a task."""
    model, table = models(task)
    packages = [*_PACKAGES, *(["pyarrow"] if with_parquet else [])]
    return {
        "the release": f"code {_digest_of_code()[:12]}",
        "the model": f"{model.manifest.id} ({model.manifest.digest[:12]})",
        "the demographics": f"{task.demographics} ({table.digest[:12]})",
        "Python": ".".join(platform.python_version_tuple()[:2]),
    } | {name: _version(name) for name in packages}


def differing(wanted: Mapping[str, str], found: Mapping[str, str]) -> str:
    """Say what is another version, '' if nothing."""
    return ", ".join(
        f"{name} is {found.get(name, 'missing')}, not {version}"
        for name, version in wanted.items()
        if found.get(name) != version
    )


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "missing"


@cache
def _digest_of_code() -> str:
    """Return the SHA-256 of this package's modules: a release may have been changed."""
    found = hashlib.sha256()
    for path in sorted(_CODE.rglob("*.py")):
        found.update(f"{path.relative_to(_CODE)}\0".encode() + path.read_bytes())
    return found.hexdigest()
