"""Real gunicorn on a real port, started once for all system tests."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import requests

from housing_app.config import ROOT, SETTINGS

# As `make run` and the image start it.
GUNICORN = [
    *(str(Path(sys.executable).with_name("gunicorn")), "--config", "gunicorn.conf.py")
]
SECONDS = 5.0  # more than any answer may take


def clean_environ(**settings: str) -> dict[str, str]:
    """Return this process's environment without the settings it may hold."""
    ours = {setting.name for setting in SETTINGS} | {"PROMETHEUS_MULTIPROC_DIR"}
    kept = {name: text for name, text in os.environ.items() if name not in ours}
    return kept | {"FLASK_APP": "housing_app"} | settings


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def children(pid: int) -> list[int]:
    """Return the processes whose parent is `pid`."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The second field is the command in brackets and may hold anything.
            parent = stat.read_text().rpartition(")")[2].split()[1]
        except OSError:
            continue  # it ended meanwhile
        if int(parent) == pid:
            found.append(int(stat.parent.name))
    return sorted(found)


@dataclass(frozen=True)
class Server:
    """A running server, as a client and as an operator see it."""

    port: int
    pid: int
    output: Path
    metrics: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def instance(self) -> Path:
        return self.output.parent / "instance"

    def workers(self) -> list[int]:
        return children(self.pid)

    def get(self, path: str, **options: Any) -> requests.Response:
        return requests.get(self.url + path, timeout=SECONDS, **options)

    def post(
        self, body: Any, path: str = "/v1/predict", **headers: str
    ) -> requests.Response:
        sent = {"Content-Type": "application/json"} | headers
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
        return requests.post(self.url + path, body, headers=sent, timeout=SECONDS)

    def talk(self, *parts: bytes) -> bytes:
        """Send bytes as they are, hang up the sending side, return the answer."""
        with socket.create_connection(("127.0.0.1", self.port), SECONDS) as wire:
            # A server that has heard enough answers and closes; its answer counts.
            with suppress(BrokenPipeError, ConnectionResetError):
                for part in parts:
                    wire.sendall(part)
                wire.shutdown(socket.SHUT_WR)
            received = b""
            with suppress(ConnectionResetError):
                while chunk := wire.recv(65_536):
                    received += chunk
            return received

    def lines(self) -> list[str]:
        return self.output.read_text().splitlines()

    def library_lines(self) -> list[dict[str, Any]]:
        """Return the lines of gunicorn and of other libraries."""
        found = [json.loads(text) for text in self.lines() if text.startswith("{")]
        return [line for line in found if line["event"] == "library"]

    def logged(self, request_id: str) -> list[dict[str, Any]]:
        """Return the app's log lines of a request."""
        return [json.loads(text) for text in self.lines() if request_id in text]


@pytest.fixture(scope="session")
def start(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Any]:
    """Start gunicorn with settings, its output going to a file."""

    def begin(**settings: str) -> tuple[subprocess.Popen[bytes], Server]:
        folder = tmp_path_factory.mktemp("server")
        (folder / "metrics").mkdir()
        port = free_port()
        places = {
            "PORT": str(port),
            "PROMETHEUS_MULTIPROC_DIR": str(folder / "metrics"),
            "INSTANCE_DIR": str(folder / "instance"),
        }
        environ = clean_environ(**(places | settings))
        output = folder / "output"
        with output.open("wb") as file:
            process = subprocess.Popen(
                GUNICORN, cwd=ROOT, env=environ, stdout=file, stderr=subprocess.STDOUT
            )
        return process, Server(port, process.pid, output, folder / "metrics")

    return begin


@pytest.fixture(scope="session")
def server(start):
    """Two workers without a rate limit, up until the last test."""
    process, running = start(RATE_LIMIT="off", WORKERS="2")
    with unharmed(process, running, lambda: wait_until_ready(process, running)):
        yield running


@contextmanager
def unharmed(
    process: subprocess.Popen[bytes], running: Server, wait: Callable[[], None]
) -> Iterator[None]:
    """Let tests use a server; no worker may die, and its end must be quiet."""
    try:
        wait()
        workers = wait_for_workers(running)
        yield
        assert running.workers() == workers, "a worker died while tests ran"
    finally:
        process.terminate()
        code = process.wait(timeout=60)
    assert code == 0, running.output.read_text()
    text = running.output.read_text()
    assert "\nTraceback" not in text, text[-5000:]
    for line in running.library_lines():
        assert line["level"] in {"info", "warning"}, line


def wait_until_ready(process: subprocess.Popen[bytes], running: Server) -> None:
    """Return once the server values homes; fail with its output if it ends."""
    deadline = time.monotonic() + 60
    while True:
        assert process.poll() is None, running.output.read_text()
        assert time.monotonic() < deadline, running.output.read_text()
        try:
            if running.get("/health/ready").status_code == 200:
                return
        except requests.ConnectionError:
            time.sleep(0.05)


def wait_for_workers(running: Server, count: int = 2) -> list[int]:
    """Return the workers' process ids once all of them are there."""
    deadline = time.monotonic() + 30
    while len(found := running.workers()) != count:
        assert time.monotonic() < deadline, running.output.read_text()
        time.sleep(0.05)
    return found


@pytest.fixture(scope="session")
def run() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a command of this Python to its end, with settings."""

    def finish(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=clean_environ(**settings),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return finish


@pytest.fixture(scope="session")
def flask(run) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a `flask` command as an operator does."""
    return partial(run, "-m", "flask")


@pytest.fixture(scope="session")
def dead_port() -> int:
    return free_port()
