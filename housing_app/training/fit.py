"""Fit each kind of model: sales in, an artifact's files out."""

import io
import json
import re
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import numpy.typing as npt
from sklearn.preprocessing import RobustScaler

from housing_app.demographics import Demographics
from housing_app.training import evaluate, groups, locations, symmetric
from housing_app.training.census import MODEL_COLUMNS
from housing_app.training.dataset import Sales, SalesError
from housing_app.valuation import comparables, features
from housing_app.valuation.artifacts import Manifest
from housing_app.valuation.features import FloatArray, Homes, Slot
from housing_app.valuation.kinds import catboost

SEED = 20150331
_LIGHTGBM_TREES = 500
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
    *features.SURFACES,
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

    def demographics(self, available: Demographics) -> list[str]:
        """Return the columns that come from the demographics."""
        own = features.OWN.union(locations.ZIP_COLUMNS[self.slot])
        if self.kind != "catboost":
            own -= set(features.SURFACES)
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


def fit(recipe: Recipe, sales: Sales, demographics: Demographics, tick: Tick) -> Fitted:
    """Fit one model on all the sales given; `tick` is called as it goes on."""
    learned = learn(recipe, sales, demographics)
    if recipe.kind == "catboost":
        files, model = _fit_catboost(recipe, sales, learned, tick)
    else:
        fitter = _fit_knn if recipe.kind == "knn" else _fit_lightgbm
        columns = features.columns(learned.homes, learned.joined)
        rows = features.matrix(columns, recipe.features)
        files, model = fitter(recipe, sales, rows, tick)
    return replace(learned.fitted, files=files, model=model)


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
        if name not in features.SURFACES:
            fill.setdefault(name, float(np.median(columns[name])))
    return Learned(base, Fitted({}, {}, fill, area, names), joined, homes)


# --- the champion -------------------------------------------------------------------

# loss, trees, learning rate. The mean of the two is better than either: squared
# errors see the level of a place, absolute ones are not misled by odd sales.
_MEMBERS = (("RMSE", 1000, 0.08), ("MAE", 1500, 0.04))
_SPREAD_TREES, _QUICK_TREES, _SPREAD_FOLDS = 400, 500, 4
# How many fields masked copies of the sales lack, each with the same chance.
_MASKED = np.array([1, 1, 2, 2, 3, 3, 4, 5, 6, 8, 10, 12, 15])
_MASKED_WEIGHT = 0.5
_SPREAD_FLOOR, _SPREAD_CAP = 0.02, 0.7  # log price
# A model regresses to the mean: beyond 0.3 from the middle, log prices are stretched.
_STRETCH = {"beyond": 0.3, "above": 0.07, "below": 0.03}


def _fit_catboost(
    recipe: Recipe, sales: Sales, learned: Learned, tick: Tick
) -> tuple[Files, dict[str, Any]]:
    """Fit prices on the index-free log price, then the size of its errors.

    Two forests: one for complete homes, and one that saw each sale twice, whole and
    with random fields unknown. What a sale's place says of it is computed without it.
    """
    base = learned.base
    known = replace(sales, homes=learned.homes)
    place = locations.out_of_fold(known, base, recipe.slot)
    whole, both, missing = _training_rows(recipe, sales, learned, place)
    price = _fit_price(recipe, whole, tick)
    unsure = _fit_price(recipe, both, tick)
    spread = _fit_spread(recipe, sales, both, missing, tick)
    files = {
        "price.npz": npz(symmetric.shipped(price)),
        "price_unknown.npz": npz(symmetric.shipped(unsure)),
        "spread.npz": npz(symmetric.shipped(spread)),
        "reasons.npz": npz(symmetric.reasons(price)),
        "reasons_unknown.npz": npz(symmetric.reasons(unsure)),
    }
    model: dict[str, Any] = {
        "target": "log_price",
        "trees": len(price["feature"]),
        "index": {"trend": base.trend, "season": base.season, "level": 0.0},
        "stretch": _STRETCH | {"middle": float(base.target.mean())},
    }
    if recipe.slot == "full":
        grid = locations.surfaces(locations.places(known, base))
        files["surfaces.npz"] = npz({"values": grid.values})
        model["surfaces"] = {"west": grid.west, "south": grid.south, "step": grid.step}
    columns = features.columns(learned.homes, learned.joined)
    columns.update(place)
    arrays, model["comparables"] = groups.comparables(
        known, columns, base, recipe.slot, keep_sales=recipe.keep_sales
    )
    files[comparables.FILE] = npz(arrays)
    return files, model


