"""Demographics in PostgreSQL: followed by every worker, missed by no request."""

import csv
import time
from contextlib import contextmanager

import pytest
import stores
from load import Load
from prometheus_client.multiprocess import MultiProcessCollector

from housing_app.config import ROOT
from tests.system.conftest import unharmed, wait_until_ready

SHIPPED = ROOT / "data" / "zipcode_demographics.csv"
ZIPCODE = "98103"
SECONDS = 5.0  # until a new version is served by every worker
JOINED = 15.0  # until one that was away is: a breaker's five seconds are part of it
LEAST = 200  # requests while something is wrong


@pytest.fixture
def postgres():
    with stores.running(stores.Postgres()) as server:
        yield server


@pytest.fixture
def table(tmp_path):
    """Write the shipped demographics with another population of one zipcode."""

    def write(population):
        path = tmp_path / f"{population}.csv"
        with SHIPPED.open(newline="") as old, path.open("w", newline="") as new:
            reader = csv.DictReader(old)
            writer = csv.DictWriter(new, reader.fieldnames)
            writer.writeheader()
            for row in reader:
                changed = (
                    {"population": population} if row["zipcode"] == ZIPCODE else {}
                )
                writer.writerow(row | changed)
        return path

    return write


@pytest.fixture
def load(flask, postgres):
    """Load a file as an operator does; return when that was done."""

    def run(path):
        for words in (("db", "upgrade"), ("demographics", "load", str(path))):
            done = flask(*words, DEMOGRAPHICS_URL=postgres.url)
            assert done.returncode == 0, done.stderr
        return time.monotonic()

    return run


@pytest.fixture
def serve(start, postgres):
    """Serve from the database, with two workers that must not die."""

    @contextmanager
    def begin():
        process, running = start(
            DEMOGRAPHICS_URL=postgres.url, RATE_LIMIT="off", WORKERS="2"
        )
        with unharmed(process, running, lambda: wait_until_ready(process, running)):
            yield running

    return begin


def assert_unharmed(asked):
    """Every valuation meanwhile was answered, and soon."""
    assert asked.count >= LEAST
    assert asked.errors() == {}
    assert max(asked.seconds) < 1.0


def population(running):
    answer = running.get(f"/v1/zipcodes/{ZIPCODE}")
    assert answer.status_code == 200
    return answer.json()["demographics"]["population"]


def check(running):
    return running.get("/health").json()["checks"]["demographics"]


def by_worker(running, kind, name, **labels):
    """Return a metric of each worker, from its own file."""
    found = {}
    for pid in running.workers():
        files = [str(path) for path in running.metrics.glob(f"{kind}_{pid}.db")]
        found[pid] = sum(
            sample.value
            for metric in MultiProcessCollector.merge(files, accumulate=True)
            for sample in metric.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )
    return found


def answered(running):
    route = {"route": "/v1/zipcodes/<zipcode>"}
    return by_worker(running, "counter", "http_requests_total", **route)


def wait_for_version(running, number, since, seconds):
    """Return how long after `since` every worker served a version."""
    while set(by_worker(running, "gauge_livemin", "demographics_version").values()) != {
        number
    }:
        assert time.monotonic() - since < seconds, check(running)
        time.sleep(0.02)
    return time.monotonic() - since


def assert_all_answer(running, wanted):
    """Both workers answer with a population, and none with another."""
    before = answered(running)
    deadline = time.monotonic() + 10
    while min(answered(running)[pid] - before[pid] for pid in before) < 5:
        assert population(running) == wanted
        assert time.monotonic() < deadline, "one worker answers everything"


def wait_for_state(running, status, seconds=JOINED):
    """Return the check once both workers say a status (they answer in no order)."""
    deadline, alike = time.monotonic() + seconds, 0
    while alike < 10:
        found = check(running)
        alike = alike + 1 if found["status"] == status else 0
        assert time.monotonic() < deadline, found
        time.sleep(0.02)
    return found


