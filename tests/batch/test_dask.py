"""Scoring on a Dask cluster: a real scheduler, workers that die, stores they share."""

import json
import os
import re
import shutil
import signal
from types import SimpleNamespace

import plausible
import pytest
import stores
from batch import dask_servers
from batch.conftest import wait_for, written

from housing_app.batch import (
    cluster,
    cluster_run,
    part,
    partition,
    parts,
    ranges,
    versions,
)
from housing_app.batch.cluster import Options
from housing_app.batch.errors import BatchError
from housing_app.batch.part import score_part
from housing_app.batch.partition import Task
from housing_app.batch.parts import Places
from housing_app.config import ROOT

CHUNK = 20  # rows; five times as many are a part
ROWS = 900


@pytest.fixture(scope="module")
def workers_environ(s3_server):
    return s3_server.environ


@pytest.fixture(scope="module")
def dask(workers_environ):
    """A cluster of two workers that all tests share; one of them is killed, and
    another comes."""
    with dask_servers.cluster(2, worker_environ=workers_environ) as (scheduler, two):
        yield SimpleNamespace(scheduler=scheduler, workers=two)


@pytest.fixture(scope="module")
def task(app):
    manifest = json.loads((ROOT / "model" / "serving.json").read_text())
    model = ROOT / "model" / manifest["full"]["champion"]
    return Task(str(model), str(ROOT / "data" / "zipcode_demographics.csv"))


def homes(count=ROWS):
    """Homes with a column to carry, some of them bad."""
    found = [
        home | {"loan": f"L{i}, a {'long ' * (i % 7)}one"}
        for i, home in enumerate(plausible.homes(count))
    ]
    for i in range(0, count, 97):
        found[i]["grade"] = 99
    return found


def as_file(path, kind, records):
    if kind == "parquet":
        import pyarrow
        from pyarrow import parquet

        table = pyarrow.Table.from_pylist(records)
        parquet.write_table(table, path, row_group_size=130)
    else:
        path.write_bytes(written(kind, records))


@pytest.fixture
def on(tmp_path, dask, task):
    """Score a file on the cluster; return what was counted."""

    def scored(source, target, step=lambda chunk, done: None, **options):
        def url(place):
            return place if "://" in place else f"file://{tmp_path / place}"

        made = url(target) + ("/" if target.endswith("/") else "")
        made = made.replace("//", "/").replace(":/", "://")
        places = Places(
            url(source),
            made,
            "" if made.endswith("/") else f"{made}.rejects.jsonl",
            source.rpartition(".")[2],
            options.pop("kind", target.rpartition(".")[2]),
        )
        begin = options.pop("begin", lambda: None)
        chosen = Options(dask.scheduler.address, None, CHUNK, patience=60)
        return cluster_run.score(
            places,
            options.pop("task", task),
            chosen._replace(**options),
            lambda source, tally: begin(),
            step,
        )

    return scored


@pytest.fixture
def alike(score, tmp_path, on):
    """Hold what the cluster wrote against what one machine writes."""

    def compare(source, target, tally):
        one = score(lambda path: None, source, f"one.{target}", chunk=CHUNK)
        assert (tmp_path / target).read_bytes() == one.out.read_bytes()
        bad = tmp_path / f"{target}.rejects.jsonl"
        assert bad.read_bytes() == one.bad.read_bytes()
        assert tally.scored == one.tally.scored == ROWS - tally.rejected
        assert tally.rejected == len(one.rejects) > 0
        left = {path.name for path in tmp_path.iterdir()}
        assert left == {source, target, bad.name, one.out.name, one.bad.name}

    return compare


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("csv", "csv"),
        ("csv", "parquet"),
        ("jsonl", "jsonl"),
        ("parquet", "parquet"),
        ("parquet", "csv"),
    ],
)
def test_a_cluster_writes_what_one_machine_writes(on, alike, tmp_path, source, target):
    as_file(tmp_path / f"in.{source}", source, homes())
    tally = on(f"in.{source}", f"out.{target}")
    alike(f"in.{source}", f"out.{target}", tally)


