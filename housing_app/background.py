"""What a worker does beside its requests: one thread for each job.

Threads do not outlive a fork, so jobs are added by `create_app` and started in each
worker (gunicorn's `post_worker_init`). They are daemons: none can keep a worker alive.
"""

import threading
from collections.abc import Callable
from time import monotonic
from typing import NamedTuple

from flask import Flask

from housing_app.logs import log

_KEY = "housing_app.background"
_STOP_SECONDS = 2.0


class _Job(NamedTuple):
    name: str
    seconds: float
    work: Callable[[], None]
    finish: Callable[[], None] | None


class _Jobs:
    def __init__(self) -> None:
        self.jobs: list[_Job] = []
        self.threads: list[threading.Thread] = []
        self.stopping = threading.Event()


def init_app(app: Flask) -> None:
    """Let parts add jobs."""
    app.extensions[_KEY] = _Jobs()


def add(
    app: Flask,
    name: str,
    seconds: float,
    work: Callable[[], None],
    finish: Callable[[], None] | None = None,
) -> None:
    """Have `work` done now and then, and `finish` as a worker ends.

    What it raises is logged, and it is tried again the next time.
    """
    app.extensions[_KEY].jobs.append(_Job(name, seconds, work, finish))


def start(app: Flask) -> None:
    """Start the jobs of this process."""
    found: _Jobs = app.extensions[_KEY]
    found.stopping = threading.Event()
    found.threads = [
        threading.Thread(
            target=_repeat, args=(app, job, found.stopping), name=job.name, daemon=True
        )
        for job in found.jobs
    ]
    for thread in found.threads:
        thread.start()


def stop(app: Flask) -> None:
    """End the jobs of this process, with a bound on how long that may take."""
    found: _Jobs = app.extensions[_KEY]
    found.stopping.set()
    deadline = monotonic() + _STOP_SECONDS
    for thread in found.threads:
        thread.join(max(0.0, deadline - monotonic()))
    for job in found.jobs:
        if job.finish:
            _try(job.name, job.finish)


def _repeat(app: Flask, job: _Job, stopping: threading.Event) -> None:
    with app.app_context():
        while not stopping.is_set():
            _try(job.name, job.work)
            stopping.wait(job.seconds)


def _try(name: str, work: Callable[[], None]) -> None:
    try:
        work()
    except Exception as error:
        log.error("background job failed", job=name, exc_info=error)
