import json
import time

import pytest
from registry.conftest import CANDIDATE, CHAMPION

from housing_app.registry import trial
from housing_app.registry.trial import Limits
from housing_app.registry.verdicts import Verdicts

WIDE = Limits(1_000, 2_000)


def test_a_good_model_is_timed_and_weighed(root):
    found = trial.run(root / CHAMPION, WIDE)
    assert found["ok"], found
    assert 0 < found["ms"] < 100
    assert found["mb"] > 0


def test_a_slow_model_is_refused(root):
    found = trial.run(root / CHAMPION, WIDE._replace(milliseconds=0.001))
    assert not found["ok"]
    assert "MODEL_MAX_MS" in found["why"]


def test_a_model_that_needs_too_much_memory_is_refused(root):
    found = trial.run(root / "lightgbm-full-2", WIDE._replace(megabytes=1))
    assert not found["ok"], found
    assert "MODEL_MAX_MB" in found["why"]


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("prices.npy", b"not an array", "SHA-256"),
        ("manifest.json", b"{}", "missing"),
        ("manifest.json", b"\xff", "JSON"),
    ],
)
def test_a_damaged_artifact_is_refused(root, file, content, said):
    (root / CANDIDATE / file).write_bytes(content)
    found = trial.run(root / CANDIDATE, WIDE)
    assert not found["ok"]
    assert said in found["why"]


def test_a_model_that_does_not_keep_to_its_golden_rows_is_refused(root):
    path = root / CANDIDATE / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["golden"][0]["expected"][0] *= 1.01
    path.write_text(json.dumps(manifest))
    found = trial.run(root / CANDIDATE, WIDE)
    assert not found["ok"]
    assert "golden row 0" in found["why"]


def test_a_trial_that_takes_too_long_is_ended(root):
    began = time.monotonic()
    found = trial.run(root / CANDIDATE, WIDE, seconds=0.05)
    assert found == {"ok": False, "why": "it was not loaded within 0 s"}
    assert time.monotonic() - began < 5


# --- verdicts -------------------------------------------------------------------------


@pytest.fixture
def verdicts(tmp_path):
    return Verdicts(tmp_path / "trials", WIDE)


def test_a_model_is_tried_once_for_a_serving_json(verdicts, root):
    first = verdicts.verdict("k", root / CANDIDATE)
    assert first["ok"]
    (root / CANDIDATE / "prices.npy").unlink()
    assert verdicts.verdict("k", root / CANDIDATE) == first
    assert not verdicts.verdict("another", root / CANDIDATE)["ok"]


def test_what_one_refuses_all_refuse(verdicts, root, tmp_path):
    assert verdicts.refused("k", CANDIDATE) is None
    verdicts.verdict("k", root / CANDIDATE)
    assert verdicts.refused("k", CANDIDATE) is None
    Verdicts(tmp_path / "trials", WIDE).refuse("k", CANDIDATE, "it failed")
    assert verdicts.refused("k", CANDIDATE) == "it failed"
    assert not verdicts.verdict("k", root / CANDIDATE)["ok"]
    assert verdicts.refused("another", CANDIDATE) is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"ok": 1}', '{"ok": false}'])
def test_a_verdict_that_is_none_is_found_anew(verdicts, root, tmp_path, text):
    verdicts.verdict("k", root / CANDIDATE)
    (path,) = (tmp_path / "trials").glob("*.json")
    path.write_text(text)
    assert verdicts.verdict("k", root / CANDIDATE)["ok"]
    assert json.loads(path.read_text())["ok"]


def test_where_nothing_can_be_written_each_worker_tries(root, tmp_path):
    (tmp_path / "file").write_text("")
    verdicts = Verdicts(tmp_path / "file" / "trials", WIDE)
    assert verdicts.verdict("k", root / CANDIDATE)["ok"]
    verdicts.refuse("k", CANDIDATE, "no")  # and nobody hears of it
    assert verdicts.refused("k", CANDIDATE) is None
