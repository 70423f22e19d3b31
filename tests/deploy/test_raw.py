"""Requests that are no proper HTTP, to gunicorn alone and through nginx.

Every request gets one answer, a server error is never it, and nothing hidden in one
request is taken for another. 501 (a transfer coding we do not know) and 505 (a version
we do not speak) are answers that RFC 9110 and 9112 ask for, to a client's fault.
"""

import json

import pytest

from tests.deploy.conftest import talk

HOST = b"Host: test\r\n"
LIVE = b"GET /health/live HTTP/1.1\r\n"
POST = b"POST /v1/predict HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\n"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\n" + HOST + b"\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
END = b"0\r\n\r\n"
UNDERSTOOD = {501, 505}


def length(*values):
    return b"".join(b"Content-Length: %s\r\n" % value for value in values)


def coded(value):
    """Return a request of a transfer coding, chunked in truth, another behind it."""
    return POST + b"Transfer-Encoding: " + value + b"\r\n\r\n" + END + SMUGGLED


WHOLE = len(END + SMUGGLED)

# Each is one request, or what would be one; "smuggled" must never be another.
ONE = {
    # --- the length of the body
    "lengths that differ": POST + length(b"2", b"60") + b"\r\n{}" + SMUGGLED,
    "equal lengths": POST + length(b"2", b"2") + b"\r\n{}",
    "a list of lengths": POST + length(b"2, 60") + b"\r\n{}" + SMUGGLED,
    "a length with a plus": POST + length(b"+2") + b"\r\n{}",
    "a negative length": POST + length(b"-2") + b"\r\n{}" + SMUGGLED,
    "a hexadecimal length": POST + length(b"0x2") + b"\r\n{}" + SMUGGLED,
    "a length with an underscore": POST + length(b"1_0") + b"\r\n{}" + SMUGGLED,
    "a length in words": POST + length(b"two") + b"\r\n{}" + SMUGGLED,
    "no length at all": POST + length(b"") + b"\r\n{}" + SMUGGLED,
    "an endless length": POST + length(b"9" * 30) + b"\r\n{}" + SMUGGLED,
    "a length before chunks": POST
    + length(b"%d" % WHOLE) + CHUNKED + b"\r\n" + END + SMUGGLED,
    "a length after chunks": POST
    + CHUNKED + length(b"%d" % WHOLE) + b"\r\n" + END + SMUGGLED,
    "a short length and chunks": POST + length(b"5") + CHUNKED + b"\r\n" + END
    + SMUGGLED,
    "a length with a space in its name": POST
    + b"Content-Length : %d\r\n\r\n" % len(SMUGGLED) + SMUGGLED,
    "a length on a get": LIVE + HOST + length(b"%d" % len(SMUGGLED)) + b"\r\n"
    + SMUGGLED,
    # --- transfer codings
    "gzip": coded(b"gzip"),
    "gzip, chunked": coded(b"gzip, chunked"),
    "chunked, gzip": coded(b"chunked, gzip"),
    "chunked twice": coded(b"chunked, chunked"),
    "chunked in two fields": POST + CHUNKED * 2 + b"\r\n" + END + SMUGGLED,
    "chunked and identity": POST
    + CHUNKED + b"Transfer-Encoding: identity\r\n\r\n" + END + SMUGGLED,
    "xchunked": coded(b"xchunked"),
    "chunked with a vertical tab": coded(b"\x0bchunked"),
    "chunked with a quality": coded(b"chunked;q=1"),
    "chunked with a nul": coded(b"chunked\x00"),
    "chunked with a space in its name": POST
    + b"Transfer-Encoding : chunked\r\n\r\n" + END + SMUGGLED,
    "chunked with an underscore": POST
    + b"Transfer_Encoding: chunked\r\n" + length(b"%d" % WHOLE) + b"\r\n" + END
    + SMUGGLED,
    "chunked, folded": POST + b"Transfer-Encoding:\r\n chunked\r\n\r\n" + END
    + SMUGGLED,
    "chunked in HTTP/1.0": POST.replace(b"1.1", b"1.0")
    + CHUNKED + b"\r\n" + END + SMUGGLED,
    # --- chunks
    "a chunk size in words": POST + CHUNKED + b"\r\nfive\r\n{}\r\n" + END,
    "a negative chunk size": POST + CHUNKED + b"\r\n-2\r\n{}\r\n" + END,
    "a chunk size with 0x": POST + CHUNKED + b"\r\n0x2\r\n{}\r\n" + END,
    "a chunk size with a plus": POST + CHUNKED + b"\r\n+2\r\n{}\r\n" + END,
    "a chunk size with an underscore": POST + CHUNKED + b"\r\n0_2\r\n{}\r\n" + END,
    "an endless chunk size": POST + CHUNKED + b"\r\n" + b"f" * 40 + b"\r\n{}\r\n" + END,
    "a chunk too long": POST + CHUNKED + b"\r\n2\r\n{}xx\r\n" + END + SMUGGLED,
    "a chunk without its end": POST + CHUNKED + b"\r\n2\r\n{}" + END + SMUGGLED,
    "no chunk size": POST + CHUNKED + b"\r\n\r\n{}\r\n" + END + SMUGGLED,
    "a newline in an extension": POST
    + CHUNKED + b"\r\n2;a\nxx\r\n{}\r\n" + END + SMUGGLED,
    "a trailer": POST + CHUNKED + b"\r\n2\r\n{}\r\n0\r\nContent-Length: 60\r\n\r\n",
    "a trailer that is none": POST + CHUNKED + b"\r\n2\r\n{}\r\n0\r\n: x\r\n\r\n",
    # --- lines and fields
    "bare newlines": b"GET /health/live HTTP/1.1\nHost: test\n\n",
    "a bare return in a value": LIVE + HOST + b"X: a\rY: b\r\n\r\n",
    "a bare newline in a value": LIVE + HOST + b"X: a\nGET /smuggled HTTP/1.1\r\n\r\n",
    "nul in a value": LIVE + HOST + b"X: a\x00b\r\n\r\n",
    "nul in a name": LIVE + HOST + b"X\x00Y: b\r\n\r\n",
    "nul in the path": b"GET /health\x00/live HTTP/1.1\r\n" + HOST + b"\r\n",
    "an encoded nul": b"GET /health%00/live HTTP/1.1\r\n" + HOST + b"\r\n",
    "a control in a value": LIVE + HOST + b"X: a\x01b\r\n\r\n",
    "a space before the colon": LIVE + HOST + b"X : a\r\n\r\n",
    "a space in a name": LIVE + HOST + b"X Y: a\r\n\r\n",
    "a tab in a name": LIVE + HOST + b"X\tY: a\r\n\r\n",
    "no name": LIVE + HOST + b": a\r\n\r\n",
    "no colon": LIVE + HOST + b"a\r\n\r\n",
    "a folded value": LIVE + HOST + b"X: a\r\n b\r\n\r\n",
    "a folded first field": LIVE + b" X: a\r\n" + HOST + b"\r\n",
    "a huge field": LIVE + HOST + b"X: " + b"a" * 60_000 + b"\r\n\r\n",
    "a huge name": LIVE + HOST + b"X" * 20_000 + b": a\r\n\r\n",
    "a thousand fields": LIVE + HOST + b"X: a\r\n" * 1000 + b"\r\n",
    "a hundred fields": LIVE + HOST + b"X: a\r\n" * 100 + b"\r\n",
    "bytes beyond ascii in a name": LIVE + HOST + b"X\xc3\xa9: a\r\n\r\n",
    "bytes beyond ascii in a value": LIVE + HOST + b"X: \xff\xfe\r\n\r\n",
    # --- hosts
    "two hosts": LIVE + HOST + b"Host: evil\r\n\r\n",
    "the same host twice": LIVE + HOST * 2 + b"\r\n",
    "no host": LIVE + b"\r\n",
    "an empty host": LIVE + b"Host: \r\n\r\n",
    "a host with a path": LIVE + b"Host: test/smuggled\r\n\r\n",
    "a host with a space": LIVE + b"Host: test evil\r\n\r\n",
    "a host with a quote": LIVE + b'Host: te"st\r\n\r\n',
    "an address and another host": b"GET http://evil/health/live HTTP/1.1\r\n" + HOST
    + b"\r\n",
    # --- the request line
    "an absolute address": b"GET http://test/health/live HTTP/1.1\r\n" + HOST + b"\r\n",
    "an address of another kind": b"GET gopher://test/ HTTP/1.1\r\n" + HOST + b"\r\n",
    "an address with a user": b"GET http://a:b@test/ HTTP/1.1\r\n" + HOST + b"\r\n",
    "an authority": b"CONNECT test:80 HTTP/1.1\r\n" + HOST + b"\r\n",
    "an asterisk": b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n",
    "an asterisk to get": b"GET * HTTP/1.1\r\n" + HOST + b"\r\n",
    "a path without a slash": b"GET health HTTP/1.1\r\n" + HOST + b"\r\n",
    "two slashes": b"GET //test/health/live HTTP/1.1\r\n" + HOST + b"\r\n",
    "a climbing path": b"GET /../../etc/passwd HTTP/1.1\r\n" + HOST + b"\r\n",
    "a badly encoded path": b"GET /%zz%2 HTTP/1.1\r\n" + HOST + b"\r\n",
    "raw bytes in the path": b"GET /\xff\xfe HTTP/1.1\r\n" + HOST + b"\r\n",
    "a space in the path": b"GET /health live HTTP/1.1\r\n" + HOST + b"\r\n",
    "a tab for a space": b"GET\t/health/live\tHTTP/1.1\r\n" + HOST + b"\r\n",
    "two spaces": b"GET  /health/live  HTTP/1.1\r\n" + HOST + b"\r\n",
    "a long line": b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n",
    "a line just too long": b"GET /" + b"a" * 4081 + b" HTTP/1.1\r\n" + HOST + b"\r\n",
    "a long query": b"GET /?" + b"a" * 7000 + b" HTTP/1.1\r\n" + HOST + b"\r\n",
    "a small method": b"get /health/live HTTP/1.1\r\n" + HOST + b"\r\n",
    "a strange method": b"G{T /health/live HTTP/1.1\r\n" + HOST + b"\r\n",
    "an unknown method": b"BREW /health/live HTTP/1.1\r\n" + HOST + b"\r\n",
    "a long method": b"A" * 3000 + b" /health/live HTTP/1.1\r\n" + HOST + b"\r\n",
    "no version": b"GET /health/live\r\n" + HOST + b"\r\n",
    "version 2": b"GET /health/live HTTP/2.0\r\n" + HOST + b"\r\n",
    "version 9": b"GET /health/live HTTP/9.9\r\n" + HOST + b"\r\n",
    "version 1.10": b"GET /health/live HTTP/1.10\r\n" + HOST + b"\r\n",
    "a version of words": b"GET /health/live HTTP/one\r\n" + HOST + b"\r\n",
    "another protocol": b"GET /health/live ICAP/1.0\r\n" + HOST + b"\r\n",
    # --- others
    "an upgrade to HTTP/2": LIVE + HOST
    + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
    + b"HTTP2-Settings: x\r\n\r\n",
    "an unknown expectation": LIVE + HOST + b"Expect: the impossible\r\n\r\n",
    "two request ids": LIVE + HOST + b"X-Request-ID: a\r\nX-Request-ID: b\r\n\r\n",
}  # fmt: skip

