"""A real nginx in front of a real gunicorn, on free ports of 127.0.0.1; no root."""

import importlib
import importlib.util
import json
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import pytest
import requests
from two_pools import TwoPools, started

from housing_app.config import ROOT
from tests.system.conftest import (
    Server,
    dead_port,
    flask,
    free_port,
    run,
    start,
    unharmed,
)

__all__ = ["dead_port", "flask", "run", "start"]

_spec = importlib.util.spec_from_file_location(
    "render", ROOT / "deploy" / "nginx" / "render.py"
)
render = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(render)

SECONDS = 10.0


def program(name: str, first: Path | None = None) -> str:
    """Return a program's path, or skip; in CI its absence is a failure."""
    # Debian keeps nginx where users do not look.
    places = [os.environ["PATH"], "/usr/sbin", "/usr/local/sbin"]
    path = shutil.which(name, path=":".join([str(first), *places] if first else places))
    if path is None:
        absent(name)
    return path


def module(name: str, package: str) -> Any:
    """Import what a tool's package brings, or skip; in CI its absence is a failure."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        absent(package)


def absent(name: str) -> NoReturn:
    if os.environ.get("CI") == "true":
        pytest.fail(f"{name} is not installed, and CI must not skip")
    pytest.skip(f"needs {name}")


@pytest.fixture(scope="session")
def nginx_program() -> str:
    return program("nginx")


@pytest.fixture(scope="session")
def openssl_program() -> str:
    return program("openssl")


@pytest.fixture(scope="session")
def renderer() -> Any:
    return render


def nginx_command(path: str, conf: Path) -> list[str]:
    # The workers of a root's nginx would be `nobody`, who may not enter pytest's
    # directories.
    user = "user root; " if os.geteuid() == 0 else ""
    directives = f"{user}daemon off; worker_shutdown_timeout 1s;"
    return [path, "-e", "stderr", "-c", str(conf), "-g", directives]


@dataclass(frozen=True)
class Proxy:
    """A running nginx, as a client and as an operator see it."""

    port: int
    folder: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def request(self, method: str, path: str, **options: Any) -> requests.Response:
        return requests.request(method, self.url + path, timeout=SECONDS, **options)

    def get(self, path: str, **options: Any) -> requests.Response:
        return self.request("GET", path, **options)

    def talk(self, *parts: bytes, hang_up: bool = True) -> bytes:
        return talk(self.port, *parts, hang_up=hang_up)

    def text(self) -> str:
        """Return all that nginx has logged."""
        logs = [self.folder / "access.log", self.folder / "stderr"]
        return "".join(p.read_text("utf-8") for p in logs if p.exists())

    def lines(self) -> list[dict[str, Any]]:
        path = self.folder / "access.log"
        return [json.loads(line) for line in path.read_text("utf-8").splitlines()]

    def logged(self, request_id: str) -> list[dict[str, Any]]:
        """Return the lines of a request; nginx writes them after its answer."""
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            if found := [x for x in self.lines() if x["request_id"] == request_id]:
                return found
            time.sleep(0.01)
        return []


def talk(port: int, *parts: bytes, hang_up: bool = True) -> bytes:
    """Send bytes as they are and return everything that is answered.

    With `hang_up` the sending side is closed after a moment: nginx takes a client that
    closes at once for one that does not wait.
    """
    with socket.create_connection(("127.0.0.1", port), SECONDS) as wire:
        wire.settimeout(0.5 if hang_up else SECONDS)
        received = b""
        closed = not hang_up
        with suppress(BrokenPipeError, ConnectionResetError):
            for part in parts:
                wire.sendall(part)
        while True:
            try:
                chunk = wire.recv(65_536)
            except TimeoutError:
                if closed:
                    return received
                with suppress(OSError):
                    wire.shutdown(socket.SHUT_WR)
                closed = True
                wire.settimeout(SECONDS)
                continue
            except ConnectionResetError:
                return received
            if not chunk:
                return received
            received += chunk


@pytest.fixture(scope="session")
def start_nginx(nginx_program, tmp_path_factory) -> Callable[..., Any]:
    """Start nginx with variables; a context manager."""

    @contextmanager
    def begin(**variables: str) -> Iterator[Proxy]:
        folder = tmp_path_factory.mktemp("nginx")
        port = free_port()
        defaults = {
            "HTTP_LISTEN": f"127.0.0.1:{port}",
            "RUN_DIR": str(folder),
            "ACCESS_LOG": str(folder / "access.log"),
            # Tests come faster than clients; those of the limit set their own.
            "RATE": "100000r/s",
            "CONNECTIONS": "10000",
        }
        conf = render.render(folder, defaults | variables)
        with (folder / "stderr").open("wb") as file:
            process = subprocess.Popen(
                nginx_command(nginx_program, conf), stderr=file, stdout=file
            )
        try:
            wait_for_port(port, process, folder / "stderr")
            yield Proxy(port, folder)
            assert process.poll() is None, (folder / "stderr").read_text()
        finally:
            process.terminate()
            process.wait(timeout=20)

    return begin


def wait_for_port(port: int, process: subprocess.Popen[bytes], output: Path) -> None:
    deadline = time.monotonic() + 20
    while True:
        assert process.poll() is None, output.read_text()
        assert time.monotonic() < deadline, output.read_text()
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except ConnectionRefusedError:
            time.sleep(0.02)
        else:
            return


@pytest.fixture(scope="session")
def server(start) -> Iterator[Server]:
    """gunicorn with two workers, behind one proxy and without a rate limit."""
    # Which models answer does not matter here: those of MODEL_DIR, where it is set.
    kept = {name: os.environ[name] for name in ("MODEL_DIR",) if name in os.environ}
    process, running = start(
        RATE_LIMIT="off", WORKERS="2", TRUSTED_PROXIES="1", AUTH="off", **kept
    )
    with unharmed(
        process,
        running,
        lambda: wait_for_port(running.port, process, running.output),
    ):
        yield running


@pytest.fixture(scope="session")
def proxy(start_nginx, server) -> Iterator[Proxy]:
    """nginx before gunicorn."""
    with start_nginx(UPSTREAMS=f"127.0.0.1:{server.port}") as running:
        yield running


@pytest.fixture(scope="session")
def pools_behind_nginx(nginx_program, tmp_path_factory) -> Iterator[TwoPools]:
    with started(tmp_path_factory.mktemp("pools")) as running:
        yield running


@pytest.fixture
def two_pools(pools_behind_nginx) -> TwoPools:
    """Blue has the traffic, green is not there yet."""
    pools_behind_nginx.reset()
    return pools_behind_nginx


@dataclass
class Stub:
    """An upstream that keeps what it was sent and answers as it is told."""

    port: int
    heads: list[bytes]
    answer: bytes | None

    def header(self, name: str) -> list[str]:
        """Return every value of a header of the last request."""
        lines = self.heads[-1].decode("latin-1").split("\r\n")[1:]
        pairs = (line.partition(":") for line in lines)
        return [v.strip() for k, _, v in pairs if k.lower() == name.lower()]


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"


@pytest.fixture
def stub() -> Iterator[Stub]:
    """Answer every connection once; with `answer = None` say nothing."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        running = Stub(listener.getsockname()[1], [], OK)
        held: list[socket.socket] = []

        def serve() -> None:
            while True:
                try:
                    wire, _ = listener.accept()
                except OSError:
                    return  # closed: the test is over
                held.append(wire)
                wire.settimeout(SECONDS)
                head = b""
                with suppress(OSError):
                    while b"\r\n\r\n" not in head and (chunk := wire.recv(65_536)):
                        head += chunk
                    running.heads.append(head.partition(b"\r\n\r\n")[0])
                    if running.answer is not None:
                        wire.sendall(running.answer)
                        wire.close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield running
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
    thread.join(SECONDS)
    for wire in held:
        wire.close()


@pytest.fixture(scope="session")
def certificate(openssl_program, tmp_path_factory) -> dict[str, str]:
    """Return the variables of a self-signed certificate for localhost."""
    folder = tmp_path_factory.mktemp("tls")
    key, certificate = folder / "tls.key", folder / "tls.crt"
    subprocess.run(
        [
            *(openssl_program, "req", "-x509", "-newkey", "ec", "-nodes"),
            *("-pkeyopt", "ec_paramgen_curve:P-256", "-days", "2"),
            *("-subj", "/CN=localhost"),
            *("-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
        timeout=30,
    )
    return {"TLS_CERTIFICATE": str(certificate), "TLS_KEY": str(key)}
