"""Clients: wrk in a closed loop, and one that keeps to a timetable (open loop).

In a closed loop a client waits for an answer before it asks again, so a server that
stalls is asked less and looks better than it is. The open loop sends at times fixed
beforehand and measures from the intended time, whenever the request really left.
"""

import http.client
import json
import random
import select
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

from servers import Server

SHOWN = (50, 95, 99)
# Requests a server was sent so far, by its port. The next turn goes on from there: what
# was asked in the last one would come from the cache.
_sent: Counter[int] = Counter()
# wrk's own numbers are in microseconds; one line of JSON is easier to read than its
# report.
_SCRIPT = """
local bodies, n, i = {{}}, 0, {start}
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
                start=_sent[server.port] % len(bodies),
                path=json.dumps(server.path + query),
            )
        )
        command = ["wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s"]
        command += ["--timeout", "30s", "-s", str(script), server.url]
        output = subprocess.run(command, capture_output=True, text=True, check=True)
    (line,) = [x for x in output.stdout.splitlines() if x.startswith("RESULT ")]
    found = json.loads(line.removeprefix("RESULT "))
    good = found["requests"]
    _sent[server.port] += good + connections
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
    start = _sent[server.port]

    def client(number: int) -> None:
        number += start
        while time.perf_counter() < end:
            began = time.perf_counter()
            good = _ask(server, bodies[number % len(bodies)], query)
            times.append(time.perf_counter() - began) if good else errors.append(1)
            number += connections

    _together(client, connections)
    _sent[server.port] += len(times) + len(errors) + connections
    return _figures(times, seconds, len(errors)) | {"client": "threads"}


class _Exchange:
    """Hold one request on its way, and the beginning of its answer."""

    def __init__(self, port: int, request: bytes, due: float) -> None:
        self.due = due
        self.answer = b""
        self.request = request
        self.socket = socket.socket()
        self.socket.setblocking(False)
        self.socket.connect_ex(("127.0.0.1", port))

    def go_on(self) -> bool:
        """Send what is to be sent, or read what came; say whether that was all."""
        if self.request:
            self.request = self.request[self.socket.send(self.request) :]
            return False
        read = self.socket.recv(65_536)
        self.answer = self.answer or read[:12]
        return not read


def _timetable(
    rate: float, count: int, chance: random.Random | None
) -> Iterator[float]:
    """Yield seconds from the start: even ones, or as clients that know of no other."""
    if chance is None:
        yield from (number / rate for number in range(count))
    else:
        yield from accumulate(chance.expovariate(rate) for _ in range(count))


def opened(
    server: Server,
    bodies: Sequence[bytes],
    rate: float,
    seconds: float,
    chance: random.Random | None = None,
) -> dict[str, Any]:
    """Ask at a rate, evenly or by chance; times count from when a request was due.

    On bare sockets: every microsecond of the client's is taken from the server's.
    """
    named = {"Host": "127.0.0.1", "Connection": "close"} | server.headers
    lines = [f"POST {server.path} HTTP/1.1", *(f"{k}: {v}" for k, v in named.items())]
    head = "\r\n".join(lines).encode() + b"\r\nContent-Length: %d\r\n\r\n%s"
    requests = [head % (len(body), body) for body in bodies]
    times: list[float] = []
    late: list[float] = []
    errors = 0
    under_way: dict[int, _Exchange] = {}
    sent, count = 0, int(rate * seconds)
    table = list(_timetable(rate, count, chance))
    began = time.perf_counter() + 0.1
    first = _sent[server.port]
    _sent[server.port] += count
    with select.epoll() as poll:
        while sent < count or under_way:
            now = time.perf_counter()
            if sent < count and now >= (due := began + table[sent]):
                late.append(now - due)
                one = _Exchange(
                    server.port, requests[(first + sent) % len(requests)], due
                )
                under_way[one.socket.fileno()] = one
                poll.register(one.socket, select.EPOLLOUT)
                sent += 1
                continue
            wait = began + table[sent] - now if sent < count else 30.0
            events = poll.poll(max(0.0, wait))
            if not events and sent == count:
                break  # half a minute without a word
            for number, _ in events:
                one = under_way[number]
                try:
                    is_done = one.go_on()
                except OSError:
                    is_done, one.answer = True, b""
                if is_done:
                    poll.unregister(number)
                    one.socket.close()
                    del under_way[number]
                    if one.answer.endswith(b" 200"):
                        times.append(time.perf_counter() - one.due)
                    else:
                        errors += 1
                elif not one.request:
                    poll.modify(number, select.EPOLLIN)
    late.sort()
    found = _figures(times, seconds, errors + len(under_way))
    # Where this is large the client, not the server, was late.
    return found | {
        "asked": round(rate, 1),
        "late_p99_ms": round(1000 * quantile(late, 99), 3),
    }


def _together(client: Any, count: int) -> None:
    threads = [threading.Thread(target=client, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
