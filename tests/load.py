"""A steady load of requests from threads, and what became of each of them."""

import http.client
import json
import threading
import time
from collections import Counter
from collections.abc import Mapping
from typing import Any


class Load:
    """Send requests at a rate until the block ends; a context manager.

    An answer is told by its status, whatever broke off by its exception's name.
    """

    def __init__(
        self,
        port: int,
        payload: Any,
        path: str = "/v1/predict",
        rate: float = 50.0,
        threads: int = 4,
        timeout: float = 10.0,
        keep: bool = False,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.statuses: Counter[Any] = Counter()
        self.seconds: list[float] = []  # of each answer
        self.models: list[tuple[float, float, str]] = []  # begun, answered, by which
        self.ids: list[str] = []  # of acknowledged predictions
        self.acknowledged: dict[str, float] = {}  # the same, and when they were
        self.failures: list[tuple[float, Any]] = []  # when, and what came instead
        self.unrecorded: list[str] = []  # of those that were said not to be recorded
        self.retries = 0  # on kept connections that the server had closed
        self._address = ("127.0.0.1", port, timeout)
        self._body, self._path = json.dumps(payload), path
        self._headers = {"Content-Type": "application/json"} | dict(headers or {})
        self._pause = threads / rate
        self._keep = keep
        self._done = threading.Event()
        self._lock = threading.Lock()
        self._threads = [
            threading.Thread(target=self._send, args=(n / rate,))
            for n in range(threads)
        ]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join()

    @property
    def count(self) -> int:
        """Return how many requests came to an end."""
        return sum(self.statuses.values())

    def wait_for(self, count: int, seconds: float = 60.0) -> None:
        """Return when so many more requests came to an end."""
        goal, deadline = self.count + count, time.monotonic() + seconds
        while self.count < goal:
            assert time.monotonic() < deadline, self.statuses
            time.sleep(0.01)

    def errors(self) -> Counter[Any]:
        """Return all that was no answer of 200, by kind."""
        return Counter({k: v for k, v in self.statuses.items() if k != 200})

    def _send(self, delay: float) -> None:
        # Sent when they are due, however long the others take.
        due = time.monotonic() + delay
        host, port, timeout = self._address
        wire = http.client.HTTPConnection(host, port, timeout=timeout)
        while not self._done.wait(max(0.0, due - time.monotonic())):
            due = max(due + self._pause, time.monotonic() - 1)
            began = time.monotonic()
            try:
                status, recorded, body = self._ask_over(wire)
            except (OSError, http.client.HTTPException) as error:
                status, recorded, body = type(error).__name__, True, b"{}"
                wire.close()
            with self._lock:
                self.statuses[status] += 1
                now = time.monotonic()
                self.seconds.append(now - began)
                if status != 200:
                    self.failures.append((now, status))
                answer = json.loads(body)
                if model := answer.get("model"):
                    name = f"{model['name']}-{model['version']}"
                    self.models.append((began, now, name))
                ids = [p["id"] for p in answer.get("predictions", [])]
                (self.ids if recorded else self.unrecorded).extend(ids)
                if recorded:
                    self.acknowledged.update(dict.fromkeys(ids, now))
        wire.close()

    def _ask_over(self, wire: http.client.HTTPConnection) -> tuple[Any, bool, bytes]:
        """Ask once; once more where a kept connection turns out to be closed."""
        is_kept = wire.sock is not None
        try:
            found = self._ask(wire)
        except (ConnectionResetError, BrokenPipeError):  # and RemoteDisconnected
            wire.close()
            if not is_kept:
                raise
            with self._lock:
                self.retries += 1
            found = self._ask(wire)
        if not self._keep:
            wire.close()
        return found

    def _ask(self, wire: http.client.HTTPConnection) -> tuple[Any, bool, bytes]:
        wire.request("POST", self._path, self._body, self._headers)
        answer = wire.getresponse()
        recorded = answer.getheader("Prediction-Recorded") != "no"
        return answer.status, recorded, answer.read()
