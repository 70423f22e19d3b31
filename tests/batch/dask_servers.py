"""A real Dask scheduler and workers, each a process of its own, to be killed."""

import os
import socket
import subprocess
import sys
import tempfile
from contextlib import ExitStack, contextmanager

import stores
from batch.conftest import wait_for

from housing_app.config import ROOT


class _Dask(stores._Server):
    def __init__(self, environ=None):
        super().__init__()
        # Of the user's configuration, only what a test says.
        ours = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        self.environ = ours | {"DASK_CONFIG": str(self.folder)} | (environ or {})

    def _run(self, *words):
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "dask", *words, "--no-dashboard"],
                cwd=self.folder,
                env=os.environ | self.environ,
                stdout=log,
                stderr=subprocess.STDOUT,
            )


class Scheduler(_Dask):
    @property
    def address(self):
        return f"tcp://127.0.0.1:{self.port}"

    def _begin(self):
        self._run("scheduler", "--host", "127.0.0.1", "--port", str(self.port))

    def is_up(self):
        with socket.socket() as asked:
            return asked.connect_ex(("127.0.0.1", self.port)) == 0


class Worker(_Dask):
    def __init__(self, scheduler, environ=None):
        super().__init__(environ)
        self.scheduler = scheduler

    @property
    def address(self):
        return f"tcp://127.0.0.1:{self.port}"

    def _begin(self):
        # No nanny, which would start another in the place of one that is killed.
        self._run(
            *("worker", self.scheduler.address, "--no-nanny", "--nthreads", "1"),
            *("--host", "127.0.0.1", "--worker-port", str(self.port)),
            *("--local-directory", tempfile.mkdtemp(dir=self.folder)),
            *("--death-timeout", "60"),  # without its scheduler it ends
        )

    def is_up(self):
        return "Registered to" in self.log()


@contextmanager
def cluster(workers, scheduler_environ=None, worker_environ=None):
    """Yield a scheduler, and workers that may still be starting.

    Those that a test puts into the list end with the others.
    """
    with ExitStack() as stack:
        scheduler = Scheduler(scheduler_environ)
        stack.callback(scheduler.remove)
        found = [Worker(scheduler, worker_environ) for _ in range(workers)]
        stack.callback(lambda: [worker.remove() for worker in found])
        for server in (scheduler, *found):
            stack.callback(server.remove)
            server._begin()  # all at once: each imports for seconds
        wait_for(scheduler.is_up)
        yield scheduler, found
