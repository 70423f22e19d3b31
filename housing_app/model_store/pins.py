"""The store's serving.json: which artifact serves what, and each manifest's SHA-256.

It is the one object that changes. It pins the manifests, and they pin every file.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from housing_app.model_store.remote import ModelStoreError, Remote
from housing_app.valuation import serving
from housing_app.valuation.errors import ArtifactError
from housing_app.valuation.serving import SERVING

_MANIFESTS = "manifests"
CURE = "publish the models again with `flask store push`"


class Serving(NamedTuple):
    """Hold what serves, as serving.json has it, and the manifests' SHA-256 by name."""

    text: str
    manifests: dict[str, str]


def sha256(content: bytes) -> str:
    """Return the SHA-256 of some bytes as text."""
    return hashlib.sha256(content).hexdigest()


def read(store: Remote) -> Serving:
    """Read and check the store's serving.json."""
    place = f"{store.url}/{SERVING}"
    try:
        stored = json.loads(store.read(SERVING))
        pinned = stored.pop(_MANIFESTS)
        text = json.dumps(stored, indent=1) + "\n"
        names = named(text)
        manifests = {name: str(pinned[name]) for name in names}
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise ModelStoreError(f"{place}: not as it was written; {CURE}") from None
    except ArtifactError as error:
        raise ModelStoreError(f"{place}: {str(error).partition(': ')[2]}") from None
    return Serving(text, manifests)


def write(store: Remote, text: str, manifests: Mapping[str, str]) -> bool:
    """Write the store's serving.json, if it is another one; say whether it was."""
    content = _joined(text, manifests)
    if store.exists(SERVING) and store.read(SERVING) == content:
        return False
    store.write(SERVING, content)
    return True


def _joined(text: str, manifests: Mapping[str, str]) -> bytes:
    said: dict[str, Any] = json.loads(text)
    pinned = {name: manifests[name] for name in named(text)}
    return (json.dumps(said | {_MANIFESTS: pinned}, indent=1) + "\n").encode()


def named(text: str) -> list[str]:
    """Return the artifacts that a serving.json names, each once."""
    found = serving.parsed(text.encode(), Path(SERVING))
    names = [name for roles in found.roles.values() for name in roles.values()]
    return list(dict.fromkeys(names))
