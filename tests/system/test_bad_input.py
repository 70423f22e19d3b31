"""The issue's list of bad input, over real sockets: no 5xx, and the server lives on."""

import json
import random

import pytest
import requests

from housing_app.valuation.features import NAMES

PREDICT = (
    b"POST /v1/predict HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n"
)
MALFORMED, INVALID = (400, "malformed-json"), (422, "invalid-request")
LIMIT = 2_000_000


@pytest.fixture(autouse=True)
def alive(server):
    """After every test here the server still values homes.

    Nothing here can take long: `server` waits five seconds for an answer, no more.
    """
    yield
    assert server.get("/health/ready").status_code == 200


@pytest.fixture
def with_literal(home):
    """Return README's home as JSON with a field set to a literal."""

    def body(name, literal):
        return json.dumps(home | {name: "@"}).replace('"@"', literal).encode()

    return body


def assert_problem(answer, status, name):
    assert answer.status_code == status, answer.text[:500]
    assert answer.headers["Content-Type"] == "application/problem+json"
    body = answer.json()
    assert body["type"] == f"/problems/{name}"
    assert body["status"] == status
    assert body["request_id"] == answer.headers["X-Request-ID"]
    assert len(answer.content) < 30_000


# --- bodies that are no JSON --------------------------------------------------------

NOT_JSON = {
    "empty": b"",
    "blank": b" \r\n\t ",
    "words": b"three bedrooms",
    "truncated": b'{"bedrooms": 3, "bathro',
    "truncated text": b'{"zipcode": "981',
    "trailing comma": b'{"bedrooms": 3,}',
    "single quotes": b"{'bedrooms': 3}",
    "two objects": b"{}{}",
    "a comment": b"{} // done",
    "control character": b'{"zipcode": "98\x0003"}',
    "leading zero": b'{"bedrooms": 03}',
    "plus sign": b'{"bedrooms": +3}',
    "hexadecimal": b'{"bedrooms": 0x3}',
    "10,000 digits": b'{"bedrooms": ' + b"9" * 10_000 + b"}",
    "10,000 digits, negative": b'{"bedrooms": -' + b"9" * 10_000 + b"}",
    "open brackets": b"[" * 100_000,
    "closed brackets": b"[" * 100_000 + b"]" * 100_000,
    "open braces": b'{"a":' * 100_000,
    "brackets in a record": b'{"records": [' + b"[" * 100_000 + b"]" * 100_000 + b"]}",
    "a name twice": b'{"bedrooms": 3, "bedrooms": 4}',
    "a name twice in a record": b'{"records": [{"grade": 7, "grade": 7}]}',
    "a name twice among 100,000": b"{"
    + b",".join(b'"%d":0' % i for i in range(100_000))
    + b',"99999":0}',
    "invalid utf-8": b'{"zipcode": "\xff\xfe"}',
    "overlong utf-8": b'{"zipcode": "\xc0\xaf"}',
    "cut utf-8": b'{"zipcode": "\xe2\x82"}',
    "surrogate bytes": b'{"zipcode": "\xed\xa0\x80"}',
    "utf-16": json.dumps({"zipcode": "98103"}).encode("utf-16"),
    "utf-16-le": json.dumps({"zipcode": "98103"}).encode("utf-16-le"),
    "utf-32": json.dumps({"zipcode": "98103"}).encode("utf-32"),
    "gzip": b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xab\xae\x05\x00",
    "zero bytes": b"\x00" * 1000,
}


@pytest.mark.parametrize("what", NOT_JSON)
def test_what_is_not_json_is_malformed(server, what):
    assert_problem(server.post(NOT_JSON[what]), *MALFORMED)


def test_a_valid_home_in_utf_16_is_malformed_too(server, home):
    assert_problem(server.post(json.dumps(home).encode("utf-16")), *MALFORMED)


def test_a_body_that_claims_to_be_gzip_is_not_unpacked(server, home):
    answer = server.post(NOT_JSON["gzip"], **{"Content-Encoding": "gzip"})
    assert_problem(answer, *MALFORMED)


# --- JSON that is no home -----------------------------------------------------------

HUGE = "9" * 400
LITERALS = [
    "NaN",
    "Infinity",
    "-Infinity",
    "1e999",
    "-1e999",
    "1e400",
    HUGE,
    f"-{HUGE}",
    "1" + "0" * 4000,
    f"0.{HUGE}e2",
    '"3"',
    '"NaN"',
    "true",
    "false",
    "[]",
    "{}",
    '"\\ud800"',
    "2.7",
    "-1",
]


@pytest.mark.parametrize("literal", LITERALS, ids=lambda text: text[:12])
def test_a_number_of_bedrooms_that_cannot_be_is_refused(server, with_literal, literal):
    answer = server.post(with_literal("bedrooms", literal))
    assert_problem(answer, *INVALID)
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/bedrooms"]


