"""The headers of every answer: what browsers may do with it, and who may read it."""

import pytest

from housing_app import create_app

PAGE = "https://app.example"
EVERYWHERE = [
    ("GET", "/v1/info", 200),
    ("POST", "/v1/predict", 415),
    ("GET", "/v1/predict", 405),
    ("GET", "/nope", 404),
    ("GET", "/health/live", 200),
    ("GET", "/metrics", 200),
    ("GET", "/docs", 200),
    ("OPTIONS", "/v1/predict", 200),
]


@pytest.fixture(scope="module")
def open_to_a_page(app):
    listed = (PAGE, "http://localhost:3000")
    made = create_app({"RATE_LIMIT": "5/minute", "CORS_ORIGINS": listed})
    return made.test_client()


@pytest.mark.parametrize(("method", "path", "status"), EVERYWHERE)
def test_every_answer_has_them(client, method, path, status):
    answer = client.open(path, method=method)
    assert answer.status_code == status
    for name, text in (
        ("X-Content-Type-Options", "nosniff"),
        ("X-Frame-Options", "DENY"),
        ("Referrer-Policy", "no-referrer"),
    ):
        assert answer.headers.getlist(name) == [text]
    (policy,) = answer.headers.getlist("Content-Security-Policy")
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "script" not in policy


def test_an_error_of_ours_has_them_too(app):
    made = create_app({"RATE_LIMIT": "off"})
    made.add_url_rule("/raise", "raise", lambda: {}["nothing"])
    answer = made.test_client().get("/raise")
    assert answer.status_code == 500
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_what_is_answered_is_not_stored(client):
    assert client.get("/v1/info").headers["Cache-Control"] == "no-store"


# --- TLS in front -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hops", "sent", "told"),
    [(1, "https", True), (1, "http", False), (0, "https", False), (1, None, False)],
)
def test_https_is_demanded_where_a_known_proxy_speaks_it(app, hops, sent, told):
    made = create_app({"RATE_LIMIT": "off", "TRUSTED_PROXIES": hops})
    headers = {"X-Forwarded-Proto": sent} if sent else {}
    answer = made.test_client().get("/health/live", headers=headers)
    assert ("Strict-Transport-Security" in answer.headers) == told


# --- CORS ---------------------------------------------------------------------------


def preflight(client, origin=PAGE, path="/v1/predict"):
    sent = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    return client.options(path, headers=sent)


def test_a_listed_page_may_ask_and_read(open_to_a_page):
    answer = preflight(open_to_a_page)
    assert answer.status_code == 200
    headers = answer.headers
    assert headers["Access-Control-Allow-Origin"] == PAGE
    assert "POST" in headers["Access-Control-Allow-Methods"]
    for name in ("Authorization", "Content-Type"):
        assert name in headers["Access-Control-Allow-Headers"]
    read = open_to_a_page.get("/v1/info", headers={"Origin": PAGE})
    assert read.headers["Access-Control-Allow-Origin"] == PAGE
    assert "RateLimit" in read.headers["Access-Control-Expose-Headers"]
    assert "Access-Control-Allow-Credentials" not in read.headers


def test_a_listed_page_may_read_errors(open_to_a_page):
    answer = open_to_a_page.get("/nope", headers={"Origin": PAGE})
    assert answer.status_code == 404
    assert answer.headers["Access-Control-Allow-Origin"] == PAGE


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "https://app.example.evil.example",
        "https://xapp.example",
        "http://app.example",
        "https://app.example:8443",
        "https://APP.example",
        "null",
        "*",
        "",
    ],
)
def test_another_page_may_not(open_to_a_page, origin):
    for answer in (
        preflight(open_to_a_page, origin),
        open_to_a_page.get("/health", headers={"Origin": origin}),
    ):
        assert not [n for n, _ in answer.headers if n.startswith("Access-Control")]
        assert "Origin" in answer.headers["Vary"], "a cache must not mix them up"


def test_by_default_no_page_may(client):
    assert "Access-Control-Allow-Origin" not in preflight(client).headers


def test_a_preflight_needs_no_token_and_costs_nothing(app):
    settings = {"RATE_LIMIT": "1/minute", "CORS_ORIGINS": (PAGE,), "AUTH": "jwt"}
    made = create_app(settings | {"JWT_SECRET": {"": b"x" * 32}})
    client = made.test_client()
    assert [preflight(client).status_code for _ in range(3)] == [200] * 3
