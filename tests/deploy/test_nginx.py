"""nginx before gunicorn: ids, problems, limits, forwarding, TLS, logs."""

import json
import re
import socket
import ssl
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
import requests

from tests.deploy.conftest import free_port, talk

PROBLEM = "application/problem+json"
HOST = b"Host: test\r\n"
OWN_ID = re.compile(r"[0-9a-f]{32}")


def split(received):
    """Return status, headers in small letters and body of the one answer."""
    head, _, body = received.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines)
    return int(first.split()[1]), headers, body


def assert_problem(received, status):
    """Check a whole problem, whoever wrote it, and return its body."""
    found, headers, body = split(received)
    assert found == status, received[:500]
    assert headers["content-type"] == PROBLEM
    problem = json.loads(body)
    assert problem["status"] == status
    assert problem["title"]
    assert problem["detail"]
    assert re.fullmatch(r"about:blank|/problems/[a-z-]+", problem["type"])
    assert problem["request_id"] == headers["x-request-id"]
    return problem


def raw(line, *headers, body=b""):
    return line + b" HTTP/1.1\r\n" + HOST + b"".join(headers) + b"\r\n" + body


# --- request ids ----------------------------------------------------------------------


def test_a_valid_id_of_the_client_is_the_id_everywhere(proxy, server):
    answer = proxy.get("/nope", headers={"X-Request-ID": "deploy-1"})
    assert answer.headers["X-Request-ID"] == "deploy-1"
    assert answer.json()["request_id"] == "deploy-1"
    assert [line["status"] for line in server.logged("deploy-1")] == [404]
    assert [line["status"] for line in proxy.logged("deploy-1")] == [404]


@pytest.mark.parametrize("sent", [None, "", "a b", "x" * 129, '"}{"', "é".encode()])
def test_any_other_id_is_replaced_by_one_for_all(proxy, server, sent):
    headers = {} if sent is None else {"X-Request-ID": sent}
    answer = proxy.get("/nope", headers=headers)
    found = answer.headers["X-Request-ID"]
    assert OWN_ID.fullmatch(found)
    assert answer.json()["request_id"] == found
    assert len(server.logged(found)) == 1
    assert len(proxy.logged(found)) == 1
    # nginx alone, where no app would put it right.
    own = proxy.get("/metrics", headers=headers)
    assert OWN_ID.fullmatch(own.json()["request_id"])
    assert own.headers["X-Request-ID"] == own.json()["request_id"]


def test_an_answer_has_one_id_even_where_the_client_sent_two(proxy):
    sent = raw(b"GET /nope", b"X-Request-ID: one\r\nX-Request-ID: two\r\n")
    head = proxy.talk(sent).partition(b"\r\n\r\n")[0].lower()
    assert head.count(b"x-request-id:") == 1


# --- problems -------------------------------------------------------------------------

LONG = b"/" + b"a" * 5000
PREDICT = b"POST /v1/predict"
OWN = {
    "a bad request": (b"GET\r\n\r\n", 400),
    "no host": (b"GET / HTTP/1.1\r\n\r\n", 400),
    "metrics": (raw(b"GET /metrics"), 404),
    "a method that traces": (raw(b"TRACE /"), 405),
    "a body too large": (raw(PREDICT, b"Content-Length: 2000001\r\n"), 413),
    "a line longer than gunicorn's": (raw(b"GET " + LONG), 414),
    "a line longer than nginx's": (raw(b"GET " + LONG * 3), 414),
    "a large field": (raw(b"GET /", b"X: " + b"a" * 9000 + b"\r\n"), 431),
    "many fields": (raw(b"GET /", *[b"X: " + b"a" * 8000 + b"\r\n"] * 5), 431),
    "an unknown transfer coding": (raw(PREDICT, b"Transfer-Encoding: gzip\r\n"), 501),
    "another version": (b"GET / HTTP/2.0\r\n" + HOST + b"\r\n", 505),
}


