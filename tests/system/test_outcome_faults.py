"""Outcomes while PostgreSQL fails in every way it can: 503 within a second, then on."""

import os
import re
import subprocess
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
import pytest
import stores

from housing_app.database import Database, schema
from tests.system.conftest import wait_for_workers, wait_until_ready

PATH = "/v1/outcomes"
POSTS = 24
PAUSE_SECONDS = 0.3  # so that they go on for longer than a breaker stays open
MOST_SECONDS = 1.0
BACK_SECONDS = 12.0  # breaker, and what an operator's command takes


@pytest.fixture(scope="module")
def postgres():
    options = {"max_connections": "24", "superuser_reserved_connections": "0"}
    with stores.running(stores.Postgres(**options)) as server:
        made = Database(server.url, "test")
        made.run(schema.upgrade, 30)
        made.engine.dispose()
        yield server


@pytest.fixture(scope="module")
def running(start, postgres):
    """Two workers that keep their outcomes there."""
    process, server = start(RATE_LIMIT="off", WORKERS="2", DATABASE_URL=postgres.url)
    try:
        wait_until_ready(process, server)
        workers = wait_for_workers(server)
        yield server
        assert server.workers() == workers, "a worker died"
    finally:
        process.terminate()
        process.wait(timeout=60)
    assert "WORKER TIMEOUT" not in server.output.read_text()


@pytest.fixture
def ids(running, postgres, example_homes):
    """Valuations that are in the database, more than a test can use up."""
    answer = running.post({"records": example_homes * 3})
    found = [prediction["id"] for prediction in answer.json()["predictions"]]
    query = "SELECT count(*) FROM predictions WHERE id = ANY(%s)"
    deadline = time.monotonic() + 30
    with postgres.connect() as connection:
        while connection.execute(query, [found]).fetchone() != (len(found),):
            assert time.monotonic() < deadline, running.output.read_text()[-3000:]
            time.sleep(0.05)
    return found


def report(server, prediction_id):
    """Return the answer, and the seconds it took."""
    sale = {"sale_price": 512_000, "sale_date": "2015-05-02"}
    started = time.monotonic()
    answer = server.post(sale | {"prediction_id": prediction_id}, PATH)
    return answer, time.monotonic() - started


@contextmanager
def valuations_going_on(server, home):
    """Value homes all the while: none may fail, or wait for what outcomes wait for."""
    found, done = [], threading.Event()

    def ask():
        while not done.wait(0.05):
            started = time.monotonic()
            status = server.post(home).status_code
            found.append((status, time.monotonic() - started))

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join(30)
    assert len(found) >= 20
    assert {status for status, _ in found} == {200}
    assert max(seconds for _, seconds in found) < MOST_SECONDS


def assert_refused(server, home, ids):
    """Report on valuations while the database does not take part."""
    with valuations_going_on(server, home):
        for prediction_id in ids[:POSTS]:
            answer, seconds = report(server, prediction_id)
            assert answer.status_code == 503, answer.text
            assert answer.json()["type"] == "/problems/store-down"
            assert int(answer.headers["Retry-After"]) > 0
            assert seconds < MOST_SECONDS
            time.sleep(PAUSE_SECONDS)
        assert server.get("/health/live").status_code == 200
        assert_degraded(server)


def assert_degraded(server):
    """Both say so; a worker that was asked nothing yet learns it in the background."""
    deadline = time.monotonic() + 12
    while True:
        ready = server.get("/health/ready")
        assert ready.status_code == 200
        if set(ready.json().get("degraded", ())) & {"journal", "outcomes"}:
            break
        assert time.monotonic() < deadline, ready.text
        time.sleep(0.2)


def down(server):
    """Say whether any worker does without the database."""
    (line,) = re.findall(
        r'^store_down\{store="journal"\} (.*)$', server.get("/metrics").text, re.M
    )
    return float(line) > 0


def assert_back(server, ids):
    """What was refused can be sent again, and is stored: soon, and once."""
    deadline = time.monotonic() + BACK_SECONDS
    in_a_row = 0
    while in_a_row < 6:  # so that both workers are seen
        answer, _ = report(server, ids[-1])
        in_a_row = in_a_row + 1 if answer.status_code in {200, 201} else 0
        assert time.monotonic() < deadline, answer.text
        time.sleep(0.1)
    # On a machine with nothing else to do, one worker may have answered all of them.
    while down(server):
        assert time.monotonic() < deadline, "a worker still does without the database"
        time.sleep(0.1)
    for prediction_id in ids:
        answer, _ = report(server, prediction_id)
        assert answer.status_code in {200, 201}, answer.text
    assert {report(server, one)[0].status_code for one in ids} == {200}


