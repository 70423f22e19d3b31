"""Processes that work on chunks; what they make comes back in order."""

import gc
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from multiprocessing import connection
from queue import SimpleQueue
from typing import Any

from housing_app.batch.cuts import Chunk
from housing_app.batch.errors import BatchError
from housing_app.batch.work import Done, Job, work

_AHEAD = 2  # chunks for each process: one at work, one that waits
_END_SECONDS = 5.0
_Pipe = connection.Connection


class _Killed(Exception):  # noqa: N818 - caught here
    """Say that a worker ended."""


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
    crew: list[_Worker] = []
    try:
        for _ in range(workers):
            crew.append(_Worker(job, [worker.pipe for worker in crew]))
        yield from _in_order(crew, chunks)
    finally:
        for worker in crew:
            worker.end()


class _Worker:
    """A process, and a pipe whose other end nobody else holds.

    So when it is killed, in the middle of an answer too, the pipe ends. In a queue that
    processes share, the lock of the one that was killed would stay closed for ever.
    """

    def __init__(self, job: Job, others: list[_Pipe]) -> None:
        fork = multiprocessing.get_context("fork")
        self.pipe, theirs = fork.Pipe()
        ours = [*others, self.pipe]  # open in what is forked
        self._process = fork.Process(target=_serve, args=(job, theirs, ours))
        self._process.start()
        theirs.close()
        self.asked: deque[int] = deque()

    def give(self, number: int, chunk: Chunk) -> None:
        """Have it work on a chunk, once it has done those before."""
        self.asked.append(number)
        try:
            self.pipe.send(chunk)
        except OSError:
            raise _Killed from None

    def take(self) -> tuple[int, Done | Exception]:
        """Return the number of a chunk, and what it made of it."""
        try:
            return self.asked.popleft(), self.pipe.recv()
        except (EOFError, OSError):
            raise _Killed from None

    def end(self) -> None:
        """End it, whatever it is at."""
        self.pipe.close()
        self._process.join(_END_SECONDS)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()


def _in_order(
    crew: list[_Worker], chunks: Iterable[Chunk]
) -> Iterator[tuple[Chunk, Done]]:
    numbered = enumerate(chunks)
    waiting: deque[tuple[int, Chunk]] = deque()  # given out, and not yielded yet
    found: dict[int, Done | Exception] = {}
    while True:
        try:
            _give(crew, numbered, waiting)
            if not waiting:
                return
            if waiting[0][0] not in found:
                _take(crew, found)
        except _Killed:
            raise BatchError(
                "a worker process was killed, out of memory perhaps, at row "
                f"{waiting[0][1].first:,} or after; --resume goes on, --workers 1 "
                "takes least memory"
            ) from None
        while waiting and waiting[0][0] in found:
            number, chunk = waiting.popleft()
            done = found.pop(number)
            if isinstance(done, Exception):
                raise done
            yield chunk, done


def _give(
    crew: list[_Worker],
    numbered: Iterator[tuple[int, Chunk]],
    waiting: deque[tuple[int, Chunk]],
) -> None:
    """Give each worker what it may have ahead, those first that have least."""
    while len(waiting) <= len(crew) * _AHEAD:
        worker = min(crew, key=lambda each: len(each.asked))
        pair = next(numbered, None) if len(worker.asked) < _AHEAD else None
        if pair is None:
            return
        waiting.append(pair)
        worker.give(*pair)


def _take(crew: list[_Worker], found: dict[int, Done | Exception]) -> None:
    """Wait for what workers have made."""
    pipes = {worker.pipe: worker for worker in crew if worker.asked}
    for pipe in connection.wait(list(pipes)):
        number, done = pipes[pipe].take()  # type: ignore[index]
        found[number] = done


# --- in a worker ----------------------------------------------------------------------


def _serve(job: Job, pipe: _Pipe, inherited: list[_Pipe]) -> None:
    """Work on what comes, until the pipe ends: with the parent, however that ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent
    for each in inherited:
        each.close()
    chunks: SimpleQueue[Chunk] = SimpleQueue()
    threading.Thread(target=_listen, args=(pipe, chunks), daemon=True).start()
    while True:
        done: Any
        try:
            done = work(job, chunks.get())
        except Exception as error:  # for the parent to raise, when its turn comes
            done = error
        try:
            pipe.send(done)
        except OSError:
            os._exit(1)


def _listen(pipe: _Pipe, chunks: "SimpleQueue[Chunk]") -> None:
    """Take what is sent at once, so that the parent waits for nobody's work."""
    try:
        while True:
            chunks.put(pipe.recv())
    except (EOFError, OSError):
        os._exit(1)