@pytest.mark.parametrize("what", OWN)
def test_nginx_refuses_with_a_problem(proxy, server, what):
    sent, status = OWN[what]
    before = len(server.lines())
    problem = assert_problem(proxy.talk(sent), status)
    assert OWN_ID.fullmatch(problem["request_id"])
    assert len(server.lines()) == before, "it reached gunicorn"
    (line,) = proxy.logged(problem["request_id"])
    assert line["status"] == status


def test_a_problem_names_the_place_without_the_query(proxy):
    problem = assert_problem(proxy.talk(raw(b"GET /metrics?token=s3cret")), 404)
    assert problem["instance"] == "/metrics"
    quoted = assert_problem(proxy.talk(raw(b'TRACE /"},{"a":"b"')), 405)
    assert "instance" not in quoted


def test_the_apps_own_problems_pass_as_they_are(proxy, server):
    sent = {"X-Request-ID": "deploy-same"}
    answers = [proxy.request("PUT", "/v1/predict", headers=sent)]
    answers += [proxy.request("POST", "/v1/predict", headers=sent, data="{")]
    answers += [requests.put(f"{server.url}/v1/predict", headers=sent, timeout=5)]
    assert [answer.status_code for answer in answers] == [405, 415, 405]
    assert answers[0].json() == answers[2].json()
    assert answers[0].headers["Allow"] == answers[2].headers["Allow"]


def test_a_405_of_nginx_names_methods(proxy):
    _, headers, _ = split(proxy.talk(raw(b"TRACE /")))
    assert "post" in headers["allow"]


def test_a_body_of_the_largest_size_reaches_the_app(proxy):
    body = b"{}".ljust(2_000_000)
    headers = {"Content-Type": "application/json"}
    answer = proxy.request("POST", "/v1/predict", data=body, headers=headers)
    assert answer.status_code == 422


def test_a_dead_upstream_is_a_502(start_nginx):
    with start_nginx(UPSTREAMS=f"127.0.0.1:{free_port()}") as alone:
        for method in ("GET", "POST"):
            sent = raw(method.encode() + b" /v1/info?token=s3cret")
            received = alone.talk(sent)
            assert_problem(received, 502)
            assert split(received)[1]["retry-after"] == "5"
    assert "s3cret" not in alone.text()


def test_a_hung_upstream_is_a_504_after_one_try(start_nginx, stub):
    stub.answer = None
    dead = free_port()
    # The two addresses of one hung service: a POST that was sent is not sent again.
    upstreams = f"127.0.0.1:{stub.port} 127.0.0.2:{dead}"
    with start_nginx(UPSTREAMS=upstreams, READ_TIMEOUT="300ms") as running:
        seen = set()
        for _ in range(3):
            sent = raw(b"POST /x", b"Content-Length: 2\r\n", body=b"{}")
            received = running.talk(sent)
            seen.add(split(received)[0])
            assert_problem(received, 504)
        assert seen == {504}
        assert len(stub.heads) == 3


def test_one_dead_instance_of_two_costs_no_answer(start_nginx, stub):
    upstreams = f"127.0.0.1:{free_port()} 127.0.0.1:{stub.port}"
    with start_nginx(UPSTREAMS=upstreams) as running:
        answers = [running.request("POST", "/x", data="{}") for _ in range(20)]
    assert {answer.status_code for answer in answers} == {200}


def test_a_503_of_the_service_passes_with_its_retry_after(start_nginx, stub):
    body = b'{"type": "/problems/not-ready", "status": 503}'
    stub.answer = (
        b"HTTP/1.1 503 X\r\nContent-Type: application/problem+json\r\n"
        b"Retry-After: 7\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s"
        % (len(body), body)
    )
    with start_nginx(UPSTREAMS=f"127.0.0.1:{stub.port}") as running:
        answer = running.get("/v1/info")
    assert (answer.status_code, answer.content) == (503, body)
    assert answer.headers["Retry-After"] == "7"


def test_an_upstream_that_hangs_up_is_a_502(start_nginx, stub):
    stub.answer = b""
    with start_nginx(UPSTREAMS=f"127.0.0.1:{stub.port}") as running:
        sent = raw(b"POST /x", b"Content-Length: 2\r\n", body=b"{}")
        assert_problem(running.talk(sent), 502)
    assert len(stub.heads) == 1


