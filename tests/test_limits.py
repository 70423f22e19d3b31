"""Rate limits: who is counted, at what cost, where, and what is said about it."""

import re
import threading
import time

import pytest
import stores
from limits.storage import storage_from_string

from housing_app import create_app, limits
from housing_app.counters import Counters

PREDICT = "/v1/predict"
SECRET = b"T9v4fWb2kQz7Lx0RmYpJ8sDcH3nGuEa6"  # pragma: allowlist secret


@pytest.fixture
def redis():
    with stores.running(stores.Redis()) as server:
        yield server


@pytest.fixture
def limited(app):
    """Make a client of an app with limits; the models are those of `app`."""

    def make(rate="5/minute", **settings):
        return create_app({"RATE_LIMIT": rate} | settings).test_client()

    return make


def ask(client, home, address="192.0.2.1", path=PREDICT, **headers):
    sent = {name.replace("_", "-"): text for name, text in headers.items()}
    over = {"REMOTE_ADDR": address}
    return client.post(path, json=home, headers=sent, environ_overrides=over)


def statuses(client, home, count, **more):
    return [ask(client, home, **more).status_code for _ in range(count)]


def left(answer):
    """Return name, remaining and seconds of a RateLimit header."""
    name, remaining, seconds = re.fullmatch(
        r'"([a-z]+)";r=(\d+);t=(\d+)', answer.headers["RateLimit"]
    ).groups()
    return name, int(remaining), int(seconds)


# --- who ----------------------------------------------------------------------------


def test_an_address_has_its_share_and_then_waits(limited, home):
    client = limited("3/minute")
    assert statuses(client, home, 5) == [200, 200, 200, 429, 429]
    assert ask(client, home, "192.0.2.2").status_code == 200
    answer = ask(client, home)
    assert answer.json["type"] == "/problems/rate-limited"
    assert 1 <= int(answer.headers["Retry-After"]) <= 60


def test_the_share_is_one_for_all_routes(limited, home):
    client = limited("3/minute")
    over = {"REMOTE_ADDR": "192.0.2.1"}
    found = [
        client.get(path, environ_overrides=over).status_code
        for path in ("/v1/info", "/v1/zipcodes/98103", "/nope")
    ]
    assert found == [200, 200, 404]
    assert ask(client, home).status_code == 429


def test_a_forged_address_buys_nothing(limited, home):
    client = limited("2/minute")
    forged = ("X-Forwarded-For", "X-Real-IP", "Forwarded", "X-Client-IP")
    found = [
        ask(client, home, **dict.fromkeys(forged, f"203.0.113.{n}")).status_code
        for n in range(4)
    ]
    assert found == [200, 200, 429, 429]


def test_behind_one_proxy_its_own_word_counts_and_no_other(limited, home):
    client = limited("1/minute", TRUSTED_PROXIES=1)

    def through(*forwarded):
        chain = ", ".join(forwarded)
        return ask(client, home, "10.0.0.1", X_Forwarded_For=chain).status_code

    assert through("192.0.2.1") == 200
    assert through("192.0.2.2") == 200
    # The last entry is the proxy's; whatever the client wrote before it is not.
    assert through("198.51.100.7", "192.0.2.1") == 429
    assert through("192.0.2.9", "10.0.0.1", "192.0.2.2") == 429


def test_an_ipv6_client_has_one_share_for_its_whole_network(limited, home):
    client = limited("1/minute")
    assert ask(client, home, "2001:db8:1:2::1").status_code == 200
    assert ask(client, home, "2001:db8:1:2:ffff::9").status_code == 429
    assert ask(client, home, "2001:db8:1:3::1").status_code == 200
    assert ask(client, home, "::ffff:192.0.2.1").status_code == 200
    assert ask(client, home, "::ffff:192.0.2.2").status_code == 200


def guarded(limited, **settings):
    client = limited(AUTH="jwt", JWT_SECRET={"": SECRET}, **settings)
    issue = client.application.test_cli_runner().invoke

    def bearer(subject):
        words = ["token", "issue", "--subject", subject, "--scope", "predict"]
        return f"Bearer {issue(args=words).output.strip()}"

    return client, bearer