def test_killed(running, postgres, home, ids):
    postgres.kill()
    try:
        assert_refused(running, home, ids)
    finally:
        postgres.start()
    assert_back(running, ids)


def test_hung(running, postgres, home, ids):
    postgres.hang()
    try:
        assert_refused(running, home, ids)
    finally:
        postgres.resume()
    assert_back(running, ids)


@contextmanager
def all_connections_taken(postgres):
    ours = "FROM pg_stat_activity WHERE application_name = 'housing_app'"
    held = [postgres.connect()]
    try:
        deadline = time.monotonic() + 20
        while True:
            held[0].execute(f"SELECT pg_terminate_backend(pid) {ours}".encode())
            with suppress(psycopg.OperationalError):
                while True:
                    held.append(postgres.connect())
            if held[0].execute(f"SELECT count(*) {ours}".encode()).fetchone() == (0,):
                break
            assert time.monotonic() < deadline
        yield
    finally:
        for connection in held:
            connection.close()


def test_no_connection_left(running, postgres, home, ids):
    with all_connections_taken(postgres):
        assert_refused(running, home, ids)
    assert_back(running, ids)


@contextmanager
def read_only(postgres):
    def say(change):
        with postgres.connect() as connection:
            connection.execute("SET default_transaction_read_only = off")
            connection.execute(f"ALTER SYSTEM {change}".encode())
            connection.execute("SELECT pg_reload_conf()")
        time.sleep(0.2)

    say("SET default_transaction_read_only = on")
    try:
        yield
    finally:
        say("RESET default_transaction_read_only")


def test_read_only(running, postgres, home, ids):
    with read_only(postgres):
        assert_refused(running, home, ids)
    assert_back(running, ids)


@contextmanager
def full_disk(postgres):
    """Move the tables to a disk of their own, and fill it.

    Where nothing may be mounted, a trigger says what PostgreSQL says of a full disk.
    """
    disk = Path(postgres.folder) / "disk"
    disk.mkdir()
    options = f"size=8m,uid={os.stat(postgres.folder).st_uid},mode=700"
    mount = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(disk)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        with full_by_trigger(postgres):
            yield
        return
    try:
        with postgres.connect() as connection:
            connection.execute(f"CREATE TABLESPACE disk LOCATION '{disk}'".encode())
            move(connection, "disk")
            fill(connection)
            yield
            connection.execute("DROP TABLE filler")
            move(connection, "pg_default")
            connection.execute("DROP TABLESPACE disk")
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def move(connection, place):
    # Emptied, or new rows would find room in the pages that are there.
    connection.execute("TRUNCATE outcomes")
    for table in ("outcomes", "predictions"):
        connection.execute(f"ALTER TABLE {table} SET TABLESPACE {place}".encode())
    query = "SELECT indexname FROM pg_indexes WHERE tablename IN (%s, %s)"
    for (name,) in connection.execute(query, ["outcomes", "predictions"]).fetchall():
        connection.execute(f"ALTER INDEX {name} SET TABLESPACE {place}".encode())


def fill(connection):
    connection.execute("CREATE TABLE filler (x text) TABLESPACE disk")
    connection.execute("ALTER TABLE filler ALTER x SET STORAGE PLAIN")
    for size in (8_000, 1):  # whole pages, then to the last row
        with suppress(psycopg.errors.DiskFull):
            while True:
                connection.execute("INSERT INTO filler SELECT repeat('x', %s)", [size])


@contextmanager
def full_by_trigger(postgres):
    with postgres.connect() as connection:
        connection.execute(
            "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            "RAISE EXCEPTION 'No space left on device' USING ERRCODE = '53100'; END $$"
        )
        for table in (b"outcomes", b"predictions"):
            connection.execute(
                b"CREATE TRIGGER full_disk BEFORE INSERT ON " + table + b" "
                b"FOR EACH STATEMENT EXECUTE FUNCTION full_disk()"
            )
        yield
        connection.execute("DROP FUNCTION full_disk CASCADE")


def test_disk_full(running, postgres, home, ids):
    with full_disk(postgres):
        assert_refused(running, home, ids)
    assert_back(running, ids)
