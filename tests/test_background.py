"""Jobs beside the requests: started in each worker, ended with it."""

import os
import threading
import time

import pytest
from flask import Flask, current_app

from housing_app import background


@pytest.fixture
def app():
    made = Flask("test")
    background.init_app(made)
    yield made
    background.stop(made)


def wait_for(condition):
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_nothing_runs_before_a_worker_starts_it(app):
    calls = []
    background.add(app, "count", 0.01, lambda: calls.append(1))
    time.sleep(0.05)
    assert calls == []
    background.start(app)
    wait_for(lambda: len(calls) > 2)


def test_a_job_runs_at_once_and_in_the_apps_context(app):
    found = []
    background.add(app, "look", 60, lambda: found.append(current_app.name))
    background.start(app)
    wait_for(lambda: found == ["test"])


def test_each_job_has_a_daemon_thread_of_its_name(app):
    background.add(app, "one-of-these", 60, lambda: None)
    background.start(app)
    (thread,) = [t for t in threading.enumerate() if t.name == "one-of-these"]
    assert thread.daemon


def test_a_job_that_raises_is_logged_and_tried_again(app, capsys):
    calls = []

    def fail():
        calls.append(1)
        raise RuntimeError("not today")

    background.add(app, "failing", 0.01, fail)
    background.start(app)
    wait_for(lambda: len(calls) > 2)
    background.stop(app)
    assert "not today" in capsys.readouterr().out


def test_a_slow_job_holds_up_no_other(app):
    calls, release = [], threading.Event()
    background.add(app, "slow", 60, release.wait)
    background.add(app, "quick", 0.01, lambda: calls.append(1))
    background.start(app)
    wait_for(lambda: len(calls) > 2)
    release.set()


def test_the_end_does_not_wait_for_the_next_turn(app):
    ended = []
    background.add(app, "rare", 600, lambda: None, lambda: ended.append(1))
    background.start(app)
    began = time.monotonic()
    background.stop(app)
    assert time.monotonic() - began < 1
    assert ended == [1]


def test_the_end_is_bounded_even_if_a_job_hangs(app, monkeypatch):
    monkeypatch.setattr(background, "_STOP_SECONDS", 0.1)
    ended, release = [], threading.Event()
    background.add(app, "hanging", 1, release.wait)
    background.add(app, "other", 1, lambda: None, lambda: ended.append(1))
    background.start(app)
    began = time.monotonic()
    background.stop(app)
    assert time.monotonic() - began < 1
    assert ended == [1]
    release.set()


def test_a_finish_that_raises_keeps_no_other_from_its_own(app, capsys):
    ended = []
    background.add(app, "bad", 60, lambda: None, lambda: 1 / 0)
    background.add(app, "good", 60, lambda: None, lambda: ended.append(1))
    background.start(app)
    background.stop(app)
    assert ended == [1]


def test_a_fork_starts_jobs_of_its_own(app):
    background.add(app, "count", 0.01, lambda: None)
    background.start(app)
    if (pid := os.fork()) == 0:
        # Threads stay behind; as in a worker of a preloading master.
        code = 1
        try:
            background.start(app)
            code = 0 if threading.active_count() == 2 else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
