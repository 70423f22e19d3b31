"""Ask servers without a break, and keep what they answered and how long it took."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import NamedTuple


class Sample(NamedTuple):
    """One answer; status 0 is none."""

    began: float
    seconds: float
    status: int
    head: str


class Samples(list[Sample]):
    def between(self, start: float, end: float) -> "Samples":
        return Samples(one for one in self if start <= one.began < end)

    def statuses(self) -> dict[int, int]:
        found: dict[int, int] = {}
        for one in self:
            found[one.status] = found.get(one.status, 0) + 1
        return found

    def slowest(self) -> float:
        return max(one.seconds for one in self)


def ask(port: int, request: bytes) -> Sample:
    """Send a request as it is, on a connection of its own."""
    began, head = time.monotonic(), b""
    try:
        with socket.create_connection(("127.0.0.1", port), 10) as wire:
            wire.sendall(request)
            while part := wire.recv(65_536):
                head += part
        status = int(head.split(b" ", 2)[1])
    except (OSError, IndexError, ValueError):
        status = 0
    said = head.partition(b"\r\n\r\n")[0].decode("latin-1")
    return Sample(began, time.monotonic() - began, status, said)


def post(home: dict[str, object], address: str) -> bytes:
    """Return a request for a valuation that a proxy received from an address."""
    body = json.dumps(home).encode()
    head = (
        f"POST /v1/predict HTTP/1.0\r\nHost: x\r\nX-Forwarded-For: {address}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def varied(home: dict[str, object]) -> Iterator[bytes]:
    """Return requests of ever new clients: every second one was sent before."""
    for number in count():
        lot = 2_000 + (number if number % 2 else number % 40)
        address = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
        yield post(home | {"sqft_lot": lot}, address)


@contextmanager
def load(
    port: int, requests: Iterator[bytes], clients: int, period: float
) -> Iterator[Samples]:
    """Have clients ask until the end, each once a period, or as often as it can."""
    found, lock, stopping = Samples(), threading.Lock(), threading.Event()

    def client() -> None:
        while not stopping.is_set():
            with lock:
                request = next(requests)
            sample = ask(port, request)
            found.append(sample)
            stopping.wait(max(0.0, sample.began + period - time.monotonic()))

    with _threads(client, clients, stopping):
        yield found


@contextmanager
def _threads(
    target: Callable[[], None], number: int, stopping: threading.Event
) -> Iterator[None]:
    threads = [threading.Thread(target=target, daemon=True) for _ in range(number)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stopping.set()
        for thread in threads:
            thread.join(30)
