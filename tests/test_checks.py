"""What parts say of themselves reaches people and probes."""

import pytest

from housing_app import checks, create_app

OK, DEGRADED, FAILED = ({"status": word} for word in ("ok", "degraded", "failed"))


@pytest.fixture
def made(app):
    return create_app({"RATE_LIMIT": "off", "CACHE": "off"})


def test_a_part_says_what_it_likes(made):
    checks.add(made, "one", lambda: {"status": "ok", "waiting": 3})
    assert checks.results(made)["one"] == {"status": "ok", "waiting": 3}
    found = made.test_client().get("/health").json
    assert found["checks"]["one"] == {"status": "ok", "waiting": 3}


def test_a_check_is_asked_each_time(made):
    states = iter([OK, DEGRADED, OK])
    checks.add(made, "one", lambda: next(states))
    client = made.test_client()
    found = [client.get("/health").json["status"] for _ in range(3)]
    assert found == ["ok", "degraded", "ok"]


def test_parts_of_one_app_are_not_those_of_another(made):
    checks.add(made, "one", lambda: FAILED)
    other = create_app({"RATE_LIMIT": "off"})
    assert "one" not in checks.results(other)


@pytest.mark.parametrize(
    ("states", "worst"),
    [
        ([OK, OK], "ok"),
        ([OK, DEGRADED], "degraded"),
        ([DEGRADED, FAILED], "failed"),
        ([FAILED, OK], "failed"),
    ],
    ids=str,
)
def test_health_is_as_good_as_its_worst_part(made, states, worst):
    for number, state in enumerate(states):
        checks.add(made, f"part{number}", lambda state=state: state)
    answer = made.test_client().get("/health")
    assert (answer.status_code, answer.json["status"]) == (200, worst)


@pytest.mark.parametrize("path", ["/health/ready", "/health/startup"])
def test_a_degraded_part_is_named_and_takes_nobody_out_of_service(made, path):
    client = made.test_client()
    assert client.get(path).json == {"status": "ok"}
    for name, state in (("b", DEGRADED), ("a", DEGRADED), ("c", OK)):
        checks.add(made, name, lambda state=state: state)
    answer = client.get(path)
    assert answer.status_code == 200
    assert answer.json == {"status": "ok", "degraded": ["a", "b"]}


def test_a_live_process_is_asked_for_no_check(made):
    def fails():
        raise AssertionError

    checks.add(made, "one", fails)
    assert made.test_client().get("/health/live").json == {"status": "ok"}
