"""What a client sees of the cache, and what makes two requests the same."""

import dataclasses
import json
import re
import time

import numpy as np
import pytest
from prometheus_client import REGISTRY

from housing_app import cache, create_app, demographics
from housing_app.valuation import predictor
from housing_app.valuation.features import ZIPCODE, slot_features
from housing_app.valuation.kinds import PriceModel
from housing_app.valuation.predictor import Details

PREDICT, MINIMAL = "/v1/predict", "/v1/predict/minimal"
STORED = "housing_app; fwd=miss; stored"
CORE = [feature.name for feature in slot_features("minimal")] + [ZIPCODE]


class Failing(PriceModel):
    def log_prices(self, rows):
        raise RuntimeError("broken")


def ask(client, payload, path=PREDICT, **more):
    return client.post(path, json=payload, **more)


def status(answer):
    return answer.headers.get("Cache-Status")


def is_hit(answer):
    return bool(re.fullmatch(r"housing_app; hit; ttl=\d+", status(answer)))


def sample(name, **labels):
    return REGISTRY.get_sample_value(name, labels) or 0


def results():
    names = ("hit", "miss", "error", "bypassed")
    return {name: sample("cache_requests_total", result=name) for name in names}


def gained(before):
    return {k: v - before[k] for k, v in results().items() if v != before[k]}


def without_ids(answer):
    found = answer.json
    found.pop("request_id")
    for prediction in found["predictions"]:
        prediction.pop("id")
    return found


# --- what a client sees ---------------------------------------------------------------


@pytest.mark.parametrize("query", ["", "?explain=true&comparables=3&interval=0.5"])
@pytest.mark.parametrize("count", [1, 5])
def test_a_repeated_request_has_the_same_answer_with_names_of_its_own(
    kept, client, example_homes, count, query
):
    cached, path = kept(), PREDICT + query
    payload = {"records": example_homes[:count]}
    before = results()
    one, two = ask(cached, payload, path), ask(cached, payload, path)
    assert status(one) == STORED
    assert is_hit(two)
    assert gained(before) == {"miss": 1, "hit": 1}
    assert one.json["request_id"] != two.json["request_id"]
    ids = {p["id"] for found in (one, two) for p in found.json["predictions"]}
    assert len(ids) == 2 * count
    uncached = ask(client, payload, path)
    assert list(two.json["predictions"][0]) == list(uncached.json["predictions"][0])
    assert list(two.json) == list(uncached.json)
    assert without_ids(one) == without_ids(two) == without_ids(uncached)


def test_without_a_cache_nothing_is_counted_or_said(client, home):
    before = results()
    for _ in range(2):
        assert status(ask(client, home)) is None
    assert gained(before) == {}
    assert "cache" not in client.get("/health").json["checks"]


def test_what_a_client_changes_in_an_answer_is_no_others_business(keeping, home):
    """Answers in memory are handed out as they are."""
    made = keeping()
    first = without_ids(ask(made, home))
    for _ in range(3):
        assert without_ids(ask(made, home)) == first


def test_errors_are_not_kept(kept, home):
    made = kept()
    for payload in (home | {"grade": 99}, [home], {"records": []}, 5):
        for _ in range(2):
            answer = ask(made, payload)
            assert (answer.status_code, status(answer)) == (422, None)
    assert is_hit(ask(made, home)) is False


def test_a_body_nested_as_deeply_as_can_be_parsed_is_refused(kept):
    made = kept()
    for depth in (100, 900, 990, 1500, 100_000):
        body = b"[" * depth + b"]" * depth
        answer = made.post(PREDICT, data=body, content_type="application/json")
        assert answer.status_code in (400, 422)


def test_without_a_model_what_it_answered_is_not_given_either(slots, kept, home):
    made = kept()
    ask(made, home)
    predictor.install("full", {})
    assert ask(made, home).status_code == 503


# --- what is the same -----------------------------------------------------------------


