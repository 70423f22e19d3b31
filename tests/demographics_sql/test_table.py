"""Demographics in a database: whole, typed, verified."""

import csv

import numpy as np
import pytest
from sqlalchemy import inspect, text

from housing_app import demographics, demographics_sql
from housing_app.config import ROOT
from housing_app.database import Database, schema
from housing_app.demographics import DemographicsError
from housing_app.demographics_sql import table

SMALL = """zipcode,population,note,"odd: ""name"" (%s)",empty
98103,45911,north,0.1,
01001,17.25,,-3e-7,
98001,,"a, ""b"" c",1e22,
"""


@pytest.fixture
def database(database_url):
    found = Database(database_url, "test")
    found.run(schema.upgrade, 30)
    return found


@pytest.fixture
def small(tmp_path):
    path = tmp_path / "small.csv"
    path.write_text(SMALL)
    return path


def content_of(path):
    return demographics_sql.content(*demographics.read(path))


def put(database, path):
    found = content_of(path)
    return database.run(lambda c: demographics_sql.store(c, found, path.name), 60)


def same(one, other):
    assert one.columns == other.columns
    assert one.rows.keys() == other.rows.keys()
    for zipcode, row in one.rows.items():
        np.testing.assert_array_equal(row, other.rows[zipcode])


def test_what_is_loaded_is_served_as_the_csv_would_be(database, small):
    version = put(database, small)
    served = database.run(table.load)
    same(served, demographics.load(small))
    assert (served.number, served.digest) == (1, version.sha256)
    assert (version.rows, version.source) == (3, "small.csv")


def test_columns_are_typed_and_the_zipcode_is_the_key(database, small):
    put(database, small)
    found = database.run(lambda c: inspect(c).get_columns("demographics"))
    kinds = {column["name"]: str(column["type"]).split("(")[0] for column in found}
    assert list(kinds) == ["zipcode", "population", "note", 'odd: "name" (%s)', "empty"]
    assert kinds["zipcode"] == "VARCHAR"
    assert kinds["note"] == "TEXT"
    assert {kinds["population"], kinds["empty"]} <= {"DOUBLE PRECISION", "DOUBLE"}
    key = database.run(lambda c: inspect(c).get_pk_constraint("demographics"))
    assert key["constrained_columns"] == ["zipcode"]


@pytest.mark.parametrize("name", ["shipped", "reference"])
def test_whole_files_make_the_round_trip(database, name, request, tmp_path):
    path = ROOT / "data" / "zipcode_demographics.csv"
    if name == "reference":
        path = request.getfixturevalue("reference_demographics_csv")
    version = put(database, path)
    _, found = database.run(demographics_sql.read, 60)
    copy = tmp_path / "copy.csv"
    with copy.open("w", newline="") as file:
        csv.writer(file).writerows(demographics_sql.lines(found))
    again = put(database, copy)
    assert (again.sha256, again.number) == (version.sha256, version.number + 1)
    same(database.run(table.load, 60), demographics.load(path))


def test_another_load_takes_the_place_of_the_first(database, small, tmp_path):
    put(database, small)
    other = tmp_path / "other.csv"
    other.write_text("zipcode,income\n98103,1\n")
    assert put(database, other).number == 2
    served = database.run(table.load)
    assert (served.columns, list(served.rows)) == (("income",), ["98103"])


def test_a_load_that_fails_leaves_the_old_version(database, small, tmp_path):
    put(database, small)
    other = tmp_path / "other.csv"
    other.write_text("zipcode,income\n98103,1\n")

    def fail(rows):
        raise RuntimeError("half-way")

    with pytest.raises(RuntimeError):
        database.run(
            lambda c: demographics_sql.store(c, content_of(other), "other", fail)
        )
    assert database.run(demographics_sql.newest).number == 1
    same(database.run(table.load), demographics.load(small))


@pytest.mark.parametrize("name", ["x" * 64, "ö" * 32])
def test_a_name_that_postgresql_would_cut_is_refused(database, tmp_path, name):
    path = tmp_path / "x.csv"
    path.write_text(f"zipcode,{name}\n98103,1\n")
    with pytest.raises(DemographicsError, match="no column name"):
        put(database, path)
    assert database.run(demographics_sql.newest) is None


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE demographics SET population = 1 WHERE zipcode = '98103'",
        "UPDATE demographics SET note = 'x' WHERE zipcode = '98103'",
        "DELETE FROM demographics WHERE zipcode = '98103'",
        "ALTER TABLE demographics RENAME COLUMN population TO people",
    ],
)
def test_rows_that_are_not_those_of_their_version_are_refused(database, small, change):
    put(database, small)
    database.run(lambda c: c.execute(text(change)))
    with pytest.raises(DemographicsError, match="SHA-256 differs"):
        database.run(table.load)


def test_an_empty_database_says_what_to_do(database):
    with pytest.raises(DemographicsError, match="flask demographics load"):
        database.run(table.load)