def _training_rows(
    recipe: Recipe, sales: Sales, learned: Learned, place: dict[str, FloatArray]
) -> tuple[symmetric.Data, symmetric.Data, FloatArray]:
    """Return whole homes, whole and masked homes, and what the latter lack."""
    rng = np.random.default_rng(SEED)
    own = [features.POSITION[f.name] for f in features.slot_features(recipe.slot)]
    values = sales.homes.values
    lacking = np.isnan(values[:, own]).sum(axis=1)
    counts = rng.choice(_MASKED[len(own) > _MASKED], len(sales))
    masked = evaluate.mask(values, counts, own, rng)
    rows = [
        _rows(recipe, sales.homes._replace(values=version), learned, place)
        for version in (values, masked)
    ]
    rising = [name in features.RISING for name in recipe.features]
    target = learned.base.target
    whole = symmetric.Data(rows[0], target, np.ones(len(sales)), rising)
    weight = np.repeat([1.0, _MASKED_WEIGHT], len(sales))
    both = symmetric.Data(np.vstack(rows), np.tile(target, 2), weight, rising)
    missing = np.concatenate([lacking, np.maximum(counts, lacking)])
    return whole, both, missing.astype(np.float64)


def _fit_price(recipe: Recipe, data: symmetric.Data, tick: Tick) -> symmetric.Arrays:
    members = [
        symmetric.fit(
            data,
            {
                "loss_function": loss,
                "random_seed": SEED,
                "iterations": recipe.trees or trees,
                "learning_rate": rate,
            },
            tick,
        )
        for loss, trees, rate in _MEMBERS
    ]
    return symmetric.combine(members, [1 / len(members)] * len(members))


def _fit_spread(
    recipe: Recipe,
    sales: Sales,
    data: symmetric.Data,
    missing: FloatArray,
    tick: Tick,
) -> symmetric.Arrays:
    """Fit the log size of the errors a quick model makes on sales it did not see."""
    fold = np.tile(locations.folds(sales, _SPREAD_FOLDS, seed=7), 2)
    predicted = np.empty(len(missing))
    quick: dict[str, Any] = {"random_seed": 5, "learning_rate": 0.12, "depth": 5}
    quick["iterations"] = min(recipe.trees or _QUICK_TREES, _QUICK_TREES)
    for k in range(_SPREAD_FOLDS):
        out = fold == k
        forest = symmetric.fit(data.where(~out), quick, tick)
        predicted[out] = catboost.forest(forest).predict(data.rows[out])
    error = np.minimum(np.abs(data.target - predicted), _SPREAD_CAP)
    seen = np.column_stack([data.rows, predicted, missing])
    options = {
        "random_seed": 9,
        "iterations": min(recipe.trees or _SPREAD_TREES, _SPREAD_TREES),
        "depth": 5,
        "learning_rate": 0.05,
        "l2_leaf_reg": 30,
    }
    size = np.log(error + _SPREAD_FLOOR)
    return symmetric.fit(symmetric.Data(seen, size, data.weight), options, tick)


def _rows(
    recipe: Recipe, homes: Homes, learned: Learned, place: dict[str, FloatArray]
) -> FloatArray:
    homes = homes._replace(values=features.complete_areas(homes.values))
    columns = features.columns(homes, learned.joined)
    unplaced = np.isnan(columns["east"])
    for name, values in place.items():
        local = name in features.SURFACES
        columns[name] = np.where(unplaced & local, np.nan, values)
    return features.matrix(columns, recipe.features)


# --- the other kinds ----------------------------------------------------------------


