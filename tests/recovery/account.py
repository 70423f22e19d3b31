"""What a loss costs: what clients were told, and what is there afterwards."""

import json
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from installation import Installation
from load import Load
from watching import until

Span = tuple[float, float]  # times
NEVER: Span = (0.0, 0.0)
LEAST = 5  # predictions and outcomes that a backup or a database has to keep
_NOTICED = 10.0  # seconds that a loss may go unnoticed
_OUTCOME = {"sale_price": 700_000, "sale_date": "2026-01-15"}


class Client:
    """Have homes valued at a rate, and report what some were sold for."""

    def __init__(self, port: int, token: str, home: Any, rate: float) -> None:
        self._headers = {"Authorization": f"Bearer {token}"}
        self._url = f"http://127.0.0.1:{port}/v1/outcomes"
        self.load = Load(port, home, rate=rate, headers=self._headers)
        self.reported: dict[str, float] = {}  # acknowledged outcomes, and when
        self.refusals: Counter[Any] = Counter()  # outcomes to be sent again
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._report)

    def __enter__(self) -> "Client":
        self.load.__enter__()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Send nothing more."""
        if not self._done.is_set():
            self._done.set()
            self.load.__exit__()
            self._thread.join()

    def _report(self) -> None:
        while not self._done.wait(0.2):
            now = time.monotonic()
            known = self.load.acknowledged.copy().items()
            # Records reach the database within a second, whichever machine asks.
            ripe = [one for one, at in known if 2 < now - at < 4]
            if ripe and (one := ripe[-1]) not in self.reported:
                status = self.report(one)
                if status in (200, 201):
                    self.reported[one] = time.monotonic()
                else:
                    self.refusals[status] += 1

    def report(self, prediction_id: str) -> int:
        """Report a sale; return the answer's status, 0 without one."""
        body = json.dumps({"prediction_id": prediction_id} | _OUTCOME).encode()
        headers = self._headers | {"Content-Type": "application/json"}
        request = urllib.request.Request(self._url, body, headers)
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            error.close()
            return error.code
        except OSError:
            return 0


@dataclass
class Finding:
    """What one loss cost, and what broke its bounds."""

    loss: str
    noticed: float | None = None  # seconds; None: nobody had to
    gap: float = 0.0  # the longest time without an answer of 200
    back: float = 0.0  # from the first step of the way back until all is ok
    requests: int = 0
    failed: int = 0
    unrecorded: int = 0
    acknowledged: int = 0
    lost: int = 0
    reported: int = 0
    outcomes_lost: int = 0
    outcomes_refused: int = 0
    promise: str = ""  # what may be lost
    faults: list[str] = field(default_factory=list)

    def hold(self, is_so: bool, otherwise: str) -> None:
        """Note a fault unless something is so."""
        if not is_so:
            self.faults.append(otherwise)

    def count(
        self,
        client: Client,
        installation: Installation,
        *,
        loses: Span = NEVER,
        forgets: Span = NEVER,
        fails: Span = NEVER,
        answers: int,
        gap: float = 5.0,
    ) -> None:
        """Compare what was acknowledged with what is stored.

        What was acknowledged between the times `loses` may be lost, an outcome between
        those of `forgets`; between those of `fails` a request may fail. At least so
        many answers are asked for, and one in each `gap` seconds.
        """
        client.stop()
        until(lambda: not installation.waiting(), "the spools are drained", 60)
        load = client.load
        stored = installation.stored()
        sold = installation.stored("outcomes", "prediction_id")
        lost = {k: at for k, at in load.acknowledged.items() if k not in stored}
        unsold = {k: at for k, at in client.reported.items() if k not in sold}
        times = sorted(at for _, at, _ in load.models)
        self.gap = max((b - a for a, b in pairwise(times)), default=0.0)
        self.requests, self.failed = load.count, len(load.failures)
        self.unrecorded, self.acknowledged = (
            len(load.unrecorded),
            len(load.acknowledged),
        )
        self.lost, self.outcomes_lost = len(lost), len(unsold)
        self.reported = len(client.reported)
        self.outcomes_refused = sum(client.refusals.values())
        self.hold(len(times) >= answers, f"{len(times)} answers, not {answers}")
        self.hold(self.gap <= gap, f"no answer for {self.gap:.1f} s")
        self.hold((self.noticed or 0) <= _NOTICED, f"noticed after {self.noticed} s")
        self.hold(self.reported > 0, "no outcome was ever acknowledged")
        self.hold(not load.unrecorded, f"{self.unrecorded} answers were not recorded")
        for begin, times in (
            (loses[0], load.acknowledged.values()),
            (forgets[0], client.reported.values()),
        ):
            # Or a loss of everything would be within the promise.
            kept = sum(at < begin for at in times)
            self.hold(not begin or kept >= LEAST, f"{kept} had to be kept")
        self.settle(
            lost, unsold, load.failures, loses=loses, forgets=forgets, fails=fails
        )

    def settle(
        self,
        lost: dict[str, float],
        unsold: dict[str, float],
        failures: list[tuple[float, Any]],
        *,
        loses: Span = NEVER,
        forgets: Span = NEVER,
        fails: Span = NEVER,
    ) -> None:
        """Hold what was lost or failed, and when, to the times at which it may be."""
        for what, times, may in (
            ("records", lost, loses),
            ("outcomes", unsold, forgets),
        ):
            other = [at for at in times.values() if not may[0] <= at <= may[1]]
            self.hold(not other, f"{len(other)} {what} lost beyond the promise")
        other = [why for at, why in failures if not fails[0] <= at <= fails[1]]
        self.hold(not other, f"requests failed that must not: {Counter(other)}")
