"""Folders of models to change, and who changes them."""

import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from served import MODEL

from housing_app.registry.changes import Author

CHAMPION, CANDIDATE, OTHER = "lightgbm-minimal-2", "knn-minimal-1", "catboost-minimal-1"


class Clock:
    """Make authors, each a second after the last."""

    def __init__(self) -> None:
        self._now = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self, why: str = "because", who: str = "ann") -> Author:
        self._now += timedelta(seconds=1)
        return Author(who, why, self._now)


@pytest.fixture
def author():
    return Clock()


@pytest.fixture
def root(tmp_path):
    """A folder of three small models, one of them serving."""
    folder = tmp_path / "model"
    for name in (CHAMPION, CANDIDATE, OTHER, "lightgbm-full-2"):
        shutil.copytree(MODEL / name, folder / name, copy_function=shutil.copy)
    serving = {
        "full": {"champion": "lightgbm-full-2"},
        "minimal": {"champion": CHAMPION, "fallback": CANDIDATE},
    }
    (folder / "serving.json").write_text(json.dumps(serving))
    return Path(folder)
