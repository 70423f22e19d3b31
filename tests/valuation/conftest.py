"""Artifacts to load, to copy and to tamper with."""

import hashlib
import json
import shutil
from pathlib import Path

import pytest
from served import BASELINE, FULL, MINIMAL, MODEL, SHIPPED

from housing_app.valuation import (
    loading,
)
from housing_app.valuation.errors import ArtifactError


@pytest.fixture(scope="session")
def shipped():
    """The shipped models by artifact name."""
    return {name: loading.load(MODEL / name) for name in SHIPPED}


@pytest.fixture(scope="session")
def full(shipped):
    return shipped[FULL]


@pytest.fixture(scope="session")
def minimal(shipped):
    return shipped[MINIMAL]


@pytest.fixture(scope="session")
def baseline(shipped):
    return shipped[BASELINE]


class Copy:
    """A model directory of one's own, free to be spoiled."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def artifact(self, name: str) -> Path:
        return Path(shutil.copytree(MODEL / name, self.root / name))

    def serving(self, content: object) -> None:
        text = content if isinstance(content, str) else json.dumps(content)
        (self.root / "serving.json").write_text(text)

    @staticmethod
    def edit(directory: Path, **changes: object) -> None:
        """Change members of the manifest; ... removes one."""
        path = directory / "manifest.json"
        manifest = json.loads(path.read_text()) | changes
        kept = {key: value for key, value in manifest.items() if value is not ...}
        path.write_text(json.dumps(kept))

    @classmethod
    def replace(cls, directory: Path, name: str, content: bytes) -> None:
        """Replace a file and its hash, as a forger would."""
        (directory / name).write_bytes(content)
        files = json.loads((directory / "manifest.json").read_text())["files"]
        digest = hashlib.sha256(content).hexdigest()
        cls.edit(directory, files=files | {name: digest})


@pytest.fixture
def copy(tmp_path):
    return Copy(tmp_path)


@pytest.fixture
def refusal():
    """Return the text with which a call refuses: one line, always."""

    def text_of(function, *arguments, **options) -> str:
        with pytest.raises(ArtifactError) as caught:
            function(*arguments, **options)
        text = str(caught.value)
        assert len(text.splitlines()) == 1
        return text

    return text_of
