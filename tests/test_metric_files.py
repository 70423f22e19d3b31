"""Files of ended processes become one of each kind, and nothing counted is lost."""

import fcntl
import os
import shutil
import subprocess
import sys
import textwrap
import threading
import time

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.metrics import Gauge

from housing_app import metric_files, metrics
from housing_app.config import ROOT

DEATHS = 500

# Forks processes that count as workers do and end at once, without a word.
WORKERS = textwrap.dedent("""
    import os, sys
    from housing_app import metrics
    from housing_app.metrics import labelled
    metrics.model_load_seconds.set(-1)
    for number in range(int(sys.argv[1])):
        if not (pid := os.fork()):
            for route in ("/v1/predict", "/health/live", "/metrics", "none"):
                for status in (200, 404, 422, 500):
                    labelled(metrics.requests, "POST", route, status).inc()
                labelled(metrics.request_seconds, route).observe(0.002 * (number % 9))
            metrics.journal_records.inc(number)
            metrics.model_load_seconds.set(number)
            metrics.demographics_zipcodes.set(number)
            metrics.store_down.labels("journal").set(1)
            os._exit(0)
        os.waitpid(pid, 0)
""")


def die(folder, deaths):
    folder.mkdir(exist_ok=True)
    environ = os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(folder)}
    subprocess.run(
        [sys.executable, "-c", WORKERS, str(deaths)],
        cwd=ROOT,
        env=environ,
        check=True,
        timeout=120,
    )


def scrape(folder):
    registry = CollectorRegistry()
    metric_files.Collector(registry, str(folder))
    with metric_files.reading(str(folder)):
        return {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in registry.collect()
            for sample in family.samples
        }


def seconds(folder, times):
    best = []
    for _ in range(times):
        began = time.perf_counter()
        scrape(folder)
        best.append(time.perf_counter() - began)
    return min(best)


def kept(folder):
    return sorted(path.name for path in folder.glob("*.db"))


@pytest.fixture
def dead(tmp_path):
    die(tmp_path / "few", 5)
    return tmp_path / "few"


def test_500_deaths_leave_few_files_the_same_counts_and_a_quick_scrape(tmp_path):
    folder = tmp_path / "many"
    die(folder, DEATHS)
    files, before, slow = len(kept(folder)), scrape(folder), seconds(folder, 2)
    assert files > 4 * DEATHS
    assert metric_files.merge_dead(str(folder))
    after = scrape(folder)
    of_living = {"demographics_version", "demographics_zipcodes", "store_down"}
    assert {k: v for k, v in before.items() if k[0] not in of_living} == after
    assert after["journal_records_total", frozenset()] == sum(range(DEATHS))
    assert after["model_load_time_seconds", frozenset()] == DEATHS - 1
    count = "http_request_duration_seconds_count", frozenset({("route", "none")})
    assert after[count] == DEATHS
    assert kept(folder) == [
        "counter_ended.db",
        "gauge_mostrecent_ended.db",
        "histogram_ended.db",
    ]
    quick = seconds(folder, 20)
    print(f"{files} files: {1000 * slow:.0f} ms; 3 files: {1000 * quick:.1f} ms")
    assert quick < slow / 20


def test_merging_again_adds_only_what_is_new(dead):
    assert metric_files.merge_dead(str(dead))
    first = scrape(dead)
    assert metric_files.merge_dead(str(dead))
    assert scrape(dead) == first
    die(dead, 3)
    assert metric_files.merge_dead(str(dead))
    found = scrape(dead)
    assert found["journal_records_total", frozenset()] == sum(range(5)) + sum(range(3))
    assert found["model_load_time_seconds", frozenset()] == 2, "the newest, not the sum"


def test_the_living_keep_their_files(dead):
    process = os.getpid()
    names = [f"counter_{process}.db", f"gauge_livemax_{process}.db"]
    for name in names:
        shutil.copy(next(dead.glob("counter_*.db")), dead / name)
    metric_files.merge_dead(str(dead))
    assert set(names) <= set(kept(dead))


@pytest.mark.parametrize("size", [0, 4, 65_536])
def test_a_process_that_ended_before_it_wrote_anything_is_no_trouble(dead, size):
    before = scrape(dead)["journal_records_total", frozenset()]
    gone = subprocess.Popen(["true"])
    gone.wait()
    (dead / f"counter_{gone.pid}.db").write_bytes(bytes(size))
    assert metric_files.merge_dead(str(dead))
    assert scrape(dead)["journal_records_total", frozenset()] == before
    assert f"counter_{gone.pid}.db" not in kept(dead)


@pytest.mark.parametrize("kind", ["counter", "histogram", "gauge_mostrecent"])
def test_a_file_that_its_process_is_about_to_fill_is_read_as_nothing(dead, kind):
    before = scrape(dead)
    (dead / f"{kind}_{os.getpid()}.db").touch()
    assert scrape(dead) == before


def test_a_half_written_merge_is_begun_anew(dead):
    before = scrape(dead)["journal_records_total", frozenset()]
    (dead / "counter_ended.new").write_bytes(b"half")
    assert metric_files.merge_dead(str(dead))
    assert scrape(dead)["journal_records_total", frozenset()] == before
    assert not list(dead.glob("*.new"))


def test_a_reader_that_hangs_puts_it_off(dead):
    before = kept(dead)
    with (dead / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        assert not metric_files.merge_dead(str(dead))
        assert kept(dead) == before
    assert metric_files.merge_dead(str(dead))
    assert kept(dead) != before


def test_scrapes_meanwhile_see_every_count_once(tmp_path):
    folder = tmp_path / "busy"
    die(folder, 30)
    wanted = scrape(folder)["journal_records_total", frozenset()]
    seen, done = [], threading.Event()

    def look():
        while not done.is_set():
            seen.append(scrape(folder)["journal_records_total", frozenset()])
            time.sleep(0.05)  # a lock that is always held would be waited for in vain

    readers = [threading.Thread(target=look) for _ in range(2)]
    for reader in readers:
        reader.start()
    try:
        for _ in range(5):
            assert metric_files.merge_dead(str(folder))
            die(folder, 1)  # counts 0, and leaves files
    finally:
        done.set()
        for reader in readers:
            reader.join()
    assert len(seen) > 10
    assert set(seen) == {wanted}


def test_every_gauge_is_of_a_mode_that_can_be_merged():
    modes = {
        metric._multiprocess_mode
        for metric in vars(metrics).values()
        if isinstance(metric, Gauge)
    }
    assert modes <= {"mostrecent", "livemin", "livemax"}


def test_without_files_a_scrape_is_not_held_back():
    with metric_files.reading(None):
        pass
