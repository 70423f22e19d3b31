"""Has the hot path become slower? `python benchmarks/quick.py`, under a minute.

Times inside the process as multiples of the empty Flask view, by turns, the least of
each: machines differ less in these than in times. Adds a line to history.csv.
"""

import argparse
import csv
from itertools import cycle
from pathlib import Path
from typing import Any

import inside
import results
from homes import bodies

HISTORY = Path(__file__).resolve().parent / "history.csv"
COLUMNS = ("date", "commit", "python", "empty_us", "one", "explain", "comparables")
COLUMNS += ("batch_home",)


def measure(turns: int) -> dict[str, float]:
    """Return the empty view's microseconds, and multiples of it."""
    with inside.apps() as ask:
        new = cycle(bodies(4_000))  # more than are asked: the cache knows none
        batches = cycle(bodies(turns + 2, records=1_000, seed=1))
        one = next(new)
        found = inside.least(
            {
                "empty": lambda: ask["empty"](one, ""),
                "one": lambda: ask["ours"](next(new), ""),
                "explain": lambda: ask["ours"](next(new), "explain=true"),
                "comparables": lambda: ask["ours"](next(new), "comparables=5"),
            },
            turns,
            calls=25,
        )
        batch = inside.least(
            {"batch": lambda: ask["ours"](next(batches), "")}, turns, 1
        )
    empty = found.pop("empty")
    found["batch_home"] = batch["batch"] / 1_000
    multiples = {name: round(took / empty, 3) for name, took in found.items()}
    return {"empty_us": round(empty, 1)} | multiples


def record(line: dict[str, Any], path: Path) -> None:
    """Add a line, or put it in the place of the one of the same commit."""
    kept = []
    if path.exists():
        with path.open(newline="") as file:
            kept = [x for x in csv.DictReader(file) if x["commit"] != line["commit"]]
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows([*kept, line])


def main() -> None:
    """Measure, record, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=30)
    parser.add_argument("--history", type=Path, default=HISTORY)
    options = parser.parse_args()
    found = measure(options.turns)
    about = results.about()
    record({name: about[name] for name in COLUMNS[:3]} | found, options.history)
    for name, value in found.items():
        print(f"{name:12} {value:9.3f}")


if __name__ == "__main__":
    main()
