"""Fit each kind of model: sales in, an artifact's files out."""

import re
from dataclasses import replace
from typing import Any

import lightgbm
import numpy as np
from sklearn.preprocessing import RobustScaler

from housing_app.demographics import Demographics
from housing_app.training import champion, groups
from housing_app.training.dataset import Sales, SalesError
from housing_app.training.recipes import SEED, Files, Fitted, Recipe, Tick, learn
from housing_app.valuation import artifacts, features
from housing_app.valuation.artifacts import Manifest
from housing_app.valuation.features import FloatArray, Slot

_LIGHTGBM_TREES = 500


def fit(recipe: Recipe, sales: Sales, demographics: Demographics, tick: Tick) -> Fitted:
    """Fit one model on all the sales given; `tick` is called as it goes on."""
    learned = learn(recipe, sales, demographics)
    if recipe.kind == "catboost":
        files, model = champion.fit(recipe, sales, learned, tick)
    else:
        fitter = _fit_knn if recipe.kind == "knn" else _fit_lightgbm
        columns = features.columns(learned.homes, learned.joined)
        rows = features.matrix(columns, recipe.features)
        files, model = fitter(recipe, sales, rows, tick)
    return replace(learned.fitted, files=files, model=model)


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
    return artifacts.npy_files(arrays), model


def ticks(recipe: Recipe, sales: Sales) -> int:
    """Return how far a fit ticks in all."""
    if recipe.kind == "catboost":
        return champion.ticks(recipe)
    if recipe.kind == "lightgbm":
        return recipe.trees or _LIGHTGBM_TREES
    return 0 if recipe.keep_sales else len(set(sales.homes.zipcodes))


def recipe_of(manifest: Manifest) -> Recipe:
    """Return the recipe of an artifact, down to its columns, to be judged again."""
    slot: Slot = "minimal" if manifest.slot == "minimal" else "full"
    made, columns = manifest.model, tuple(manifest.features)
    if manifest.kind == "knn":
        single, k, weights = (made[name] for name in ("single_sales", "k", "weights"))
        return Recipe("knn", slot, single, columns, k, weights)
    trees = made["trees"]
    if manifest.kind == "catboost":
        usual = sum(count for _, count, _ in champion.MEMBERS)
        trees = None if trees == usual else trees // len(champion.MEMBERS)
    return Recipe(manifest.kind, slot, columns=columns, trees=trees)


def recipe_asked(manifest: Manifest) -> Recipe:
    """Return the recipe an artifact was trained by, to train its successor by.

    What it left to the code is left to the code as it is now.
    """
    slot: Slot = "minimal" if manifest.slot == "minimal" else "full"
    usual = Recipe(manifest.kind, slot)
    if "recipe" in manifest.training:
        told = dict(manifest.training["recipe"])
        if "columns" in told:
            told["columns"] = tuple(told["columns"])
        return replace(usual, **told)
    found = recipe_of(manifest)
    return replace(found, columns=None) if found.features == usual.features else found
