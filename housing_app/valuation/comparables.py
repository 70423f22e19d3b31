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
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from housing_app.valuation import features
from housing_app.valuation.features import Columns, FloatArray

FILE = "comparables.npz"
MOST = 20
# What is shown of a comparable's typical home.
SHOWN = ("bedrooms", "bathrooms", "sqft_living", "sqft_lot", "grade", "yr_built")
JUDGED = 5  # comparables whose prices a valuation is held against
_REACH = 0.1  # log price; how fast their say fades
_BLOCK = 64  # homes whose distances stay in the processor's cache


class Near(NamedTuple):
    """Hold each home's most similar groups, the most similar first.

    groups: (n, count) positions; away: (n, count) distances.
    """

    groups: npt.NDArray[np.intp]
    away: FloatArray


def closest(distances: FloatArray, count: int) -> Near:
    """Return the smallest of (n, groups) distances; of equal ones the first."""
    rows, most = distances.shape
    if count < most:
        groups = distances.argpartition(count - 1, axis=1)[:, :count]
        groups.sort(axis=1)
    else:
        groups = np.tile(np.arange(most), (rows, 1))
    row = np.arange(rows)[:, None]
    away = distances[row, groups]
    order = away.argsort(axis=1, kind="stable")
    return Near(groups[row, order], away[row, order])


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
        apart, own = self._squared(features.matrix(columns, self.columns) / self.steps)
        return np.asarray(np.sqrt(np.maximum(apart + own, 0)))

    def near(self, columns: Columns, count: int) -> Near:
        """Return the most similar groups and their distances."""
        rows = features.matrix(columns, self.columns) / self.steps
        if len(rows) <= _BLOCK:
            return self._near(rows, count)
        blocks = [
            self._near(rows[start : start + _BLOCK], count)
            for start in range(0, len(rows), _BLOCK)
        ]
        groups, away = map(np.concatenate, zip(*blocks, strict=True))
        return Near(groups, away)

    def _near(self, rows: FloatArray, count: int) -> Near:
        apart, own = self._squared(rows)
        groups, away = closest(apart, count)
        return Near(groups, np.sqrt(np.maximum(away + own, 0)))

    def _squared(self, rows: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return (n, groups) squared distances less the (n, 1) squares of the homes."""
        known = ~np.isnan(rows)
        sizes: FloatArray = self._sizes
        if not known.all():
            rows = np.where(known, rows, 0.0)
            sizes = known.astype(np.float64) @ self._squares
        apart = (-2 * rows) @ self._points
        apart += sizes
        return apart, (rows * rows).sum(axis=1, keepdims=True)

    @cached_property
    def _points(self) -> FloatArray:
        return np.ascontiguousarray(self.points.T)

    @cached_property
    def _squares(self) -> FloatArray:
        return np.asarray(self._points**2)

    @cached_property
    def _sizes(self) -> FloatArray:
        return np.asarray(self._squares.sum(axis=0))

    def gaps(self, near: Near, levels: FloatArray) -> FloatArray:
        """Return how far log prices lie from those of the nearest comparables.

        levels: (n,) index-free log prices.
        """
        groups, away = near.groups[:, :JUDGED], near.away[:, :JUDGED]
        # From the nearest on, so that the weights of far homes do not all fade to 0.
        weight = np.exp((away[:, :1] - away) / _REACH)
        theirs = (weight * self.levels[groups]).sum(axis=1) / weight.sum(axis=1)
        return np.asarray(np.abs(levels - theirs))

    def described(
        self, near: Near, lat: FloatArray, long: FloatArray
    ) -> list[list[dict[str, Any]]]:
        """Return comparables as an answer holds them."""
        groups = near.groups
        at = features.POSITION
        km = features.distance_km(
            lat[:, None],
            long[:, None],
            self.homes[groups, at["lat"]],
            self.homes[groups, at["long"]],
        )
        return [
            [
                self._describe(group, similarity, kilometres)
                for group, similarity, kilometres in zip(*row, strict=True)
            ]
            for row in zip(
                groups.tolist(), np.exp(-near.away).tolist(), km.tolist(), strict=True
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
