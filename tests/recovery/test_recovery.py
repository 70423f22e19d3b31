"""The drill in short: what it promises for the losses that can cost records.

`make recovery-drill` has all of them. Redis, the model store and a tampered model have
tests of their own (test_redis_faults.py, test_model_store.py, test_poll.py).
"""

import os
import shutil

import data_losses
import drill
import losses
import pytest

# Two regions on a machine with other work to do take their time.
pytestmark = pytest.mark.timeout(600)
PACE = losses.Pace(seconds=1.0, rate=60.0, answers=200)


@pytest.fixture(scope="module")
def running():
    if not shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin"):
        if os.environ.get("CI") == "true":
            pytest.fail("nginx is not installed, and CI must not skip")
        pytest.skip("needs nginx")
    with drill.installed(PACE, print, poll=0) as started:
        yield started


def held(found):
    print(drill.row(found))
    assert found.faults == []
    assert found.requests >= PACE.answers
    assert found.reported >= 5
    return found


def test_postgresql_lost_with_its_data_costs_what_came_after_the_backup(running):
    found = held(data_losses.database(running))
    assert found.failed == 0
    assert 0 < found.lost < found.acknowledged / 2
    assert found.outcomes_lost > 0


def test_a_machine_lost_without_a_word_costs_what_it_had_not_drained(running):
    found = held(losses.machine(running))
    assert found.failed <= 4, "no more than clients that had a request there"
    assert found.outcomes_lost == 0


def test_a_bad_migration_with_a_restore_point_costs_nothing(running):
    found = held(data_losses.migration(running))
    assert (found.failed, found.lost, found.outcomes_lost) == (0, 0, 0)


def test_a_region_lost_costs_what_its_last_backup_has_not(running):
    with drill.standby(running) as other:
        found = held(data_losses.region(running, other))
    assert found.failed > 0, "the entrance led nowhere for a while"
    assert 0 < found.lost < found.acknowledged


def test_more_lost_than_promised_is_found():
    may = dict.fromkeys(("loses", "forgets", "fails"), (11.0, 12.0))
    found = losses.Finding("")
    found.settle({"a": 11.5}, {"b": 11.5}, [(11.5, 502)], **may)
    assert found.faults == []
    found.settle({"a": 10.0}, {"b": 12.5}, [(10.0, 502)], **may)
    assert [fault.split()[0] for fault in found.faults] == ["1", "1", "requests"]
    found.settle({}, {"b": 11.5}, [], loses=may["loses"])
    assert found.faults[3:] == ["1 outcomes lost beyond the promise"]
