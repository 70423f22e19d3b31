"""What answers and may be lost: machines of gunicorn, and nginx before them."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import stores

from housing_app.config import ROOT
from tests.system.conftest import GUNICORN, clean_environ

sys.path.append(str(ROOT / "deploy" / "nginx"))

import render


class Machine(stores._Server):
    """gunicorn with two workers, and a folder that goes with it."""

    def __init__(self, settings: dict[str, str]) -> None:
        super().__init__()
        self.settings = settings

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def instance(self) -> Path:
        return self.folder / "instance"

    def _begin(self) -> None:
        (self.folder / "metrics").mkdir(exist_ok=True)
        own = {
            "PORT": str(self.port),
            "INSTANCE_DIR": str(self.instance),
            "PROMETHEUS_MULTIPROC_DIR": str(self.folder / "metrics"),
            "MODEL_DIR": "/nowhere",  # models come from the store
        }
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                GUNICORN,
                cwd=ROOT,
                env=clean_environ(**(self.settings | own)),
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def is_up(self) -> bool:
        try:
            urllib.request.urlopen(f"{self.url}/health/ready", timeout=5).close()
        except OSError:
            return False
        return True

    def health(self) -> dict[str, Any]:
        """Return what the machine says of itself."""
        with urllib.request.urlopen(f"{self.url}/health", timeout=1) as answer:
            return dict(json.load(answer))

    def stop(self) -> None:
        """End it in order. Nobody may send it anything."""
        assert self.process is not None
        self.process.terminate()
        self.process.wait(60)
        self.process = None

    def lose(self) -> None:
        """Lose it with all that it had written."""
        self.kill()
        for name in ("instance", "metrics"):
            shutil.rmtree(self.folder / name, ignore_errors=True)


@contextmanager
def silence(port: int) -> Iterator[None]:
    """Let packets to a port vanish, as those to a machine without power.

    A listener whose queue is full answers nothing.
    """
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        deadline = time.monotonic() + 10
        while True:
            try:
                listener.bind(("127.0.0.1", port))
                break
            except OSError:  # those who had it are not quite dead yet
                assert time.monotonic() < deadline
                time.sleep(0.01)
        listener.listen(0)
        for _ in range(3):
            wire = stack.enter_context(socket.socket())
            wire.setblocking(False)
            with suppress(BlockingIOError):
                wire.connect(("127.0.0.1", port))
        yield


class Entrance(stores._Server):
    """nginx, which is told where requests go."""

    def __init__(self, machines: list[Machine]) -> None:
        super().__init__()
        self.folder.chmod(0o755)
        self._machines = machines

    def _render(self) -> Path:
        variables = {
            "HTTP_LISTEN": f"127.0.0.1:{self.port}",
            "UPSTREAMS": " ".join(f"127.0.0.1:{m.port}" for m in self._machines),
            "RUN_DIR": str(self.folder),
            "ACCESS_LOG": str(self.folder / "access.log"),
            "RATE": "100000r/s",
            "CONNECTIONS": "10000",
        }
        return render.render(self.folder, variables)

    def _begin(self) -> None:
        path = os.environ["PATH"] + ":/usr/sbin:/usr/local/sbin"
        nginx = shutil.which("nginx", path=path)
        assert nginx, "nginx is not installed"
        user = "user root; " if os.geteuid() == 0 else ""
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *(nginx, "-e", "stderr", "-c", str(self._render())),
                    *("-g", f"{user}daemon off;"),
                ],
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def is_up(self) -> bool:
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True
        return False

    def point(self, *machines: Machine) -> None:
        """Send what comes from now on to these machines, once the others are done."""
        assert self.process is not None
        self._machines = list(machines)
        old = set(stores.family(self.process.pid)[1:])
        self._render()
        self.process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + 30
        while old.intersection(stores.family(self.process.pid)):
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.02)