def test_a_folder_keeps_the_parts_as_files_of_their_own(on, score, tmp_path):
    from pyarrow import dataset

    as_file(tmp_path / "in.csv", "csv", homes())
    tally = on("in.csv", "out/", kind="parquet")
    one = score(lambda path: None, "in.csv", "one.parquet", chunk=CHUNK)
    found = dataset.dataset(tmp_path / "out", format="parquet").to_table()
    assert found.sort_by("row").to_pylist() == one.rows
    said = json.loads((tmp_path / "out" / "_SUCCESS").read_text())
    names = sorted(path.name for path in (tmp_path / "out").glob("part-*"))
    assert list(said) == names
    assert len(names) == 9
    assert sum(part["scored"] for part in said.values()) == tally.scored
    rejects = sorted((tmp_path / "out" / "_rejects").iterdir())
    assert b"".join(path.read_bytes() for path in rejects) == one.bad.read_bytes()

    with pytest.raises(BatchError, match="is not empty: --force replaces"):
        on("in.csv", "out/", kind="csv")
    on("in.csv", "out/", kind="csv", force=True)
    files = sorted((tmp_path / "out").glob("part-*"))
    assert [path.suffix for path in files] == [".csv"] * 9
    assert {path.read_text().partition(",")[0] for path in files} == {"row"}


def test_an_object_store_is_read_and_written(on, score, tmp_path, s3, task):
    import s3fs

    store = s3fs.S3FileSystem(skip_instance_cache=True)
    as_file(tmp_path / "in.csv", "csv", homes(250))
    store.put_file(str(tmp_path / "in.csv"), "models/bulk/in.csv")
    on("s3://models/bulk/in.csv", "s3://models/bulk/out.csv")
    one = score(lambda path: None, "in.csv", "one.csv", chunk=CHUNK)
    assert store.cat_file("models/bulk/out.csv") == one.out.read_bytes()
    rejects = store.cat_file("models/bulk/out.csv.rejects.jsonl")
    assert rejects == one.bad.read_bytes()
    names = ["in.csv", "out.csv", "out.csv.rejects.jsonl"]
    assert sorted(store.find("models/bulk")) == [
        f"models/bulk/{name}" for name in names
    ]

    as_file(tmp_path / "in.parquet", "parquet", homes(250))
    store.put_file(str(tmp_path / "in.parquet"), "models/bulk/in.parquet")
    on("s3://models/bulk/in.parquet", "s3://models/bulk/parts/", kind="jsonl")
    found = sorted(store.find("models/bulk/parts"))
    assert (
        sum("/part-" in name for name in found) == 2
    )  # of 130 rows, a row group, and 120
    assert "models/bulk/parts/_SUCCESS" in found


def test_nothing_changes_where_a_worker_is_killed_half_way(
    on, alike, tmp_path, dask, monkeypatch
):
    from distributed import default_client

    monkeypatch.setattr(cluster, "_AHEAD", 9)
    as_file(tmp_path / "in.csv", "csv", homes())
    victim = dask.workers.pop()
    steps, held = [], []

    def kill(chunk, done):
        client = default_client()
        steps.append(chunk)
        if len(steps) == 1:  # so that it has parts that are done and not yet told
            wait_for(lambda: len(client.has_what()[victim.address]) > 2)
        elif len(steps) == 2:
            held.extend(client.processing()[victim.address])
            victim.kill()
            wait_for(lambda: "lost" in {x.status for x in client.futures.values()})

    tally = on("in.csv", "out.csv", kill, chunk=10)
    dask.workers.append(dask_servers.Worker(dask.scheduler, victim.environ))
    dask.workers[-1]._begin()
    assert held, "it had nothing to do"
    assert len(steps) == 18
    alike("in.csv", "out.csv", tally)


# --- what goes wrong ------------------------------------------------------------------


def nothing_written(folder, *names):
    left = {path.name for path in folder.iterdir() if not path.name.startswith(".")}
    assert left == {"in.csv", *names}


