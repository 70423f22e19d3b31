"""Watch the metrics of a release that has traffic, and say when it is no good."""

import math
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from asking import Failed, ask
from prometheus_client.parser import text_string_to_metric_families

_EARLY = 20  # requests from which on errors alone end a watch


@dataclass(frozen=True)
class Limits:
    """What a release may cost, over the time it is watched."""

    seconds: float = 60.0
    errors: float = 0.01  # share of answers with a status of 500 or more
    p95: float = 0.5  # seconds in the app
    least: int = 100  # requests, fewer of which say nothing


@dataclass
class Sample:
    """Counts of requests to /v1, since the instances started."""

    requests: int = 0
    errors: int = 0
    buckets: Counter[float] = field(default_factory=Counter)  # by upper bound

    def since(self, before: "Sample") -> "Sample":
        """Return what came after another. Raises Failed if counts went down."""
        found = Sample(
            self.requests - before.requests,
            self.errors - before.errors,
            Counter({k: self.buckets[k] - before.buckets[k] for k in self.buckets}),
        )
        if found.requests < 0 or found.errors < 0 or min(found.buckets.values()) < 0:
            raise Failed("its counters went back: an instance started anew")
        return found

    def p95(self) -> float:
        """Return the bound of the bucket that holds the 95th percentile, in seconds."""
        goal = 0.95 * self.buckets[math.inf]
        return min(bound for bound, count in self.buckets.items() if count >= goal)


def sample(urls: Iterable[str]) -> Sample:
    """Add up the metrics of all instances of a release."""
    found = Sample(buckets=Counter({math.inf: 0}))
    for url in urls:
        status, body = ask(f"{url}/metrics")
        if status != 200:
            raise Failed(f"{url}/metrics: {status}")
        for family in text_string_to_metric_families(body.decode()):
            for name, labels, value, *_ in family.samples:
                if not labels.get("route", "").startswith("/v1/"):
                    continue  # probes and scrapes are quick, and say little
                if name == "http_requests_total":
                    found.requests += int(value)
                    found.errors += int(value) * (labels["status"] >= "500")
                elif name == "http_request_duration_seconds_bucket":
                    found.buckets[float(labels["le"])] += int(value)
    return found


def watch(urls: Callable[[], list[str]], limits: Limits, pause: float = 0.5) -> Sample:
    """Return what a release did while it was watched. Raises Failed if it was bad."""
    before = sample(urls())
    end = time.monotonic() + limits.seconds
    while True:
        is_over = time.monotonic() >= end
        found = sample(urls()).since(before)
        judge(found, limits, is_over=is_over)
        if is_over:
            return found
        time.sleep(pause)


def judge(found: Sample, limits: Limits, *, is_over: bool) -> None:
    """Raise Failed if a release answers too many requests badly, or too slowly."""
    count = found.requests
    if is_over and count < limits.least:
        raise Failed(
            f"{count} requests in {limits.seconds:g} s are too few to judge by"
        )
    if count < (1 if is_over else _EARLY):
        return
    if found.errors > limits.errors * count:
        raise Failed(f"{found.errors} of {count} requests failed")
    # Fewer requests than these say little of one in twenty.
    if (is_over or count >= limits.least) and found.p95() > limits.p95:
        raise Failed(f"the 95th percentile of {count} requests is {_seconds(found)}")


def _seconds(found: Sample) -> str:
    bound = found.p95()
    if math.isinf(bound):
        last = max(b for b in found.buckets if not math.isinf(b))
        return f"over {last:g} s"
    return f"up to {bound:g} s"
