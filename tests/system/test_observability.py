"""Logs and metrics of a real server with two workers."""

import json
import os
import re
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.system.conftest import wait_for_workers, wait_until_ready

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"  # pragma: allowlist secret


# --- logs ---------------------------------------------------------------------------


def test_a_request_is_one_json_line_with_its_id(server, home):
    answer = server.post(home, **{"X-Request-ID": "system-1"})
    assert answer.headers["X-Request-ID"] == answer.json()["request_id"] == "system-1"
    (line,) = server.logged("system-1")
    assert line["event"] == "request"
    assert (line["method"], line["route"]) == ("POST", "/v1/predict")
    assert line["status"] == 200


def test_every_line_is_json_with_an_id_or_gunicorns_own(server):
    server.get("/health/live")
    for text in server.lines():
        if text.startswith("{"):
            line = json.loads(text)
            if line["event"] != "library":
                assert re.fullmatch(r"[\w.-]{1,128}", line["request_id"], re.ASCII)
            assert line["level"] in {"info", "warning", "error"}
            assert line["timestamp"]
        else:
            # The greeting, and nothing else, is meant for people.
            assert re.fullmatch(r"(|housing_app answers on .*|  curl .*)", text)


def test_gunicorns_lines_are_json_from_its_start_to_its_end(start):
    # Unbuffered output is what containers have; a plain `make run` has not.
    process, server = start(
        RATE_LIMIT="off", GUNICORN_CMD_ARGS="--timeout 1", PYTHONUNBUFFERED=""
    )
    try:
        wait_until_ready(process, server)
        hung, other = wait_for_workers(server)
        os.kill(hung, signal.SIGSTOP)
        deadline = time.monotonic() + 20
        while hung in server.workers() and time.monotonic() < deadline:
            time.sleep(0.05)
        os.kill(other, signal.SIGKILL)
        wait_for_workers(server)
        answer = server.get("/health/live")
        assert server.logged(answer.headers["X-Request-ID"]), "written at once"
    finally:
        process.terminate()
        process.wait(timeout=60)
    own = [line for line in server.library_lines() if "gunicorn" in line["logger"]]
    assert [text for text in server.lines() if text.startswith("[")] == []
    said = "\n".join(f"{line['level']}: {line['message']}" for line in own)
    for wanted in (
        "info: Starting gunicorn ",
        f"info: Listening at: {server.url} ",
        f"info: Booting worker with pid: {hung}",
        f"critical: WORKER TIMEOUT (pid:{hung})",
        f"error: Worker (pid:{other}) was sent SIGKILL!",
        "info: Worker exiting ",
        "info: Shutting down: Master",
    ):
        assert wanted in said, said


def test_a_payload_does_not_reach_the_log(server, home):
    marked = home | {"sqft_lot": 98765.4321, "s3cret": "s3cret"}
    assert server.post(home | {"sqft_lot": 98765.4321}).status_code == 200
    assert server.post(marked).status_code == 422
    assert server.post(b'{"s3cret": s3cret}').status_code == 400
    assert server.get("/health/live?token=s3cret").status_code == 200
    text = server.output.read_text()
    assert "98765.4321" not in text
    assert "s3cret" not in text


@pytest.mark.parametrize(
    "sent", ["a b", '{"event":"forged"}', "é", "x" * 129, "<script>forged</script>"]
)
def test_an_invalid_request_id_is_replaced(server, sent):
    answer = server.get("/nope", headers={"X-Request-ID": sent.encode()})
    found = answer.headers["X-Request-ID"]
    assert re.fullmatch(r"[0-9a-f]{32}", found)
    assert sent not in answer.text
    (line,) = server.logged(found)
    assert line["request_id"] == found


def test_a_trace_id_is_logged(server):
    traceparent = f"00-{TRACE}-00f067aa0ba902b7-01"
    sent = {"traceparent": traceparent, "X-Request-ID": "system-trace"}
    server.get("/health/live", headers=sent)
    assert [line["trace_id"] for line in server.logged("system-trace")] == [TRACE]