# --- metrics --------------------------------------------------------------------------

DISGUISES = [
    b"/metrics",
    b"/metrics/",
    b"/metrics?name[]=x",
    b"/metrics#x",
    b"//metrics",
    b"/./metrics",
    b"/v1/../metrics",
    b"/%6detrics",
    b"/%2fmetrics",
    b"/metrics%2f",
    b"/metrics%00",
    b"/metrics;a=b",
    b"/METRICS",
    b"/%252e/metrics",
    b"/v1/..%2fmetrics",
    b"http://test/metrics",
    b"http://127.0.0.1/metrics",
    b"/\\metrics",
]


@pytest.mark.parametrize("path", DISGUISES)
@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"POST"])
def test_metrics_are_not_for_the_outside(proxy, server, path, method):
    claims = b"X-Forwarded-For: 127.0.0.1\r\nX-Original-URL: /metrics\r\n"
    received = proxy.talk(raw(method + b" " + path, claims))
    status, _, body = split(received)
    assert 300 <= status < 500
    assert b"http_requests_total" not in body


def test_metrics_are_there_inside(server):
    assert "http_requests_total" in server.get("/metrics").text


# --- limits ---------------------------------------------------------------------------


def test_a_flood_from_one_address_is_a_429(start_nginx, stub):
    upstream = f"127.0.0.1:{stub.port}"
    with start_nginx(UPSTREAMS=upstream, RATE="1r/s", BURST="5") as running:
        found = [split(running.talk(raw(b"GET /", b"Connection: close\r\n")))[0]
                 for _ in range(20)]  # fmt: skip
        received = running.talk(raw(b"GET /"))
        assert_problem(received, 429)
        assert split(received)[1]["retry-after"] == "1"
        assert running.get("/metrics").status_code == 404
    assert 6 <= found.count(200) <= 10
    assert set(found) == {200, 429}
    assert len(stub.heads) == found.count(200)


def test_a_forged_address_is_no_way_around_the_limit(start_nginx, stub):
    upstream = f"127.0.0.1:{stub.port}"
    with start_nginx(UPSTREAMS=upstream, RATE="1r/m", BURST="1") as running:
        found = [
            running.get("/", headers={"X-Forwarded-For": f"10.0.0.{n}"}).status_code
            for n in range(10)
        ]
    assert found.count(429) == 8


def test_connections_of_one_address_are_limited(start_nginx, stub):
    stub.answer = None
    variables = {"CONNECTIONS": "3", "READ_TIMEOUT": "2s"}
    with (
        start_nginx(UPSTREAMS=f"127.0.0.1:{stub.port}", **variables) as running,
        ThreadPoolExecutor(8) as pool,
    ):
        found = [a.status_code for a in pool.map(running.get, ["/"] * 8)]
    assert sorted(found) == [429] * 5 + [504] * 3


# --- forwarding -----------------------------------------------------------------------

FORGED = {
    "X-Forwarded-For": "1.2.3.4, 5.6.7.8",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Port": "1",
    "X-Forwarded-Prefix": "/evil",
    "X-Forwarded-Ssl": "on",
    "X-Forwarded-Protocol": "ssl",
    "Forwarded": "for=1.2.3.4",
    "X-Real-IP": "1.2.3.4",
    "Proxy": "http://evil.example",
    "X_Forwarded_For": "1.2.3.4",
    "SCRIPT_NAME": "/evil",
    "PATH_INFO": "/metrics",
}


def test_what_a_client_claims_about_itself_is_replaced(start_nginx, stub):
    with start_nginx(UPSTREAMS=f"127.0.0.1:{stub.port}") as running:
        running.get("/x", headers=FORGED | {"Host": "api.example"})
    assert stub.header("X-Forwarded-For") == ["127.0.0.1"]
    assert stub.header("X-Forwarded-Proto") == ["http"]
    assert stub.header("X-Forwarded-Host") == stub.header("Host") == ["api.example"]
    assert stub.header("X-Forwarded-Port") == [str(running.port)]
    text = stub.heads[0].decode()
    for word in ("1.2.3.4", "evil", "X_F", "SCRIPT", "PATH_INFO", "Forwarded: "):
        assert word not in text, text