def test_a_token_subject_has_its_share_wherever_it_calls_from(limited, home):
    client, bearer = guarded(limited, rate="2/minute")
    anna, other_anna, ben = bearer("anna"), bearer("anna"), bearer("ben")
    assert ask(client, home, "192.0.2.1", Authorization=anna).status_code == 200
    assert ask(client, home, "192.0.2.2", Authorization=other_anna).status_code == 200
    assert ask(client, home, "192.0.2.3", Authorization=anna).status_code == 429
    assert ask(client, home, "192.0.2.3", Authorization=ben).status_code == 200


def test_a_subject_that_is_an_address_does_not_share_with_it(limited, home):
    client, bearer = guarded(limited, rate="1/minute")
    over = {"REMOTE_ADDR": "192.0.2.1"}
    assert client.get("/v1/info", environ_overrides=over).status_code == 200
    sent = bearer("192.0.2.1")
    assert ask(client, home, Authorization=sent).status_code == 200


def test_failed_authentication_has_a_limit_of_its_own(limited, home):
    client, bearer = guarded(limited, rate="off", AUTH_FAILURE_LIMIT="3/minute")
    sent = {"Authorization": "Bearer nonsense"}
    assert statuses(client, home, 5, **sent) == [401, 401, 401, 429, 429]
    refused = ask(client, home, **sent)
    assert left(refused)[:2] == ("authentication", 0)
    assert int(refused.headers["Retry-After"]) >= 1
    assert ask(client, home, "192.0.2.2", **sent).status_code == 401
    # Others at the same address, with good tokens, are let in.
    assert ask(client, home, Authorization=bearer("anna")).status_code == 200


# --- cost ---------------------------------------------------------------------------


def test_a_batch_costs_as_many_as_it_has_homes(limited, home):
    client = limited("10/minute")
    batch = {"records": [home] * 6}
    first = ask(client, batch)
    assert (first.status_code, left(first)[1]) == (200, 4)
    second = ask(client, batch)
    assert second.status_code == 429
    # What was refused is not paid for, but for the request itself.
    assert left(second)[1] == 3
    assert statuses(client, home, 4) == [200, 200, 200, 429]


def test_a_batch_beyond_the_whole_limit_costs_all_of_it(limited, home):
    client, batch = limited("10/minute"), {"records": [home] * 12}
    first = ask(client, batch)
    assert (first.status_code, left(first)[1]) == (200, 0)
    assert statuses(client, home, 1) == [429]
    # One that comes late waits for the next window, and is told so.
    assert ask(client, home, "192.0.2.2").status_code == 200
    late = ask(client, batch, "192.0.2.2")
    assert late.status_code == 429
    assert "11 more homes, and 8 are left" in late.json["detail"]


def test_a_bad_request_costs_one(limited, home):
    client = limited("10/minute")
    answer = ask(client, {"records": [home | {"grade": 99}] * 9})
    assert (answer.status_code, left(answer)[1]) == (422, 9)


# --- what is said -------------------------------------------------------------------


def test_answers_say_what_is_left(limited, home):
    client = limited("5/minute")
    for remaining in (4, 3, 2, 1, 0, 0):
        answer = ask(client, home)
        assert answer.headers["RateLimit-Policy"] == '"default";q=5;w=60'
        name, found, seconds = left(answer)
        assert (name, found) == ("default", remaining)
        assert 1 <= seconds <= 60
    assert int(answer.headers["Retry-After"]) == pytest.approx(seconds, abs=1)


@pytest.mark.parametrize("path", ["/health", "/health/live", "/metrics"])
def test_probes_and_scrapes_are_not_limited(limited, path):
    client = limited("1/minute")
    for _ in range(3):
        answer = client.get(path)
        assert answer.status_code == 200
        assert "RateLimit" not in answer.headers


def test_without_a_limit_nothing_is_counted_or_said(limited, home):
    answer = ask(limited("off"), home)
    assert answer.status_code == 200
    assert not [name for name, _ in answer.headers if name.startswith("RateLimit")]


# --- counting -----------------------------------------------------------------------


@pytest.fixture(params=["memory", "redis"])
def store(request):
    if request.param == "memory":
        return Counters()
    return storage_from_string(request.getfixturevalue("redis_server"))


