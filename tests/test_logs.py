"""One JSON object a line, an id in every line, never a payload."""

import json
from datetime import datetime

import pytest

from housing_app import create_app

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"  # pragma: allowlist secret


@pytest.fixture
def lines(capsys):
    """Return the lines logged since the last call, each parsed on its own."""

    def read():
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    read()
    return read


def test_a_request_is_logged_in_one_line(client, lines, home):
    answer = client.post("/v1/predict", json=home)
    (line,) = lines()
    assert line.keys() == {
        "event",
        "level",
        "timestamp",
        "request_id",
        "method",
        "route",
        "path",
        "status",
        "ms",
    }
    assert line["event"] == "request"
    assert line["level"] == "info"
    assert line["request_id"] == answer.headers["X-Request-ID"]
    assert (line["method"], line["status"]) == ("POST", 200)
    assert line["route"] == line["path"] == "/v1/predict"
    assert 0 < line["ms"] < 10_000
    assert datetime.fromisoformat(line["timestamp"]).utcoffset().total_seconds() == 0


def test_a_line_names_the_rule_beside_the_path(client, lines):
    client.get("/v1/zipcodes/98103")
    client.get("/nope")
    known, unknown = lines()
    assert known["route"] == "/v1/zipcodes/<zipcode>"
    assert known["path"] == "/v1/zipcodes/98103"
    assert (unknown["route"], unknown["status"]) == (None, 404)


@pytest.mark.parametrize(
    "sent",
    # pragma: allowlist nextline secret
    ["a", "0", "req-1", "a.b_c-D", "f" * 128, "0af7651916cd43dd8448eb211c80319c"],
)
def test_a_valid_request_id_is_kept(client, lines, sent):
    answer = client.get("/health/live", headers={"X-Request-ID": sent})
    assert answer.headers["X-Request-ID"] == sent
    assert [line["request_id"] for line in lines()] == [sent]


@pytest.mark.parametrize(
    "sent",
    [
        "",
        " ",
        "a b",
        "f" * 129,
        '{"event":"x"}',
        "<script>",
        "ü",
        "a;b",
        "../etc",
        "%0a",
    ],
)
def test_an_invalid_request_id_is_replaced_and_never_reflected(client, lines, sent):
    answer = client.get("/nope", headers={"X-Request-ID": sent})
    found = answer.headers["X-Request-ID"]
    assert len(found) == 32
    assert int(found, 16)
    assert answer.json["request_id"] == found
    (line,) = lines()
    assert line["request_id"] == found
    if sent.strip():
        assert sent not in answer.text + json.dumps(line)


def test_every_request_gets_an_id_of_its_own(client):
    ids = {client.get("/health/live").headers["X-Request-ID"] for _ in range(50)}
    assert len(ids) == 50


@pytest.mark.parametrize(
    "path", ["/health", "/health/live", "/v1/info", "/metrics", "/nope", "/v1/predict"]
)
def test_every_answer_carries_the_id(client, path):
    assert client.get(path).headers["X-Request-ID"]


def test_a_traceparent_is_logged_as_the_trace_id(client, lines):
    sent = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
    client.get("/health/live", headers=sent)
    assert [line["trace_id"] for line in lines()] == [TRACE]


@pytest.mark.parametrize(
    "sent",
    [
        "",
        TRACE,
        f"00-{TRACE}-00f067aa0ba902b7",
        f"00-{TRACE.upper()}-00f067aa0ba902b7-01",
        f"00-{TRACE[1:]}-00f067aa0ba902b7-01",
        f"00-{'0' * 32}-00f067aa0ba902b7-01",
        f"00-{TRACE}-00f067aa0ba902b7-01-x",
        "junk",
    ],
)
def test_an_invalid_traceparent_is_ignored(client, lines, sent):
    assert client.get("/health/live", headers={"traceparent": sent}).status_code == 200
    assert all("trace_id" not in line for line in lines())


def test_nothing_of_a_request_sticks_to_the_next(client, lines):
    sent = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01", "X-Request-ID": "mine"}
    client.get("/health/live", headers=sent)
    client.get("/health/live")
    _, later = lines()
    assert "trace_id" not in later
    assert later["request_id"] != "mine"


@pytest.mark.parametrize("status", [200, 400, 422])
def test_a_payload_is_never_logged(client, lines, home, status):
    marked = home | {"sqft_lot": 4321.8765, "long": -122.345678}
    if status == 422:
        marked |= {"grade": "s3cret", "s3cret field": 1}
    body = json.dumps(marked) + ("s3cret" if status == 400 else "")
    answer = client.post("/v1/predict", data=body, content_type="application/json")
    assert answer.status_code == status
    text = json.dumps(lines())
    for private in ("4321.8765", "122.345678", "s3cret", home["zipcode"]):
        assert private not in text


def test_a_query_is_never_logged(client, lines):
    client.get("/health/live?token=s3cret", headers={"Authorization": "Bearer s3cret"})
    assert "s3cret" not in json.dumps(lines())


@pytest.mark.parametrize(
    "path",
    [
        '/x%0a{"event":"forged"}',
        '/x%0d%0a{"event":"forged"}',
        "/x%E2%80%A8forged",
        "/x%c2%85forged",
        "/x%1b[31mforged",
        "/x%00forged",
        "/%ff%fe forged",
    ],
)
def test_no_path_can_forge_a_line(client, capsys, path):
    capsys.readouterr()
    client.get(path)
    text = capsys.readouterr().out
    assert text.isascii()
    assert text.count("\n") == 1
    assert "\x1b" not in text
    line = json.loads(text)
    assert line["event"] == "request"
    assert "forged" in line["path"]


@pytest.fixture
def quiet():
    """A client of an app that logs errors only; logging is one for the process."""
    yield create_app({"RATE_LIMIT": "off", "LOG_LEVEL": "error"}).test_client()
    create_app({"RATE_LIMIT": "off"})


def test_the_log_level_is_respected(app, quiet, lines):
    assert quiet.get("/health/live").headers["X-Request-ID"]
    assert lines() == []


def test_an_error_is_logged_with_its_traceback_inside_one_line(lines):
    made = create_app({"RATE_LIMIT": "off"})
    made.add_url_rule("/raise", "raise", lambda: {}["nothing"])
    answer = made.test_client().get("/raise")
    error, request = lines()
    assert error["level"] == "error"
    assert "KeyError" in error["exception"]
    assert request["status"] == 500
    ids = {error["request_id"], request["request_id"], answer.json["request_id"]}
    assert len(ids) == 1
