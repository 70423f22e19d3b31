"""`flask db` and `flask demographics load`, `check` and `export`."""

import csv

import pytest
from sqlalchemy import text

from housing_app import demographics
from housing_app.database import Database, schema

HEAD = schema.head()


@pytest.fixture
def found(run_with, database_url, tmp_path):
    """Run commands on two empty databases."""
    return run_with(DEMOGRAPHICS_URL=database_url, INSTANCE_DIR=tmp_path / "instance")


@pytest.fixture
def small(county_csv, tmp_path):
    """A few rows with every column the models need."""
    path = tmp_path / "small.csv"
    path.write_text("\n".join(county_csv.read_text().splitlines()[:5]) + "\n")
    return path


def test_both_databases_are_upgraded_once(found, database_url):
    first = found.ok("db", "upgrade").splitlines()
    assert [line.split(": ")[1] for line in first] == [f"empty -> {HEAD}"] * 2
    assert [line.split(" (")[0] for line in first] == [
        "DATABASE_URL",
        "DEMOGRAPHICS_URL",
    ]
    again = found.ok("db", "upgrade").splitlines()
    assert [line.split(": ")[1] for line in again] == [f"at {HEAD} already"] * 2
    assert Database(database_url, "x").run(schema.revision) == HEAD


def test_the_status_fails_until_then(found):
    result = found("db", "status")
    assert result.exit_code == 1
    assert result.stdout.count(f"at nothing, wants {HEAD}") == 2
    assert "DATABASE_URL, DEMOGRAPHICS_URL: flask db upgrade" in result.stderr
    found.ok("db", "upgrade")
    assert found.ok("db", "status").count(f"at {HEAD}, wants {HEAD}") == 2


def test_a_database_that_is_away_is_one_line_without_its_password(run_with, tmp_path):
    url = "postgresql://user:geheim@127.0.0.1:1/x"  # pragma: allowlist secret
    run = run_with(DATABASE_URL=url, INSTANCE_DIR=tmp_path)
    for words in (("db", "upgrade"), ("db", "status")):
        result = run(*words)
        assert result.exit_code == 1
        (line,) = result.stderr.splitlines()
        assert line.startswith("Error: DATABASE_URL")
        assert "geheim" not in result.output


def test_a_file_is_loaded_checked_and_exported(found, small, tmp_path):
    found.ok("db", "upgrade")
    said = found.ok("demographics", "load", small)
    assert said.startswith("version 1: 4 zipcodes, 23 columns, SHA-256 ")
    digest = said.split()[-1]
    assert found.ok("demographics", "check").startswith("ok: version 1 of ")
    copy = tmp_path / "copy.csv"
    assert "4 zipcodes" in found.ok("demographics", "export", copy)
    assert demographics.load(copy).rows.keys() == demographics.load(small).rows.keys()
    assert digest in found.ok("demographics", "load", copy)
    printed = found.ok("demographics", "export")
    assert list(csv.reader(printed.splitlines())) == list(
        csv.reader(copy.read_text().splitlines())
    )


def test_a_file_without_a_models_column_is_loaded_by_force_only(found, small, tmp_path):
    found.ok("db", "upgrade")
    header, *lines = [line.split(",") for line in small.read_text().splitlines()]
    place = header.index("population")
    less = tmp_path / "less.csv"
    rows = [header, *lines]
    less.write_text("\n".join(",".join(r[:place] + r[place + 1 :]) for r in rows))
    line = found.refuses("demographics", "load", less)
    assert "'population', which model" in line
    assert "holds no demographics" in found.refuses("demographics", "check")
    found.ok("demographics", "load", "--force", less)
    assert "'population', which model" in found.refuses("demographics", "check")


def test_rows_that_were_changed_do_not_check(found, small, database_url):
    found.ok("db", "upgrade")
    found.ok("demographics", "load", small)
    change = text("UPDATE demographics SET population = -1")
    Database(database_url, "x").run(lambda c: c.execute(change))
    for words in (("check",), ("export",)):
        assert "SHA-256 differs" in found.refuses("demographics", *words)


@pytest.mark.parametrize("words", [("load", "x.csv"), ("check",), ("export",)])
def test_without_a_database_or_schema_the_line_says_what_to_set(
    run_with, found, small, words
):
    words = [small if word == "x.csv" else word for word in words]
    line = run_with(DEMOGRAPHICS_URL="").refuses("demographics", *words)
    assert "DEMOGRAPHICS_URL is not set" in line
    result = found("demographics", *words)
    assert result.exit_code == 1
    assert "flask db upgrade" in result.stderr


def test_an_export_that_cannot_be_written_leaves_nothing(found, small, tmp_path):
    found.ok("db", "upgrade")
    found.ok("demographics", "load", small)
    line = found.refuses("demographics", "export", tmp_path / "no" / "x.csv")
    assert "No such file" in line