def test_a_home_written_otherwise_is_valued_anew_to_the_same_price(kept, home):
    made = kept()
    first = ask(made, home)
    turned = dict(reversed(home.items()))
    body = json.dumps(turned, indent=3).encode()
    answer = made.post(PREDICT, data=body, content_type="application/json")
    assert not is_hit(answer)
    assert without_ids(answer) == without_ids(first)


def test_whatever_an_answer_depends_on_makes_another_request(kept, home, example_homes):
    made = kept()
    two = example_homes[:2]
    asked = [
        (PREDICT, home),
        (MINIMAL, {name: home[name] for name in CORE}),
        (PREDICT, home | {"sqft_living": home["sqft_living"] + 1}),
        (PREDICT, home | {"grade": None}),
        (PREDICT, home | {"valuation_date": "2015-01-31"}),
        (PREDICT, {"records": [home]}),
        (PREDICT, {"records": two}),
        (PREDICT, {"records": two[::-1]}),
        (PREDICT, {"records": two, "valuation_date": "2015-01-31"}),
        (PREDICT + "?interval=0.5", home),
        (PREDICT + "?explain=true", home),
        (PREDICT + "?comparables=1", home),
        (PREDICT + "?comparables=2", home),
    ]
    for path, payload in asked:
        assert status(ask(made, payload, path)) == STORED, (path, payload)
    for path, payload in asked:
        assert is_hit(ask(made, payload, path)), (path, payload)


@pytest.fixture
def shared(keeping, redis):
    """Make one more app that keeps its answers in the same Redis."""
    return lambda **settings: keeping("redis", REDIS_URL=redis.url, **settings)


def test_workers_share_answers(shared, home):
    assert status(ask(shared(), home)) == STORED
    assert is_hit(ask(shared(), home))


@pytest.mark.parametrize(
    "setting",
    [{"MAX_RECORDS": 5}, {"REFUSE_OUTSIDE_AREA": True}, {"VERSION": "9.9.9"}],
    ids=str,
)
def test_an_app_that_would_answer_otherwise_does_not_share(shared, home, setting):
    ask(shared(), home)
    assert status(ask(shared(**setting), home)) == STORED


def test_a_home_outside_the_area_is_refused_whoever_was_answered_before(shared, home):
    far = home | {"zipcode": "10001"}
    assert ask(shared(), far).status_code == 200
    assert ask(shared(REFUSE_OUTSIDE_AREA=True), far).status_code == 422


def test_another_model_has_answers_of_its_own(slots, kept, home):
    made = kept()
    ask(made, home)
    champion = slots["full"]["champion"]
    for change in ({"version": 2}, {"files": {"price.npz": "0" * 64}}):
        other = dataclasses.replace(champion.manifest, **change)
        roles = {"champion": dataclasses.replace(champion, manifest=other)}
        predictor.install("full", roles)
        assert status(ask(made, home)) == STORED
        assert is_hit(ask(made, home))
    predictor.install("full", slots["full"])
    assert is_hit(ask(made, home))


def test_other_demographics_have_answers_of_their_own(kept, home):
    made, table = kept(), demographics.current()
    ask(made, home)
    zipcode = str(home["zipcode"])
    rows = table.rows | {zipcode: table.rows[zipcode] + 1}
    try:
        other = {"rows": rows, "digest": "other", "_narrowed": {}}
        demographics.install(dataclasses.replace(table, **other))
        assert status(ask(made, home)) == STORED
        # The same rows, loaded again, are the same data.
        demographics.install(dataclasses.replace(table, rows=dict(table.rows)))
        assert is_hit(ask(made, home))
    finally:
        demographics.install(table)


def test_a_fallbacks_answer_is_not_kept(slots, kept, home):
    made, roles = kept(), slots["full"]
    broken = dataclasses.replace(roles["champion"], model=Failing())
    predictor.install("full", roles | {"champion": broken})
    for _ in range(2):
        answer = ask(made, home)
        assert status(answer) == "housing_app; fwd=miss"
        assert answer.json["model"]["variant"] == "fallback"
    predictor.install("full", roles)
    assert ask(made, home).json["model"]["variant"] == "champion"


