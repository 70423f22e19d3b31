"""`flask journal …`, on both kinds of database."""

import csv
import os
import time
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import select

from housing_app.database.tables import outcomes, shadow_valuations
from housing_app.journal import records, store
from housing_app.journal.spool import Spool
from tests.journal.samples import line, shadow

NOW = datetime.now(UTC)


@pytest.fixture
def spool(tmp_path):
    return Spool(tmp_path / "instance" / "spool", 1_000_000)


@pytest.fixture
def run(run_with, tmp_path, database_url):
    return run_with(INSTANCE_DIR=tmp_path / "instance", DATABASE_URL=database_url)


def put(database, *ids, days=0):
    at = (NOW - timedelta(days=days)).timestamp()
    rows = records.rows(line(*ids, at=at))
    database.run(lambda connection: store.insert(connection, rows), 10)


def rows(database):
    return database.run(store.summary).rows


def test_status_tells_what_waits_and_what_is_stored(run, database, spool):
    spool.append(line("a"))
    put(database, "b", "c")
    text = run.ok("journal", "status")
    assert "1 segments" in text
    assert "2 predictions" in text
    assert f"{NOW:%Y-%m-%d}" in text


def test_status_of_a_new_service_is_empty(run, database):
    text = run.ok("journal", "status")
    assert "0 segments" in text
    assert "0 predictions" in text


def test_drain_leaves_nothing_behind(run, database, spool):
    spool.append(line("a", "b"))
    spool.close()
    assert "0 left in 0 segments" in run.ok("journal", "drain")
    assert rows(database) == 2
    assert spool.segments() == []


def test_drain_of_nothing_is_no_error(run, database):
    assert "0 bytes drained" in run.ok("journal", "drain")


def test_drain_tries_rejected_records_again(run, database, spool):
    spool.prepare()
    spool.reject("1.jsonl", [("it was full", line("a"))])
    assert "1 rejected records tried again" in run.ok("journal", "drain", "--rejected")
    assert rows(database) == 1
    assert spool.rejected() == []


def test_prune_deletes_what_is_old_and_has_no_outcome(run, database, spool):
    put(database, "old", "sold", days=40)
    put(database, "new", days=20)
    sale = {"prediction_id": "sold", "sale_price": 1.0, "sale_date": date(2026, 1, 1)}
    sale |= {"reported_at": NOW}
    database.run(lambda connection: connection.execute(outcomes.insert(), sale))
    spool.prepare()
    spool.reject("1.jsonl", [("why", b"{}\n")])
    long_ago = time.time() - 86_400 * 40
    os.utime(spool.rejected()[0], (long_ago, long_ago))
    text = run.ok("journal", "prune", "--older-than", "30", "--yes")
    assert "1 predictions deleted, 1 kept for their outcomes, 1 files" in text
    assert rows(database) == 2
    assert spool.rejected() == []


def test_what_shadows_said_goes_with_its_prediction(run, database):
    put(database, "old", "sold", days=40)
    put(database, "new", days=20)
    sale = {"prediction_id": "sold", "sale_price": 1.0, "sale_date": date(2026, 1, 1)}
    sale |= {"reported_at": NOW}
    database.run(lambda connection: connection.execute(outcomes.insert(), sale))
    ago = {days: (NOW - timedelta(days=days)).timestamp() for days in (20, 40)}
    said = records.rows(shadow("sold", "new", "stray", at=ago[40]))
    # Of "late" the prediction may still come.
    said += records.rows(shadow("old", "late", at=ago[20]))
    database.run(lambda connection: store.insert(connection, said), 10)
    run.ok("journal", "prune", "--older-than", "30", "--yes")
    query = select(shadow_valuations.c.prediction_id)
    left = database.run(lambda connection: connection.scalars(query).all(), 10)
    assert sorted(left) == ["late", "new", "sold"]


def test_prune_goes_on_until_all_are_gone(run, database, monkeypatch):
    monkeypatch.setattr("housing_app.cli.journal._ROWS", 3)
    put(database, *map(str, range(20)), days=40)
    text = run.ok("journal", "prune", "--older-than", "30", "--yes")
    assert "20 predictions deleted" in text
    assert rows(database) == 0


def test_prune_asks_first(run, database):
    put(database, "old", days=40)
    result = run("journal", "prune", "--older-than", "30", stdin="n\n")
    assert result.exit_code == 1
    assert "1 predictions older than 30 days" in result.output
    assert rows(database) == 1
    run.ok("journal", "prune", "--older-than", "30", stdin="y\n")
    assert rows(database) == 0


def test_export_writes_the_days_that_were_asked_for(run, database, tmp_path):
    for days in range(5):
        put(database, f"x{days}", days=days)
    path = tmp_path / "x.csv"
    first, last = (NOW - timedelta(days=days) for days in (3, 1))
    text = run.ok(
        *("journal", "export", path),
        *("--from", f"{first:%Y-%m-%d}", "--to", f"{last:%Y-%m-%d}"),
    )
    assert f"{path}: 3 predictions" in text
    with path.open(newline="") as file:
        assert [row["id"] for row in csv.DictReader(file)] == ["x3", "x2", "x1"]


def test_export_of_nothing_is_a_file_without_rows(run, database, tmp_path):
    path = tmp_path / "x.parquet"
    assert "0 predictions" in run.ok("journal", "export", path)
    assert path.exists()


@pytest.mark.parametrize("name", ["x.txt", "x", "x.csv.gz"])
def test_export_knows_three_kinds_of_file(run, database, tmp_path, name):
    lines = run.fails("journal", "export", tmp_path / name, code=2)
    assert ".parquet, .csv or .jsonl" in lines[-1]


def test_a_file_that_cannot_be_written_is_said_in_a_line(run, database, tmp_path):
    path = tmp_path / "nowhere" / "x.csv"
    assert str(path) in run.refuses("journal", "export", path)


COMMANDS = [
    ("status",),
    ("prune", "--older-than", "1", "--yes"),
    ("export", "build/x.csv"),
]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda c: c[0])
def test_a_database_without_the_tables_is_said_in_a_line(run, command):
    result = run("journal", *command)
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: ")
    assert "flask db upgrade" in result.stderr


@pytest.mark.parametrize("command", [*COMMANDS, ("drain",)], ids=lambda c: c[0])
def test_a_database_that_is_away_is_said_in_a_line(run_with, spool, tmp_path, command):
    spool.append(line("a"))
    spool.close()
    secret = "secret-word"  # pragma: allowlist secret
    run = run_with(
        INSTANCE_DIR=tmp_path / "instance",
        DATABASE_URL=f"postgresql://user:{secret}@127.0.0.1:1/none",
    )
    result = run("journal", *command)
    assert result.exit_code == 1
    errors = [x for x in result.stderr.splitlines() if x.startswith("Error: ")]
    assert len(errors) == 1
    assert secret not in result.output + result.stderr
    assert len(spool.segments()) == 1


def test_one_drains_at_a_time(run, database, spool, monkeypatch):
    monkeypatch.setattr("housing_app.cli.journal._LOCK_SECONDS", 0.1)
    spool.append(line("a"))
    with spool.draining():
        assert "another process" in run.refuses("journal", "drain")
