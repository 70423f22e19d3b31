"""No acknowledged record is lost, whatever fails; real servers, under load."""

import os
import random
import signal
import sqlite3
import subprocess
import time
from contextlib import closing, contextmanager, suppress
from functools import partial
from pwd import getpwnam

import psycopg
import pytest
import stores
from load import Load

from housing_app.database import Database, schema
from tests.system.conftest import unharmed, wait_for_workers, wait_until_ready

OUTAGE_SECONDS = 120
QUICK = 1.0  # seconds: no answer may take longer, whatever is down
ENDED = 5.0  # seconds: a server is gone this long after TERM, however busy the machine
KILLS = 20
SEED = 20150401


@pytest.fixture
def serve(start):
    """Start a server without a rate limit; a context manager."""

    @contextmanager
    def begin(**settings):
        process, running = start(RATE_LIMIT="off", WORKERS="2", **settings)
        with unharmed(process, running, lambda: wait_until_ready(process, running)):
            yield running

    return begin


@pytest.fixture
def postgres():
    """A PostgreSQL of its own, few connections, with the tables."""
    with stores.running(stores.Postgres(max_connections="12")) as server:
        upgrade(server)
        yield server


def upgrade(server):
    database = Database(server.url, "test")
    database.run(schema.upgrade, 30)
    database.engine.dispose()


def stored(server):
    """Return the ids in the database."""
    with server.connect() as connection:
        return [row[0] for row in connection.execute("SELECT id FROM predictions")]


def check_in(running):
    found = running.get("/health").json()
    return found["status"], found["checks"]["journal"]


def wait_for_health(running, wanted, seconds=20.0):
    """Return the journal's check once every worker has the status that is wanted."""
    deadline, alike = time.monotonic() + seconds, 0
    while alike < 8:  # both workers answer
        status, check = check_in(running)
        alike = alike + 1 if status == check["status"] == wanted else 0
        if wanted == "ok" and check["waiting_segments"] > 2:
            alike = 0  # it still drains
        assert time.monotonic() < deadline, check
        time.sleep(0.05)
    return check


def assert_degraded(running):
    """Every probe answers 200, and all but liveness tell what is degraded."""
    check = wait_for_health(running, "degraded")
    assert running.get("/health/live").json() == {"status": "ok"}
    ready = running.get("/health/ready")
    assert ready.status_code == 200
    # Outcomes are in the same database.
    assert {"journal"} <= set(ready.json()["degraded"]) <= {"journal", "outcomes"}
    return check


def gauge(running, name):
    for line in running.get("/metrics").text.splitlines():
        if line.startswith(f"{name} "):
            return float(line.split()[-1])
    raise AssertionError(name)


def assert_all_there(load, found):
    """Each acknowledged record is stored, and none twice."""
    assert set(load.ids) - set(found) == set()
    assert len(found) == len(set(found))


# --- PostgreSQL -----------------------------------------------------------------------


def test_postgresql_dead_for_two_minutes_costs_no_record(serve, postgres, home):
    with serve(DATABASE_URL=postgres.url) as running:
        with Load(running.port, home, rate=50) as load:
            load.wait_for(200)
            postgres.kill()
            end = time.monotonic() + OUTAGE_SECONDS
            assert assert_degraded(running)["database"] != "ok"
            assert gauge(running, 'store_down{store="journal"}') == 1
            while time.monotonic() < end:
                assert running.get("/health/live").status_code == 200
                time.sleep(2)
            assert len(list((running.instance / "spool").iterdir())) < 50
            postgres.start()
            load.wait_for(200)
        wait_for_health(running, "ok")
        # Each worker finds out by itself, by its breaker's time.
        deadline = time.monotonic() + 20
        while gauge(running, 'store_down{store="journal"}') != 0:
            assert time.monotonic() < deadline
            time.sleep(0.2)
        assert load.errors() == {}
        assert load.count >= 5_000
        assert max(load.seconds) < QUICK
        wait_until_empty(running.instance)
        assert_all_there(load, stored(postgres))
        assert len(stored(postgres)) == load.count


def wait_until_empty(instance):
    """Return when nothing waits in the spool."""
    deadline = time.monotonic() + 20
    while list((instance / "spool").glob("*-*")):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert not (instance / "spool" / "rejected").exists()


@contextmanager
def hung(server):
    server.hang()
    yield
    server.resume()


@contextmanager
def read_only(server):
    with writing(server) as connection:
        connection.execute("ALTER SYSTEM SET default_transaction_read_only = on")
        connection.execute("SELECT pg_reload_conf()")
    yield
    with writing(server) as connection:
        connection.execute("ALTER SYSTEM RESET default_transaction_read_only")
        connection.execute("SELECT pg_reload_conf()")


def writing(server):
    options = "-c default_transaction_read_only=off"
    return psycopg.connect(server.url, autocommit=True, options=options)


