"""In memory: bounds, order and age."""

import pytest

from housing_app.cache.memory import Memory

SECONDS = 60


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def store(clock):
    return Memory(5, SECONDS, clock)


def results(store, *keys):
    return [store.get(key).result for key in keys]


def test_what_was_put_is_found_until_its_time_is_over(store, clock, answer):
    assert store.get(b"a") == ("miss", None, 0)
    kept = answer()
    assert store.put(b"a", kept)
    clock.now += SECONDS - 1
    assert store.get(b"a") == ("hit", kept, 1)
    clock.now += 1
    assert store.get(b"a").result == "miss"
    assert store.state()["homes"] == 0


def test_being_asked_for_does_not_make_it_younger(store, clock, answer):
    store.put(b"a", answer())
    clock.now += SECONDS / 2
    assert store.get(b"a").seconds == SECONDS / 2
    clock.now += SECONDS / 2
    assert store.get(b"a").result == "miss"


def test_the_least_recently_used_make_room_for_as_many_homes_as_come(store, answer):
    for key in (b"a", b"b", b"c"):
        store.put(key, answer())
    store.put(b"d", answer(2))
    store.get(b"a")
    store.put(b"e", answer(2))
    assert results(store, b"a", b"b", b"c", b"d", b"e") == [
        "hit",
        "miss",
        "miss",
        "hit",
        "hit",
    ]
    assert store.state()["homes"] == 5


def test_an_answer_larger_than_all_room_throws_nothing_out(store, answer):
    store.put(b"a", answer())
    assert not store.put(b"b", answer(6))
    assert results(store, b"a", b"b") == ["hit", "miss"]


def test_an_answer_put_again_takes_its_room_once(store, clock, answer):
    for price in (1.0, 2.0, 3.0):
        clock.now += 1
        assert store.put(b"a", answer(4, price))
    found = store.get(b"a")
    assert found.answer["predictions"][0]["price"] == 3.0
    assert found.seconds == SECONDS
    assert store.state() == {"status": "ok", "store": "memory", "homes": 4}


def test_it_never_holds_more_homes_than_its_size(store, answer):
    for number in range(1000):
        store.put(str(number).encode(), answer(1 + number % 5))
        assert store.state()["homes"] <= 5
    assert len(store._kept) <= 5
