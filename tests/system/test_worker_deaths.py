"""Workers that are killed under load: /metrics stays whole, its files few."""

import contextlib
import itertools
import os
import signal
import threading
import time

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from tests.system.conftest import wait_for_workers, wait_until_ready

DEATHS = 20


@pytest.fixture
def mortal(start):
    """A server whose workers may die."""
    process, running = start(RATE_LIMIT="off", WORKERS="2", CACHE="off")
    try:
        wait_until_ready(process, running)
        wait_for_workers(running)
        yield running
    finally:
        process.terminate()
        process.wait(timeout=60)


def counters(server):
    """Return every sample of a scrape that must never fall."""
    answer = server.get("/metrics")
    assert answer.status_code == 200, answer.text
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        if family.type in {"counter", "histogram"}
        for sample in family.samples
    }


def test_20_kills_leave_few_files_and_no_counter_ever_falls(mortal, home):
    done = threading.Event()
    answered = []

    def ask():
        while not done.is_set():
            # A killed worker takes the request along that it had.
            with contextlib.suppress(requests.RequestException):
                answered.append(mortal.post(home).status_code)

    clients = [threading.Thread(target=ask) for _ in range(2)]
    for client in clients:
        client.start()
    seen = []
    try:
        for _ in range(DEATHS):
            victim, _ = wait_for_workers(mortal)
            os.kill(victim, signal.SIGKILL)
            deadline = time.monotonic() + 10
            while victim in mortal.workers() and time.monotonic() < deadline:
                with contextlib.suppress(requests.RequestException):
                    seen.append(counters(mortal))
    finally:
        done.set()
        for client in clients:
            client.join()
    workers = wait_for_workers(mortal)
    seen.append(counters(mortal))
    assert len(seen) > DEATHS
    for before, after in itertools.pairwise(seen):
        fallen = {
            k: (v, after.get(k)) for k, v in before.items() if after.get(k, 0) < v
        }
        assert not fallen
    assert set(answered) == {200}
    counted = sum(
        value
        for (name, labels), value in seen[-1].items()
        if name == "http_requests_total" and ("route", "/v1/predict") in labels
    )
    assert len(answered) <= counted <= len(answered) + DEATHS
    owners = {path.stem.rpartition("_")[2] for path in mortal.metrics.glob("*.db")}
    assert owners <= {"ended", str(mortal.pid), *map(str, workers)}
