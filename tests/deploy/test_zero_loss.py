"""No request is lost while what answers it is replaced: nginx, two pools, load."""

import os
import signal
import time

import pytest
import releases
from load import Load
from rollout_scripts import processes, rollout, watch
from served import FULL
from two_pools import HOME, OTHER, REQUESTS

from housing_app.config import ROOT


@pytest.fixture
def loaded(two_pools):
    """Put what there is to work; a context manager."""

    def begin(*, rate=300.0, keep=True):
        return Load(two_pools.port, HOME, rate=rate, threads=8, keep=keep)

    return begin


@pytest.fixture
def busy(two_pools, tmp_path):
    """Give the traffic to green, whose workers nearly always have a request."""
    two_pools.place.deploy("green", str(releases.slow(tmp_path / "slow", 0, 0.008)))
    two_pools.place.shift({"green": 100})
    return {"rate": 170.0}


def assert_nothing_lost(two_pools, load, failed=0, besides=0):
    """See that every request was answered and recorded, and none processed twice."""
    # `pytest -rP` shows it: the table in docs/releases.md.
    print(
        f"{load.count} requests, {sum(load.errors().values())} failed, "
        f"{load.retries} sent again, slowest {max(load.seconds):.2f} s"
    )
    assert load.count >= REQUESTS
    assert sum(load.errors().values()) <= failed, load.errors()
    assert load.unrecorded == []
    assert len(load.ids) == len(set(load.ids)) == load.statuses[200]
    recorded = two_pools.recorded_since()
    assert set(load.ids) <= recorded
    # A request that was broken off may be recorded, one that was answered is so once.
    assert besides <= len(recorded) - len(load.ids) <= besides + failed


def finish(load):
    load.wait_for(max(100, REQUESTS - load.count))


def test_a_rolling_restart_of_two_pools(two_pools, loaded):
    even = two_pools.share()
    before = {colour: two_pools.master(colour) for colour in even}
    with loaded() as load:
        load.wait_for(300)
        two_pools.place.restart()
        finish(load)
    assert_nothing_lost(two_pools, load)
    assert all(two_pools.master(colour) != before[colour] for colour in even)
    assert two_pools.place.weights() == even


def test_reloads_of_nginx(two_pools, loaded):
    even = two_pools.share()
    with loaded() as load:
        for _ in range(10):
            load.wait_for(100)
            two_pools.place.shift(even)
        finish(load)
    assert_nothing_lost(two_pools, load)


def test_an_upgrade_by_usr2_that_term_finishes(two_pools, loaded, busy):
    before = two_pools.master("green")
    with loaded(**busy) as load:
        load.wait_for(300)
        two_pools.place.upgrade("green")
        assert two_pools.master("green") != before
        assert not processes.is_alive(before)
        finish(load)
    assert_nothing_lost(two_pools, load)


def test_workers_that_end_after_so_many_requests(two_pools, loaded):
    place = two_pools.with_settings(GUNICORN_CMD_ARGS="--max-requests 250")
    place.deploy("green", str(ROOT))
    place.shift({"green": 100})
    with loaded() as load:
        finish(load)
    assert_nothing_lost(two_pools, load)
    output = (two_pools.folder / "green" / "output").read_text()
    assert output.count("Autorestarting worker") >= REQUESTS / 250 - 2


def test_a_model_is_promoted(two_pools, loaded, flask):
    settings = {"MODEL_DIR": str(two_pools.models)}
    with loaded() as load:
        load.wait_for(300)
        command = ("model", "promote", OTHER, "--force", "--why", "a try")
        done = flask(*command, **settings)
        assert done.returncode == 0, done.stderr
        load.wait_for(1_000)
        done = flask("model", "rollback", "--why", "it was one", **settings)
        assert done.returncode == 0, done.stderr
        load.wait_for(1_000)
    assert_nothing_lost(two_pools, load)
    names = [name for *_, name in sorted(load.models, key=lambda one: one[1])]
    assert {names[0], names[-1]} == {FULL}
    assert OTHER in names


def test_a_switch_to_a_release_and_back(two_pools, loaded):
    with loaded() as load:
        limits = watch.Limits(seconds=3.0)
        found = rollout.release(two_pools.place, str(ROOT), ROOT / "model", limits)
        assert found == rollout.DONE
        assert two_pools.place.weights() == {"blue": 0, "green": 100}
        assert rollout.back(two_pools.place, None) == rollout.DONE
        assert two_pools.place.weights() == {"blue": 100, "green": 0}
        finish(load)
    assert_nothing_lost(two_pools, load, besides=two_pools.golden)


def test_killed_workers_cost_what_they_had_in_hand(two_pools, loaded, busy):
    """A sync worker has one request; the master starts another worker at once."""
    master, kills, seconds = two_pools.master("green"), 5, []
    count = len(processes.children(master))
    with loaded(**busy, keep=False) as load:
        for _ in range(kills):
            load.wait_for(200)
            victim = processes.children(master)[0]
            began = time.monotonic()
            os.kill(victim, signal.SIGKILL)
            while victim in (found := processes.children(master)) or len(found) < count:
                assert time.monotonic() - began < 2
                time.sleep(0.01)
            seconds.append(time.monotonic() - began)
        finish(load)
    print(f"as many workers again after {max(seconds):.2f} s at most")
    assert len(seconds) == kills
    assert set(load.errors()) == {502}
    assert_nothing_lost(two_pools, load, failed=kills)
