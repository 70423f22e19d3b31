"""Clients: wrk in a closed loop, and one that keeps to a timetable (open loop).

In a closed loop a client waits for an answer before it asks again, so a server that
stalls is asked less and looks better than it is. The open loop sends at times fixed
beforehand and measures from the intended time, whenever the request really left.
"""

import http.client
import json
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from servers import Server

SHOWN = (50, 95, 99)
# wrk's own numbers are in microseconds; one line of JSON is easier to read than its
# report.
_SCRIPT = """
local bodies, n, i = {{}}, 0, 0
local headers = {headers}
for line in io.lines({file}) do n = n + 1; bodies[n] = line end
function request()
  i = i % n + 1
  return wrk.format("POST", {path}, headers, bodies[i])
end
function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format('\\nRESULT {{"requests": %d, "us": %d, "p50": %d, ' ..
    '"p95": %d, "p99": %d, "max": %d, "errors": %d}}\\n',
    summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(95), latency:percentile(99),
    latency.max, e.connect + e.read + e.write + e.status + e.timeout))
end
"""


def quantile(times: Sequence[float], percent: float) -> float:
    """Return a percentile of sorted times."""
    return times[min(len(times) - 1, int(len(times) * percent / 100))]


def _figures(times: list[float], seconds: float, errors: int) -> dict[str, Any]:
    times.sort()
    found = {f"p{p}_ms": round(1000 * quantile(times, p), 3) for p in SHOWN if times}
    return {
        "rate": round(len(times) / seconds, 1),
        **found,
        "max_ms": round(1000 * times[-1], 3) if times else None,
        "errors": errors,
        "requests": len(times),
    }


def closed(
    server: Server,
    bodies: Sequence[bytes],
    connections: int,
    seconds: float,
    query: str = "",
) -> dict[str, Any]:
    """Ask as fast as answers come; by wrk if it is there, else by threads."""
    if shutil.which("wrk"):
        return _wrk(server, bodies, connections, seconds, query)
    return _threads(server, bodies, connections, seconds, query)


def _wrk(
    server: Server,
    bodies: Sequence[bytes],
    connections: int,
    seconds: float,
    query: str,
) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        lines, script = Path(folder, "bodies"), Path(folder, "script.lua")
        lines.write_bytes(b"\n".join(bodies) + b"\n")
        pairs = ", ".join(f'["{k}"] = "{v}"' for k, v in server.headers.items())
        script.write_text(
            _SCRIPT.format(
                headers=f"{{{pairs}}}",
                file=json.dumps(str(lines)),
                path=json.dumps(server.path + query),
            )
        )
        command = ["wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s"]
        command += ["--timeout", "30s", "-s", str(script), server.url]
        output = subprocess.run(command, capture_output=True, text=True, check=True)
    (line,) = [x for x in output.stdout.splitlines() if x.startswith("RESULT ")]
    found = json.loads(line.removeprefix("RESULT "))
    good = found["requests"]
    shown = {f"p{p}_ms": round(found[f"p{p}"] / 1000, 3) for p in SHOWN}
    return {
        "rate": round(good / found["us"] * 1e6, 1),
        **shown,
        "max_ms": round(found["max"] / 1000, 3),
        "errors": found["errors"],
        "requests": good,
        "client": "wrk",
    }


def _ask(server: Server, body: bytes, query: str) -> bool:
    """Send one request over a connection of its own: a sync worker ends it anyway."""
    wire = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    try:
        wire.request("POST", server.path + query, body, server.headers)
        answer = wire.getresponse()
        answer.read()
        return answer.status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        wire.close()


def _threads(
    server: Server,
    bodies: Sequence[bytes],
    connections: int,
    seconds: float,
    query: str,
) -> dict[str, Any]:
    times: list[float] = []
    errors: list[int] = []
    end = time.perf_counter() + seconds

    def client(number: int) -> None:
        while time.perf_counter() < end:
            began = time.perf_counter()
            good = _ask(server, bodies[number % len(bodies)], query)
            times.append(time.perf_counter() - began) if good else errors.append(1)
            number += connections

    _together(client, connections)
    return _figures(times, seconds, len(errors)) | {"client": "threads"}


def opened(
    server: Server,
    bodies: Sequence[bytes],
    rate: float,
    seconds: float,
    threads: int = 64,
) -> dict[str, Any]:
    """Ask at a rate, evenly; times count from when a request was due."""
    count = int(rate * seconds)
    began = time.perf_counter() + 0.1
    numbers = iter(range(count))
    lock = threading.Lock()
    times: list[float] = []
    late: list[float] = []
    errors: list[int] = []

    def client(_: int) -> None:
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            due = began + number / rate
            time.sleep(max(0.0, due - time.perf_counter()))
            late.append(time.perf_counter() - due)
            good = _ask(server, bodies[number % len(bodies)], "")
            times.append(time.perf_counter() - due) if good else errors.append(1)

    _together(client, threads)
    late.sort()
    found = _figures(times, seconds, len(errors))
    # Where this is large the client, not the server, was late.
    return found | {"asked": rate, "late_p99_ms": round(1000 * quantile(late, 99), 3)}


def _together(client: Any, count: int) -> None:
    threads = [threading.Thread(target=client, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