def test_behind_a_load_balancer_the_client_is_who_that_names(start_nginx, stub):
    # A client may write what it likes; the load balancer adds the address it sees.
    sent = {"X-Forwarded-For": "1.2.3.4, 203.0.113.7"}
    for networks, seen in {
        "127.0.0.0/8": "203.0.113.7",
        "10.0.0.0/8 192.168.0.0/16": "127.0.0.1",
    }.items():
        upstream = f"127.0.0.1:{stub.port}"
        with start_nginx(UPSTREAMS=upstream, LOAD_BALANCERS=networks) as running:
            running.get("/x", headers=sent)
        assert stub.header("X-Forwarded-For") == [seen]


def test_forged_headers_change_no_answer_of_the_app(proxy):
    for path in ("/health/live", "/nope"):
        plain, forged = proxy.get(path), proxy.get(path, headers=FORGED)
        assert forged.status_code == plain.status_code
        assert "evil" not in forged.text + str(forged.headers)


def test_a_hop_by_hop_trick_cannot_remove_our_headers(start_nginx, stub):
    sent = {"Connection": "close, X-Forwarded-For, X-Request-ID, Host"}
    with start_nginx(UPSTREAMS=f"127.0.0.1:{stub.port}") as running:
        running.get("/x", headers=sent)
    assert stub.header("X-Forwarded-For") == ["127.0.0.1"]
    assert stub.header("Connection") == ["close"]


# --- TLS ------------------------------------------------------------------------------


@pytest.fixture
def secure(start_nginx, stub, certificate):
    port = free_port()
    variables = certificate | {"MODE": "redirect", "TLS_LISTEN": f"127.0.0.1:{port}"}
    with start_nginx(UPSTREAMS=f"127.0.0.1:{stub.port}", **variables) as running:
        yield running, port


def handshake(port, certificate, version):
    context = ssl.create_default_context(cafile=certificate["TLS_CERTIFICATE"])
    context.minimum_version = context.maximum_version = version
    with (
        socket.create_connection(("127.0.0.1", port), 5) as wire,
        context.wrap_socket(wire, server_hostname="localhost") as tls,
    ):
        return tls.version()


def test_tls_is_of_version_1_3_and_no_other(secure, certificate):
    _, port = secure
    assert handshake(port, certificate, ssl.TLSVersion.TLSv1_3) == "TLSv1.3"
    with pytest.raises(ssl.SSLError, match=r"(?i)protocol|version"):
        handshake(port, certificate, ssl.TLSVersion.TLSv1_2)


def test_over_tls_the_app_is_told_and_the_client_is_told_to_stay(
    secure, certificate, stub
):
    _, port = secure
    stub.answer = (
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n"
        b"Strict-Transport-Security: max-age=1\r\nServer: gunicorn\r\n\r\n"
    )
    url = f"https://localhost:{port}"
    found = certificate["TLS_CERTIFICATE"]
    for path, status in (("/", 200), ("/metrics", 404)):
        answer = requests.get(url + path, verify=found, timeout=5)
        assert answer.status_code == status
        sent = answer.headers["Strict-Transport-Security"]
        assert sent == "max-age=31536000; includeSubDomains"
        assert answer.headers["Server"] == "nginx"
    assert stub.header("X-Forwarded-Proto") == ["https"]


def test_plain_http_on_the_tls_port_is_a_problem(secure):
    _, port = secure
    assert_problem(talk(port, raw(b"GET /")), 400)


def test_plain_http_is_led_to_tls(secure, stub):
    running, _ = secure
    answer = running.request(
        "POST", "/v1/predict?a=b", data="{}", allow_redirects=False
    )
    assert answer.status_code == 308
    assert answer.headers["Location"] == "https://127.0.0.1/v1/predict?a=b"
    assert stub.heads == []