@contextmanager
def exhausted(server):
    """Hold every connection that the server has to give."""
    theirs = "FROM pg_stat_activity WHERE application_name = 'housing_app'"
    mine = [server.connect()]
    while True:
        mine[0].execute(f"SELECT pg_terminate_backend(pid) {theirs}")
        with suppress(psycopg.OperationalError):
            while True:
                mine.append(server.connect())
        if mine[0].execute(f"SELECT count(*) {theirs}").fetchone() == (0,):
            break
    yield
    for connection in mine:
        connection.close()


@pytest.mark.parametrize("fault", [hung, read_only, exhausted])
def test_predictions_go_on_while_postgresql_is(serve, postgres, home, fault):
    with serve(DATABASE_URL=postgres.url) as running:
        assert_nothing_lost(running, postgres, home, lambda: fault(postgres))


def assert_nothing_lost(running, postgres, home, fault):
    with Load(running.port, home, rate=60) as load:
        load.wait_for(100)
        with fault():
            check = assert_degraded(running)
            assert check["waiting_segments"] > 0
            load.wait_for(300)
        load.wait_for(100)
        wait_for_health(running, "ok")
    wait_until_empty(running.instance)
    assert load.errors() == {}
    assert load.count >= 500
    assert max(load.seconds) < QUICK
    assert_all_there(load, stored(postgres))


@contextmanager
def mounted(folder, owner="root"):
    """Make a folder a file system of 24 MB; say whether that was allowed."""
    folder.mkdir()
    options = f"size=24m,mode=0700,uid={getpwnam(owner).pw_uid}"
    command = ["mount", "-t", "tmpfs", "-o", options, "housing", folder]
    allowed = not subprocess.run(command, capture_output=True, check=False).returncode
    try:
        yield allowed
    finally:
        if allowed:
            subprocess.run(["umount", "--lazy", folder], check=True)


@contextmanager
def filled(folder):
    """Leave no byte free."""
    path = folder / "filler"
    with path.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
    yield
    path.unlink()


@contextmanager
def refusing(server):
    """Fail as on a full disk, where none can be made."""
    with server.connect() as connection:
        connection.execute(
            "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            "RAISE EXCEPTION 'full' USING ERRCODE = 'disk_full'; END $$"
        )
        connection.execute(
            "CREATE TRIGGER no BEFORE INSERT ON predictions "
            "FOR EACH STATEMENT EXECUTE FUNCTION no()"
        )
    yield
    with server.connect() as connection:
        connection.execute("DROP FUNCTION no CASCADE")


def test_predictions_go_on_while_the_disk_of_postgresql_is_full(serve, postgres, home):
    folder = postgres.folder / "disk"
    with (
        mounted(folder, "nobody") as small,
        serve(DATABASE_URL=postgres.url) as running,
    ):
        if small:
            move_to(folder, postgres)
        fault = partial(filled, folder) if small else partial(refusing, postgres)
        assert_nothing_lost(running, postgres, home, fault)
        if small:
            assert "No space left on device" in postgres.log()


def move_to(folder, server):
    with server.connect() as connection:
        connection.execute(f"CREATE TABLESPACE small LOCATION '{folder}'")
        connection.execute("ALTER TABLE predictions SET TABLESPACE small")
        connection.execute("ALTER INDEX pk_predictions SET TABLESPACE small")


def test_a_server_starts_and_ends_while_postgresql_is_down(start, flask, home):
    server = stores.Postgres()
    try:
        process, running = start(RATE_LIMIT="off", DATABASE_URL=server.url)
        wait_until_ready(process, running)
        with Load(running.port, home, rate=50) as load:
            assert_degraded(running)
            load.wait_for(100)
            process.terminate()  # with requests under way
            assert process.wait(timeout=10) == 0
        server.start()
        upgrade(server)
        settings = {"DATABASE_URL": server.url, "INSTANCE_DIR": str(running.instance)}
        done = flask("journal", "drain", **settings)
        assert done.returncode == 0, done.stderr
        assert len(load.ids) >= 100
        assert_all_there(load, stored(server))
    finally:
        server.remove()


def test_a_worker_ends_quickly_while_postgresql_is_hung(start, flask, postgres, home):
    process, running = start(RATE_LIMIT="off", DATABASE_URL=postgres.url)
    wait_until_ready(process, running)
    with Load(running.port, home, rate=50) as load:
        load.wait_for(50)
        postgres.hang()
        load.wait_for(100)
    began = time.monotonic()
    process.terminate()
    assert process.wait(timeout=30) == 0
    assert time.monotonic() - began < ENDED
    postgres.resume()
    settings = {"DATABASE_URL": postgres.url, "INSTANCE_DIR": str(running.instance)}
    assert flask("journal", "drain", **settings).returncode == 0
    assert load.count >= 150
    assert_all_there(load, stored(postgres))


