"""Recipes: which columns a model takes, and what is learned before any fit."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from housing_app.demographics import Demographics
from housing_app.training import locations
from housing_app.training.census import MODEL_COLUMNS
from housing_app.training.dataset import Sales, SalesError
from housing_app.valuation import features
from housing_app.valuation.features import FloatArray, Homes, Slot
from housing_app.valuation.surfaces import SURFACES

SEED = 20150331
KINDS = ("knn", "lightgbm", "catboost")

Tick = Callable[[int], object]
Files = dict[str, bytes]

# The champion's columns. Two rules: columns of living space and grade only rise with
# them (features.RISING), and columns of the place know nothing of the home itself.
_OWN_FULL = tuple(name for name in features.NAMES if name not in ("lat", "long"))
_OWN_MINIMAL = tuple(f.name for f in features.slot_features("minimal"))
_FULL = (
    *_OWN_FULL,
    *("effective_year", "lot_relative", "living_per_bedroom", "living_relative"),
    *("grade_living", "east", "north", "to_seattle", "to_bellevue", "to_redmond"),
    *SURFACES,
    *locations.ZIP_COLUMNS["full"],
    *MODEL_COLUMNS,
)
_MINIMAL = (
    *_OWN_MINIMAL,
    *("living_per_bedroom", "lot_floors"),
    *locations.ZIP_COLUMNS["minimal"],
    *MODEL_COLUMNS,
)
_LIGHTGBM = {
    "full": (
        *features.NAMES,
        *("age", "years_since_work", "north_east", "north_west", "lot_to_neighbours"),
        *("months", "zip_per_sqft"),
        *MODEL_COLUMNS,
    ),
    "minimal": (*_OWN_MINIMAL, "months", "zip_per_sqft", *MODEL_COLUMNS),
}


@dataclass(frozen=True)
class Recipe:
    """Say what to fit; the defaults are what ships."""

    kind: str
    slot: Slot
    keep_sales: bool = False
    columns: tuple[str, ...] | None = None  # a knn's columns, in order
    neighbours: int | None = None
    weights: str | None = None
    trees: int | None = None  # fewer make a quick draft
    without_demographics: bool = False  # to see what they are worth

    @property
    def features(self) -> list[str]:
        """Return the model's columns, in order."""
        if self.columns is not None:
            names = self.columns
        elif self.kind == "catboost":
            names = _FULL if self.slot == "full" else _MINIMAL
        elif self.kind == "lightgbm":
            names = _LIGHTGBM[self.slot]
        else:
            names = (*_OWN_MINIMAL, *MODEL_COLUMNS)
        left_out = MODEL_COLUMNS if self.without_demographics else ()
        return [name for name in names if name not in left_out]

    def to_json(self) -> dict[str, Any]:
        """Return what is not as it ships, as JSON keeps it."""
        usual = Recipe(self.kind, self.slot)
        found = {k: v for k, v in vars(self).items() if v != getattr(usual, k)}
        if self.columns is not None:
            found["columns"] = list(self.columns)
        return found

    def demographics(self, available: Demographics) -> list[str]:
        """Return the columns that come from the demographics."""
        own = features.OWN.union(locations.ZIP_COLUMNS[self.slot])
        if self.kind != "catboost":
            own -= set(SURFACES)
        names = [name for name in self.features if name not in own]
        available.require(names, f"{self.kind} ({self.slot})")
        return names


@dataclass(frozen=True)
class Fitted:
    """Hold what a fit learned, ready to be written."""

    files: Files
    model: dict[str, Any]
    fill: dict[str, float]
    area: dict[str, dict[str, float]]
    demographics: list[str]


@dataclass(frozen=True)
class Learned:
    """Hold what every kind learns before its own fit."""

    base: locations.Hedonic
    fitted: Fitted
    joined: dict[str, FloatArray]  # columns from demographics and of the zipcode
    homes: Homes  # no value unknown


def learn(recipe: Recipe, sales: Sales, demographics: Demographics) -> Learned:
    """Return all that is learned but the model itself."""
    names = recipe.demographics(demographics)
    found = demographics.join(sales.homes.zipcodes, names)
    if names and np.isnan(found).all():
        raise SalesError(f"{demographics.source}: has none of the sales' zipcodes")
    both = np.column_stack([sales.homes.values, found])
    needed = [*features.NAMES, *names]
    nothing = np.asarray(np.all(np.isnan(both), axis=0))
    for name, empty in zip(needed, nothing, strict=True):
        if empty:
            raise SalesError(f"{name} is unknown in every sale: nothing to learn from")
    typical = np.nanmedian(both, axis=0)
    both = np.where(np.isnan(both), typical, both)
    fill = dict(zip(needed, typical.tolist(), strict=True))
    homes = sales.homes._replace(values=both[:, : len(features.NAMES)])
    joined = dict(zip(names, both[:, len(features.NAMES) :].T, strict=True))
    known = replace(sales, homes=homes)
    base = locations.hedonic(known, recipe.slot)
    area = locations.area(known, base, recipe.slot)
    if not area:
        text = f"no zipcode has {locations.MIN_GROUP} sales, the fewest to learn from"
        raise SalesError(text)
    zones = locations.ZIP_COLUMNS[recipe.slot]
    whole = locations.zip_values(known, base, recipe.slot).mean(axis=0)
    fill |= dict(zip(zones, whole.tolist(), strict=True))
    for name in zones:
        values = [area.get(z, fill)[name] for z in homes.zipcodes]
        joined[name] = np.array(values)
    columns = features.columns(homes, joined)
    for name in recipe.features:
        if name not in SURFACES:
            fill.setdefault(name, float(np.median(columns[name])))
    return Learned(base, Fitted({}, {}, fill, area, names), joined, homes)


def column_list(path: Path) -> tuple[str, ...]:
    """Read a JSON list of column names, as `model_features.json` holds one."""
    try:
        names = json.loads(path.read_bytes())
    except ValueError:
        names = None
    if (
        not isinstance(names, list)
        or not names
        or not all(isinstance(name, str) for name in names)
    ):
        raise SalesError(f"{path}: not a JSON list of column names")
    return tuple(names)
