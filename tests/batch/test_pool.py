"""The processes that work on chunks: order, errors, deaths."""

import multiprocessing
import os
import signal
import time

import pytest

from housing_app.batch import pool
from housing_app.batch.cuts import Chunk
from housing_app.batch.errors import BatchError
from housing_app.batch.work import Done

LARGE = 8 << 20  # bytes, more than a pipe holds


def chunks(count):
    return iter([Chunk(number, 1, b"", number) for number in range(1, count + 1)])


@pytest.fixture
def works(monkeypatch):
    """Have workers, which are forked, do this in place of their work."""
    yield lambda do: monkeypatch.setattr(pool, "work", lambda _job, chunk: do(chunk))
    assert not multiprocessing.active_children()


@pytest.mark.parametrize("workers", [2, 5])
def test_what_takes_longer_keeps_its_place(works, workers):
    def slow_at_first(chunk):
        time.sleep(0.2 if chunk.first == 1 else 0.001)
        return Done(chunk.first, os.getpid(), 0, b"", b"")

    works(slow_at_first)
    pairs = list(pool.worked(None, chunks(40), workers))
    assert [chunk.first for chunk, _ in pairs] == list(range(1, 41))
    assert [done.rows for _, done in pairs] == list(range(1, 41))
    assert len({done.scored for _, done in pairs}) == workers, "all have work"


def test_no_more_is_read_than_is_worked_on(works):
    works(lambda chunk: Done(chunk.first, 0, 0, b"", b""))
    left = chunks(1_000)
    pairs = pool.worked(None, left, 2)
    for _ in range(10):
        next(pairs)
    assert next(left).first <= 10 + 2 * 2 + 2
    pairs.close()


def test_an_error_comes_in_its_turn(works):
    def failing(chunk):
        if chunk.first == 5:
            raise BatchError("row 5")
        time.sleep(0.01 * (chunk.first == 4))
        return Done(1, 1, 0, b"", b"")

    works(failing)
    pairs = pool.worked(None, chunks(20), 2)
    assert [next(pairs)[0].first for _ in range(4)] == [1, 2, 3, 4]
    with pytest.raises(BatchError, match="row 5"):
        next(pairs)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("which", [0, 1])
def test_a_worker_killed_in_the_middle_of_an_answer_ends_the_run(works, which):
    works(lambda chunk: Done(chunk.first, 0, 0, bytes(LARGE), b""))
    pairs = pool.worked(None, chunks(100), 2)
    next(pairs)
    time.sleep(0.5)  # nobody reads: both stand in the middle of writing
    victim = sorted(each.pid for each in multiprocessing.active_children())[which]
    os.kill(victim, signal.SIGKILL)
    with pytest.raises(BatchError, match="a worker process was killed"):
        list(pairs)


@pytest.mark.timeout(60)
def test_workers_end_where_nobody_wants_more(works):
    works(lambda chunk: time.sleep(30 * (chunk.first > 1)) or Done(1, 1, 0, b"", b""))
    pairs = pool.worked(None, chunks(10), 2)
    next(pairs)
    began = time.monotonic()
    pairs.close()
    assert time.monotonic() - began < 10