@pytest.fixture(scope="module")
def brittle():
    """A scheduler that gives a part up with the first worker that dies of it.

    It has no workers; a test that needs one starts it.
    """
    environ = {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0"}
    with dask_servers.cluster(0, environ) as (scheduler, _):
        yield scheduler


@pytest.mark.parametrize(
    "address", ["tcp://127.0.0.1:1", "tls://127.0.0.1:1", "nonsense://x", "x:y"]
)
def test_no_scheduler_is_said_in_one_line(on, tmp_path, monkeypatch, address):
    monkeypatch.setattr(cluster, "_CONNECT", 0.5)
    as_file(tmp_path / "in.csv", "csv", homes(3))
    with pytest.raises(BatchError) as caught:
        on("in.csv", "out.csv", address=address)
    text = str(caught.value)
    assert text.startswith(f"{address}: no Dask scheduler answers there (")
    assert "\n" not in text
    nothing_written(tmp_path)


def test_a_scheduler_without_workers_is_not_waited_for_for_ever(on, tmp_path, brittle):
    as_file(tmp_path / "in.csv", "csv", homes(3))
    with pytest.raises(BatchError, match="no worker for 1 s"):
        on("in.csv", "out.csv", address=brittle.address, patience=1)
    nothing_written(tmp_path)


def test_a_part_that_kills_its_workers_ends_the_run_which_goes_on_elsewhere(
    on, alike, tmp_path, brittle
):
    as_file(tmp_path / "in.csv", "csv", homes())

    with stores.running(dask_servers.Worker(brittle)) as worker:

        def kill(chunk, done):
            worker.kill()

        with pytest.raises(BatchError, match=r"rows .*: every worker .* was killed"):
            on("in.csv", "out.csv", kill, address=brittle.address)
    nothing_written(tmp_path)
    tally = on("in.csv", "out.csv", resume=True)
    assert 0 < tally.resumed < ROWS
    alike("in.csv", "out.csv", tally)


def test_a_scheduler_that_goes_away_is_said_in_one_line(
    on, alike, tmp_path, dask, monkeypatch
):
    monkeypatch.setattr(cluster, "_CONNECT", 2.0)
    as_file(tmp_path / "in.csv", "csv", homes())
    with dask_servers.cluster(1) as (scheduler, _):

        def kill(chunk, done):
            scheduler.kill()

        with pytest.raises(BatchError, match="the scheduler went away; --resume"):
            on("in.csv", "out.csv", kill, address=scheduler.address)
    nothing_written(tmp_path)
    tally = on("in.csv", "out.csv", resume=True)
    assert tally.resumed >= 100
    alike("in.csv", "out.csv", tally)


def test_a_worker_of_another_release_is_refused(on, tmp_path, brittle):
    as_file(tmp_path / "in.csv", "csv", homes())
    other = tmp_path / ".other"
    shutil.copytree(ROOT / "housing_app", other / "housing_app")
    with (other / "housing_app" / "batch" / "rules.py").open("a") as file:
        file.write("# changed\n")
    odd = dask_servers.Worker(brittle, {"PYTHONPATH": str(other)})
    with stores.running(odd) as worker, pytest.raises(BatchError) as caught:
        on("in.csv", "out.csv", address=brittle.address)
    text = str(caught.value)
    assert text.startswith(f"worker {worker.address}: not the same here and there: ")
    assert re.search(r"the release is code \w+, not code \w+$", text)
    nothing_written(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda task, found: found | {"numpy": "1.0"}, "numpy is .*, not 1.0"),
        (lambda task, found: found | {"the model": "x-1 (0)"}, "the model is catboost"),
    ],
)
def test_every_version_counts(on, tmp_path, monkeypatch, change, message):
    as_file(tmp_path / "in.csv", "csv", homes(3))
    here = versions.here
    monkeypatch.setattr(
        versions,
        "here",
        lambda task, *rest, **how: change(task, here(task, *rest, **how)),
    )
    with pytest.raises(BatchError, match=message):
        on("in.csv", "out.csv")


def test_a_worker_without_the_model_is_refused(on, tmp_path, task):
    as_file(tmp_path / "in.csv", "csv", homes(3))
    here = tmp_path / ".models" / "catboost-full-1"
    shutil.copytree(task.model, here)
    moved = task._replace(model=str(here))
    partition.models(moved)
    shutil.rmtree(here)
    with pytest.raises(BatchError, match=r"worker tcp://.*catboost-full-1.*missing"):
        on("in.csv", "out.csv", task=moved)


def test_a_file_that_workers_do_not_see_is_said(on, tmp_path):
    as_file(tmp_path / "in.csv", "csv", homes(3))
    with pytest.raises(BatchError, match=r"worker .*in.csv: missing: is it where"):
        # Opened by this process alone, as on a disk that is not shared.
        on("in.csv", "out.csv", begin=(tmp_path / "in.csv").unlink)


def test_an_input_that_changes_meanwhile_is_refused(on, tmp_path):
    as_file(tmp_path / "in.csv", "csv", homes())

    def change(chunk, done):
        os.utime(tmp_path / "in.csv", (1, 1))

    with pytest.raises(BatchError, match=r"in\.csv: changed while it was read"):
        on("in.csv", "out.csv", change)
    with pytest.raises(BatchError, match="the input changed since the run that broke"):
        on("in.csv", "out.csv", resume=True)
    nothing_written(tmp_path)


