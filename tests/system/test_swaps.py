"""Models change under load: real gunicorn, real workers, real damage."""

import json
import os
import shutil
import signal
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from load import Load
from served import BASELINE, FULL, copied

from housing_app.registry import changes
from housing_app.registry.changes import Author
from housing_app.valuation import artifacts, golden, loading
from tests.system.conftest import unharmed, wait_for_workers, wait_until_ready

OTHER = "lightgbm-full-2"
SECONDS = 5.0  # until every worker serves what serving.json names
SWAPS, REQUESTS = 20, 10_000


@pytest.fixture
def root(tmp_path):
    return copied(tmp_path / "model", OTHER)


@pytest.fixture
def served(start, root):
    """Start a server on a folder of models."""
    made = []

    def begin(**settings):
        settings = {"RATE_LIMIT": "off", "CACHE": "off"} | settings
        process, server = start(MODEL_DIR=str(root), **settings)
        context = unharmed(process, server, lambda: wait_until_ready(process, server))
        context.__enter__()
        made.append(context)
        return server

    yield begin
    for context in made:
        context.__exit__(None, None, None)


def promote(root, name):
    author = Author("test", "a swap", datetime.now(UTC))
    return changes.promote(root, name, author, is_forced=True)


def by_hand(root, **roles):
    """Write serving.json as it is, whatever it names."""
    stored = json.loads((root / "serving.json").read_text())
    stored["full"] = {"fallback": BASELINE} | roles
    draft = root / "draft"
    draft.write_text(json.dumps(stored))
    draft.replace(root / "serving.json")


def wait_for(server, name, seconds=SECONDS):
    """Return when every answer comes from a model; fail when that takes too long."""
    deadline = time.monotonic() + seconds
    row = 0
    while row < 20:
        found = server.post(HOME).json()["model"]
        row = row + 1 if f"{found['name']}-{found['version']}" == name else 0
        assert time.monotonic() < deadline, f"not {name} within {seconds} s"


def memory(server):
    """Return the proportional memory of the master and its workers, in MiB."""
    total = 0
    for pid in (server.pid, *server.workers()):
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        (line,) = [x for x in text.splitlines() if x.startswith("Pss:")]
        total += int(line.split()[1])
    return total / 1024


HOME = json.loads(Path("examples/home.json").read_text())
# No golden row of any model.
ANOTHER = HOME | {"sqft_living": HOME["sqft_living"] + 7, "lat": HOME["lat"] + 0.001}


def again(root, name, version):
    """Copy an artifact as another version of itself."""
    directory = root / f"{name.rpartition('-')[0]}-{version}"
    shutil.copytree(root / name, directory)
    path = directory / "manifest.json"
    manifest = json.loads(path.read_text()) | {"version": version}
    path.write_text(json.dumps(manifest))
    return directory.name


def test_twenty_swaps_under_load_lose_nothing(served, root):
    server = served()
    other = again(root, FULL, 99)
    moments = []  # when a change was written, and to what
    with Load(server.port, HOME, rate=120.0, threads=4) as load:
        load.wait_for(1_000)
        first = memory(server)
        for swap in range(2 + SWAPS):
            if swap == 2:
                # The first change there and back copies what workers shared with their
                # master; the twenty after it may cost nothing.
                load.wait_for(500)
                before = memory(server)
            name = FULL if swap % 2 else other
            began = time.monotonic()
            promote(root, name)
            moments.append((began, name))
            wait_for(server, name)
            load.wait_for(250)
        load.wait_for(max(0, REQUESTS - load.count))
        after = memory(server)
    assert load.count >= REQUESTS
    assert not load.errors(), load.errors()
    assert len(load.models) == load.count
    assert {name for *_, name in load.models} == {FULL, other}
    late = [one for one in load.models if one[2] not in live(moments, *one[:2])]
    assert not late, late[:5]
    assert after < 1.05 * before, f"{before:.1f} MiB before, {after:.1f} after"
    assert after < 1.10 * first, f"{first:.1f} MiB at first, {after:.1f} after"


def live(moments, began, ended):
    """Return the models that were live at some time between two others."""
    at = [(0.0, FULL), *moments]
    ends = [begin + SECONDS for begin, _ in at[1:]] + [float("inf")]
    return {
        name
        for (begin, name), end in zip(at, ends, strict=True)
        if begin <= ended and began <= end
    }


def tampered(directory):
    path = directory / "price.txt"
    path.write_bytes(path.read_bytes().replace(b"leaf_value=1", b"leaf_value=2", 1))


def of_another_schema(directory):
    path = directory / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["features"] = "all"
    path.write_text(json.dumps(manifest))


def untrue(directory):
    path = directory / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["golden"][0]["expected"][0] *= 1.02
    path.write_text(json.dumps(manifest))


