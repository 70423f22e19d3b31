"""Bulk scoring beside other ways to value a file: `python benchmarks/bulk.py`.

`flask score` on CSV, JSON lines and Parquet with one worker and more; the model's own
batch prediction of prices and spreads, of homes in memory; the same CSV file posted to
a server in batches of 1,000; and a plain script of pandas and scikit-learn (the
reference's nearest neighbours). All take turns; the best turn of each counts.
"""

import argparse
import csv
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

import results
import servers
from homes import homes

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")  # before numpy loads, as workers have it

KINDS = ("csv", "jsonl", "parquet")
_DEMOGRAPHICS = servers.ROOT / "data" / "zipcode_demographics.csv"
_SUMMARY = re.compile(r"([\d,]+) rows read.* ([\d.,]+) s, [\d,]+ rows/s")
_RECORDS = 1_000


def files(folder: Path, count: int) -> dict[str, Path]:
    """Write the same homes, with a loan's number and an address, in each format."""
    import pyarrow
    from pyarrow import parquet

    paths = {kind: folder / f"homes.{kind}" for kind in KINDS}
    rows = []
    for number, home in enumerate(homes(count)):
        own = {"loan": f"L-{number}", "address": f"{number % 9_000} Pine St, Seattle"}
        rows.append(
            own | {k: v if isinstance(v, str) else float(v) for k, v in home.items()}
        )
    with paths["csv"].open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(
            {k: f"{v:g}" if isinstance(v, float) and k not in {"lat", "long"} else v
             for k, v in row.items()} for row in rows
        )  # fmt: skip
    with paths["jsonl"].open("w") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    parquet.write_table(pyarrow.Table.from_pylist(rows), paths["parquet"])
    return paths


def scored(source: Path, workers: int) -> Callable[[], float]:
    """Return what scores a file by the command and returns homes a second."""
    target = source.with_name(f"scored{workers}{source.suffix}")
    command = [sys.executable, "-m", "flask", "--app", "housing_app", "score", source]
    command += [target, "--workers", str(workers), "--force"]

    def run() -> float:
        done = subprocess.run(
            command, cwd=servers.ROOT, check=True, capture_output=True, text=True
        )
        found = _SUMMARY.search(done.stderr)
        assert found, done.stderr
        rows, seconds = (float(text.replace(",", "")) for text in found.groups())
        return rows / seconds

    return run


def model_alone(count: int) -> dict[str, Callable[[], float]]:
    """Return what times the model itself, in this process."""
    predictions, trees = _models(count)
    return {"model": _timed(predictions, count), "trees": _timed(trees, count)}


def _models(count: int) -> tuple[Callable[[], None], Callable[[], None]]:
    """Return what predicts prices and spreads, 10,000 homes at a time; trees alone."""
    import numpy as np

    from housing_app import demographics
    from housing_app.v1 import columns
    from housing_app.valuation import features, loading, serving

    root = servers.ROOT / "model"
    model = loading.load(root / serving.read(root).roles["full"]["champion"])
    table = demographics.load(_DEMOGRAPHICS)
    day = float(model.valuation_date.toordinal())
    ready = []
    for records in _batches(homes(count), 10_000):
        found = columns.checked(records, "full")
        assert found is not None
        found = found._replace(days=np.full(len(records), day))
        joined = table.join(found.zipcodes, model.demographics)
        rows = features.matrix(model.columns(found, joined), model.manifest.features)
        ready.append((found, joined, np.zeros(len(records)), rows))

    def predictions() -> None:
        for found, joined, missing, _ in ready:
            model.estimate(found, joined, missing)

    def trees() -> None:
        for _, _, missing, rows in ready:
            model.model.spreads(rows, model.model.log_prices(rows), missing)

    return predictions, trees


def _batches(items: Iterator[Any], size: int) -> Iterator[list[Any]]:
    while batch := list(islice(items, size)):
        yield batch


def _timed(call: Callable[[], Any], count: int) -> Callable[[], float]:
    def run() -> float:
        start = time.perf_counter()
        call()
        return count / (time.perf_counter() - start)

    return run