def test_other_options_do_not_go_on_with_a_run(on, tmp_path):
    as_file(tmp_path / "in.csv", "csv", homes(30))
    on("in.csv", "out/", kind="csv")
    with pytest.raises(BatchError, match="an option or a column changed since"):
        on("in.csv", "out/", kind="csv", chunk=7, resume=True)
    tally = on("in.csv", "out/", kind="csv", resume=True)
    assert tally.resumed == tally.read == 30


def test_a_part_that_was_changed_is_not_joined(on, tmp_path):
    as_file(tmp_path / "in.csv", "csv", homes())

    def change(chunk, done):
        path = next((tmp_path / ".out.csv.parts").glob("part-*"))
        path.write_bytes(path.read_bytes().replace(b"high", b"low", 1))

    with pytest.raises(BatchError, match=r"part-.*: not what its counts say"):
        on("in.csv", "out.csv", change)
    nothing_written(tmp_path, "out.csv.rejects.jsonl")


def test_a_part_of_nobody_is_not_vouched_for(on, tmp_path):
    as_file(tmp_path / "in.csv", "csv", homes(30))

    def add(chunk, done):
        (tmp_path / "out" / "part-000000-000000000000.csv").write_text("row\n")

    with pytest.raises(BatchError, match="is no part of this run"):
        on("in.csv", "out/", add, kind="csv")
    assert not (tmp_path / "out" / "_SUCCESS").exists()


# --- the command ----------------------------------------------------------------------


def test_ctrl_c_cancels_what_is_left(on, tmp_path, dask, command):
    from distributed import Client

    as_file(tmp_path / "in.csv", "csv", homes() * 10)
    process = command(
        tmp_path / "in.csv", tmp_path / "out.csv", "--dask", dask.scheduler.address,
        "--chunk", CHUNK, start_new_session=True,
    )  # fmt: skip
    made = tmp_path / ".out.csv.parts" / "_counts"
    wait_for(lambda: made.exists() and len(list(made.iterdir())) > 2)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert errors.decode().split() == ["Aborted!"]
    assert process.returncode == 1
    nothing_written(tmp_path)
    with Client(dask.scheduler.address, set_as_default=False) as client:
        tasks = "lambda dask_scheduler: len(dask_scheduler.tasks)"
        wait_for(lambda: client.run_on_scheduler(eval(tasks)) == 0, 10)


def test_the_command_says_what_was_scored(tmp_path, dask, command):
    as_file(tmp_path / "in.csv", "csv", homes(50))
    process = command(
        tmp_path / "in.csv", f"{tmp_path}/out/", "--dask", dask.scheduler.address,
        "--strict",
    )  # fmt: skip
    _, errors = process.communicate(timeout=60)
    (line,) = errors.decode().splitlines()
    assert line.startswith(f"{tmp_path}/out/: 50 rows read, 49 scored, 1 rejected; ")
    assert process.returncode == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["in.csv", "s3://bucket/out.csv"], "a URL or a folder needs --dask"),
        (["in.csv", "out/"], "a URL or a folder needs --dask"),
        (["-", "out.csv", "--dask", "x"], "not stdin or stdout"),
        (["in.csv", "./in.csv", "--dask", "x"], "must be different files"),
        (["in.csv", "out.xls", "--dask", "x"], "give a name that ends in"),
        (["in.csv", "out/", "--rejects", "r", "--dask", "x"], "holds its own"),
        (["in.csv", "out.csv", "--workers", "2", "--dask", "x"], "--workers"),
        (["in.csv", "setup.cfg", "--format", "csv", "--dask", "x"], "exists: --force"),
    ],
)
def test_a_wrong_call_is_refused(app, arguments, message):
    done = app.test_cli_runner().invoke(args=["score", *arguments])
    assert done.exit_code == 2
    assert message in done.output


# --- a part ---------------------------------------------------------------------------


def test_a_part_done_twice_is_the_same_part(on, tmp_path, monkeypatch):
    as_file(tmp_path / "in.csv", "csv", homes())
    orders = []
    monkeypatch.setattr(parts.Parts, "finish", lambda self: None)
    monkeypatch.setattr(
        cluster_run,
        "Order",
        lambda *all_: orders.append(part.Order(*all_)) or orders[0],
    )
    on("in.csv", "out.csv")
    folder = tmp_path / ".out.csv.parts"
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert len(before) == 1 + 3 * 9
    with ranges.opened(f"file://{tmp_path}/in.csv", "csv", "full") as source:
        for index, one in enumerate(ranges.divided(source, CHUNK)):
            score_part(orders[0], index, one)
    after = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert after == before