def gone(directory):
    shutil.rmtree(directory)


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (tampered, "SHA-256"),
        (of_another_schema, "features"),
        (untrue, "golden row 0"),
        (gone, "missing"),
    ],
)
def test_a_bad_candidate_is_refused_everywhere(served, root, harm, said):
    server = served()
    harm(root / OTHER)
    with Load(server.port, HOME, rate=60.0) as load:
        by_hand(root, champion=OTHER)
        refused(server, said)
        load.wait_for(100)
    assert not load.errors(), load.errors()
    assert {name for *_, name in load.models} == {FULL}
    log = [json.loads(x) for x in server.lines() if "models are not changed" in x]
    assert len(log) == 2, "each worker says so, once"


def refused(server, said):
    """Wait until both workers refuse, and see what they say."""
    deadline = time.monotonic() + 15
    while len([x for x in server.lines() if "models are not changed" in x]) < 2:
        assert time.monotonic() < deadline, server.lines()[-5:]
        time.sleep(0.05)
    for _ in range(10):
        found = server.get("/health").json()
        assert found["status"] == "degraded"
        assert said in found["checks"]["model changes"]["detail"]
        assert server.get("/health/ready").status_code == 200


@pytest.mark.parametrize(
    ("limit", "said"),
    [({"MODEL_MAX_MB": "8"}, "MODEL_MAX_MB"), ({"MODEL_MAX_MS": "1"}, "MODEL_MAX_MS")],
)
def test_a_candidate_that_takes_too_much_is_refused(served, root, limit, said):
    by_hand(root, champion=OTHER)
    server = served(**limit)
    if "MODEL_MAX_MS" in limit:
        slow(root)
    with Load(server.port, HOME, rate=60.0) as load:
        by_hand(root, champion=FULL)
        refused(server, said)
    assert not load.errors(), load.errors()
    assert {name for *_, name in load.models} == {OTHER}


def slow(root):
    """Give the champion 40 times as many trees, whose sum is the same."""
    path = root / FULL / "price.npz"
    with np.load(path) as arrays:
        found = dict(arrays)
    for name in ("feature", "border"):
        found[name] = np.concatenate([found[name]] * 40)
    blank = np.zeros_like(found["value"])
    found["value"] = np.concatenate([found["value"], *[blank] * 39])
    replace(root / FULL, "price.npz", artifacts.npz(found))
    with np.load(root / FULL / "reasons.npz") as arrays:
        reasons = {name: np.concatenate([arrays[name]] * 40) for name in arrays}
    replace(root / FULL, "reasons.npz", artifacts.npz(reasons))


def replace(directory, name, content):
    """Replace a file and its hash, as a forger would."""
    (directory / name).write_bytes(content)
    path = directory / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["files"][name] = artifacts.sha256_of(directory / name)
    path.write_text(json.dumps(manifest))


def poison(root):
    """Make a champion that keeps to its golden rows and fails on other homes."""
    shutil.copytree(root / FULL, root / "poisoned-9")
    directory = root / "poisoned-9"
    path = directory / "manifest.json"
    manifest = json.loads(path.read_text()) | {"name": "poisoned", "version": 9}
    path.write_text(json.dumps(manifest))
    model = loading.load(directory)
    homes, rows = golden.inputs(model.manifest)
    counts = np.isnan(homes.values).sum(axis=1).astype(float)
    seen = model.estimate(homes, rows, counts).rows
    visited = model.model._complete.forest.leaves(seen)
    with np.load(directory / "price.npz") as arrays:
        found = dict(arrays)
    harmed = np.full_like(found["value"], 1e4)
    harmed.ravel()[visited.ravel()] = found["value"].ravel()[visited.ravel()]
    replace(directory, "price.npz", artifacts.npz(found | {"value": harmed}))
    return "poisoned-9"


def test_a_champion_that_fails_in_service_is_rolled_back(served, root):
    server = served()
    name = poison(root)
    with Load(server.port, ANOTHER, rate=60.0) as load:
        load.wait_for(50)
        promote(root, name)
        deadline = time.monotonic() + 20
        while changes.history(root)[-1].action != "rollback":
            assert time.monotonic() < deadline, server.lines()[-5:]
            time.sleep(0.05)
        wait_for(server, FULL)
        load.wait_for(100)
    assert not load.errors(), "the fallback answers meanwhile"
    assert {model for *_, model in load.models} == {FULL, BASELINE}
    last = changes.history(root)[-1]
    assert last.who == "guardrail"
    assert last.after["champion"] == FULL
    assert "failed on" in last.why
    counted = server.get("/metrics").text
    assert 'model_rollbacks_total{slot="full"} ' in counted


def test_a_worker_that_is_killed_comes_back_with_what_serves_now(start, root):
    process, server = start(MODEL_DIR=str(root), RATE_LIMIT="off", CACHE="off")
    try:
        wait_until_ready(process, server)
        wait_for_workers(server)
        promote(root, OTHER)
        wait_for(server, OTHER)
        for _ in range(3):
            victim = server.workers()[0]
            os.kill(victim, signal.SIGKILL)
            deadline = time.monotonic() + 10
            while victim in server.workers() or len(server.workers()) < 2:
                assert time.monotonic() < deadline
                time.sleep(0.02)
            found = {server.post(HOME).json()["model"]["name"] for _ in range(40)}
            assert found == {"lightgbm-full"}
    finally:
        process.terminate()
        assert process.wait(60) == 0
