"""`flask model push`, `approve` and `pull`: what an operator sees."""

import subprocess
import sys

import pytest

from housing_app.config import ROOT

NAME = "lightgbm-minimal"


@pytest.fixture
def other(run_with, mlflow, tmp_path):
    """Run commands on another machine, whose MODEL_DIR is not there yet."""
    return run_with(MODEL_DIR=tmp_path / "other", MLFLOW_TRACKING_URI=mlflow.url)


@pytest.fixture
def here(run_with, mlflow, trained):
    """Run commands where the models were trained."""
    return run_with(MODEL_DIR=trained[0], MLFLOW_TRACKING_URI=mlflow.url)


def test_from_training_to_another_machine(here, other, mlflow, trained, tmp_path):
    """Train, push, approve, make it champion, pull, show: the whole way once."""
    told = f"{mlflow.url}: {NAME}-1 (version 1 of {NAME} in MLflow)"
    lines = here.ok("model", "push", f"{NAME}-1").splitlines()
    assert lines[0] == f"{told}: registered, challenger"
    assert lines[1].startswith("SHA-256 of its manifest: ")
    assert "there already" in here.ok("model", "push", f"{NAME}-1")

    champion = ("model", "push", f"{NAME}-1", "--alias", "champion")
    assert f"flask model approve {NAME} 1" in here.refuses(*champion)
    assert f"there is no {NAME}@champion" in other.refuses("model", "pull", NAME)
    why = ("--who", "Ann", "--why", "better on later sales")
    said = here.ok("model", "approve", NAME, 1, *why)
    assert f"approved by Ann\nTo make it champion: flask {' '.join(champion)}" in said
    assert "there already, champion" in here.ok(*champion)

    lines = other.ok("model", "pull", NAME, "--require-approval").splitlines()
    target = tmp_path / "other" / f"{NAME}-1"
    assert lines[0] == f"{told}: fetched, {target}"
    assert lines[1].startswith("verified: ")
    assert lines[2] == "approved by Ann: better on later sales"
    source = trained[0] / f"{NAME}-1"
    assert {p.name: p.read_bytes() for p in target.iterdir()} == {
        p.name: p.read_bytes() for p in source.iterdir()
    }
    assert "verified: 1 files, 21 golden rows" in other.ok("model", "show", f"{NAME}-1")
    assert "here already" in other.ok("model", "pull", f"{NAME}:1")


def test_bytes_that_were_changed_are_refused(here, other, mlflow, trained, tmp_path):
    here.ok("model", "push", "knn-minimal-1")
    source = (trained[0] / "knn-minimal-1" / "points.npy").read_bytes()
    found = mlflow.files.glob("*/*/artifacts/model/points.npy")
    (path,) = (path for path in found if path.read_bytes() == source)
    before = path.read_bytes()
    path.write_bytes(before[:-1] + bytes([before[-1] ^ 1]))
    line = other.refuses("model", "pull", "knn-minimal@challenger")
    assert "SHA-256 of points.npy differs" in line
    assert [*(tmp_path / "other").iterdir()] == []
    path.write_bytes(before)
    assert "fetched" in other.ok("model", "pull", "knn-minimal@challenger")


@pytest.mark.parametrize(
    "words",
    [
        ("push", "knn-minimal-1"),
        ("pull", "knn-minimal"),
        ("approve", "knn-minimal", "1", "--who", "a", "--why", "b"),
    ],
    ids=lambda words: words[0],
)
class TestEachCommand:
    def test_needs_a_registry(self, run, words):
        assert "MLFLOW_TRACKING_URI" in run.refuses("model", *words)

    def test_takes_one_from_its_option(self, run_with, words):
        run = run_with(MLFLOW_TRACKING_URI="http://127.0.0.1:2")
        url = "http://ann:hush@127.0.0.1:1"  # pragma: allowlist secret
        line = run.refuses("model", *words, "--registry", url)
        assert "http://127.0.0.1:1: no MLflow server" in line
        assert "hush" not in line


@pytest.mark.parametrize(
    "words",
    [
        ("push", "../knn-minimal-1"),
        ("push", "knn-minimal-1", "--alias", "king"),
        ("approve", "knn-minimal", "0", "--who", "a", "--why", "b"),
        ("approve", "knn-minimal", "1", "--who", " ", "--why", "b"),
        ("approve", "knn-minimal", "1", "--who", "a"),
    ],
)
def test_a_wrong_call_says_how_to_call(run, words):
    assert any("Error" in line for line in run.fails("model", *words, code=2))


def test_what_is_not_here_is_named(here, other):
    assert "nothing-1" in here.refuses("model", "push", "nothing-1")
    assert "not NAME" in other.refuses("model", "pull", "a/b")


def test_a_folder_that_cannot_be_written_is_named(run_with, mlflow, here, tmp_path):
    here.ok("model", "push", "lightgbm-full-1")
    (tmp_path / "file").write_text("")
    run = run_with(MODEL_DIR=tmp_path / "file", MLFLOW_TRACKING_URI=mlflow.url)
    line = run.refuses("model", "pull", "lightgbm-full@challenger")
    assert str(tmp_path / "file") in line


def test_the_password_is_masked_where_settings_are_shown(run_with):
    run = run_with(MLFLOW_TRACKING_URI="http://ann:hush@host")
    assert "hush" not in run.ok("config")


def test_other_commands_do_not_wait_for_mlflow():
    code = (
        "import sys, housing_app; app = housing_app.create_app()\n"
        "app.test_cli_runner().invoke(args=['model', 'list'])\n"
        "sys.exit('mlflow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False)
    assert done.returncode == 0