def test_memory_and_redis_count_batches_and_windows_alike(store):
    policy = limits.Policy("test", 10, 1)

    own = time.monotonic_ns()  # the store may be used by others, too

    def take(who, homes, paid=0):
        return limits.take(store, policy, f"{who}{own}", homes, paid)

    # From the beginning of a window, that it does not end between two counts.
    time.sleep(take("a", 0).wait + 0.01)
    assert take("a", 6)[:2] == (True, 6)
    assert take("a", 6)[:2] == (False, 6)
    assert take("a", 4)[:2] == (True, 10)
    assert take("a", 1)[:2] == (False, 11)
    assert take("b", 11)[:2] == (True, 10)
    last = take("a", 1)
    assert not last.granted
    assert 0 < last.wait <= 1
    time.sleep(last.wait + 0.01)
    assert take("a", 3, paid=1)[:2] == (True, 2)


def test_windows_of_clients_end_at_different_times():
    policy = limits.Policy("test", 10, 3_600)
    store = Counters()
    waits = [limits.take(store, policy, f"a:192.0.2.{n}", 1).wait for n in range(50)]
    assert len({round(wait) for wait in waits}) > 40


def test_memory_forgets_windows_that_have_ended():
    store, policy = Counters(), limits.Policy("test", 5, 1)
    for n in range(100):
        limits.take(store, policy, str(n), 1)
    time.sleep(2.02)
    limits.take(store, policy, "new", 1)
    deadline = time.monotonic() + 5
    while len(store.storage) > 1:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_counting_in_memory_starts_no_thread():
    store = Counters()
    store.timer.join(5)
    threads = threading.active_count()
    for n in range(100):
        store.incr(str(n), 60)
    assert threading.active_count() == threads


# --- Redis --------------------------------------------------------------------------


def test_workers_share_one_count(limited, home, redis):
    one, two = (limited("4/minute", REDIS_URL=redis.url) for _ in range(2))
    found = [ask(client, home).status_code for client in (one, two, one, two, one, two)]
    assert found == [200, 200, 200, 200, 429, 429]
    assert left(ask(two, home))[:2] == ("default", 0)


def test_one_request_is_one_round_trip(limited, home, redis, monkeypatch):
    client = limited("50/minute", REDIS_URL=redis.url)
    ask(client, home)
    store = storage_from_string(redis.url)

    def commands():
        return store.storage.info("commandstats").get("cmdstat_evalsha", {"calls": 0})

    before = commands()["calls"], store.storage.info()["total_commands_processed"]
    ask(client, home)
    after = commands()["calls"], store.storage.info()["total_commands_processed"]
    assert after[0] - before[0] == 1
    # The two commands of the script itself and those that asked are all else.
    assert after[1] - before[1] <= 6


@pytest.mark.parametrize("trouble", ["kill", "hang"])
def test_while_redis_is_away_each_worker_has_a_lower_limit(
    limited, home, redis, trouble
):
    client = limited("9/minute", RATE_LIMIT_FALLBACK="3/minute", REDIS_URL=redis.url)
    assert left(ask(client, home))[:2] == ("default", 8)
    getattr(redis, trouble)()
    began = time.monotonic()
    assert statuses(client, home, 5) == [200, 200, 200, 429, 429]
    assert time.monotonic() - began < 1.0, "a hung store must not hang the service"
    answer = ask(client, home)
    assert answer.headers["RateLimit-Policy"] == '"fallback";q=3;w=60'


def test_the_fallback_is_never_higher_than_the_limit(limited, home, redis):
    redis.kill()
    settings = {"RATE_LIMIT_FALLBACK": "50/minute", "REDIS_URL": redis.url}
    assert statuses(limited("2/minute", **settings), home, 3) == [200, 200, 429]


def test_the_shared_limit_is_back_within_40_seconds_of_redis(limited, home, redis):
    client = limited("1000/minute", RATE_LIMIT_FALLBACK="2/minute", REDIS_URL=redis.url)
    redis.kill()
    assert statuses(client, home, 3) == [200, 200, 429]
    redis.start()
    deadline = time.monotonic() + 40
    while left(ask(client, home))[0] != "default":
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert ask(client, home).status_code == 200