# Of these a server may think that the client went away.
UNFINISHED = {
    "an empty line": b"\r\n\r\n",
    "zeros": b"\x00" * 100,
    "a TLS greeting": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "the preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/0.9": b"GET /health/live\r\n",
    "a PROXY line": b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n" + LIVE + HOST + b"\r\n",
    "bare carriage returns": b"GET /health/live HTTP/1.1\rHost: test\r\r",
    "half a line": b"GET /heal",
    "half a header": LIVE + b"Host: te",
    "half a body": POST + length(b"500") + b'\r\n{"bedrooms": 3',
    "no body": POST + length(b"500") + b"\r\n",
    "half a chunk": POST + CHUNKED + b"\r\nff\r\n{}",
    "no last chunk": POST + CHUNKED + b"\r\n2\r\n{}\r\n",
    "an expectation": POST + length(b"2") + b"Expect: 100-continue\r\n\r\n",
}
CASES = {name: (sent, 1) for name, sent in ONE.items()} | {
    name: (sent, 0) for name, sent in UNFINISHED.items()
}


def answers(received):
    """Return (status, head, body) of every answer in a stream of them."""
    found = []
    while received:
        if not received.startswith(b"HTTP/1."):
            # To HTTP/0.9 a body is the whole answer.
            found.append((None, b"", received))
            break
        head, gap, rest = received.partition(b"\r\n\r\n")
        assert gap, received
        status = int(head.split()[1])
        fields = dict(
            line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if line
        )
        if status == 100:
            received = rest
            continue
        size = int(fields.get(b"content-length", 0))
        if fields.get(b"transfer-encoding") == b"chunked":
            size = rest.index(b"0\r\n\r\n") + 5
        assert len(rest) >= size, received
        found.append((status, head, rest[:size]))
        received = rest[size:]
    return found