def cpu(paths: dict[str, Path], turns: int) -> dict[str, float]:
    """Return microseconds of processor a home: of the model, and of a worker's chunks.

    In this process, one thread, the least of some turns: other programs matter less.
    """
    from housing_app import demographics
    from housing_app.batch import layout, parquet_rows, partition, source, work
    from housing_app.valuation import loading, serving

    root = servers.ROOT / "model"
    folder = root / serving.read(root).roles["full"]["champion"]
    task = partition.Task(str(folder), str(_DEMOGRAPHICS))
    partition.prepare(task, loading.load(folder), demographics.load(_DEMOGRAPHICS))
    calls: dict[str, tuple[Callable[[], Any], int]] = {}
    for kind in KINDS:
        with source.opened(paths[kind], kind, "full") as found:
            chunks = list(islice(found.chunks(10_000, 1, found.start), 4))
            plan = layout.plan(found.names, "full", None, work.columns_of(task, ()))
        names = work.columns_of(task, plan.kept)
        job = work.Job(task, plan, kind, kind, parquet_rows.types_of(names, {}))
        homes_of = sum(chunk.rows for chunk in chunks)
        calls[kind] = (lambda j=job, c=chunks: [work.work(j, x) for x in c]), homes_of
    predictions, trees = _models(homes_of)
    calls |= {"model": (predictions, homes_of), "trees": (trees, homes_of)}
    least = dict.fromkeys(calls, float("inf"))
    for _ in range(turns):
        for way, (call, count) in calls.items():
            start = time.process_time()
            call()
            took = (time.process_time() - start) / count
            least[way] = min(least[way], round(took * 1e6, 1))
    return least


def posted(source: Path, server: servers.Server, count: int, workers: int) -> float:
    """Read homes of a CSV file, post them, write their prices; return the rate."""
    start = time.perf_counter()
    with source.open(newline="") as file, ThreadPoolExecutor(workers) as pool:
        bodies = _bodies(islice(csv.DictReader(file), count))
        answers = pool.map(server.post, bodies)
        with source.with_name("posted.csv").open("w", newline="") as out:
            writer = csv.writer(out)
            for answer in answers:
                for found in json.loads(answer)["predictions"]:
                    writer.writerow([found["price"], found["low"], found["high"]])
    return count / (time.perf_counter() - start)


def _bodies(rows: Iterator[dict[str, str]]) -> Iterator[bytes]:
    own = {"loan", "address"}
    for some in _batches(rows, _RECORDS):
        records = [
            {
                k: v if k == "zipcode" else float(v)
                for k, v in row.items()
                if k not in own
            }
            for row in some
        ]
        yield json.dumps({"records": records}).encode()


def script(source: Path, folder: Path, count: int) -> Callable[[], float]:
    """Return the plain script: pandas reads and joins, scikit-learn predicts."""
    from peer_apps import valuer

    price = servers.ROOT / "model" / "lightgbm-full-2" / "price.txt"
    valuer.train(folder / "peer", "synthetic", _DEMOGRAPHICS, price)
    peer = valuer.Valuer(str(folder / "peer"), "knn")

    def run() -> None:
        import pandas as pd

        table = pd.read_csv(source, dtype={"zipcode": str}, nrows=count)
        rows = table[[*valuer.FIELDS, "zipcode"]]
        rows = rows.merge(peer.demographics, how="left", on="zipcode")
        rows = rows.drop(columns="zipcode").fillna(0)
        table["price"] = peer.model.predict(rows)
        table.to_csv(source.with_name("script.csv"), index=False)

    return _timed(run, count)


def main() -> None:
    """Measure and save."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--homes", type=int, default=200_000)
    parser.add_argument("--few", type=int, default=20_000, help="for the slow ways")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    options = parser.parse_args()
    many, few, workers = options.homes, options.few, options.workers
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as name,
        servers.ours(workers, CACHE="off") as server,
    ):
        folder = Path(name)
        paths = files(folder, many)
        ways = model_alone(min(many, 50_000))
        for kind in KINDS:
            ways[f"{kind}, 1"] = scored(paths[kind], 1)
            ways[f"{kind}, {workers}"] = scored(paths[kind], workers)
        ways["script"] = script(paths["csv"], folder, few)
        ways["posted"] = lambda: posted(paths["csv"], server, few, workers)
        rates: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(options.turns):
            for way, measure in ways.items():
                rates[way].append(measure())
                print(f"{way:<12}{rates[way][-1]:>10,.0f} homes/s", flush=True)
        spent = cpu(paths, 2 * options.turns)
        print(spent, flush=True)
    best = {way: round(max(found)) for way, found in rates.items()}
    load = os.getloadavg()
    figures = {"homes": many, "few": few, "workers": workers, "rates": best}
    figures["cpu_us"] = spent
    results.save("bulk", figures | {"load": [round(x, 1) for x in load]})


if __name__ == "__main__":
    main()
