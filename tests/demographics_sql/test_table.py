"""Demographics in a database: whole, typed, verified."""

import csv
import threading

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


@pytest.mark.parametrize(
    ("header", "why"),
    [
        ("x" * 64, "no column name"),
        ("ö" * 32, "no column name"),
        ("A,a", "capitals"),
        ("Zipcode", "capitals"),
    ],
)
def test_names_that_a_database_would_cut_or_mix_up_are_refused(tmp_path, header, why):
    path = tmp_path / "x.csv"
    path.write_text(f"zipcode,{header}\n98103{',1' * (1 + header.count(','))}\n")
    with pytest.raises(DemographicsError, match=why):
        content_of(path)


def test_cells_that_databases_store_otherwise_are_made_plain(database, tmp_path):
    path = tmp_path / "x.csv"
    path.write_bytes(b'zipcode,zero,note\n98103,-0.0,"a\rb\nc  d"\n')
    put(database, path)
    _, found = database.run(demographics_sql.read)
    assert found.columns == {"zero": [0.0], "note": ["a b c d"]}
    path.write_bytes(b"zipcode,note\n98103,a\0b\n")
    with pytest.raises(DemographicsError, match="NUL"):
        content_of(path)


def test_a_reader_never_finds_one_version_and_the_rows_of_another(
    postgres_url, tmp_path
):
    database = Database(postgres_url, "test")
    database.run(schema.upgrade, 30)
    contents = []
    for kind, cells in (("number", "1.5"), ("text", "x")):
        path = tmp_path / f"{kind}.csv"
        rows = "".join(f"{zipcode},{cells}\n" for zipcode in range(10_001, 10_301))
        path.write_text(f"zipcode,changing\n{rows}")
        contents.append(content_of(path))
    database.run(lambda c: demographics_sql.store(c, contents[0], "x"), 30)
    stopping = threading.Event()

    def load():
        own = Database(postgres_url, "loader")
        while not stopping.is_set():
            for found in contents:
                own.run(
                    lambda c, found=found: demographics_sql.store(c, found, "x"), 30
                )

    thread = threading.Thread(target=load)
    thread.start()
    try:
        seen = {database.run(table.load, 30).number for _ in range(150)}
    finally:
        stopping.set()
        thread.join()
    assert len(seen) > 20, "nothing changed meanwhile"


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
