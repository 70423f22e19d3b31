"""Comparable sales: which homes like this one sold, and for how much.

Likeness is measured in price: the distance between two homes is the difference of
their log prices to be expected from what differs between them, so a storey and a
street count for what the market pays for them. A comparable stands for a group of at
least five like sales of a zipcode, or for one sale where a model was trained with
--keep-sales on its owner's data.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from housing_app.valuation import features
from housing_app.valuation.features import Columns, FloatArray

FILE = "comparables.npz"
MOST = 20
# What is shown of a comparable's typical home.
SHOWN = ("bedrooms", "bathrooms", "sqft_living", "sqft_lot", "grade", "yr_built")
_JUDGED = 5  # comparables whose prices a valuation is held against
_REACH = 0.1  # log price; how fast their say fades


@dataclass(frozen=True)
class Comparables:
    """Hold groups of sales, in the order of the artifact.

    points: (groups, columns), each column divided by its step in log price.
    homes: (groups, 17) medians of the fields; prices: median dollars; per_sqft:
    median dollars per square foot; levels: median index-free log prices; counts;
    days: median ordinals of sale.
    """

    columns: Sequence[str]
    steps: FloatArray
    points: FloatArray
    homes: FloatArray
    prices: FloatArray
    per_sqft: FloatArray
    levels: FloatArray
    counts: FloatArray
    days: FloatArray
    zipcodes: npt.NDArray[np.str_]
    far: float  # no nearer group than this: unlike the training homes
    apart: float  # log price; further from its comparables than nearly all valuations

    def distances(self, columns: Columns) -> FloatArray:
        """Return (n, groups) expected differences of log price.

        What is unknown of a home differs from nothing.
        """
        found = features.matrix(columns, self.columns) / self.steps
        known = ~np.isnan(found)
        found = np.where(known, found, 0.0)
        squared = (
            (found**2).sum(axis=1)[:, None]
            - 2 * found @ self.points.T
            + known.astype(np.float64) @ (self.points**2).T
        )
        return np.asarray(np.sqrt(np.maximum(squared, 0)))

    def gaps(self, distances: FloatArray, levels: FloatArray) -> FloatArray:
        """Return how far log prices lie from those of the nearest comparables.

        levels: (n,) index-free log prices.
        """
        count = min(_JUDGED, distances.shape[1])
        near = np.argpartition(distances, count - 1, axis=1)[:, :count]
        away = np.take_along_axis(distances, near, 1)
        # From the nearest on, so that the weights of far homes do not all fade to 0.
        weight = np.exp((away.min(axis=1, keepdims=True) - away) / _REACH)
        theirs = (weight * self.levels[near]).sum(axis=1) / weight.sum(axis=1)
        return np.asarray(np.abs(levels - theirs))

    def nearest(
        self, distances: FloatArray, count: int, lat: FloatArray, long: FloatArray
    ) -> list[list[dict[str, Any]]]:
        """Return each home's most similar comparables, best first."""
        count = min(count, distances.shape[1])
        if count < distances.shape[1]:
            near = np.argpartition(distances, count - 1, axis=1)[:, :count]
        else:
            near = np.tile(np.arange(count), (len(distances), 1))
        away = np.take_along_axis(distances, near, 1)
        order = np.lexsort((near, away))
        near = np.take_along_axis(near, order, 1)
        away = np.take_along_axis(away, order, 1)
        at = features.POSITION
        km = features.distance_km(
            lat[:, None],
            long[:, None],
            self.homes[near, at["lat"]],
            self.homes[near, at["long"]],
        )
        return [
            [
                self._describe(group, similarity, kilometres)
                for group, similarity, kilometres in zip(*row, strict=True)
            ]
            for row in zip(
                near.tolist(), np.exp(-away).tolist(), km.tolist(), strict=True
            )
        ]

    def _describe(self, group: int, similarity: float, km: float) -> dict[str, Any]:
        told = self._told(group)
        return told | {
            "typical_home": dict(told["typical_home"]),
            "distance_km": None if np.isnan(km) else round(km, 2),
            "similarity": round(similarity, 3),
        }

    def _told(self, group: int) -> dict[str, Any]:
        told = self._cache.get(group)
        if told is None:
            home, at = self.homes[group], features.POSITION
            told = {
                "zipcode": str(self.zipcodes[group]),
                "sales": int(self.counts[group]),
                "median_price": round(float(self.prices[group]), 2),
                "price_per_sqft": round(float(self.per_sqft[group]), 2),
                "month": date.fromordinal(int(self.days[group])).strftime("%Y-%m"),
                "typical_home": {name: float(home[at[name]]) for name in SHOWN},
                "lat": round(float(home[at["lat"]]), 4),
                "long": round(float(home[at["long"]]), 4),
            }
            self._cache[group] = told
        return told

    @cached_property
    def _cache(self) -> dict[int, dict[str, Any]]:
        return {}


def load(directory: Path, options: Mapping[str, Any]) -> Comparables:
    """Open the comparables of a verified artifact."""
    with np.load(directory / FILE, allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    steps = np.array(options["steps"])
    if len({len(array) for array in arrays.values()}) != 1:
        raise ValueError("comparables have parts of different lengths")
    if not arrays["points"].shape[1] == len(steps) == len(options["columns"]):
        raise ValueError("comparables do not fit their columns")
    return Comparables(
        columns=options["columns"],
        steps=steps,
        far=options["far"],
        apart=options["apart"],
        **arrays,
    )
