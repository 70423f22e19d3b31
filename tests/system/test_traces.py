"""Traces and reports of a real server with two workers, to real receivers."""

import json
import os
import signal
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from load import Load
from receivers import Receiver

from tests.system.conftest import (
    free_port,
    unharmed,
    wait_for_workers,
    wait_until_ready,
)

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"  # pragma: allowlist secret
CALLER = "00f067aa0ba902b7"
QUICK = 2.0  # seconds: no answer may take longer, whatever is down
ENDED = 8.0  # seconds: a server is gone this long after TERM, however busy the machine
REQUESTS = 150
STEPS = {"validate", "join", "value", "journal"}


@pytest.fixture
def serve(start):
    """Start a server that traces; a context manager. Its end must be quiet and quick."""

    @contextmanager
    def begin(url, **settings):
        settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": url} | settings
        process, running = start(RATE_LIMIT="off", WORKERS="2", CACHE="off", **settings)
        with unharmed(process, running, lambda: wait_until_ready(process, running)):
            yield running
            began = time.monotonic()
        assert time.monotonic() - began < ENDED

    return begin


def of_predictions(collector):
    return [s for s in collector.spans() if s.name == "POST /v1/predict"]


def ask(server, home, count=60, **headers):
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: server.post(home, **headers), range(count)))
    assert {answer.status_code for answer in answers} == {200}
    return answers


def test_spans_of_both_workers_arrive_with_their_parents_and_ids(serve, home):
    with Receiver() as collector:
        with serve(collector.url) as server:
            workers = set(server.workers())
            traceparent = f"00-{TRACE}-{CALLER}-01"
            answers = ask(server, home, traceparent=traceparent)
            answers += ask(server, home, 20)
        # Also those that waited when the workers were told to end.
        roots = of_predictions(collector)
        spans = collector.spans()
    by_request = {root.about["housing_app.request_id"]: root for root in roots}
    assert by_request.keys() == {a.json()["request_id"] for a in answers}
    assert {root.service["process.pid"] for root in roots} == workers
    assert sum((root.trace, root.parent) == (TRACE, CALLER) for root in roots) == 60
    own = [root for root in roots if root.trace != TRACE]
    assert len({root.trace for root in own}) == 20, "workers draw no ids alike"
    assert {root.parent for root in own} == {""}
    for root in roots:
        steps = [span for span in spans if span.parent == root.id]
        assert {step.name for step in steps} == STEPS
        assert {(s.trace, s.service["process.pid"]) for s in steps} == {
            (root.trace, root.service["process.pid"])
        }
        (line,) = server.logged(root.about["housing_app.request_id"])
        assert line["trace_id"] == root.trace


def test_the_master_sends_nothing_and_workers_that_are_killed_are_replaced(
    serve, start, home
):
    with Receiver() as collector:
        process, server = start(
            RATE_LIMIT="off", CACHE="off", OTEL_EXPORTER_OTLP_ENDPOINT=collector.url
        )
        try:
            wait_until_ready(process, server)
            first = wait_for_workers(server)
            for worker in first:
                os.kill(worker, signal.SIGKILL)
            while set(server.workers()) & set(first):
                time.sleep(0.05)
            later = wait_for_workers(server)
            ask(server, home)
        finally:
            process.terminate()
            process.wait(timeout=60)
        senders = {span.service["process.pid"] for span in of_predictions(collector)}
    assert senders == set(later)


def measured(server, home, count=REQUESTS):
    """Return the seconds of requests at a steady rate, none of which may fail."""
    with Load(server.port, home, rate=50.0) as load:
        load.wait_for(count)
    assert load.errors() == {}
    assert max(load.seconds) < QUICK
    return statistics.median(load.seconds)


def test_no_request_notices_a_collector_that_is_dead_or_hangs(serve, home):
    with Receiver() as collector, serve(collector.url) as server:
        measured(server, home, 20)  # warm
        well = measured(server, home)
    dead = f"http://127.0.0.1:{free_port()}"
    # Sentry as well, though nothing here makes a report.
    with serve(dead, SENTRY_DSN=dead.replace("//", "//k@") + "/1") as server:
        measured(server, home, 20)
        gone = measured(server, home)
        collector_lines = [
            json.loads(text) for text in server.lines() if '"collector"' in text
        ]
        assert {line["up"] for line in collector_lines} <= {False}
        assert len(collector_lines) <= 2, "one of each worker"
    with Receiver(hangs=True) as hung, serve(hung.url) as server:
        measured(server, home, 20)
        stuck = measured(server, home)
        assert hung.bodies
    print(f"median ms: {1e3 * well:.2f}, dead {1e3 * gone:.2f}, hung {1e3 * stuck:.2f}")
    for found in (gone, stuck):
        assert found < 3 * well + 0.005


def test_a_server_ends_in_time_while_collector_and_sentry_hang(start, home):
    with Receiver(hangs=True) as hung:
        process, server = start(
            RATE_LIMIT="off", OTEL_EXPORTER_OTLP_ENDPOINT=hung.url, SENTRY_DSN=hung.dsn
        )
        with unharmed(process, server, lambda: wait_until_ready(process, server)):
            ask(server, home)
            hung.wait(lambda: hung.bodies)
            began = time.monotonic()
        assert time.monotonic() - began < ENDED


def test_flask_run_sends_them_too(start, home, run):
    # One process that never forks, without gunicorn's hooks.
    code = (
        "import wsgi\n"
        "wsgi.app.test_client().get('/health/live', buffered=True).close()\n"
    )
    with Receiver() as collector:
        done = run("-c", code, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url)
        assert done.returncode == 0, done.stderr
        assert [span.name for span in collector.spans()] == ["GET /health/live"]


def test_after_a_fork_a_process_has_an_exporter_of_its_own(run):
    code = (
        "import os, wsgi\n"
        "ask = wsgi.app.test_client().get\n"
        "ask('/health/live', buffered=True).close()\n"
        "child = os.fork()\n"
        "ask('/health', buffered=True).close()\n"
        "child and os.waitpid(child, 0)\n"
    )
    with Receiver() as collector:
        done = run("-c", code, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url)
        assert done.returncode == 0, done.stderr
        found = [(s.name, s.service["process.pid"]) for s in collector.spans()]
    assert len(found) == len(set(found)) == 3
    assert [name for name, _ in found].count("GET /health") == 2
