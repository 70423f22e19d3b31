"""Fit the champion: CatBoost's symmetric trees on the index-free log price."""

from dataclasses import replace
from typing import Any

import numpy as np

from housing_app.training import evaluate, groups, locations, symmetric
from housing_app.training.dataset import Sales
from housing_app.training.recipes import SEED, Files, Learned, Recipe, Tick
from housing_app.valuation import artifacts, comparables, features
from housing_app.valuation.features import FloatArray, Homes
from housing_app.valuation.kinds import catboost
from housing_app.valuation.surfaces import SURFACES

# loss, trees, learning rate. The mean of the two is better than either: squared
# errors see the level of a place, absolute ones are not misled by odd sales.
MEMBERS = (("RMSE", 1000, 0.08), ("MAE", 1500, 0.04))
_SPREAD_TREES, _QUICK_TREES, _SPREAD_FOLDS = 400, 500, 4
# How many fields masked copies of the sales lack, each with the same chance.
_MASKED = np.array([1, 1, 2, 2, 3, 3, 4, 5, 6, 8, 10, 12, 15])
_MASKED_WEIGHT = 0.5
_SPREAD_FLOOR, _SPREAD_CAP = 0.02, 0.7  # log price
# A model regresses to the mean: beyond 0.3 from the middle, log prices are stretched.
_STRETCH = {"beyond": 0.3, "above": 0.07, "below": 0.03}


def fit(
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
        "price.npz": artifacts.npz(symmetric.shipped(price)),
        "price_unknown.npz": artifacts.npz(symmetric.shipped(unsure)),
        "spread.npz": artifacts.npz(symmetric.shipped(spread)),
        "reasons.npz": artifacts.npz(symmetric.reasons(price)),
        "reasons_unknown.npz": artifacts.npz(symmetric.reasons(unsure)),
    }
    model: dict[str, Any] = {
        "target": "log_price",
        "trees": len(price["feature"]),
        "index": {"trend": base.trend, "season": base.season, "level": 0.0},
        "stretch": _STRETCH | {"middle": float(base.target.mean())},
    }
    if recipe.slot == "full":
        grid = locations.surfaces(locations.places(known, base))
        files["surfaces.npz"] = artifacts.npz({"values": grid.values})
        model["surfaces"] = {"west": grid.west, "south": grid.south, "step": grid.step}
    columns = features.columns(learned.homes, learned.joined)
    columns.update(place)
    arrays, model["comparables"] = groups.comparables(
        known, columns, base, recipe.slot, keep_sales=recipe.keep_sales
    )
    files[comparables.FILE] = artifacts.npz(arrays)
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
        for loss, trees, rate in MEMBERS
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
        local = name in SURFACES
        columns[name] = np.where(unplaced & local, np.nan, values)
    return features.matrix(columns, recipe.features)


def ticks(recipe: Recipe) -> int:
    """Return how far a fit ticks in all."""
    members = 2 * sum(recipe.trees or trees for _, trees, _ in MEMBERS)
    quick = min(recipe.trees or _QUICK_TREES, _QUICK_TREES)
    spread = min(recipe.trees or _SPREAD_TREES, _SPREAD_TREES)
    return members + _SPREAD_FOLDS * quick + spread