def test_without_tls_no_promise_of_tls_is_made(proxy):
    assert "Strict-Transport-Security" not in proxy.get("/health/live").headers


# --- answers --------------------------------------------------------------------------


def test_no_version_of_a_server_is_told(proxy):
    for answer in (proxy.get("/health/live"), proxy.get("/metrics")):
        assert answer.headers["Server"] == "nginx"
        assert not re.search(r"gunicorn|werkzeug|nginx/", str(answer.headers), re.I)


def test_a_long_answer_is_packed_for_who_can_unpack_it(proxy):
    def packed(path, codings):
        answer = proxy.get(path, headers={"Accept-Encoding": codings})
        assert answer.status_code == 200
        return answer.headers.get("Content-Encoding")

    assert packed("/v1/info", "gzip") == "gzip"
    assert packed("/v1/info", "identity") is None
    assert packed("/health/live", "gzip") is None


# --- logs -----------------------------------------------------------------------------

SECRET = "s3cret"  # pragma: allowlist secret


def test_a_line_holds_no_query_body_or_token(proxy):
    headers = {
        "Authorization": f"Bearer {SECRET}",
        "Cookie": f"session={SECRET}",
        "Referer": f"http://x/?{SECRET}",
        "X-Request-ID": "deploy-secret",
    }
    path = f"/v1/predict?token={SECRET}"
    for one in (path, f"/metrics?token={SECRET}"):
        proxy.request("POST", one, headers=headers, data=f'{{"a": "{SECRET}"}}')
    lines = proxy.logged("deploy-secret")
    assert {line["path"] for line in lines} <= {"/v1/predict", "/metrics"}
    proxy.talk(raw(b"GET /?a s3cret b"))
    proxy.talk(raw(b"GET /", b"Authorization Bearer s3cret\r\n"))
    proxy.get("/health/live")
    assert SECRET not in proxy.text()


FAKE = b'{"event":"forged"}'
INJECTIONS = {
    "newline in the path": b"GET /x%0a" + FAKE + b" HTTP/1.1\r\n",
    "raw quote in the path": b'GET /x","status":0,"event":"forged HTTP/1.1\r\n',
    "raw bytes in the path": b"GET /\xff\xfe\x80 HTTP/1.1\r\n",
    "decoded bytes": b"GET /%ff%fe HTTP/1.1\r\n",
    "escape codes": b"GET /\x1b[2J HTTP/1.1\r\n",
    "the method": FAKE + b" / HTTP/1.1\r\n",
    "an agent": b'GET / HTTP/1.1\r\nUser-Agent: \xff\xfe"}\\n{"event":"forged"\r\n',
    "a request id": b'GET / HTTP/1.1\r\nX-Request-ID: a","event":"forged\r\n',
    "the host": b'GET / HTTP/1.1\r\nHost: a","event":"forged\r\n',
    "the version": b"GET / " + FAKE + b"\r\n",
}


@pytest.mark.parametrize("what", INJECTIONS)
def test_no_client_can_forge_a_line_of_nginx(proxy, what):
    sent = INJECTIONS[what]
    proxy.talk(sent + (b"" if b"Host" in sent else HOST) + b"\r\n")
    proxy.get("/health/live", headers={"X-Request-ID": f"deploy-{len(what)}"})
    assert proxy.logged(f"deploy-{len(what)}")
    for line in proxy.lines():
        assert line["event"] == "request"
        assert "\x1b" not in str(line)


@pytest.mark.parametrize(
    "path", ["/%0d%0aX-Evil:%20yes", "/x%0aX-Evil:yes", "/v1/zipcodes/%0d%0aX-Evil:1"]
)
def test_no_client_can_add_a_header(proxy, path):
    for options in ({}, {"headers": {"X-Request-ID": "a%0d%0aX-Evil: b"}}):
        with suppress(requests.exceptions.InvalidHeader):
            answer = proxy.get(path, allow_redirects=False, **options)
            assert "X-Evil" not in answer.headers