def assert_sound(received, least, most=1):
    """Check that the answers are as many as asked for, and no server error."""
    found = answers(received)
    assert least <= len(found) <= most, received[:2000]
    for status, head, body in found:
        if status is None:
            continue
        assert status < 500 or status in UNDERSTOOD, received
        if status >= 400:
            assert b"application/problem+json" in head, received
            problem = json.loads(body)
            assert problem["status"] == status
            assert b"x-request-id: %s" % problem["request_id"].encode() in head.lower()
    return found


@pytest.fixture
def reached(server):
    """Return the paths of the requests that the app has seen since the test began."""
    before = len(server.lines())

    def paths():
        lines = [json.loads(x) for x in server.lines()[before:] if x.startswith("{")]
        return [line["path"] for line in lines if line["event"] == "request"]

    return paths


@pytest.mark.parametrize("name", CASES)
def test_gunicorn_alone_gives_one_answer(server, reached, name):
    sent, least = CASES[name]
    assert_sound(server.talk(sent), least)
    assert len(reached()) <= 1
    assert "/smuggled" not in reached()


@pytest.mark.parametrize("name", CASES)
def test_through_nginx_there_is_one_answer(proxy, reached, name):
    sent, least = CASES[name]
    assert_sound(proxy.talk(sent), least)
    assert len(reached()) <= 1
    assert "/smuggled" not in reached()


