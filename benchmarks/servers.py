"""Servers to measure: ours with every guard on, the empty view, or any command."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT))

PREDICT = "/v1/predict"
JSON = {"Content-Type": "application/json"}
# What the master and the workers of both gunicorns share but their app.
_GUNICORN = ["--worker-class", "sync", "--preload", "--timeout", "30", "--keep-alive"]
_GUNICORN += ["5", "--no-control-socket", "--log-level", "error"]
_THREADS = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")


@dataclass
class Server:
    """A running server, and how to ask it."""

    process: subprocess.Popen[bytes]
    port: int
    path: str = PREDICT
    headers: dict[str, str] = field(default_factory=lambda: dict(JSON))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{self.path}"

    def post(self, body: bytes, query: str = "", timeout: float = 30) -> bytes:
        """Return the answer to one request."""
        asked = urllib.request.Request(self.url + query, body, self.headers)
        with urllib.request.urlopen(asked, timeout=timeout) as answer:
            return answer.read()

    def counted(self, name: str) -> float:
        """Return what /metrics says of a name with its labels, 0 if nothing."""
        url = f"http://127.0.0.1:{self.port}/metrics"
        with urllib.request.urlopen(url, timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        found = [line.split()[-1] for line in lines if line.startswith(name)]
        return float(found[0]) if found else 0.0

    def processes(self) -> list[int]:
        """Return the ids of all its processes, the first one's first."""
        found = [self.process.pid]
        for pid in found:
            for task in Path(f"/proc/{pid}/task").glob("*/children"):
                found += [int(child) for child in task.read_text().split()]
        return found


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@contextmanager
def running(
    command: Sequence[str],
    port: int,
    environ: Mapping[str, str],
    *,
    cwd: Path = ROOT,
    output: Path | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server in a process group of its own, and end all of it."""
    with (output or Path(os.devnull)).open("ab") as file:
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env={**os.environ, **_THREADS, **environ},
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        for how, seconds in ((signal.SIGTERM, 15), (signal.SIGKILL, 15)):
            try:
                os.killpg(process.pid, how)
                process.wait(seconds)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                continue


def wait(server: Server, body: bytes, seconds: float = 60) -> None:
    """Return once a server answers a request well."""
    end = time.monotonic() + seconds
    while True:
        if server.process.poll() is not None:
            raise RuntimeError(f"the server ended with {server.process.returncode}")
        try:
            server.post(body, timeout=10)
        except (OSError, urllib.error.URLError) as error:
            if time.monotonic() > end:
                raise RuntimeError(f"no answer in {seconds} s: {error}") from None
            time.sleep(0.1)
        else:
            return


@contextmanager
def empty(workers: int = 2) -> Iterator[Server]:
    """Run the empty view."""
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "empty:app", *_GUNICORN]
    command += ["--bind", f"127.0.0.1:{port}", "--workers", str(workers)]
    if os.access("/dev/shm", os.W_OK):  # as ours has it
        command += ["--worker-tmp-dir", "/dev/shm"]
    with running(command, port, {}, cwd=HERE) as process:
        server = Server(process, port)
        wait(server, b"{}")
        yield server


def settings(folder: Path, port: int, workers: int) -> tuple[dict[str, str], str]:
    """Return an environment with every guard on, and a token for it."""
    from housing_app import auth, config

    for name in ("metrics", "instance"):
        (folder / name).mkdir(exist_ok=True)
    secret = secrets.token_urlsafe(40)
    environ = {
        "PORT": str(port),
        "WORKERS": str(workers),
        "AUTH": "jwt",
        "JWT_SECRET": secret,
        "RATE_LIMIT": "900000000/minute",
        "JOURNAL": "on",
        "PROMETHEUS_MULTIPROC_DIR": str(folder / "metrics"),
        "INSTANCE_DIR": str(folder / "instance"),
    }
    tokens = auth.tokens(config.load({"JWT_SECRET": secret}))
    return environ, tokens.issue("benchmark", ["predict"], 86_400, "")


@contextmanager
def ours(workers: int = 2, **changes: str) -> Iterator[Server]:
    """Run the service with every guard on: see `settings`."""
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    port = free_port()
    environ, token = settings(folder, port, workers)
    command = [sys.executable, "-m", "gunicorn", "--config", "gunicorn.conf.py"]
    try:
        output = folder / "log"
        with running(command, port, environ | changes, output=output) as process:
            bearer = {"Authorization": f"Bearer {token}"}
            server = Server(process, port, headers=JSON | bearer)
            wait(server, (ROOT / "examples" / "home.json").read_bytes())
            while len(server.processes()) <= workers:  # the first one answers sooner
                time.sleep(0.05)
            yield server
    finally:
        shutil.rmtree(folder, ignore_errors=True)
