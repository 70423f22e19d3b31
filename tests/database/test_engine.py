"""The way to a database: transactions, deadlines, the breaker, forks."""

import os
import threading
import time

import pytest
import stores
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from housing_app.database import Database, StoreDown, engine


@pytest.fixture
def database(database_url):
    return Database(database_url, "test")


@pytest.fixture(scope="module")
def own_postgres():
    """A PostgreSQL that these tests may kill and hang."""
    with stores.running(stores.Postgres()) as server:
        yield server


def ask(database, statement="SELECT 1", **options):
    return database.run(lambda found: found.scalar(text(statement)), **options)


def make_table(database):
    database.run(lambda c: c.execute(text("CREATE TABLE t (n INTEGER PRIMARY KEY)")))


def test_it_runs_a_transaction_and_returns_what_the_work_returns(database):
    make_table(database)
    database.run(lambda c: c.execute(text("INSERT INTO t VALUES (7)")))
    assert ask(database, "SELECT n FROM t", reads_only=True) == 7


def test_a_transaction_that_raises_leaves_nothing(database):
    def work(connection):
        connection.execute(text("CREATE TABLE other (n INTEGER)"))
        raise KeyError("of the work itself")

    with pytest.raises(KeyError):
        database.run(work)
    make_table(database)
    with pytest.raises(StoreDown, match="flask db upgrade"):
        ask(database, "SELECT count(*) FROM other")


def test_a_broken_rule_is_the_callers_business_and_no_failure(database):
    make_table(database)

    def add():
        database.run(lambda c: c.execute(text("INSERT INTO t VALUES (1)")))

    add()
    with pytest.raises(IntegrityError):
        add()
    assert not database.breaker.is_open
    assert ask(database) == 1


def test_postgresql_that_is_gone_is_said_at_once_and_asked_again_later(own_postgres):
    database = Database(own_postgres.url, "test")
    database.breaker._seconds = 0.5
    assert ask(database) == 1
    own_postgres.kill()
    with pytest.raises(StoreDown) as caught:
        ask(database)
    assert own_postgres.url not in str(caught.value)
    began = time.monotonic()
    for _ in range(100):
        with pytest.raises(StoreDown):
            ask(database)
    assert time.monotonic() - began < 0.4, "it was asked while the breaker was open"
    own_postgres.start()
    time.sleep(0.6)
    assert ask(database) == 1
    assert not database.breaker.is_open


@pytest.mark.parametrize("connected", [True, False])
def test_postgresql_that_hangs_is_given_up_on_in_time(own_postgres, connected):
    database = Database(own_postgres.url, "test")
    if connected:
        ask(database)
    own_postgres.hang()
    try:
        began = time.monotonic()
        with pytest.raises(StoreDown, match=r"no answer in 0\.3 s"):
            ask(database, seconds=0.3)
        assert time.monotonic() - began < 0.6
    finally:
        own_postgres.resume()


def test_a_child_uses_no_connection_of_its_parent(postgres_url):
    database = Database(postgres_url, "test")
    statement = "SELECT pg_backend_pid()"
    ours = ask(database, statement)
    readable, writable = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(writable, str(ask(database, statement)).encode())
        os._exit(0)
    os.waitpid(pid, 0)
    theirs = int(os.read(readable, 100))
    os.close(readable)
    os.close(writable)
    assert theirs != ours
    assert ask(database, statement) == ours


def test_sqlite_makes_its_folder_and_lets_reads_pass_a_writer(tmp_path):
    database = Database(f"sqlite:///{tmp_path / 'new' / 'x.db'}", "test")
    make_table(database)
    writing, go_on = threading.Event(), threading.Event()

    def slow(connection):
        connection.execute(text("INSERT INTO t VALUES (1)"))
        writing.set()
        go_on.wait(5)

    thread = threading.Thread(target=lambda: database.run(slow))
    thread.start()
    assert writing.wait(5)
    assert ask(database, "SELECT count(*) FROM t", reads_only=True) == 0
    go_on.set()
    thread.join()
    assert ask(database, "SELECT count(*) FROM t", reads_only=True) == 1


def test_a_url_gets_the_driver_we_have():
    assert engine.normalised("postgresql://h/d").drivername == "postgresql+psycopg"
    assert engine.normalised("sqlite:///x").drivername == "sqlite"
