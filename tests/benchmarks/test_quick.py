"""The quick benchmark runs, and its line is plausible. How fast is for people to see."""

import csv
import subprocess
import sys

import pytest
import quick

from housing_app.config import ROOT


def lines(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_quick_benchmark_adds_a_plausible_line(tmp_path):
    history = tmp_path / "history.csv"
    command = [sys.executable, "benchmarks/quick.py", "--turns", "2"]
    run = subprocess.run(
        [*command, "--history", str(history)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    (line,) = lines(history)
    assert tuple(line) == quick.COLUMNS
    assert all(line.values())
    assert 10 < float(line["empty_us"]) < 10_000
    # A valuation costs more than nothing, and an explained one more than a plain one;
    # a home of a thousand costs less than one alone.
    assert 1 < float(line["one"]) < float(line["explain"]) < 500
    # These two are near enough for a busy machine to turn them round.
    assert float(line["one"]) / 2 < float(line["comparables"]) < 500
    assert float(line["batch_home"]) < float(line["one"])


def test_a_commit_has_one_line(tmp_path):
    path = tmp_path / "history.csv"
    line = dict.fromkeys(quick.COLUMNS, "1")
    for commit, one in (("a", "5"), ("b", "6"), ("a", "7")):
        quick.record(line | {"commit": commit, "one": one}, path)
    assert [(x["commit"], x["one"]) for x in lines(path)] == [("b", "6"), ("a", "7")]


@pytest.mark.parametrize("name", ["one", "batch_home"])
def test_the_history_that_ships_has_the_columns(name):
    shipped = lines(quick.HISTORY)
    assert shipped
    assert all(float(line[name]) > 0 for line in shipped)
