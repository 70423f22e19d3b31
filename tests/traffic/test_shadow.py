"""The shadow beside the requests."""

import threading
import time

import pytest
from prometheus_client import REGISTRY
from served import BASELINE

from housing_app import create_app, traffic
from housing_app.traffic import shadow
from housing_app.valuation import predictor


class Recorder(list):
    """Keep what the shadow valued."""

    def __call__(self, model, version, rows):
        self.append((f"{model}-{version}", rows))


def homes(result):
    name, version = BASELINE.rsplit("-", 1)
    labels = {"model": name, "version": version, "result": result}
    return REGISTRY.get_sample_value("shadow_homes_total", labels) or 0


def observed():
    name, version = BASELINE.rsplit("-", 1)
    labels = {"model": name, "version": version}
    return REGISTRY.get_sample_value("shadow_disagreement_count", labels) or 0


@pytest.fixture
def shadowed(slots):
    """The fallback is the full slot's shadow; what others offered is gone."""
    while not shadow._offers.empty():
        shadow._offers.get_nowait()
    roles = slots["full"]
    predictor.install("full", roles | {"shadow": roles["fallback"]})
    yield
    while not shadow._offers.empty():
        shadow._offers.get_nowait()


@pytest.fixture
def recorder():
    return Recorder()


def test_the_shadow_values_what_was_answered(shadowed, app, client, home, recorder):
    valued, seen = homes("valued"), observed()
    answer = client.post("/v1/predict", json={"records": [home] * 3}).json
    with app.app_context():
        shadow._serve(recorder)
    ((name, rows),) = recorder
    assert name == BASELINE
    assert [row[0] for row in rows] == [p["id"] for p in answer["predictions"]]
    for _, price, low, high in rows:
        assert low < price < high
        assert price != answer["predictions"][0]["price"]
    assert homes("valued") - valued == 3
    assert observed() - seen == 3


def test_clients_see_nothing_of_it(shadowed, client, home, slots):
    with_shadow = client.post("/v1/predict", json=home).json
    predictor.install("full", slots["full"])
    without = client.post("/v1/predict", json=home).json
    for answer in (with_shadow, without):
        del answer["request_id"], answer["predictions"][0]["id"]
    assert with_shadow == without


def test_without_a_shadow_nothing_waits(client, home):
    before = shadow._offers.qsize()
    assert client.post("/v1/predict", json=home).status_code == 200
    assert shadow._offers.qsize() == before


def test_what_a_busy_worker_has_no_time_for_is_dropped_and_counted(
    shadowed, client, home
):
    dropped = homes("dropped")
    for _ in range(shadow._WAITING + 5):
        assert client.post("/v1/predict", json=home).status_code == 200
    assert shadow._offers.qsize() == shadow._WAITING
    assert homes("dropped") - dropped == 5


def test_a_large_batch_is_dropped(shadowed, client, home):
    dropped = homes("dropped")
    batch = {"records": [home] * (shadow._MOST_HOMES + 1)}
    assert client.post("/v1/predict", json=batch).status_code == 200
    assert shadow._offers.empty()
    assert homes("dropped") - dropped == shadow._MOST_HOMES + 1


def test_nothing_is_valued_while_a_request_is_under_way(
    shadowed, app, client, home, recorder
):
    client.post("/v1/predict", json=home)

    def serve():
        with app.app_context():
            shadow._serve(recorder)

    thread = threading.Thread(target=serve)
    with traffic.answering:
        thread.start()
        time.sleep(0.2)
        assert recorder == []
    thread.join(5)
    assert len(recorder) == 1


def test_a_shadow_that_raises_is_counted_and_harms_nobody(
    shadowed, app, client, home, recorder, slots, monkeypatch
):
    failed = homes("failed")
    assert client.post("/v1/predict", json=home).status_code == 200
    broken = slots["full"]["fallback"]
    value = type(broken).value

    def fail(self, *arguments, **options):
        if self is broken:
            raise ArithmeticError("on purpose")
        return value(self, *arguments, **options)

    monkeypatch.setattr(type(broken), "value", fail)
    with app.app_context():
        shadow._serve(recorder)
    assert recorder == []
    assert homes("failed") - failed == 1


def test_the_app_records_what_its_shadow_valued(shadowed, home, tmp_path):
    settings = {"RATE_LIMIT": "off", "CACHE": "off", "INSTANCE_DIR": tmp_path}
    made = create_app(settings)
    made.test_client().post("/v1/predict", json=home)
    from housing_app import journal

    with made.app_context():
        shadow._serve(journal.record_shadow)
        lines = b"".join(p.read_bytes() for p in (tmp_path / "spool").glob("*"))
    assert BASELINE.rsplit("-", 1)[0].encode() in lines
