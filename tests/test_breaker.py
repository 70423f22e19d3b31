"""A store that failed is left alone for a while, and people are told."""

import time

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from housing_app.breaker import Breaker

SECONDS = 0.1


@pytest.fixture
def breaker(request):
    return Breaker(request.node.name, SECONDS)  # a name of its own in the metrics


def shown(breaker):
    return REGISTRY.get_sample_value("store_down", {"store": breaker.store})


def test_a_store_that_works_is_asked_and_nothing_is_said(breaker):
    with capture_logs() as said:
        for _ in range(3):
            assert breaker.allows()
            breaker.worked()
    assert not breaker.is_open
    assert shown(breaker) == 0
    assert said == []


def test_a_store_that_failed_is_left_alone_until_its_time_has_passed(breaker):
    breaker.failed("TimeoutError")
    assert breaker.is_open
    assert not breaker.allows()
    time.sleep(SECONDS)
    assert breaker.allows()
    assert breaker.is_open, "nobody knows yet that it works"
    breaker.worked()
    assert breaker.allows()
    assert not breaker.is_open


def test_one_that_fails_again_is_left_alone_again(breaker):
    breaker.failed("TimeoutError")
    time.sleep(SECONDS)
    breaker.failed("ConnectionError")
    assert not breaker.allows()
    assert breaker.reason == "ConnectionError"


def test_going_and_coming_back_are_said_once_each(breaker):
    with capture_logs() as said:
        for _ in range(3):
            breaker.failed("TimeoutError")
        assert shown(breaker) == 1
        for _ in range(3):
            breaker.worked()
    assert shown(breaker) == 0
    assert breaker.reason == ""
    assert [(x["store"], x["up"], x["reason"], x["log_level"]) for x in said] == [
        (breaker.store, False, "TimeoutError", "warning"),
        (breaker.store, True, "", "warning"),
    ]
