"""A whole installation on this machine: nginx, the service, Redis, PostgreSQL.

Real servers, as the tests start them; each part says how much processor time it took.
"""

import importlib.util
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import results
import servers

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
sys.path.append(str(ROOT / "tests"))  # last: both folders have a `load`

import stores  # noqa: E402

from housing_app.database import Database, schema  # noqa: E402

_TICK = os.sysconf("SC_CLK_TCK")
_QUIET = 0.1


@dataclass
class Installation:
    """Running parts: their processes, their ports, what they wrote."""

    folder: Path
    api: servers.Server
    entrance: servers.Server  # the same service, through nginx
    redis: stores.Redis
    postgres: stores.Postgres
    nginx: int  # the master's process id

    def cpu(self) -> dict[str, float]:
        """Return the seconds of processor time that each part took so far."""
        assert self.redis.process is not None
        assert self.postgres.process is not None
        return {
            "api": cpu(self.api.processes()),
            "nginx": cpu(stores.family(self.nginx)),
            "redis": cpu([self.redis.process.pid]),
            "postgres": cpu(stores.family(self.postgres.process.pid)),
        }


def cpu(pids: list[int]) -> float:
    """Return the seconds of processor time of processes, and of children that ended."""
    found = 0
    for pid in pids:
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
        except FileNotFoundError:  # it ended in between
            continue
        found += sum(map(int, stat.rpartition(")")[2].split()[11:15]))
    return found / _TICK


def quietest(measure: Callable[[], dict[str, Any]], tries: int = 3) -> dict[str, Any]:
    """Return what was measured while other programs took least of the machine.

    `others` is how many cores they had; below a tenth of one it is not tried again.
    Before each try it waits a while for a calm moment.
    """
    found: list[dict[str, Any]] = []
    while len(found) < tries:
        _calm()
        before, began = others(), time.perf_counter()
        row = measure()
        took = time.perf_counter() - began
        found.append(row | {"others": round(max(0.0, others() - before) / took, 2)})
        if found[-1]["others"] < _QUIET:
            break
    return min(found, key=lambda row: (row["errors"] > 0, row["others"]))


def _calm(seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        before = others()
        time.sleep(1.0)
        if others() - before < 2 * _QUIET:
            return


def others() -> float:
    """Return the seconds of processor time that others than us took so far."""
    fields = Path("/proc/stat").read_text().splitlines()[0].split()[1:]
    user, nice, system, _, _, irq, softirq = map(int, fields[:7])
    busy = (user + nice + system + irq + softirq) / _TICK
    return busy - cpu(stores.family(os.getpid()))


@contextmanager
def running(workers: int = 2, **changes: str) -> Iterator[Installation]:
    """Run all of it with every guard on, as deploy/ does; nginx without TLS."""
    with (
        stores.running(postgres()) as database,
        stores.running(stores.Redis()) as redis,
        results.folder() as name,
    ):
        url = database.empty_database()
        Database(url, "benchmark").run(schema.upgrade, 30)
        folder = Path(name)
        wanted = {"DATABASE_URL": url, "REDIS_URL": redis.url, "TRUSTED_PROXIES": "1"}
        with (
            served(folder, workers, wanted | changes) as api,
            nginx(folder, api.port) as (process, port),
        ):
            entrance = servers.Server(api.process, port, headers=api.headers)
            yield Installation(folder, api, entrance, redis, database, process)


def postgres() -> stores.Postgres:
    """Return a PostgreSQL that waits for its disk, as one in service does."""
    return stores.Postgres(fsync="on")


@contextmanager
def served(
    folder: Path, workers: int, changes: dict[str, str], first: tuple[str, ...] = ()
) -> Iterator[servers.Server]:
    """Run the service alone, with its output in a folder's file `log`."""
    port = servers.free_port()
    environ, token = servers.settings(folder, port, workers)
    command = [*first, sys.executable, "-m", "gunicorn", "--config", "gunicorn.conf.py"]
    output = folder / "log"
    with servers.running(command, port, environ | changes, output=output) as process:
        headers = servers.JSON | {"Authorization": f"Bearer {token}"}
        server = servers.Server(process, port, headers=headers)
        servers.wait(server, (ROOT / "examples" / "home.json").read_bytes())
        while len(server.processes()) <= workers:  # the first one answers sooner
            time.sleep(0.05)
        yield server


@contextmanager
def nginx(folder: Path, upstream: int) -> Iterator[tuple[int, int]]:
    """Run nginx by deploy/nginx before a port; hand out its process id and port."""
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        sys.exit("nginx is not installed")
    port = servers.free_port()
    conf = folder / "nginx"
    conf.mkdir()
    environ = {
        "UPSTREAMS": f"127.0.0.1:{upstream}",
        "HTTP_LISTEN": f"127.0.0.1:{port}",
        "RUN_DIR": str(folder),
        "ACCESS_LOG": str(folder / "access.log"),
        # All that is asked comes from one address.
        "RATE": "100000r/s",
        "BURST": "10000",
        "CONNECTIONS": "10000",
    }
    path = _render().render(conf, environ)
    user = "user root; " if os.geteuid() == 0 else ""
    command = [program, "-e", "stderr", "-c", str(path), "-g", f"{user}daemon off;"]
    with servers.running(command, port, {}, output=folder / "nginx.log") as process:
        time.sleep(0.5)
        yield process.pid, port


def _render() -> Any:
    path = ROOT / "deploy" / "nginx" / "render.py"
    spec = importlib.util.spec_from_file_location("render", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
