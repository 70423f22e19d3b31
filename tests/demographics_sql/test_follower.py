"""What is served follows the database, and nothing bad is followed."""

import pytest
import stores
from sqlalchemy import text

from housing_app import demographics, demographics_sql
from housing_app.config import ROOT
from housing_app.database import Database, schema
from housing_app.demographics_sql import Follower

CSV = ROOT / "data" / "zipcode_demographics.csv"


@pytest.fixture
def table(tmp_path):
    """Write the rows of one zipcode, with another population for each name."""

    def write(people, columns=None):
        header, *lines = CSV.read_text().splitlines()
        (line,) = (x for x in lines if x.startswith("98103"))
        row = dict(zip(header.split(","), line.split(","), strict=True))
        row["population"] = str(people)
        kept = columns or list(row)
        path = tmp_path / f"{people}.csv"
        path.write_text(f"{','.join(kept)}\n{','.join(row[name] for name in kept)}\n")
        return demographics_sql.content(*demographics.read(path))

    return write


@pytest.fixture
def put(database_url, table):
    database = Database(database_url, "test")
    database.run(schema.upgrade, 30)

    def load(people, columns=None):
        found = table(people, columns)
        return database.run(lambda c: demographics_sql.store(c, found, "x"), 30)

    load.database = database
    return load


@pytest.fixture
def follower(database_url, app):
    """A follower, begun; what tests put into service is undone."""
    before = demographics.current()
    found = Follower(database_url)
    yield found
    demographics.install(before)


def people():
    return demographics.current().row("98103")["population"]


def test_it_begins_with_the_database(put, follower):
    put(11)
    assert follower.start(CSV, {}.items()).row("98103")["population"] == 11


def test_a_new_version_is_served_after_it_was_followed(put, follower):
    put(11)
    follower.follow()
    assert people() == 11
    assert follower.check() == {
        "status": "ok",
        "source": "database",
        "version": 1,
        "zipcodes": 1,
    }
    put(12)
    follower.follow()
    assert people() == 12


def test_a_version_is_read_once(put, follower):
    put(11)
    follower.follow()
    served = demographics.current()
    follower.follow()
    assert demographics.current() is served
    put(11)
    follower.follow()
    assert demographics.current().number == 2
    assert follower.check()["status"] == "ok"


@pytest.mark.parametrize("trouble", ["changed", "columns"])
def test_a_bad_version_is_refused_once_and_the_old_one_serves(
    put, follower, trouble, capsys
):
    put(11)
    follower.follow()
    if trouble == "columns":
        put(12, ["zipcode", "population"])
    else:
        put(12)
        change = "UPDATE demographics SET population = 13"
        put.database.run(lambda c: c.execute(text(change)))
    for _ in range(3):
        follower.follow()
    assert people() == 11
    check = follower.check()
    assert check["status"] == "degraded"
    assert ("SHA-256" in check["detail"]) == (trouble == "changed")
    assert capsys.readouterr().out.count("demographics refused") == 1
    put(14)
    follower.follow()
    assert (people(), follower.check()["status"]) == (14, "ok")


def test_an_empty_database_is_served_from_the_csv(put, follower):
    before = demographics.current()
    started = follower.start(CSV, {}.items())
    assert started.rows.keys() == before.rows.keys()
    follower.follow()
    assert demographics.current() is before
    check = follower.check()
    assert check["status"] == "degraded"
    assert check["detail"].endswith("; the CSV serves")


def test_while_postgresql_is_away_the_last_good_copy_serves(app, table):
    before = demographics.current()
    try:
        with stores.running(stores.Postgres()) as server:
            database = Database(server.url, "test")
            database.run(schema.upgrade, 30)
            found = table(11)
            database.run(lambda c: demographics_sql.store(c, found, "x"), 30)
            follower = Follower(server.url)
            follower._database.breaker._seconds = 0
            follower.follow()
            server.kill()
            follower.follow()
            assert people() == 11
            assert follower.check()["status"] == "degraded"
            server.start()
            follower.follow()
            assert follower.check()["status"] == "ok"
    finally:
        demographics.install(before)
