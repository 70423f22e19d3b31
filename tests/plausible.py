"""Homes as they might stand anywhere in the county, the same for the same seed."""

from typing import Any

import numpy as np
from served import FULL, manifest

Home = dict[str, Any]


def homes(n: int, seed: int = 1) -> list[Home]:
    """Return n homes, spread over the zipcodes as the training homes are."""
    rng = np.random.default_rng(seed)
    area = manifest(FULL)["zipcodes"]
    counts = np.array([zone["count"] for zone in area.values()], dtype=float)
    chosen = rng.choice(list(area), n, p=counts / counts.sum())
    return [_home(rng, zipcode, area[zipcode]) for zipcode in chosen.tolist()]


def _home(rng: np.random.Generator, zipcode: str, zone: dict[str, float]) -> Home:
    living = int(np.clip(rng.lognormal(7.55, 0.4), 500, 7_000))
    basement = int(living * rng.uniform(0.1, 0.5)) if rng.random() < 0.4 else 0
    size = np.log(living / 1_900)
    built = int(rng.integers(1905, 2015))
    lot = int(np.clip(rng.lognormal(8.9, 0.7), 1_000, 100_000))
    north, east = rng.normal(0, zone["radius_km"] / 3, 2)
    return {
        "bedrooms": int(np.clip(round(rng.normal(3.4 + size, 0.7)), 1, 6)),
        "bathrooms": float(np.clip(round(4 * rng.normal(2.1 + size, 0.5)) / 4, 1, 5)),
        "sqft_living": living,
        "sqft_lot": lot,
        "floors": float(rng.choice([1, 1.5, 2, 2])),
        "waterfront": int(rng.random() < 0.005),
        "view": int(rng.choice([0] * 9 + [2])),
        "condition": int(rng.choice([3, 3, 3, 4, 4, 5])),
        "grade": int(np.clip(round(rng.normal(7.6 + 1.5 * size, 0.7)), 5, 12)),
        "sqft_above": living - basement,
        "sqft_basement": basement,
        "yr_built": built,
        "yr_renovated": int(rng.integers(built, 2015)) if rng.random() < 0.04 else 0,
        "zipcode": zipcode,
        "lat": round(zone["lat"] + north / 111.2, 4),
        "long": round(zone["long"] + east / 75.1, 4),
        "sqft_living15": int(np.clip(living * rng.lognormal(0, 0.2), 600, 5_500)),
        "sqft_lot15": int(np.clip(lot * rng.lognormal(0, 0.3), 1_000, 100_000)),
    }


def with_unknown(
    home: Home, rng: np.random.Generator, most: int, known: set[str]
) -> Home:
    """Return a home of which up to `most` fields are unknown, those of `known` not."""
    free = [name for name in home if name not in known | {"zipcode"}]
    count = int(rng.integers(0, min(most, len(free)) + 1))
    return home | dict.fromkeys(rng.choice(free, count, replace=False).tolist())
