"""Homes to ask about: no two alike, so that no cache answers for a model."""

import csv
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "data" / "example_homes.csv"
Home = dict[str, Any]


def _number(text: str) -> float:
    value = float(text)
    return int(value) if value.is_integer() else value


def examples() -> list[Home]:
    """Return the example homes, zipcodes as text."""
    with EXAMPLES.open(newline="") as file:
        return [
            {k: v if k == "zipcode" else _number(v) for k, v in row.items() if v}
            for row in csv.DictReader(file)
        ]


def homes(count: int, seed: int = 0) -> Iterator[Home]:
    """Yield homes like the examples, the same ones for the same seed."""
    chance = random.Random(seed)
    known = [home for home in examples() if len(home) == 18]
    for _ in range(count):
        home = dict(chance.choice(known))
        above = int(home["sqft_above"] * chance.uniform(0.8, 1.25))
        basement = int(home["sqft_basement"] * chance.uniform(0.8, 1.25))
        yield home | {
            "sqft_living": above + basement,
            "sqft_above": above,
            "sqft_basement": basement,
            "sqft_lot": int(home["sqft_lot"] * chance.uniform(0.8, 1.25)),
            "grade": min(max(home["grade"] + chance.choice([-1, 0, 1]), 4), 12),
            "lat": round(home["lat"] + chance.uniform(-0.01, 0.01), 4),
            "long": round(home["long"] + chance.uniform(-0.01, 0.01), 4),
        }


def bodies(count: int, records: int = 1, seed: int = 0) -> list[bytes]:
    """Return request bodies of so many homes each."""
    made = homes(count * records, seed)
    return [
        json.dumps(
            next(made)
            if records == 1
            else {"records": [next(made) for _ in range(records)]}
        ).encode()
        for _ in range(count)
    ]
