"""How cost grows: `python benchmarks/scale.py`.

With the homes of a request and with the trees of the model, inside the process; with
the zipcodes of the demographics; and over HTTP with the workers.
"""

import argparse
import os
from typing import Any

import inside
import load
import numpy as np
import results
import servers
from homes import bodies

RECORDS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000)
TREES = (250, 500, 1_000, 2_500, 5_000)
ZIPCODES = (100, 1_000, 10_000, 33_000)


def by_records(turns: int) -> list[dict[str, float]]:
    """Return microseconds a request and a home."""
    table = []
    with inside.apps() as ask:
        for count in RECORDS:
            sent = iter(bodies(turns * 3, count, seed=count))
            calls = {"all": lambda sent=sent: ask["ours"](next(sent), "")}
            took = inside.least(calls, turns * 3, 1)["all"]
            table.append(
                {"records": count, "us": round(took), "per_home": took / count}
            )
    return table


def by_trees(turns: int) -> list[dict[str, float]]:
    """Return microseconds of the trees alone, for one home and for a thousand."""
    from housing_app.valuation.kinds.catboost import Forest

    chance = np.random.default_rng(0)
    columns = 50
    rows = chance.normal(size=(1_000, columns))
    table = []
    for trees in TREES:
        forest = Forest(
            chance.integers(0, columns, (trees, 6)).astype(np.int32),
            chance.normal(size=(trees, 6)).astype(np.float32),
            chance.normal(size=(trees, 64)) / trees,
            0.0,
        )
        one = inside.least({"": lambda f=forest: f.predict(rows[:1])}, turns, 20)[""]
        many = inside.least({"": lambda f=forest: f.predict(rows)}, turns, 1)[""]
        table.append({"trees": trees, "one_us": one, "thousand_us": many})
    return table


def by_zipcodes(turns: int) -> list[dict[str, float]]:
    """Return microseconds of joining a home to tables of so many zipcodes."""
    from housing_app.demographics import Demographics

    table = []
    names = tuple(f"c{n}" for n in range(17))
    for count in ZIPCODES:
        rows = {f"{n:05d}": np.full(17, float(n)) for n in range(1, count + 1)}
        people = Demographics("made up", names, rows)
        took = inside.least({"": lambda p=people: p.join(["00050"], names)}, turns, 200)
        table.append({"zipcodes": count, "us": took[""]})
    return table


def by_workers(seconds: float) -> list[dict[str, Any]]:
    """Return requests a second of one worker, and of one more for each core."""
    table = []
    sent = bodies(20_000, seed=7)
    for workers in range(1, len(os.sched_getaffinity(0)) + 2):
        with servers.ours(workers) as server:
            found = load.best(server, sent, 8, seconds)
        table.append({"workers": workers, **found})
    return table


def main() -> None:
    """Measure and save."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=4)
    options = parser.parse_args()
    figures = {
        "records": by_records(options.turns),
        "trees": by_trees(options.turns),
        "zipcodes": by_zipcodes(options.turns),
        "workers": by_workers(options.seconds),
    }
    for name, rows in figures.items():
        print(name, *rows, sep="\n  ")
    results.save("scale", figures)


if __name__ == "__main__":
    main()
