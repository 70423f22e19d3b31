"""Exports hold every row once, in order, and appear complete or not at all."""

import csv
import json
import tracemalloc
from datetime import UTC, datetime, timedelta

import pytest

from housing_app.journal import export, records, store
from housing_app.journal.store import Span
from tests.journal.samples import ROW, line

START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def filled(database):
    """Hold 30 rows: three answers a day of one home, a pair, and one home."""
    for day in range(10):
        at = (START + timedelta(days=day, hours=12)).timestamp()
        rows = records.rows(line(f"{day}b", f"{day}a", at=at))
        rows += records.rows(line(f"{day}c", at=at + 60))
        database.run(lambda connection, r=rows: store.insert(connection, r), 10)
    return database


def ids(pages):
    return [row["id"] for rows in pages for row in rows]


WANTED = [f"{day}{letter}" for day in range(10) for letter in "abc"]


@pytest.mark.parametrize("most", [1, 2, 3, 7, 29, 30, 31])
def test_pages_of_any_size_hold_every_row_once(filled, most):
    assert ids(export.pages(filled, Span(), most)) == WANTED


def test_a_span_of_days_holds_its_first_moment_and_not_that_of_the_next(filled):
    span = Span(START + timedelta(days=2), START + timedelta(days=4))
    assert ids(export.pages(filled, span, 2)) == WANTED[6:12]
    assert filled.run(lambda connection: store.count(connection, span)) == 6


def read(path):
    if path.suffix == ".csv":
        with path.open(newline="") as file:
            return list(csv.DictReader(file))
    if path.suffix == ".jsonl":
        return [json.loads(text) for text in path.open()]
    from pyarrow import parquet

    return parquet.read_table(path).to_pylist()


@pytest.mark.parametrize("suffix", export.FORMATS)
def test_a_file_holds_what_was_recorded(filled, tmp_path, suffix):
    path = tmp_path / f"x{suffix}"
    steps = []
    assert export.write(path, export.pages(filled, Span(), 7), steps.append) == 30
    assert sum(steps) == 30
    found = read(path)
    assert [row["id"] for row in found] == WANTED
    assert list(found[0]) == export.NAMES
    assert float(found[0]["price"]) == ROW["price"]
    assert float(found[0]["bedrooms"]) == 3
    assert found[0]["yr_built"] in (None, "")
    assert found[0]["zipcode"] == "98103"
    assert str(found[0]["valuation_date"]) == "2015-03-31"
    assert "areas-do-not-add-up" in found[0]["warnings"]
    assert str(found[0]["answered_at"]).startswith("2026-01-01")
    assert list(tmp_path.glob(".*")) == []


@pytest.mark.parametrize("suffix", export.FORMATS)
def test_an_export_that_fails_leaves_the_old_file(tmp_path, suffix):
    path = tmp_path / f"x{suffix}"
    path.write_text("old")

    def failing():
        yield [export._flat(ROW)]
        raise RuntimeError("gone")

    with pytest.raises(RuntimeError):
        export.write(path, failing(), lambda count: None)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("suffix", export.FORMATS)
def test_memory_does_not_grow_with_the_rows(tmp_path, suffix):
    def most(pages):
        found = ([export._flat(ROW | {"id": str(n)})] * 500 for n in range(pages))
        tracemalloc.start()
        export.write(tmp_path / f"x{suffix}", found, lambda count: None)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    most(2)
    assert most(20) < 1.5 * most(4) + 500_000
