"""Small artifacts of names of their own, so that tests can share one server."""

import json
import shutil
from itertools import count
from pathlib import Path

import pytest

from housing_app.config import ROOT
from housing_app.mlflow_registry.push import push
from housing_app.mlflow_registry.server import connected

_number = count(1)


class Artifact:
    """An artifact in a MODEL_DIR, and what of it a registry holds."""

    def __init__(self, root: Path) -> None:
        self.name = f"homes-{next(_number)}x"
        self.root = root
        self.directory = root / f"{self.name}-1"
        shutil.copytree(ROOT / "model" / "knn-minimal-1", self.directory)
        self.change(name=self.name)

    def read(self):
        return json.loads((self.directory / "manifest.json").read_text())

    def change(self, **members):
        """Write other members into its manifest."""
        text = json.dumps(self.read() | members)
        (self.directory / "manifest.json").write_text(text)

    def without_plots(self):
        """Leave out figures that all plots need: drawing them takes a second."""
        metrics = self.read()["metrics"]
        del metrics["out_of_time"]["by_month"]
        self.change(metrics=metrics)
        return self

    def push(self, server, **options):
        told = {"experiment": "tests", "alias": "challenger", "release": "0"}
        return push(server, self.directory, **(told | options))


@pytest.fixture
def artifact(tmp_path):
    return Artifact(tmp_path / "here").without_plots()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """An artifact with all its figures, not to be changed."""
    return Artifact(tmp_path_factory.mktemp("whole"))


@pytest.fixture(scope="module")
def server(mlflow):
    with connected(mlflow.url) as found:
        yield found


@pytest.fixture
def pushed(artifact, server):
    """The version that the artifact is."""
    version, is_new = artifact.push(server)
    assert is_new
    return version


@pytest.fixture
def stored(pushed, mlflow):
    """The folder in the server's artifact store with the files of the version."""
    found = mlflow.files / pushed.source.removeprefix("mlflow-artifacts:/")
    assert (found / "manifest.json").is_file()
    return found


@pytest.fixture
def elsewhere(tmp_path):
    """An empty MODEL_DIR."""
    root = tmp_path / "elsewhere"
    root.mkdir()
    return root
