"""In Redis: bounds, faults and what is said of them."""

import time

import pytest
from prometheus_client import REGISTRY

from housing_app.breaker import RETRY_SECONDS
from housing_app.cache import entries
from housing_app.cache.shared import MOST_BYTES, PREFIX, Shared

KEY, SECONDS = b"a" * 64, 60


@pytest.fixture
def store(redis):
    return Shared(redis.url, SECONDS)


@pytest.fixture
def client(redis):
    with redis.client() as found:
        yield found


def errors():
    return REGISTRY.get_sample_value("cache_requests_total", {"result": "error"}) or 0


def test_what_was_put_is_found_by_every_worker_and_ends(store, redis, client, answer):
    assert store.get(KEY).result == "miss"
    assert store.put(KEY, answer())
    found = Shared(redis.url, SECONDS).get(KEY)
    assert (found.result, found.answer) == ("hit", answer())
    assert SECONDS - 2 < found.seconds <= SECONDS + 1
    assert 0 < client.ttl(PREFIX + KEY) <= SECONDS
    assert store.state() == {"status": "ok", "store": "redis"}


def test_an_entry_that_outlived_its_end_is_a_miss(store, client, answer):
    client.set(PREFIX + KEY, entries.encode(KEY, answer(), time.time() - 2))
    assert store.get(KEY).result == "miss"


@pytest.mark.parametrize(
    "poison",
    [b"garbage", b"\x80\x04\x95", b"x" * (2 * MOST_BYTES), "cut", "list", "other"],
    ids=lambda poison: repr(poison)[:12],
)
def test_a_poisoned_entry_is_dropped_and_counted(store, client, answer, poison, capsys):
    name = PREFIX + KEY
    if poison == "list":
        client.rpush(name, 1, 2)
    elif poison == "cut":
        client.set(name, entries.encode(KEY, answer(), time.time() + 60)[:-1])
    elif poison == "other":
        client.set(name, entries.encode(b"b" * 64, answer(), time.time() + 60))
    else:
        client.set(name, poison)
    assert store.get(KEY).result == "error"
    assert not client.exists(name)
    assert "cache entry refused" in capsys.readouterr().out
    assert store.state()["status"] == "ok", "it is the entry that is bad, not Redis"
    assert store.get(KEY).result == "miss"
    assert store.put(KEY, answer())
    assert store.get(KEY).result == "hit"


def test_an_answer_too_large_for_the_timeout_is_not_kept(store, client, answer):
    assert not store.put(KEY, answer(MOST_BYTES // 20))
    assert not client.exists(PREFIX + KEY)
    assert store.state()["status"] == "ok"


@pytest.mark.parametrize("trouble", ["kill", "hang"])
def test_a_redis_that_fails_costs_one_timeout_and_is_then_left_alone(
    store, redis, answer, trouble
):
    store.put(KEY, answer())
    getattr(redis, trouble)()
    began = time.monotonic()
    assert store.get(KEY).result == "error"
    assert time.monotonic() - began < 0.2
    began = time.monotonic()
    for _ in range(100):
        assert store.get(KEY).result == "bypassed"
        assert not store.put(KEY, answer())
    assert time.monotonic() - began < 0.1
    state = store.state()
    assert state["status"] == "degraded"
    assert "every home is valued anew" in state["detail"]
    assert str(redis.port) not in state["detail"]


def test_a_new_connection_to_a_hung_redis_costs_one_timeout(redis, answer):
    redis.hang()
    began = time.monotonic()
    assert Shared(redis.url, SECONDS).get(KEY).result == "error"
    assert time.monotonic() - began < 0.2


def test_it_is_used_again_once_it_is_back(store, redis, answer):
    redis.kill()
    assert not store.put(KEY, answer())
    assert store.state()["status"] == "degraded"
    redis.start()
    time.sleep(RETRY_SECONDS)
    assert store.get(KEY).result == "miss"
    assert store.put(KEY, answer())
    assert store.get(KEY).result == "hit"
    assert store.state()["status"] == "ok"


def test_a_redis_that_restarted_between_requests_is_used_at_once(store, redis, answer):
    store.put(KEY, answer())
    redis.kill()
    redis.start()
    assert store.get(KEY).result == "miss"


def test_a_full_redis_still_answers_what_it_has(store, client, answer):
    store.put(KEY, answer())
    client.config_set("maxmemory-policy", "noeviction")
    client.config_set("maxmemory", 1)
    before = errors()
    for _ in range(3):
        assert not store.put(b"b" * 64, answer())
        assert store.get(KEY).result == "hit"
    assert errors() == before + 1, "it is not asked again at once"
    state = store.state()
    assert state["status"] == "degraded"
    assert "OutOfMemoryError" in state["detail"]
    assert "no more answers are kept" in state["detail"]


def test_a_redis_that_refuses_to_read_is_left_alone(store, client, answer):
    store.get(KEY)
    client.config_set("requirepass", "x")  # pragma: allowlist secret
    store._client.connection_pool.disconnect()
    assert store.get(KEY).result == "error"
    assert store.get(KEY).result == "bypassed"