def test_bare_newlines_between_chunks_end_them_for_nginx(proxy, reached):
    """It takes the rest for a second request, and gunicorn sees two whole ones."""
    sent = POST + CHUNKED + b"\r\n2\n{}\n0\n\n" + SMUGGLED
    found = assert_sound(proxy.talk(sent), 2, 2)
    assert [status for status, _, _ in found] == [422, 404]
    assert reached() == ["/v1/predict", "/smuggled"]


def test_bare_newlines_between_chunks_are_refused_by_gunicorn(server, reached):
    sent = POST + CHUNKED + b"\r\n2\n{}\n0\n\n" + SMUGGLED
    ((status, _, _),) = assert_sound(server.talk(sent), 1)
    assert status == 400
    assert reached() == ["/v1/predict"]


def test_requests_sent_at_once_are_answered_in_order(proxy, server):
    one = b"GET /nope-%d HTTP/1.1\r\n" + HOST + b"X-Request-ID: pipe-%d\r\n%s\r\n"
    sent = [one % (n, n, b"Connection: close\r\n" * (n == 4)) for n in range(5)]
    found = assert_sound(proxy.talk(b"".join(sent), hang_up=False), 5, 5)
    ids = [json.loads(body)["request_id"] for _, _, body in found]
    assert ids == [f"pipe-{n}" for n in range(5)]
    assert all(len(server.logged(request_id)) == 1 for request_id in ids)


def test_gunicorn_alone_answers_the_first_and_closes(server, reached):
    one = b"GET /nope HTTP/1.1\r\n" + HOST + b"\r\n"
    (found,) = assert_sound(server.talk(one * 3), 1)
    assert b"connection: close" in found[1].lower()
    assert reached() == ["/nope"]


def test_a_body_is_one_request_whatever_it_holds(proxy, server, reached):
    for sent in (
        POST + length(b"%d" % len(SMUGGLED)) + b"\r\n" + SMUGGLED,
        POST + CHUNKED + b"\r\n%x\r\n%s\r\n" % (len(SMUGGLED), SMUGGLED) + END,
    ):
        for port in (proxy.port, server.port):
            ((status, _, _),) = assert_sound(talk(port, sent), 1)
            assert status == 400
    assert reached() == ["/v1/predict"] * 4


# --- what gunicorn refuses by itself --------------------------------------------------

REFUSED = {
    "a line": (b"GET /s3cret?token=s3cret x y\r\n\r\n", 400),
    "a field": (LIVE + b"Authorization Bearer s3cret\r\n\r\n", 400),
    "a name": (LIVE + b"s3cret s3cret: a\r\n\r\n", 400),
    "a method": (b"s3cret / HTTP/1.1\r\n\r\n", 400),
    "a version": (b"GET / HTTP/s3cret\r\n\r\n", 400),
    "a long line": (b"GET /" + b"s3cret" * 800 + b" HTTP/1.1\r\n\r\n", 414),
    "a large field": (LIVE + b"X: " + b"s3cret" * 2000 + b"\r\n\r\n", 431),
    "an expectation": (LIVE + b"Expect: s3cret\r\n\r\n", 417),
    "a coding": (POST + b"Transfer-Encoding: s3cret\r\n\r\n", 501),
}


@pytest.mark.parametrize("what", REFUSED)
def test_gunicorn_refuses_with_a_problem_and_repeats_nothing(server, what):
    sent, status = REFUSED[what]
    received = server.talk(sent)
    ((found, _, body),) = assert_sound(received, 1)
    assert found == status
    assert b"s3cret" not in received
    (line,) = server.logged(json.loads(body)["request_id"])
    assert (line["event"], line["status"]) == ("refused", status)
    assert "s3cret" not in server.output.read_text()
