"""Processes that work on chunks; what they make comes back in order."""

import gc
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import chain, islice
from multiprocessing import connection

from housing_app.batch.cuts import Chunk
from housing_app.batch.errors import BatchError
from housing_app.batch.work import Done, Job, work

_AHEAD = 2  # chunks for each process: one at work, one that waits


def worked(
    job: Job, chunks: Iterator[Chunk], workers: int
) -> Iterator[tuple[Chunk, Done]]:
    """Yield chunks and what was made of them, in their order.

    One worker, or one chunk, is for this process. More workers are forked from it, so
    that they share its models.
    """
    few = list(islice(chunks, 2))
    chunks = chain(few, chunks)
    if workers == 1 or len(few) < 2:
        for chunk in chunks:
            yield chunk, work(job, chunk)
        return
    gc.freeze()  # or the collector would write to, and so copy, what is shared
    pool = ProcessPoolExecutor(
        workers, multiprocessing.get_context("fork"), initializer=_begin
    )
    try:
        yield from _in_order(pool, job, chunks, workers)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _in_order(
    pool: ProcessPoolExecutor, job: Job, chunks: Iterable[Chunk], workers: int
) -> Iterator[tuple[Chunk, Done]]:
    pool.submit(os.getpid).result()  # forks them all
    waiting: deque[tuple[Chunk, Future[Done]]] = deque()
    try:
        for chunk in chunks:
            waiting.append((chunk, pool.submit(work, job, chunk)))
            if len(waiting) > workers * _AHEAD:
                yield _next(waiting)
        while waiting:
            yield _next(waiting)
    except BrokenProcessPool:
        first = f"{waiting[0][0].first:,}" if waiting else "?"
        raise BatchError(
            f"a worker process was killed, out of memory perhaps, at row {first} or "
            "after; --resume goes on, --workers 1 takes least memory"
        ) from None


def _next(waiting: deque[tuple[Chunk, "Future[Done]"]]) -> tuple[Chunk, Done]:
    chunk, future = waiting[0]
    done = future.result()
    waiting.popleft()
    return chunk, done


def _begin() -> None:
    """Leave Ctrl-C to the parent, and end with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None  # noqa: S101 # nosec B101
    threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    connection.wait([sentinel])
    os._exit(1)