def test_a_quiet_end_leaves_nothing_in_the_spool(start, postgres, home):
    process, running = start(RATE_LIMIT="off", DATABASE_URL=postgres.url)
    wait_until_ready(process, running)
    with Load(running.port, home, rate=100) as load:
        load.wait_for(100)
    process.terminate()
    assert process.wait(timeout=30) == 0
    assert list((running.instance / "spool").glob("*-*")) == []
    assert len(load.ids) >= 100
    assert_all_there(load, stored(postgres))


# --- workers --------------------------------------------------------------------------


def test_workers_killed_twenty_times_cost_no_acknowledged_record(start, postgres, home):
    chance = random.Random(SEED)
    process, running = start(RATE_LIMIT="off", WORKERS="2", DATABASE_URL=postgres.url)
    try:
        wait_until_ready(process, running)
        with Load(running.port, {"records": [home] * 20}, rate=80, threads=6) as load:
            load.wait_for(50)
            for _ in range(KILLS):
                os.kill(chance.choice(wait_for_workers(running)), signal.SIGKILL)
                time.sleep(chance.uniform(0.1, 0.4))
                assert running.get("/health/live").status_code == 200
            load.wait_for(100)
        wait_for_workers(running)
        wait_until_empty(running.instance)
    finally:
        process.terminate()
        process.wait(timeout=30)
    broken = load.errors()
    assert set(broken) <= {
        "RemoteDisconnected",
        "ConnectionResetError",
        "IncompleteRead",
    }
    assert sum(broken.values()) <= KILLS
    assert load.statuses[200] >= 400
    assert_all_there(load, stored(postgres))
    # What was recorded and not acknowledged is what a kill broke off.
    assert len(stored(postgres)) - len(load.ids) <= 20 * sum(broken.values())


# --- the spool ------------------------------------------------------------------------


def test_a_full_spool_costs_records_and_no_answers(serve, home):
    server = stores.Postgres()
    try:
        settings = {"DATABASE_URL": server.url, "SPOOL_MAX_MB": "1"}
        with serve(**settings) as running:
            with Load(running.port, {"records": [home] * 50}, rate=30) as load:
                wait_for_unrecorded(load, 5_000)
                check = assert_degraded(running)
                assert "dropped" in check["detail"]
                assert gauge(running, "journal_dropped_total") >= 5_000
                # Each of two workers writes for half a second before it looks again.
                assert check["waiting_bytes"] < 1_500_000
                server.start()
                upgrade(server)
                wait_for_health(running, "ok")
                load.wait_for(50)
            wait_until_empty(running.instance)
            assert load.errors() == {}
            assert load.count >= 150
            assert max(load.seconds) < QUICK
            found = stored(server)
            assert_all_there(load, found)
            assert set(load.unrecorded) & set(found) == set()
    finally:
        server.remove()


def test_a_full_spool_refuses_requests_where_a_record_is_required(serve, home):
    port = stores.free_port()
    url = f"postgresql://nobody@127.0.0.1:{port}/none"
    with serve(DATABASE_URL=url, SPOOL_MAX_MB="1", JOURNAL="required") as running:
        with Load(running.port, {"records": [home] * 50}, rate=30) as load:
            load.wait_for(150)
        assert load.errors().keys() == {503}
        assert load.unrecorded == []
        answer = running.post({"records": [home] * 50})
        assert answer.json()["type"] == "/problems/journal-full"
        assert int(answer.headers["Retry-After"]) > 0
        assert_degraded(running)
        assert running.get("/v1/info").status_code == 200
        assert load.count >= 150


def test_a_full_disk_costs_records_and_no_answers(serve, home, tmp_path):
    """Spool and SQLite share it; without root, a folder without rights stands for it."""
    folder = tmp_path / "disk"
    instance = folder / "instance"
    with mounted(folder) as small, serve(INSTANCE_DIR=str(instance)) as running:
        fault = partial(filled, folder) if small else partial(forbidden, instance)
        with Load(running.port, {"records": [home] * 20}, rate=40) as load:
            load.wait_for(50)
            with fault():
                wait_for_unrecorded(load, 2_000)
                assert_degraded(running)
            load.wait_for(50)
            wait_for_health(running, "ok")
        wait_until_empty(instance)
        assert load.errors() == {}
        assert load.count >= 200
        assert max(load.seconds) < QUICK
        found = stored_in_sqlite(instance / "housing.db")
        assert_all_there(load, found)
        assert set(load.unrecorded) & set(found) == set()


def wait_for_unrecorded(load, count):
    deadline = time.monotonic() + 60
    while len(load.unrecorded) < count:
        assert time.monotonic() < deadline, load.statuses
        time.sleep(0.05)


def stored_in_sqlite(path):
    with closing(sqlite3.connect(path)) as connection:
        return [row[0] for row in connection.execute("SELECT id FROM predictions")]


@contextmanager
def forbidden(instance):
    (instance / "spool").chmod(0o500)
    yield
    (instance / "spool").chmod(0o700)
