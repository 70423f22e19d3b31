"""Time backups and restores, with SQLite and with PostgreSQL.

`PYTHONPATH=.:tests python benchmarks/backup.py --rows 1000000`
"""

import argparse
import random
import resource
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter, process_time

import filled
import stores

from housing_app.backup import Archive, Places, create, restore, verify
from housing_app.database import Database

_random = random.Random(1)
_FIELDS = {f"field_{i}": 10.0 ** (i % 5) for i in range(18)}


def prediction(number: int) -> dict[str, object]:
    """Return a row with a home that packs as badly as a real one."""
    home = {name: round(scale * _random.random(), 2) for name, scale in _FIELDS.items()}
    price = round(1e6 * _random.random(), 2)
    figures = {"price": price, "low": 0.8 * price, "high": 1.2 * price, "inputs": home}
    return filled.prediction(number) | figures


def main() -> None:
    """Print a table: one row for each kind of database and number of predictions."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--rows", type=int, action="append")
    counts = parser.parse_args().rows or [100_000]
    print("| Database | Predictions | File | create | verify | restore | memory |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    with stores.running(stores.Postgres()) as server:
        for count in counts:
            for kind in ("SQLite", "PostgreSQL"):
                with tempfile.TemporaryDirectory() as folder:
                    measure(kind, count, Path(folder), server)


def measure(kind: str, count: int, folder: Path, server: stores.Postgres) -> None:
    """Print one row."""

    def database(name: str) -> Database:
        if kind == "SQLite":
            return Database(f"sqlite:///{folder / name}.db", name)
        return Database(server.empty_database(), name)

    source, target = (
        filled.fill(database("source"), count, made=prediction),
        database("target"),
    )
    path = folder / "backup.tar"
    took = [
        timed(lambda: create(path, Places(source, source), None, "benchmark")),
        timed(lambda: verify(Archive(path))),
        timed(lambda: restore(Archive(path), Places(target, target), None)),
    ]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"| {kind} | {count:,} | {path.stat().st_size / 1e6:,.0f} MB "
        f"| {' | '.join(took)} | {peak:,.0f} MB |",
        flush=True,
    )


def timed(work: Callable[[], object]) -> str:
    """Return how long something takes: by the clock, and of this process's CPU."""
    clock, cpu = perf_counter(), process_time()
    work()
    return f"{perf_counter() - clock:,.1f} s ({process_time() - cpu:,.1f})"


if __name__ == "__main__":
    main()
