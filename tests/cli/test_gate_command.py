"""`flask model gate`."""

import json
import shutil

import pytest

from housing_app.registry import gates
from housing_app.valuation import artifacts, serving

FULL, MINIMAL, BASELINE = "lightgbm-full-1", "lightgbm-minimal-1", "knn-minimal-1"


@pytest.fixture
def root(tmp_path, trained):
    """A copy of the trained models."""
    return shutil.copytree(trained[0], tmp_path / "models")


@pytest.fixture
def models(run_with, root):
    return run_with(MODEL_DIR=root)


def manifests(root, *names):
    return [artifacts.read_manifest(root / name) for name in names]


def test_a_worse_model_fails_on_the_figures_in_the_manifests(models, root, tmp_path):
    path = tmp_path / "gate.json"
    result = models("model", "gate", BASELINE, "--json", path)
    assert result.exit_code == 2, result.output
    assert "the figures in both manifests" in result.stdout
    assert f"{BASELINE} FAILED the gate against {MINIMAL}." in result.stdout
    record = json.loads(path.read_text())
    assert record == gates.read(root, BASELINE)
    assert not record["passed"]
    why = gates.why_not(root, *manifests(root, BASELINE, MINIMAL))
    assert "failed its gate" in why


def test_a_model_is_held_beside_the_champion_on_later_sales(models, root, newer_csv):
    shutil.copytree(root / FULL, root / "twin-1")
    path = root / "twin-1" / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"name": "twin"}))
    text = models.ok("model", "gate", "twin-1", "--sales", newer_csv)
    assert "300 sales, 2015-04-01 to 2015-05-30." in text
    assert "both as they are" in text
    assert f"twin-1 passed the gate against {FULL}." in text
    assert "NO" not in text
    assert gates.why_not(root, *manifests(root, "twin-1", FULL)) is None
    # What serves is as it was, and a gate is no model.
    assert serving.read(root).roles["full"]["champion"] == FULL
    assert "gates" not in models.ok("model", "list")


def test_a_model_that_was_tampered_with_fails(models, root):
    path = root / BASELINE / "prices.npy"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    result = models("model", "gate", BASELINE)
    assert result.exit_code == 2
    assert "SHA-256 differs" in result.stdout
    found = gates.read(root, BASELINE)
    assert [row["gate"] for row in found["rows"] if row["passed"] is False] == [
        "faults"
    ]


def test_another_model_than_the_champion_can_be_named(models, root):
    result = models("model", "gate", MINIMAL, "--against", BASELINE)
    assert f"the gate against {BASELINE}." in result.stdout
    assert gates.read(root, MINIMAL)["champion"]["id"] == BASELINE


def test_manifests_of_other_sales_ask_for_sales(models, root):
    path = root / BASELINE / "manifest.json"
    stored = json.loads(path.read_text())
    stored["training"]["sha256"] = "0" * 64
    path.write_text(json.dumps(stored))
    assert "Give --sales a file with 100" in models.refuses("model", "gate", BASELINE)
    assert not (root / "gates").exists()


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ((FULL,), f"{FULL} is the champion"),
        ((BASELINE, "--slot", "full"), f"{BASELINE} is of slot minimal"),
        ((BASELINE, "--against", FULL), f"{FULL} is not of slot minimal"),
        (("../x",), "not a path"),
    ],
)
def test_a_wrong_call_is_refused(models, arguments, named):
    assert named in models.fails("model", "gate", *arguments, code=2)[-1]


def test_an_unknown_model_is_named(models):
    assert "nothing-1" in models.refuses("model", "gate", "nothing-1")
