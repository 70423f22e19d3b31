"""The follower of serving.json, in this process; real workers: system/test_swaps.py."""

import json

import pytest
from served import BASELINE, FULL, MINIMAL, copied

from housing_app import config, traffic
from housing_app.registry import changes
from housing_app.traffic import tally
from housing_app.traffic.swap import Follower
from housing_app.valuation import predictor

OTHER = "lightgbm-full-2"


@pytest.fixture
def root(tmp_path):
    return copied(tmp_path / "model", OTHER)


@pytest.fixture
def settings(root, tmp_path):
    return config.load({}) | {"MODEL_DIR": root, "INSTANCE_DIR": tmp_path / "instance"}


@pytest.fixture
def follower(slots, settings):
    made = Follower(settings)
    made.tick()
    return made


def full(root, **roles):
    """Write serving.json by hand, as others may."""
    stored = json.loads((root / "serving.json").read_text())
    stored["full"] = {"fallback": BASELINE} | roles
    (root / "serving.json").write_text(json.dumps(stored))


def now(slot="full", role="champion"):
    return predictor.current(slot, role).manifest.id


def test_what_serving_json_names_serves_after_a_look(follower, root, slots):
    assert now() == FULL
    full(root, champion=OTHER)
    follower.tick()
    assert now() == OTHER
    assert follower.check()["status"] == "ok"
    assert follower.check()["full"] == {"champion": OTHER, "fallback": BASELINE}
    assert predictor.current("full", "fallback") is slots["full"]["fallback"], "reused"
    assert predictor.current("minimal") is slots["minimal"]["champion"], "untouched"


def test_the_models_of_the_start_are_not_loaded_again(follower, root, slots):
    for name in (OTHER, FULL):
        full(root, champion=name)
        follower.tick()
    assert predictor.current("full") is slots["full"]["champion"]


def test_challenger_share_and_shadow_come_and_go(follower, root):
    full(root, champion=FULL, challenger=OTHER, share=0.2, shadow=OTHER)
    follower.tick()
    roles, share = predictor.installed("full")
    assert share == 0.2
    assert roles["challenger"] is roles["shadow"]
    assert follower.check()["full"]["share"] == 0.2
    full(root, champion=FULL)
    follower.tick()
    assert predictor.installed("full").share == 0
    assert predictor.current("full", "shadow") is None


def test_a_slot_changes_whole_or_not_at_all(follower, root):
    (root / OTHER / "price.txt").write_text("nothing")
    full(root, champion=FULL, shadow=OTHER)
    follower.tick()
    assert predictor.installed("full").roles.keys() == {"champion", "fallback"}
    found = follower.check()
    assert found["status"] == "degraded"
    assert OTHER in found["detail"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"full": {}}', "null"])
def test_a_serving_json_that_is_none_changes_nothing(follower, root, text):
    kept = (root / "serving.json").read_text()
    (root / "serving.json").write_text(text)
    follower.tick()
    assert now() == FULL
    assert "serving.json" in follower.check()["detail"]
    (root / "serving.json").write_text(kept)
    follower.tick()
    assert follower.check()["status"] == "ok"


def test_a_missing_serving_json_changes_nothing(follower, root):
    (root / "serving.json").unlink()
    follower.tick()
    assert now() == FULL
    assert follower.check()["status"] == "degraded"


def test_a_model_of_another_slot_is_refused(follower, root):
    full(root, champion=MINIMAL)
    follower.tick()
    assert now() == FULL
    assert "cannot be champion" in follower.check()["detail"]


def test_what_is_repaired_is_taken_at_the_next_change(follower, root):
    path = root / OTHER / "price.txt"
    kept = path.read_bytes()
    path.write_bytes(b"nothing")
    full(root, champion=OTHER)
    follower.tick()
    assert now() == FULL
    path.write_bytes(kept)
    full(root, champion=OTHER, shadow=FULL)
    follower.tick()
    assert now() == OTHER


# --- guardrails -----------------------------------------------------------------------


def troubled(name):
    for _ in range(10):
        tally.of(name).failed()


def test_a_champion_that_fails_is_rolled_back_for_all(follower, root, settings, author):
    changes.promote(root, OTHER, author(), is_forced=True)
    other = Follower(settings)  # of another worker
    follower.tick()
    assert now() == OTHER
    troubled(OTHER)
    follower.tick()
    assert now() == FULL
    assert "failed on 10 of 10" in follower.check()["detail"]
    last = changes.history(root)[-1]
    assert (last.action, last.who) == ("rollback", "guardrail")
    other.tick()
    follower.tick()
    assert now() == FULL
    assert follower.check()["status"] == "ok", "serving.json says so now"


def test_where_serving_json_was_changed_by_hand_the_workers_go_back_alone(
    follower, root, settings
):
    full(root, champion=OTHER)
    follower.tick()
    troubled(OTHER)
    follower.tick()
    assert now() == FULL
    assert json.loads((root / "serving.json").read_text())["full"]["champion"] == OTHER
    late = Follower(settings)  # a worker that starts now
    late.tick()
    assert now() == FULL
    assert "refused" in late.check()["detail"]


def test_a_worker_follows_the_verdict_of_another(follower, root, settings):
    full(root, champion=OTHER)
    follower.tick()
    assert now() == OTHER
    verdicts = follower._verdicts
    verdicts.refuse(follower._key, OTHER, "it failed elsewhere")
    follower.tick()
    assert now() == FULL
    assert "elsewhere" in follower.check()["detail"]


def test_a_slow_champion_is_rolled_back(follower, root, author):
    changes.promote(root, OTHER, author(), is_forced=True)
    follower.tick()
    for _ in range(60):
        tally.of(OTHER).answered(1, 0.1)
    follower.tick()
    assert now() == FULL
    assert "100 ms" in follower.check()["detail"]


def test_a_champion_is_not_left_for_one_that_was_left(follower, root, author):
    changes.promote(root, OTHER, author(), is_forced=True)
    follower.tick()
    changes.rollback(root, "full", author())
    follower.tick()
    troubled(FULL)
    follower.tick()
    assert now() == FULL


def test_few_errors_of_many_are_borne():
    found = tally.Tally()
    for _ in range(1_000):
        found.answered(1, 0.001)
    for _ in range(6):
        found.failed()
    assert found.trouble(25) is None
    for _ in range(20):
        found.failed()
    assert "failed on 26 of 1026" in found.trouble(25)


def test_batches_do_not_count_as_slow_homes():
    found = tally.Tally()
    for _ in range(100):
        found.answered(1_000, 1.0)
    assert found.trouble(25) is None


def test_a_start_loads_challengers_and_shadows_too(slots, settings, root):
    full(root, champion=FULL, challenger=OTHER, share=0.2, shadow=OTHER)
    traffic.install(settings)
    assert now(role="challenger") == OTHER
    assert predictor.installed("full").share == 0.2
