import itertools
import json
import multiprocessing

import pytest
from registry.conftest import CANDIDATE, CHAMPION, OTHER, Clock

from housing_app.registry import changes
from housing_app.registry.changes import RegistryError
from housing_app.valuation import serving
from housing_app.valuation.errors import ArtifactError


def roles(root):
    return serving.read(root).roles["minimal"]


def promote(root, name, author):
    return changes.promote(root, name, author(), is_forced=True)


def test_a_promoted_artifact_is_the_champion_and_the_rest_stays(root, author):
    change = promote(root, CANDIDATE, author)
    assert roles(root) == {"champion": CANDIDATE, "fallback": CANDIDATE}
    assert serving.read(root).roles["full"] == {"champion": "lightgbm-full-2"}
    assert (change.action, change.slot, change.who) == ("promote", "minimal", "ann")
    assert change.metrics[CANDIDATE]["mdape"] > change.metrics[CHAMPION]["mdape"] > 0
    assert change.is_forced


def test_the_history_says_who_when_and_why(root, author):
    promote(root, CANDIDATE, author)
    changes.retire(root, shadowed(root, OTHER, author), author("was no good", "bob"))
    found = changes.history(root)
    assert [c.action for c in found] == ["promote", "shadow", "retire"]
    assert found[-1].who == "bob"
    assert found[-1].why == "was no good"
    assert found[-1].before["shadow"] == OTHER
    assert "shadow" not in found[-1].after
    assert found[0].at.startswith("2026-01-01T00:00:01")
    assert changes.history(root, "full") == []


def shadowed(root, name, author):
    changes.shadow(root, name, author())
    return name


def test_without_a_passed_gate_nothing_is_promoted(root, author):
    before = (root / "serving.json").read_bytes()
    with pytest.raises(RegistryError, match=f"{OTHER} is not promoted"):
        changes.promote(root, OTHER, author())
    assert (root / "serving.json").read_bytes() == before
    assert changes.history(root) == []


def test_what_is_forced_needs_a_reason(root, author):
    with pytest.raises(RegistryError, match="--why"):
        changes.promote(root, OTHER, author(" "), is_forced=True)


def test_a_rollback_goes_back_step_by_step(root, author):
    for name in (CANDIDATE, OTHER):
        promote(root, name, author)
    for name in (CANDIDATE, CHAMPION):
        changes.rollback(root, "minimal", author())
        assert roles(root)["champion"] == name
    with pytest.raises(RegistryError, match="no champion of minimal before"):
        changes.rollback(root, "minimal", author())


def test_what_was_rolled_back_is_not_gone_back_to(root, author):
    promote(root, CANDIDATE, author)
    changes.rollback(root, "minimal", author())
    promote(root, OTHER, author)
    changes.rollback(root, "minimal", author())
    assert roles(root)["champion"] == CHAMPION


def test_after_a_change_by_hand_the_last_recorded_champion_is_gone_back_to(
    root, author
):
    promote(root, CANDIDATE, author)
    stored = json.loads((root / "serving.json").read_text())
    stored["minimal"]["champion"] = OTHER
    (root / "serving.json").write_text(json.dumps(stored))
    changes.rollback(root, "minimal", author())
    assert roles(root)["champion"] == CANDIDATE


def test_a_recorded_change_that_was_not_made_is_no_history(root, author):
    promote(root, CANDIDATE, author)
    kept = (root / "serving.json").read_bytes()
    promote(root, OTHER, author)
    (root / "serving.json").write_bytes(kept)  # as if the program ended before
    assert len(changes.history(root)) == 1
    changes.rollback(root, "minimal", author())
    assert roles(root)["champion"] == CHAMPION


def test_a_challenger_has_a_share_and_loses_it_when_promoted(root, author):
    changes.challenge(root, OTHER, 0.1, author())
    assert serving.read(root).shares == {"minimal": 0.1}
    changes.challenge(root, OTHER, 0.5, author())
    assert serving.read(root).shares == {"minimal": 0.5}
    promote(root, OTHER, author)
    assert roles(root) == {"champion": OTHER, "fallback": CANDIDATE}
    assert serving.read(root).shares == {}


@pytest.mark.parametrize("share", [0, 1, 1.5])
def test_a_share_of_none_or_all_is_refused(root, author, share):
    with pytest.raises(ArtifactError, match="share"):
        changes.challenge(root, OTHER, share, author())
    assert changes.history(root) == []


def test_a_retired_challenger_leaves_no_share_behind(root, author):
    changes.challenge(root, OTHER, 0.1, author())
    changes.retire(root, OTHER, author())
    assert roles(root) == {"champion": CHAMPION, "fallback": CANDIDATE}
    with pytest.raises(RegistryError, match="neither"):
        changes.retire(root, OTHER, author())


@pytest.mark.parametrize("make", [changes.shadow, changes.challenge])
def test_the_champion_does_not_challenge_itself(root, author, make):
    extra = () if make is changes.shadow else (0.1,)
    with pytest.raises(RegistryError, match="is the champion"):
        make(root, CHAMPION, *extra, author())


@pytest.mark.parametrize("name", ["../x-1", "nothing", "", "a/b-1"])
def test_only_names_of_artifacts_are_looked_for(root, author, name):
    with pytest.raises(RegistryError, match="not an artifact"):
        promote(root, name, author)


def test_a_damaged_artifact_is_not_promoted(root, author):
    path = root / CANDIDATE / "prices.npy"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(ArtifactError, match=r"prices\.npy"):
        promote(root, CANDIDATE, author)


def test_a_damaged_champion_can_be_left(root, author):
    (root / CHAMPION / "manifest.json").write_text("{")
    promote(root, CANDIDATE, author)
    assert roles(root)["champion"] == CANDIDATE


def _many(root, number, start):
    author = Clock()
    start.wait()
    for _ in range(5):
        for change in (
            lambda: changes.shadow(root, OTHER, author(who=f"w{number}")),
            lambda: changes.retire(root, OTHER, author(who=f"w{number}")),
        ):
            try:
                change()
            except RegistryError:
                continue  # another one was first


def test_changes_at_the_same_time_come_one_after_the_other(root):
    context = multiprocessing.get_context("fork")
    start = context.Event()
    workers = [context.Process(target=_many, args=(root, n, start)) for n in range(3)]
    for worker in workers:
        worker.start()
    start.set()
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    lines = (root / "history.jsonl").read_text().splitlines()
    found = [json.loads(line) for line in lines]
    assert len(found) >= 10
    for one, two in itertools.pairwise(found):
        assert one["after"] == two["before"], "a change was lost"
    assert serving.read(root).roles["minimal"] == found[-1]["after"]


def test_a_line_that_is_no_change_is_named(root, author):
    promote(root, CANDIDATE, author)
    with (root / "history.jsonl").open("a") as file:
        file.write("{}\n")
    with pytest.raises(RegistryError, match=r"history\.jsonl:2"):
        changes.history(root)