FORGED = b'{"event": "forged", "request_id": "1", "level": "error"}'
INJECTIONS = {
    "newline in the path": b"GET /x%0a" + FORGED.replace(b" ", b"") + b" HTTP/1.1",
    "carriage return": b"GET /x%0d%0a" + FORGED.replace(b" ", b"") + b" HTTP/1.1",
    "line separator": b"GET /x%e2%80%a8" + FORGED.replace(b" ", b"") + b" HTTP/1.1",
    "escape codes": b"GET /\x1b[2J%1b[31mforged HTTP/1.1",
    "raw bytes": b"GET /\xff\xfe\x80forged HTTP/1.1",
    "a folded id": b"GET /health/live HTTP/1.1\r\nX-Request-ID: a\r\n " + FORGED,
    "a bare newline": b"GET /health/live HTTP/1.1\r\nX-Request-ID: a\n" + FORGED,
    "a traceparent": b"GET /health/live HTTP/1.1\r\ntraceparent: \\n" + FORGED,
    "a user agent": b"GET /nope HTTP/1.1\r\nUser-Agent: \\r\\n" + FORGED,
    "the method": b'{"event":"forged"} / HTTP/1.1',
}


@pytest.mark.parametrize("what", INJECTIONS)
def test_no_client_can_forge_a_log_line(server, what):
    known = len(server.lines())
    server.talk(INJECTIONS[what] + b"\r\nHost: test\r\n\r\n")
    for text in server.output.read_bytes().splitlines()[known:]:
        assert b"\x1b" not in text
        assert json.loads(text)["event"] != "forged"


# --- metrics ------------------------------------------------------------------------


def scrape(server):
    answer = server.get("/metrics")
    assert answer.status_code == 200
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def total(found, name, **labels):
    return sum(
        value
        for (sample, named), value in found.items()
        if sample == name and labels.items() <= dict(named).items()
    )


def counts_by_worker(server):
    """Return how many predict requests each worker counted, from its own file."""
    from prometheus_client.multiprocess import MultiProcessCollector

    found = {}
    for pid in server.workers():
        files = [str(path) for path in server.metrics.glob(f"counter_{pid}.db")]
        metrics = MultiProcessCollector.merge(files, accumulate=True)
        found[pid] = sum(
            sample.value
            for metric in metrics
            for sample in metric.samples
            if sample.name == "http_requests_total"
            and sample.labels["route"] == "/v1/predict"
        )
    return found


def test_a_scrape_sums_what_the_workers_counted(server, home):
    before, workers = scrape(server), counts_by_worker(server)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: server.post(home), range(80)))
        answers += pool.map(lambda _: server.post({}), range(20))
    assert sorted({answer.status_code for answer in answers}) == [200, 422]
    after = scrape(server)

    def gained(name, **labels):
        return total(after, name, **labels) - total(before, name, **labels)

    route = {"method": "POST", "route": "/v1/predict"}
    assert gained("http_requests_total", **route, status="200") == 80
    assert gained("http_requests_total", **route, status="422") == 20
    assert gained("http_request_duration_seconds_count", route="/v1/predict") == 100
    assert gained("prediction_requests_total", endpoint="full") == 80
    assert gained("homes_valued_total") == 80
    shares = [n - workers[pid] for pid, n in counts_by_worker(server).items()]
    assert sum(shares) == 100
    assert min(shares) > 0, "one worker answered everything"


def test_a_scrape_while_a_worker_makes_its_files_is_answered(server, home):
    # For a moment a new file is empty; for longer if its worker is killed then.
    server.post(home)
    before = scrape(server)
    young = server.metrics / f"counter_{os.getpid()}.db"
    young.touch()
    try:
        after = scrape(server)
    finally:
        young.unlink()
    assert total(after, "homes_valued_total") == total(before, "homes_valued_total") > 0


def test_no_series_is_labelled_by_process(server):
    assert not any("pid" in dict(labels) for _, labels in scrape(server))


def test_the_models_are_named_once_for_all_workers(server):
    found = scrape(server)
    assert total(found, "model_info") == 4
    assert total(found, "model_load_time_seconds") > 0


def test_the_path_of_a_request_never_becomes_a_label(server):
    for path in ("/nope-1", "/v1/zipcodes/nope-2", "/v1/predict/nope-3", "/%00nope-4"):
        server.get(path)
    assert "nope" not in server.get("/metrics").text


@pytest.mark.parametrize("query", ["?name[]=homes_valued_total", "?name[]=nope"])
def test_a_scrape_may_ask_for_names(server, query):
    assert server.get(f"/metrics{query}").status_code == 200
