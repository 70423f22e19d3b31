"""One id from nginx to the journal, whatever else a client sends; every line JSON."""

import json
import sqlite3
import time
from contextlib import closing

import pytest
from receivers import Receiver

from tests.deploy.conftest import wait_for_port
from tests.system.conftest import unharmed

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"  # pragma: allowlist secret
TRACEPARENT = f"00-{TRACE}-00f067aa0ba902b7-01"
HOSTILE = {
    "quotes": b'"},{"event":"forged","request_id":"x',
    "backslashes": b'\\"\\u0022\\',
    "control characters": b"\x01\x07\x1b[2J\x7f",
    "invalid UTF-8": b"\xff\xfe\xc3\x28",
    "UTF-8": "é\u2028€".encode(),
    "a line in JSON": b'\\n{"event":"forged"}',
}


@pytest.fixture(scope="module")
def collector():
    with Receiver() as found:
        yield found


@pytest.fixture(scope="module")
def traced(start, collector):
    """gunicorn that traces, behind one proxy."""
    process, running = start(
        RATE_LIMIT="off",
        TRUSTED_PROXIES="1",
        OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
    )
    with unharmed(
        process,
        running,
        lambda: wait_for_port(running.port, process, running.output),
    ):
        yield running


@pytest.fixture(scope="module")
def front(start_nginx, traced):
    with start_nginx(UPSTREAMS=f"127.0.0.1:{traced.port}") as running:
        yield running


def journal_rows(server, request_id):
    """Return the ids of a request's predictions, once the journal has drained them."""
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        with (
            closing(sqlite3.connect(server.instance / "housing.db")) as connection,
        ):
            found = connection.execute(
                "SELECT id FROM predictions WHERE request_id = ?", [request_id]
            ).fetchall()
        if found:
            return [id_ for (id_,) in found]
        time.sleep(0.1)
    return []


@pytest.mark.parametrize("sent", [None, "client-1"])
def test_one_id_and_one_trace_from_nginx_to_the_journal(
    front, traced, collector, home, sent
):
    headers = {"traceparent": TRACEPARENT} | ({"X-Request-ID": sent} if sent else {})
    answer = front.request("POST", "/v1/predict", json=home, headers=headers)
    assert answer.status_code == 200
    request_id = answer.headers["X-Request-ID"]
    assert request_id == answer.json()["request_id"]
    assert sent in (None, request_id)
    (of_nginx,) = front.logged(request_id)
    (of_app,) = traced.logged(request_id)
    assert (of_nginx["status"], of_app["status"]) == (200, 200)
    assert of_nginx["trace_id"] == of_app["trace_id"] == TRACE
    assert journal_rows(traced, request_id) == [answer.json()["predictions"][0]["id"]]

    def spans():
        return [
            span
            for span in collector.spans()
            if span.about.get("housing_app.request_id") == request_id
        ]

    (span,) = collector.wait(spans)
    assert span.trace == TRACE


@pytest.mark.parametrize("what", HOSTILE)
def test_no_path_agent_or_header_breaks_a_line_or_the_id(front, traced, home, what):
    body = json.dumps(home).encode()
    junk = HOSTILE[what]
    in_a_line = junk.replace(b" ", b"")
    asked = [
        (b"/v1/predict?q=" + in_a_line, b"User-Agent: " + junk),
        (b"/x" + in_a_line, b"Referer: " + junk),
        (b"/v1/predict", b"User-Agent: " + junk + b"\r\ntraceparent: " + junk),
    ]
    for number, (path, header) in enumerate(asked):
        front.talk(
            b"POST " + path + b" HTTP/1.1\r\nHost: test\r\nConnection: close\r\n"
            b"Content-Type: application/json\r\n"
            b"X-Request-ID: hostile-%d-%d\r\n"
            % (len(what), number)
            + b"Content-Length: %d\r\n" % len(body)
            + header
            + b"\r\n\r\n"
            + body
        )
    front.get("/health/live", headers={"X-Request-ID": f"last-{len(what)}"})
    assert front.logged(f"last-{len(what)}")
    lines = [x for x in front.lines() if x["request_id"].startswith("hostile-")]
    of_this = [x for x in lines if x["request_id"].split("-")[1] == str(len(what))]
    answered = [x["request_id"] for x in of_this if x["status"] == 200]
    # nginx refuses control characters, under an id of its own.
    assert len(answered) == (0 if what == "control characters" else 1), of_this
    for line in of_this:
        (of_app,) = traced.logged(line["request_id"])
        assert line["trace_id"] == ""
        assert of_app["status"] == line["status"]
    for request_id in answered:
        assert len(journal_rows(traced, request_id)) == 1
    for line in front.lines():  # each of them parses
        assert line["event"] == "request"
    for text in traced.lines():
        if text.startswith("{"):
            assert json.loads(text)["event"] != "forged"
        else:
            assert "forged" not in text


def test_an_invalid_traceparent_is_no_trace_of_nginxs(front):
    for sent in ("junk", TRACEPARENT.upper(), f"00-{TRACE}", TRACEPARENT + "-x", ""):
        answer = front.get("/metrics", headers={"traceparent": sent})
        (line,) = front.logged(answer.headers["X-Request-ID"])
        assert line["trace_id"] == ""