@pytest.mark.parametrize("name", NAMES)
def test_no_field_takes_an_endless_number(server, with_literal, name):
    for literal in ("NaN", "Infinity", "1e999", HUGE):
        answer = server.post(with_literal(name, literal))
        assert_problem(answer, *INVALID)
        assert [error["pointer"] for error in answer.json()["errors"]] == [f"/{name}"]


ZIPCODES = [
    "null",
    '"9810"',
    '"981030"',
    '"98103-1234"',
    '" 98103"',
    '"9810a"',
    '"\\uff19\\uff18\\uff11\\uff10\\uff13"',
    '"\\ud800\\ud800\\ud800\\ud800\\ud800"',
    '"\\u0000\\u0000\\u0000\\u0000\\u0000"',
    "98103.5",
    "-98103",
    "981030",
    HUGE,
    "NaN",
    "1e999",
    "1e300",
    "true",
    "[98103]",
    '{"zipcode": "98103"}',
]


@pytest.mark.parametrize("literal", ZIPCODES, ids=lambda text: text[:20])
def test_a_bad_zipcode_is_refused(server, with_literal, literal):
    answer = server.post(with_literal("zipcode", literal))
    assert_problem(answer, *INVALID)
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/zipcode"]


PAYLOADS = {
    "a list": b"[]",
    "a text": b'"home"',
    "a lone surrogate": b'"\\ud800"',
    "a number": b"3",
    "NaN": b"NaN",
    "null": b"null",
    "true": b"true",
    "empty object": b"{}",
    "lone surrogate names": b'{"\\ud800": 1, "\\udfff": 2}',
    "unknown names": b'{"": 1, "/": 2, "~": 3, "\\u0000": 4}',
    "100,000 unknown names": b"{"
    + b",".join(b'"%d":0' % i for i in range(100_000))
    + b"}",
    "no records": b'{"records": []}',
    "records null": b'{"records": null}',
    "records an object": b'{"records": {}}',
    "records a text": b'{"records": "homes"}',
    "records a number": b'{"records": 1e999}',
    "records of lists": b'{"records": [[], []]}',
    "records of nulls": b'{"records": [null]}',
    "records of numbers": b'{"records": [1, 2.5, NaN]}',
    "records of texts": b'{"records": ["\\ud800"]}',
    "1,001 records": b'{"records": [' + b",".join([b"{}"] * 1001) + b"]}",
    "half a million records": b'{"records": [' + b",".join([b"{}"] * 500_000) + b"]}",
    "1,000 empty homes": b'{"records": [' + b",".join([b"{}"] * 1000) + b"]}",
    "records in records": b'{"records": [{"records": [{"records": []}]}]}',
    "900 brackets deep": b'{"zipcode": ' + b"[" * 900 + b"]" * 900 + b"}",
}


@pytest.mark.parametrize("what", PAYLOADS)
def test_json_that_is_no_home_is_refused_with_its_errors(server, what):
    answer = server.post(PAYLOADS[what])
    assert_problem(answer, *INVALID)
    assert answer.json()["errors"]


@pytest.mark.parametrize("name", [*NAMES, "zipcode"])
def test_a_missing_field_is_refused(server, home, name):
    answer = server.post({k: v for k, v in home.items() if k != name})
    assert_problem(answer, *INVALID)
    assert [error["pointer"] for error in answer.json()["errors"]] == [f"/{name}"]


def test_an_unknown_field_is_refused(server, home):
    answer = server.post({"records": [home, home | {"a/b~c": 1}]})
    assert_problem(answer, *INVALID)
    pointers = [error["pointer"] for error in answer.json()["errors"]]
    assert pointers == ["/records/1/a~1b~0c"]


def test_the_minimal_endpoint_refuses_the_other_fields(server, home):
    answer = server.post(home, "/v1/predict/minimal")
    assert_problem(answer, *INVALID)
    assert len(answer.json()["errors"]) == 10


# --- media types and sizes ----------------------------------------------------------


@pytest.mark.parametrize(
    "media",
    [
        None,
        "",
        "text/plain",
        "text/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/octet-stream",
        "application/jsonp",
        "json",
        "application/json, text/plain",
    ],
)
def test_a_body_that_is_not_called_json_is_refused(server, home, media):
    headers = {} if media is None else {"Content-Type": media}
    body = json.dumps(home).encode()
    url = f"{server.url}/v1/predict"
    answer = requests.post(url, data=body, headers=headers, timeout=5)
    assert_problem(answer, 415, "unsupported-media-type")


def test_a_body_of_the_largest_size_is_read(server, home):
    body = json.dumps(home).encode().ljust(LIMIT)
    assert server.post(body).status_code == 200


def test_a_body_of_one_byte_more_is_refused(server, home):
    body = json.dumps(home).encode().ljust(LIMIT + 1)
    assert_problem(server.post(body), 413, "body-too-large")


def status_of(received):
    head, _, body = received.partition(b"\r\n\r\n")
    return int(head.split()[1]), head, body


def test_a_body_that_is_declared_too_large_is_refused_before_it_is_sent(server):
    sent = PREDICT + b"Content-Length: 3000000\r\n\r\n{"
    status, head, body = status_of(server.talk(sent))
    assert status == 413
    assert b"application/problem+json" in head
    assert json.loads(body)["type"] == "/problems/body-too-large"