def assert_degraded(running):
    """Every probe answers, and all but liveness say what is degraded."""
    found = wait_for_state(running, "degraded")
    assert running.get("/health/live").json() == {"status": "ok"}
    ready = running.get("/health/ready")
    assert (ready.status_code, ready.json()["degraded"]) == (200, ["demographics"])
    assert running.get("/health").json()["status"] == "degraded"
    return found


def store_down(running):
    lines = running.get("/metrics").text.splitlines()
    (line,) = (x for x in lines if x.startswith('store_down{store="demographics"}'))
    return float(line.split()[-1])


def test_a_new_version_is_served_by_every_worker_within_5_seconds(
    serve, load, table, home
):
    load(table(1001))
    with serve() as running, Load(running.port, home, rate=100) as asked:
        assert (check(running)["status"], check(running)["version"]) == ("ok", 1)
        assert_all_answer(running, 1001)
        for number in (2, 3):
            since = load(table(1000 + number))
            took = wait_for_version(running, number, since, SECONDS)
            assert_all_answer(running, 1000 + number)
            print(f"version {number} served by both workers after {took:.2f} s")
        asked.wait_for(LEAST)
    assert_unharmed(asked)
    print(f"{asked.count} valuations meanwhile, the slowest {max(asked.seconds):.3f} s")


def test_a_server_that_starts_without_postgresql_serves_the_csv_and_joins_later(
    serve, postgres, load, table, home
):
    load(table(1001))
    postgres.kill()
    with serve() as running, Load(running.port, home, rate=100) as asked:
        found = assert_degraded(running)
        assert "CSV" in found["detail"]
        assert not found.get("version")
        assert store_down(running) == 1
        shipped = population(running)
        assert shipped != 1001
        assert_all_answer(running, shipped)
        asked.wait_for(LEAST)
        postgres.start()
        took = wait_for_version(running, 1, time.monotonic(), JOINED)
        print(f"joined by both workers after {took:.2f} s")
        assert_all_answer(running, 1001)
        assert wait_for_state(running, "ok")["version"] == 1
        assert store_down(running) == 0
    assert_unharmed(asked)


@pytest.mark.parametrize(
    ("end", "bring_back"),
    [("kill", "start"), ("hang", "resume")],
    ids=["killed", "hung"],
)
def test_predictions_go_on_with_the_last_good_copy_without_postgresql(
    serve, postgres, load, table, home, end, bring_back
):
    load(table(1001))
    with serve() as running:
        wait_for_version(running, 1, time.monotonic(), SECONDS)
        getattr(postgres, end)()
        with Load(running.port, home, rate=100) as asked:
            found = assert_degraded(running)
            assert found["version"] == 1
            assert store_down(running) == 1
            assert_all_answer(running, 1001)
            asked.wait_for(LEAST)
            getattr(postgres, bring_back)()
            wait_for_state(running, "ok")
        assert_unharmed(asked)
        since = load(table(1002))
        wait_for_version(running, 2, since, JOINED)
        assert_all_answer(running, 1002)


def test_a_version_that_is_not_what_was_loaded_never_serves(
    serve, postgres, load, table, home
):
    load(table(1001))
    with serve() as running, Load(running.port, home, rate=100) as asked:
        with postgres.connect() as connection, connection.transaction():
            connection.execute(
                "UPDATE demographics SET population = 666 WHERE zipcode = %s", [ZIPCODE]
            )
            connection.execute(
                "INSERT INTO demographics_versions (version, loaded_at, sha256, rows, "
                "source) SELECT 2, now(), sha256, rows, source "
                "FROM demographics_versions"
            )
        found = assert_degraded(running)
        assert found["version"] == 1
        assert "SHA-256" in found["detail"]
        asked.wait_for(LEAST)
        assert_all_answer(running, 1001)
        refusals = [text for text in running.lines() if "demographics refused" in text]
        assert len(refusals) == 2, "once by each worker"
        since = load(table(1003))
        wait_for_version(running, 3, since, SECONDS)
        assert_all_answer(running, 1003)
        assert wait_for_state(running, "ok")["version"] == 3
    assert_unharmed(asked)
