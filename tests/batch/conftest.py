"""Runs of bulk scoring in this process, and what they wrote."""

import csv
import io
import json
import os
import subprocess
import sys
import time
from types import SimpleNamespace

import plausible
import pytest

from housing_app import demographics
from housing_app.batch import partition, run
from housing_app.batch.run import Files, Options
from housing_app.config import ROOT
from housing_app.valuation import predictor
from housing_app.valuation.features import SLOTS

FORMATS = ("csv", "jsonl", "parquet")


@pytest.fixture(scope="session")
def tasks(app):
    """A task for each slot, of the models that serve."""
    made = {}
    for slot in SLOTS:
        model = predictor.current(slot)
        made[slot] = partition.Task(
            str(ROOT / "model" / model.manifest.id), "zip.csv", slot
        )
        partition.prepare(made[slot], model, demographics.current())
    return made


def written(kind, records, names=None):
    """Return records as the bytes of a CSV or JSON lines file."""
    if kind == "jsonl":
        return "".join(json.dumps(record) + "\n" for record in records).encode()
    out = io.StringIO()
    writer = csv.DictWriter(out, names or list(records[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    return out.getvalue().encode()


def rows_of(path):
    """Return the rows of an output, as each format holds them."""
    if path.suffix == ".csv":
        with path.open(newline="") as file:
            return list(csv.DictReader(file))
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text().splitlines()]
    from pyarrow import parquet

    return parquet.read_table(path).to_pylist()


def nothing_under_the_final_names(folder):
    assert not list(folder.glob("out.*"))
    assert not list(folder.glob("rejects.*"))


@pytest.fixture
def score(tasks, tmp_path):
    """Score a file's content; return rows, rejects, what was counted and the paths."""

    def scored(content, source="in.csv", target="out.csv", slot="full", **options):
        path = tmp_path / source
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            content(path)
        out = tmp_path / target
        rejects = tmp_path / "rejects.jsonl"
        task_options = {
            name: options.pop(name)
            for name in ("interval", "explain", "comparables", "refuse_outside")
            if name in options
        }
        chosen = {"keep": None, "workers": 1, "chunk": 1_000, "resume": False}
        chosen |= {"versions": {}} | options
        tally = run.score(
            Files(path, out, rejects, path.suffix[1:], out.suffix[1:]),
            tasks[slot]._replace(**task_options),
            Options(**chosen),
            lambda source, tally: None,
            lambda chunk, done: None,
        )
        bad = [json.loads(line) for line in rejects.read_text().splitlines()]
        return SimpleNamespace(
            rows=rows_of(out), rejects=bad, tally=tally, out=out, bad=rejects
        )

    return scored


@pytest.fixture
def command(county_csv):
    """Start `flask score` as a process."""

    def start(*arguments, **options):
        environ = os.environ | {"DEMOGRAPHICS_CSV": str(county_csv)}
        return subprocess.Popen(
            [sys.executable, "-m", "flask", "--app", "housing_app", "score"]
            + [str(argument) for argument in arguments],
            cwd=ROOT,
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            **options,
        )

    return start


def children(process):
    text = subprocess.run(
        ["pgrep", "-P", str(process.pid)], capture_output=True, text=True, check=False
    ).stdout
    return [int(word) for word in text.split()]


def wait_for(found, seconds=60):
    until = time.monotonic() + seconds
    while not (value := found()):
        assert time.monotonic() < until
        time.sleep(0.01)
    return value


@pytest.fixture
def big(tmp_path):
    """A file that takes seconds to score."""
    header, *lines = written("csv", plausible.homes(30, 3)).splitlines(keepends=True)
    path = tmp_path / "in.csv"
    path.write_bytes(header + b"".join(lines) * 4_000)
    return path