# --- limits and metrics ---------------------------------------------------------------


def test_a_hit_costs_as_much_of_the_share_as_a_valuation(kept, home):
    made = kept(RATE_LIMIT="25/minute")
    batch = {"records": [home] * 10}
    left = []
    for _ in range(3):
        answer = ask(made, batch)
        left.append((answer.status_code, re.search(r"r=(\d+)", str(answer.headers))[1]))
    assert left == [(200, "15"), (200, "5"), (429, "4")]
    assert status(answer) is None


def test_a_hit_is_counted_as_an_answer_and_not_as_work(kept, home):
    made = kept()
    model = predictor.current("full").manifest
    labels = {"model": model.name, "version": str(model.version)}
    more = labels | {"variant": "champion", "endpoint": "full"}

    def counts():
        return np.array(
            [
                sample("prediction_requests_total", **more),
                sample("homes_valued_total", **labels),
                sample("prediction_duration_seconds_count", **labels),
            ]
        )

    batch, before = {"records": [home] * 3}, counts()
    ask(made, batch)
    assert (counts() - before).tolist() == [1, 3, 1]
    ask(made, batch)
    assert (counts() - before).tolist() == [2, 6, 1]


def test_what_is_kept_ends(kept, home):
    made = kept(CACHE_TTL=1)
    ask(made, home)
    time.sleep(1.1)
    assert status(ask(made, home)) == STORED


def test_no_more_is_kept_than_there_is_room_for(keeping, home):
    made = keeping(CACHE_SIZE=2)
    assert status(ask(made, {"records": [home] * 3})) == "housing_app; fwd=miss"
    assert status(ask(made, {"records": [home] * 2})) == STORED
    state = made.get("/health").json["checks"]["cache"]
    assert state == {"status": "ok", "store": "memory", "homes": 2}


# --- Redis ----------------------------------------------------------------------------


def test_while_redis_is_away_every_home_is_valued(shared, redis, home):
    made, before = shared(), results()
    ask(made, home)
    redis.kill()
    found = [ask(made, home) for _ in range(3)]
    assert [answer.status_code for answer in found] == [200] * 3
    assert [status(answer) for answer in found[1:]] == ["housing_app; fwd=bypass"] * 2
    assert gained(before) == {"miss": 1, "error": 1, "bypassed": 2}
    parts = made.get("/health").json
    assert parts["status"] == parts["checks"]["cache"]["status"] == "degraded"
    assert made.get("/health/ready").json["degraded"] == ["cache"]
    assert made.get("/health/live").status_code == 200


@pytest.mark.parametrize("poison", [b"garbage", b"housing1 0 0 {}", b""], ids=repr)
def test_a_poisoned_entry_costs_a_valuation(shared, redis, home, poison):
    made = shared()
    first = without_ids(ask(made, home))
    with redis.client() as store:
        for key in store.scan_iter("housing:cache:*"):
            store.set(key, poison)
    assert without_ids(ask(made, home)) == first
    assert is_hit(ask(made, home))


def test_keys_tell_nothing_of_what_was_asked(shared, redis, home):
    ask(shared(), home)
    with redis.client() as store:
        (key,) = store.keys("*")
    assert re.fullmatch(rb"housing:cache:[0-9a-f]{64}", key)


def test_a_key_is_the_same_in_every_process(app):
    made = create_app({"CACHE": "memory"})
    with made.app_context():
        model = predictor.current("full")

        def key(body, variant="champion"):
            return cache.current().key(body, "full", Details(), model, variant)

        found = {key(b'{"a": 1}') for _ in range(2)}
        assert len(found) == 1
        assert key(b'{"a": 1.0}') not in found
        assert key(b'{"a": 1}', "challenger") not in found