def _fit_lightgbm(
    recipe: Recipe,
    sales: Sales,
    rows: FloatArray,
    tick: Tick,
) -> tuple[Files, dict[str, Any]]:
    options = {
        "objective": "regression",
        "learning_rate": 0.04,
        "num_leaves": 31,
        "min_data_in_leaf": 20,
        "feature_fraction": 0.5,
        "bagging_fraction": 0.8,
        "bagging_freq": 1,
        "lambda_l2": 1.0,
        # The same bytes again from the same sales, whatever the machine's cores.
        "seed": SEED,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": 1,
        "verbosity": -1,
    }
    data = lightgbm.Dataset(
        rows, np.log(sales.prices), feature_name=recipe.features, params=options
    )
    booster = lightgbm.train(
        options,
        data,
        num_boost_round=recipe.trees or _LIGHTGBM_TREES,
        callbacks=[lambda _: tick(1)],
    )
    text = booster.model_to_string(num_iteration=-1)
    # This line holds each column's extremes: values of single homes, and not needed.
    none = " ".join(["none"] * rows.shape[1])
    text = re.sub("^feature_infos=.*$", f"feature_infos={none}", text, flags=re.M)
    model = {"target": "log_price", "trees": booster.num_trees(), "options": options}
    return {"price.txt": text.encode("ascii")}, model


def _fit_knn(
    recipe: Recipe,
    sales: Sales,
    rows: FloatArray,
    tick: Tick,
) -> tuple[Files, dict[str, Any]]:
    scaler = RobustScaler().fit(rows)
    points, prices = scaler.transform(rows), sales.prices
    counts = np.ones(len(points))
    if not recipe.keep_sales:
        points, prices, counts = groups.means(points, sales, tick)
    arrays = {
        "points.npy": points,
        "prices.npy": prices,
        "counts.npy": counts,
        "center.npy": scaler.center_,
        "scale.npy": scaler.scale_,
    }
    wanted = recipe.neighbours or 1
    if wanted > len(points):
        raise SalesError(f"{wanted} neighbours are more than the {len(points)} points")
    model = {
        "target": "price",
        "k": recipe.neighbours or (5 if recipe.keep_sales else 3),
        "weights": recipe.weights or ("uniform" if recipe.keep_sales else "distance"),
        "single_sales": recipe.keep_sales,
        "points": len(points),
    }
    return npy_files(arrays), model


def npy_files(arrays: Mapping[str, FloatArray]) -> dict[str, bytes]:
    """Return arrays as the bytes of .npy files, by name."""
    files = {}
    for name, array in arrays.items():
        buffer = io.BytesIO()
        plain = np.ascontiguousarray(array, dtype=np.float64)
        np.save(buffer, plain, allow_pickle=False)
        files[name] = buffer.getvalue()
    return files


def npz(arrays: Mapping[str, npt.NDArray[Any]]) -> bytes:
    """Return arrays as the bytes of one .npz file, the same bytes every time."""
    buffer = io.BytesIO()
    # Stored, not packed: other zlibs pack to other bytes.
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, array in sorted(arrays.items()):
            part = io.BytesIO()
            np.save(part, array, allow_pickle=False)
            # numpy's own savez would store the time of day.
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), part.getvalue())
    return buffer.getvalue()


def ticks(recipe: Recipe, sales: Sales) -> int:
    """Return how far a fit ticks in all."""
    if recipe.kind == "catboost":
        members = 2 * sum(recipe.trees or trees for _, trees, _ in _MEMBERS)
        quick = min(recipe.trees or _QUICK_TREES, _QUICK_TREES)
        spread = min(recipe.trees or _SPREAD_TREES, _SPREAD_TREES)
        return members + _SPREAD_FOLDS * quick + spread
    if recipe.kind == "lightgbm":
        return recipe.trees or _LIGHTGBM_TREES
    return 0 if recipe.keep_sales else len(set(sales.homes.zipcodes))


def recipe_of(manifest: Manifest) -> Recipe:
    """Return the recipe of an artifact, to be followed by the code as it is now."""
    slot: Slot = "minimal" if manifest.slot == "minimal" else "full"
    made, columns = manifest.model, tuple(manifest.features)
    if manifest.kind == "knn":
        single, k, weights = (made[name] for name in ("single_sales", "k", "weights"))
        return Recipe("knn", slot, single, columns, k, weights)
    trees = made["trees"]
    if manifest.kind == "catboost":
        usual = sum(count for _, count, _ in _MEMBERS)
        trees = None if trees == usual else trees // len(_MEMBERS)
    return Recipe(manifest.kind, slot, columns=columns, trees=trees)


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
