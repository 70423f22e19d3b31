"""A run that was killed goes on, and what it writes is as if it never was."""

import json
import multiprocessing
import os
import random
import signal
import time
from functools import partial

import plausible
import pyarrow
import pytest
from batch.conftest import children, wait_for, written
from pyarrow import parquet

from housing_app.batch import run, target
from housing_app.batch.errors import BatchError
from housing_app.batch.run import Files, Options

CHUNK = 250
PAIRS = [
    ("csv", "csv"),
    ("jsonl", "jsonl"),
    ("parquet", "parquet"),
    ("csv", "parquet"),
    ("parquet", "csv"),
]


def portfolio(count=6_000):
    """Homes, a few of them bad, with a column of their owner's."""
    homes = plausible.homes(400, 9)
    for i in range(0, 400, 37):
        homes[i]["grade"] = 99
    for i in range(count):
        yield homes[i % 400] | {"loan": f'L"{i}",\n'}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("portfolio")
    homes = list(portfolio())
    for kind in ("csv", "jsonl"):
        (folder / f"in.{kind}").write_bytes(written(kind, homes))
    table = pyarrow.Table.from_pylist(homes)
    parquet.write_table(table, folder / "in.parquet", row_group_size=1_300)
    return folder


@pytest.fixture
def begin(tasks, tmp_path, monkeypatch):
    """Start a run in a process of its own; every chunk leaves a checkpoint."""
    monkeypatch.setattr(target, "_SECONDS", 0.0)

    def started(source, out, *, resume=False, workers=2, **task):
        files = Files(
            source, out, out.with_suffix(".rejects"), source.suffix[1:], out.suffix[1:]
        )
        options = Options(None, workers, CHUNK, resume, {"the model": "m"})
        arguments = files, tasks["full"]._replace(**task), options
        process = multiprocessing.get_context("fork").Process(
            target=_score, args=arguments
        )
        process.start()
        return process

    return started


def _score(files, task, options):
    try:
        run.score(files, task, options, lambda *_: None, lambda *_: None)
    except BatchError as error:
        files.target.with_suffix(".error").write_text(str(error))
        os._exit(1)
    os._exit(0)


def whole(begin, source, out):
    process = begin(source, out)
    process.join()
    assert process.exitcode == 0
    return out.read_bytes(), out.with_suffix(".rejects").read_bytes()


def done(out):
    """Return how many rows a checkpoint vouches for."""
    try:
        return json.loads(target.hidden(out, "checkpoint").read_text())["read"]
    except FileNotFoundError:
        return 0


def _is_further(process, out, rows):
    return done(out) > rows or not process.is_alive()


@pytest.mark.parametrize(("source", "kind"), PAIRS)
def test_runs_killed_at_random_write_the_same_bytes(
    begin, inputs, tmp_path, source, kind
):
    chance = random.Random(f"{source} {kind}")
    started = time.monotonic()
    path = inputs / f"in.{source}"
    expected = whole(begin, path, tmp_path / f"whole.{kind}")
    seconds = time.monotonic() - started
    out = tmp_path / f"out.{kind}"
    resumed = []
    for kill in range(4):
        resumed.append(done(out))
        process = begin(path, out, resume=True)
        if kill:  # the first may come before there is anything to go on from
            wait_for(partial(_is_further, process, out, resumed[-1]))
        process.join(chance.uniform(0, seconds / (20 if kill else 2)))
        workers = children(process)
        if kill % 2 and workers:
            os.kill(chance.choice(workers), signal.SIGKILL)
        else:
            process.kill()
        process.join()
        if process.exitcode == 0:  # it was quicker
            break
        assert not out.exists()
        # A chunk that was being written, which no checkpoint vouches for.
        for name in (out, out.with_suffix(".rejects")):
            with target.hidden(name, "part").open("ab") as file:
                file.write(b'"torn')
    if not out.exists():
        last = begin(path, out, resume=True)
        last.join()
        assert last.exitcode == 0
    assert sum(count > 0 for count in resumed) >= 2
    assert out.read_bytes() == expected[0]
    assert out.with_suffix(".rejects").read_bytes() == expected[1]
    assert not target.hidden(out, "part").exists()
    assert not target.hidden(out, "checkpoint").exists()


@pytest.fixture
def broken_off(begin, inputs, tmp_path):
    """A run that was killed; its input is a copy that tests may change."""
    source = tmp_path / "in.csv"
    source.write_bytes((inputs / "in.csv").read_bytes())
    out = tmp_path / "out.csv"
    process = begin(source, out)
    wait_for(lambda: done(out) > 1_000)
    process.kill()
    process.join()
    return source, out


def refusal(process, out):
    process.join()
    assert process.exitcode == 1
    assert not out.exists()
    return out.with_suffix(".error").read_text().split(": ")[-1]


def test_a_run_does_not_go_on_with_another_input(begin, broken_off):
    source, out = broken_off
    content = source.read_bytes()
    source.write_bytes(content[:-1] + b" ")
    text = refusal(begin(source, out, resume=True), out)
    assert (
        text
        == "the input's time changed since the run that broke off; start anew without --resume"
    )
    source.write_bytes(content + b"\n")
    text = refusal(begin(source, out, resume=True), out)
    assert text.startswith("the input's size changed")


def test_a_run_does_not_go_on_with_other_options(begin, broken_off):
    source, out = broken_off
    text = refusal(begin(source, out, resume=True, interval=0.5), out)
    assert text.startswith("an option or a column changed")


def test_a_run_does_not_go_on_without_what_it_wrote(begin, broken_off):
    source, out = broken_off
    part = target.hidden(out, "part")
    os.truncate(part, part.stat().st_size // 4)
    text = refusal(begin(source, out, resume=True), out)
    assert text == "shorter than its checkpoint says; start anew without --resume"


def test_what_is_no_checkpoint_is_not_gone_on_from(begin, broken_off):
    source, out = broken_off
    target.hidden(out, "checkpoint").write_text("{}")
    text = refusal(begin(source, out, resume=True), out)
    assert text == "not a checkpoint; start anew without --resume"


def test_a_run_may_go_on_with_another_number_of_workers(begin, broken_off):
    source, out = broken_off
    process = begin(source, out, resume=True, workers=1)
    process.join()
    assert process.exitcode == 0
    rejects = out.with_suffix(".rejects").read_bytes()
    assert (out.read_bytes(), rejects) == whole(begin, source, out.with_stem("whole"))


def test_two_runs_do_not_write_the_same_file(begin, inputs, tmp_path, monkeypatch):
    monkeypatch.setattr(target, "_WAIT", 0.0)
    out = tmp_path / "out.csv"
    first = begin(inputs / "in.csv", out)
    wait_for(lambda: done(out))
    text = refusal(begin(inputs / "in.csv", out), out)
    assert text == "another run is writing it"
    first.join()
    assert first.exitcode == 0
