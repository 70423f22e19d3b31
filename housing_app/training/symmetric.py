"""Fit CatBoost's symmetric trees and turn them into arrays."""

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import factorial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from housing_app.training.dataset import Mask, SalesError
from housing_app.valuation.features import FloatArray

Arrays = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Data:
    """Hold what a forest learns from.

    rising: which columns may never lower the outcome; none where it is empty.
    """

    rows: FloatArray
    target: FloatArray
    weight: FloatArray
    rising: Sequence[bool] = ()

    def where(self, mask: Mask) -> "Data":
        """Return the masked rows."""
        return Data(self.rows[mask], self.target[mask], self.weight[mask], self.rising)


def fit(
    data: Data, options: Mapping[str, Any], tick: Callable[[int], object]
) -> Arrays:
    """Fit one forest; return feature, border, value, cover and bias.

    One thread and a fixed seed: the same bytes again from the same sales.
    """
    # Deferred: only training needs it, and it is a package of 100 MB (extra `train`).
    try:
        import catboost
    except ImportError:
        raise SalesError("catboost is not installed: pip install catboost") from None

    # CatBoost drops its own average under monotone constraints.
    centre = float(np.average(data.target, weights=data.weight))
    given: dict[str, Any] = {
        "depth": 6,
        "l2_leaf_reg": 3,
        "rsm": 0.4,
        "bootstrap_type": "Bernoulli",
        "subsample": 0.7,
        "border_count": 128,
        "nan_mode": "Min",
        "thread_count": 1,
        "verbose": 0,
        "allow_writing_files": False,
    } | dict(options)
    if any(data.rising):
        given["monotone_constraints"] = [int(up) for up in data.rising]
    pool = catboost.Pool(data.rows, data.target - centre, weight=data.weight)
    model = catboost.CatBoostRegressor(**given).fit(pool)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.json"
        model.save_model(str(path), format="json")
        arrays = from_json(json.loads(path.read_bytes()))
    arrays["bias"] = arrays["bias"] + centre
    tick(int(given["iterations"]))
    return arrays


def from_json(model: Mapping[str, Any]) -> Arrays:
    """Return the arrays of a CatBoost JSON model of float columns."""
    trees = model["oblivious_trees"]
    depth = max(len(tree["splits"] or []) for tree in trees)
    feature = np.zeros((len(trees), depth), np.int32)
    border = np.full((len(trees), depth), np.inf, np.float32)  # unused: never above
    value = np.zeros((len(trees), 1 << depth))
    cover = np.zeros((len(trees), 1 << depth))
    for i, tree in enumerate(trees):
        for k, split in enumerate(tree["splits"] or []):
            feature[i, k] = split["float_feature_index"]
            border[i, k] = split["border"]
        leaves = len(tree["leaf_values"])
        value[i, :leaves] = tree["leaf_values"]
        cover[i, :leaves] = tree["leaf_weights"]
    scale, bias = model["scale_and_bias"]
    bias = bias[0] if isinstance(bias, list) else bias
    return {
        "feature": feature,
        "border": border,
        "value": value * scale,
        "cover": cover,
        "bias": np.array(bias, dtype=np.float64),
    }


def combine(forests: Sequence[Arrays], weights: Sequence[float]) -> Arrays:
    """Return one forest that gives the weighted mean of forests of one depth."""
    together = {
        name: np.concatenate([forest[name] for forest in forests])
        for name in ("feature", "border", "cover")
    }
    pairs = list(zip(forests, weights, strict=True))
    together["value"] = np.concatenate([f["value"] * weight for f, weight in pairs])
    together["bias"] = np.array(sum(f["bias"] * weight for f, weight in pairs))
    return together


def shipped(forest: Arrays) -> Arrays:
    """Return what evaluation needs: not how many sales a leaf holds."""
    return {name: array for name, array in forest.items() if name != "cover"}


# --- reasons ------------------------------------------------------------------------


def reasons(forest: Arrays) -> Arrays:
    """Return exact path-dependent TreeSHAP values of every leaf.

    share: (trees * 2**depth, depth) float32; its column j belongs to the model column
    feature[tree, j]. Lundberg, Erion & Lee (2018); a symmetric tree has at most
    2**depth coalitions, so all are gone through, for all trees of a shape at once.
    """
    trees, depth = forest["feature"].shape
    share = np.zeros((trees, 1 << depth, depth))
    owner = np.zeros((trees, depth), np.int32)
    used = np.isfinite(forest["border"])
    shapes: dict[tuple[tuple[int, ...], ...], list[int]] = {}
    for t in range(trees):
        levels: dict[int, list[int]] = {}
        for k in np.flatnonzero(used[t]).tolist():
            levels.setdefault(int(forest["feature"][t, k]), []).append(k)
        owner[t, : len(levels)] = list(levels)
        shapes.setdefault(tuple(map(tuple, levels.values())), []).append(t)
    for players, members in shapes.items():
        value, cover = forest["value"][members], forest["cover"][members]
        share[members] = _shapley(players, value, cover, depth)
    flat = share.reshape(trees << depth, depth)
    return {"share": flat.astype(np.float32), "feature": owner}


def _shapley(
    players: tuple[tuple[int, ...], ...],
    value: FloatArray,
    cover: FloatArray,
    depth: int,
) -> FloatArray:
    """Return (trees, leaves, depth) Shapley values of trees of one shape."""
    count = len(players)
    levels = sorted(level for player in players for level in player)
    worth = {
        team: _expected(value, cover, levels, {k for j in team for k in players[j]})
        for size in range(count + 1)
        for team in combinations(range(count), size)
    }
    found = np.zeros((*value.shape, depth))
    for j in range(count):
        others = [q for q in range(count) if q != j]
        for size in range(count):
            weight = factorial(size) * factorial(count - size - 1) / factorial(count)
            for team in combinations(others, size):
                joined = tuple(sorted((*team, j)))
                found[:, :, j] += weight * (worth[joined] - worth[team])
    return found


def _expected(
    value: FloatArray, cover: FloatArray, levels: list[int], known: set[int]
) -> FloatArray:
    """Return each leaf's expected value when only the known levels are as they are.

    CatBoost's root is the last level, so expectations are taken from level 0 up.
    """
    index = np.arange(value.shape[1])
    for k in levels:
        if k not in known:
            other = index ^ (1 << k)
            total = cover + cover[:, other]
            with np.errstate(invalid="ignore", divide="ignore"):
                mean = (cover * value + cover[:, other] * value[:, other]) / total
            value = np.where(total > 0, mean, (value + value[:, other]) / 2)
        cover = cover + cover[:, index ^ (1 << k)]
    return value