def chunked(body, size=50_000):
    yield PREDICT + b"Transfer-Encoding: chunked\r\n\r\n"
    for start in range(0, len(body), size):
        part = body[start : start + size]
        yield b"%x\r\n%s\r\n" % (len(part), part)
    yield b"0\r\n\r\n"


def test_a_chunked_body_is_read(server, home):
    body = json.dumps(home).encode()
    status, _, answer = status_of(server.talk(*chunked(body, size=100)))
    assert status == 200
    assert json.loads(answer)["predictions"]


def test_a_chunked_body_of_the_largest_size_is_read(server, home):
    body = json.dumps(home).encode().ljust(LIMIT)
    assert status_of(server.talk(*chunked(body)))[0] == 200


@pytest.mark.parametrize("valid", [True, False])
def test_a_chunked_body_that_grows_too_large_is_refused(server, home, valid):
    start = json.dumps(home).encode() if valid else b"{"
    received = server.talk(*chunked(start.ljust(LIMIT + 200_000)))
    status, head, body = status_of(received)
    assert status == 413
    assert b"application/problem+json" in head
    assert json.loads(body)["type"] == "/problems/body-too-large"


def test_an_empty_chunked_body_is_malformed(server):
    assert status_of(server.talk(*chunked(b"")))[0] == 400


@pytest.mark.parametrize(
    "sent",
    [
        b'Content-Length: 500\r\n\r\n{"bedrooms": 3',
        b"Content-Length: 500\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\nfive\r\n{}\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n",
        b"Transfer-Encoding: chunked\r\n\r\nff\r\n{}",
        b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}0\r\n\r\n",
    ],
    ids=[
        "shorter than declared",
        "declared but not sent",
        "no chunk",
        "a chunk size in words",
        "a negative chunk size",
        "half a chunk",
        "a chunk without its line end",
    ],
)
def test_a_body_that_breaks_off_is_refused(server, sent):
    status, head, body = status_of(server.talk(PREDICT + sent))
    assert status == 400
    assert b"application/problem+json" in head
    assert json.loads(body)["status"] == 400


@pytest.mark.parametrize(
    "request_",
    [
        b"\r\n\r\n",
        b"\x00" * 100,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\nHost: test\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: test\r\nX: " + b"a" * 9000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: test\r\n" + b"X: a\r\n" * 100 + b"\r\n",
        b"GET / HTTP/1.1\r\nHost: test\r\nX: a\x00b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: test\r\nX : a\r\n\r\n",
        PREDICT + b"Content-Length: -1\r\n\r\n{}",
        PREDICT + b"Content-Length: three\r\n\r\n{}",
        PREDICT + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{} ",
        PREDICT + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
        PREDICT + b"Transfer-Encoding: gzip\r\n\r\n{}",
    ],
    ids=lambda sent: ascii(sent[-30:]),
)
def test_what_is_no_proper_http_is_refused_by_the_server(server, request_):
    """Such requests never reach the app: gunicorn answers them in its own words."""
    received = server.talk(request_)
    if received:
        assert 400 <= status_of(received)[0] < 600
        assert not received.startswith(b"HTTP/1.1 500")


# --- at random ----------------------------------------------------------------------

SPLICES = [
    b"NaN",
    b"1e999",
    b"null",
    b"[[[[",
    b"{}",
    b'"',
    b"\\ud800",
    b"\x00",
    b"\xff",
    b"-",
    b'{"records":',
    b",,",
    b"9" * 50,
    b"true",
]


def mutated(chance, body):
    """Return a body after one to three random changes, gentle and wild."""
    changed = bytearray(body)
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(len(changed) + 1)
        digits = [i for i, byte in enumerate(changed) if chr(byte).isdigit()]
        match chance.randrange(8):
            case 0:
                changed[at : at + chance.randint(1, 20)] = b""
            case 1:
                changed[at:at] = chance.choice(SPLICES)
            case 2:
                changed[at : at + 1] = bytes([chance.randrange(256)])
            case 3:
                other = chance.randrange(len(changed) + 1)
                changed[at:at] = changed[other : other + 30]
            case _ if digits:
                changed[chance.choice(digits)] = ord(chance.choice("0123456789.-e"))
    return bytes(changed)


def test_300_random_mutations_of_a_valid_body_are_answered(server, home):
    chance = random.Random(20150331)
    bodies = [json.dumps(home).encode(), json.dumps({"records": [home] * 3}).encode()]
    seen = set()
    for number in range(300):
        body = mutated(chance, chance.choice(bodies))
        answer = server.post(body)
        assert answer.status_code in {200, 400, 422}, (number, body)
        seen.add(answer.status_code)
        if answer.status_code != 200:
            kind = "malformed-json" if answer.status_code == 400 else "invalid-request"
            assert_problem(answer, answer.status_code, kind)
    assert seen == {200, 400, 422}, "the mutations are too tame or too wild"
