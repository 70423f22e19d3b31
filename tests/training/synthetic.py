"""Plausible sales of homes that do not exist, the same for the same seed."""

import csv
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np

FIRST, LAST = date(2014, 5, 2), date(2015, 3, 31)
# Middle of the zipcode and the log price per square foot around it.
ZIPCODES = {
    "98103": (47.672, -122.342, 5.75),
    "98038": (47.362, -122.027, 5.10),
    "98006": (47.555, -122.150, 5.55),
}
COLUMNS = [
    "id", "date", "price", "bedrooms", "bathrooms", "sqft_living", "sqft_lot",
    "floors", "waterfront", "view", "condition", "grade", "sqft_above",
    "sqft_basement", "yr_built", "yr_renovated", "zipcode", "lat", "long",
    "sqft_living15", "sqft_lot15",
]  # fmt: skip


def sales(n: int = 1_200, seed: int = 7) -> list[dict[str, Any]]:
    """Return n sales in the order of their dates; one home in thirty sells twice."""
    rng = np.random.default_rng(seed)
    days = np.sort(rng.integers(0, (LAST - FIRST).days + 1, n))
    days[0], days[-1] = 0, (LAST - FIRST).days
    rows = [_sale(rng, i, int(days[i])) for i in range(n)]
    for later in range(n // 2, n, 15):
        again = rows[later - n // 2] | {"date": rows[later]["date"]}
        rows[later] = again | {"price": round(again["price"] * 1.03)}
    return rows


def _sale(rng: np.random.Generator, number: int, day: int) -> dict[str, Any]:
    zipcode = str(rng.choice(list(ZIPCODES)))
    lat, long, level = ZIPCODES[zipcode]
    living = int(rng.lognormal(7.55, 0.35))
    basement = int(living * rng.uniform(0.1, 0.5)) if rng.random() < 0.4 else 0
    grade = int(np.clip(round(rng.normal(7.5, 1.2)), 4, 12))
    built = int(rng.integers(1905, 2015))
    lot = int(rng.lognormal(8.9, 0.5))
    floors = float(rng.choice([1, 1.5, 2]))
    per_foot = level + 0.09 * (grade - 7.5) - 0.35 * (np.log(living) - 7.55)
    price = living * np.exp(per_foot + 0.0002 * day + rng.normal(0, 0.12))
    sold = FIRST + timedelta(days=day)
    return {
        "id": f"{1_000_000_000 + number}",
        "date": f"{sold:%Y%m%d}T000000",
        "price": round(float(price)),
        "bedrooms": int(np.clip(living // 600, 1, 8)),
        "bathrooms": float(np.clip(living // 800, 1, 5)) + float(rng.choice([0, 0.5])),
        "sqft_living": living,
        "sqft_lot": lot,
        "floors": floors,
        "waterfront": int(rng.random() < 0.01),
        "view": int(rng.choice([0, 0, 0, 0, 2, 4])),
        "condition": int(rng.integers(2, 6)),
        "grade": grade,
        "sqft_above": living - basement,
        "sqft_basement": basement,
        "yr_built": built,
        "yr_renovated": int(rng.integers(built, 2015)) if rng.random() < 0.05 else 0,
        "zipcode": zipcode,
        "lat": round(float(rng.normal(lat, 0.012)), 4),
        "long": round(float(rng.normal(long, 0.012)), 4),
        "sqft_living15": int(living * rng.uniform(0.8, 1.2)),
        "sqft_lot15": int(lot * rng.uniform(0.8, 1.2)),
    }


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    """Write rows as a CSV of sales; keys beyond `COLUMNS` are written too."""
    with path.open("w", newline="") as file:
        extra = [name for name in rows[0] if name not in COLUMNS]
        writer = csv.DictWriter(file, [*(c for c in COLUMNS if c in rows[0]), *extra])
        writer.writeheader()
        writer.writerows(rows)
    return path