def test_a_redis_that_restarted_between_requests_is_used_at_once(limited, home, redis):
    client = limited("5/minute", REDIS_URL=redis.url)
    ask(client, home)
    redis.kill()
    redis.start()
    assert left(ask(client, home))[:2] == ("default", 4)


def test_a_redis_on_a_socket_is_counted_in(limited, home, tmp_path_factory):
    # Not tmp_path: a socket's path may have 107 characters at most.
    path = tmp_path_factory.mktemp("r") / "redis.sock"
    with stores.running(stores.Redis(unixsocket=str(path))) as server:
        settings = {"REDIS_URL": f"unix://{path}"}
        one, two = (limited("2/minute", **settings) for _ in range(2))
        found = [ask(client, home).status_code for client in (one, two, one)]
        assert found == [200, 200, 429]
        with server.client() as client:
            assert list(client.scan_iter("housing:limit*"))


def test_both_limits_notice_together_that_redis_is_away(limited, home, redis, capsys):
    settings = {"AUTH_FAILURE_LIMIT": "2/minute", "REDIS_URL": redis.url}
    client, _ = guarded(limited, rate="9/minute", **settings)
    redis.hang()
    assert ask(client, home).status_code == 401
    began = time.monotonic()
    sent = {"Authorization": "Bearer nonsense"}
    assert statuses(client, home, 2, **sent) == [401, 429]
    assert time.monotonic() - began < 0.1, "it is left alone"
    said = [x for x in capsys.readouterr().out.splitlines() if '"rate limits"' in x]
    assert len(said) == 1


@pytest.mark.parametrize("poison", ["text", "list"])
def test_a_counter_that_is_none_costs_the_shared_limit_and_no_answer(
    limited, home, redis, poison
):
    client = limited("9/minute", RATE_LIMIT_FALLBACK="2/minute", REDIS_URL=redis.url)
    assert left(ask(client, home))[:2] == ("default", 8)
    with redis.client() as store:
        for key in store.scan_iter("housing:limit*"):
            store.delete(key)
            store.set(key, "much") if poison == "text" else store.rpush(key, 1, 2)
    assert statuses(client, home, 3) == [200, 200, 429]


def test_a_full_redis_costs_the_shared_limit_and_no_answer(limited, home, redis):
    client = limited("9/minute", RATE_LIMIT_FALLBACK="2/minute", REDIS_URL=redis.url)
    with redis.client() as store:
        store.config_set("maxmemory-policy", "noeviction")
        store.config_set("maxmemory", 1)
    assert statuses(client, home, 3) == [200, 200, 429]
    parts = client.get("/health").json["checks"]
    assert "ResponseError" in parts["rate_limits"]["detail"]


# --- what is said of Redis ----------------------------------------------------------


def test_health_says_where_it_counts(limited, home, redis):
    state = limited("9/minute").get("/health").json["checks"]["rate_limits"]
    assert state == {"status": "ok", "store": "memory"}
    settings = {"RATE_LIMIT_FALLBACK": "3/minute", "REDIS_URL": redis.url}
    client = limited("9/minute", JOURNAL="off", **settings)
    state = client.get("/health").json["checks"]["rate_limits"]
    assert state == {"status": "ok", "store": "redis"}
    redis.kill()
    ask(client, home)
    found = client.get("/health").json
    assert found["status"] == found["checks"]["rate_limits"]["status"] == "degraded"
    said = found["checks"]["rate_limits"]["detail"]
    assert "ConnectionError" in said
    assert "authentication 20 in 60 s, fallback 3 in 60 s" in said
    assert str(redis.port) not in said
    ready = client.get("/health/ready")
    assert (ready.status_code, ready.json["degraded"]) == (200, ["rate_limits"])
    assert 'store_down{store="rate limits"} 1.0' in client.get("/metrics").text


def test_the_operator_is_told_once_without_the_address_of_redis(
    limited, home, redis, capsys
):
    redis.kill()
    client = limited("5/minute", REDIS_URL=redis.url)
    statuses(client, home, 3)
    said = [x for x in capsys.readouterr().out.splitlines() if '"rate limits"' in x]
    assert len(said) == 1
    assert redis.url not in said[0]
