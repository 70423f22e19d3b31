"""What traces cost in the request path: `python benchmarks/tracing.py`.

One home is valued again and again in one process, by three apps in turns: without a
collector, with one that is another process, and with one that gets a tenth. Time is
that of a request, the least of all; the processor's time is that of the whole process,
its exporting thread included.
"""

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from time import perf_counter, process_time
from timeit import repeat

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from flask import Flask  # noqa: E402

from housing_app import create_app, tracing, traffic  # noqa: E402

TURNS, REQUESTS = 30, 400
# A collector that reads everything and keeps nothing.
COLLECTOR = """
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
    def log_message(self, *_):
        pass
server = HTTPServer(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
"""


@contextmanager
def collector() -> Iterator[str]:
    """Run a collector in a process of its own."""
    command = [sys.executable, "-c", COLLECTOR]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        process.terminate()


def turn(app: Flask, body: bytes) -> tuple[float, float]:
    """Return the least time of a request, and the processor's time for each, in µs."""
    client = app.test_client()
    least, began = float("inf"), process_time()
    for _ in range(REQUESTS):
        start = perf_counter()
        client.post(
            "/v1/predict", data=body, content_type="application/json", buffered=True
        ).close()
        least = min(least, perf_counter() - start)
    return 1e6 * least, 1e6 * (process_time() - began) / REQUESTS


def off_microseconds() -> float:
    """Return what the four steps of a request cost where nothing is traced."""
    code = "for _ in (1, 2, 3, 4):\n with step('value'): pass"
    times = repeat(code, globals={"step": tracing.step}, number=10_000)
    return 1e6 * min(times) / 10_000


def main() -> None:
    """Print a Markdown table."""
    body = (ROOT / "examples" / "home.json").read_bytes()
    with (
        tempfile.TemporaryDirectory(dir=ROOT) as folder,
        collector() as url,
        Path(os.devnull).open("w") as log,
        redirect_stdout(log),
    ):
        plain = {"RATE_LIMIT": "off", "CACHE": "off", "INSTANCE_DIR": Path(folder)}
        apps = {
            "off": create_app(plain),
            "on": create_app(plain | {"OTEL_EXPORTER_OTLP_ENDPOINT": url}),
            "on, a share of 0.1": create_app(
                plain
                | {"OTEL_EXPORTER_OTLP_ENDPOINT": url, "OTEL_TRACES_SAMPLER_ARG": 0.1}
            ),
        }
        traffic.install(apps["off"].config)
        for app in apps.values():
            turn(app, body)
        turns: dict[str, list[tuple[float, float]]] = {name: [] for name in apps}
        for _ in range(TURNS):
            for name, app in apps.items():
                turns[name].append(turn(app, body))
        for app in apps.values():
            tracing.stop(app)
    print("| Traces | µs a request | of off | processor µs a request | of off |")
    print("| --- | ---: | ---: | ---: | ---: |")
    least, used = (
        {name: pick(pair[n] for pair in found) for name, found in turns.items()}
        for n, pick in ((0, min), (1, statistics.median))
    )
    for name in turns:
        ratios = least[name] / least["off"], used[name] / used["off"]
        print(
            f"| {name} | {least[name]:.0f} | {ratios[0]:.2f} "
            f"| {used[name]:.0f} | {ratios[1]:.2f} |"
        )
    print(f"The four steps of a request, off: {off_microseconds():.2f} µs")


if __name__ == "__main__":
    main()
