"""Fit each kind of model: sales in, an artifact's files out."""

import io
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import numpy.typing as npt
from sklearn.cluster import KMeans
from sklearn.preprocessing import RobustScaler

from housing_app.demographics import Demographics
from housing_app.training.census import MODEL_COLUMNS
from housing_app.training.dataset import Sales, SalesError
from housing_app.valuation import features
from housing_app.valuation.features import FloatArray, Slot

MIN_GROUP = 5  # sales; the fewest that any stored value may stand for
SEED = 20150331
_SALES_PER_GROUP = 9

Tick = Callable[[], object]
Area = dict[str, dict[str, float]]


@dataclass(frozen=True)
class Recipe:
    """Say what to fit; the defaults are what ships."""

    kind: str
    slot: Slot
    keep_sales: bool = False
    columns: tuple[str, ...] | None = None  # a knn's columns, in order
    neighbours: int | None = None
    weights: str | None = None
    trees: int = 500

    @property
    def features(self) -> list[str]:
        """Return the model's columns, in order."""
        if self.columns is not None:
            return list(self.columns)
        if self.kind == "knn":
            core = [f.name for f in features.slot_features("minimal")]
            return [*core, *MODEL_COLUMNS]
        own = [f.name for f in features.slot_features(self.slot)]
        if self.slot == "minimal":
            return [*own, "months", "zipcode_level", *MODEL_COLUMNS]
        made = ["age", "years_since_work", "north_east", "north_west"]
        made += ["lot_to_neighbours", "months", "zipcode_level"]
        return [*own, *made, *MODEL_COLUMNS]

    def demographics(self, available: Demographics) -> list[str]:
        """Return the columns that come from the demographics."""
        own = {*features.NAMES, "months", "zipcode_level", "age", "years_since_work"}
        own |= {"north_east", "north_west", "lot_to_neighbours"}
        names = [name for name in self.features if name not in own]
        available.require(names, f"{self.kind} ({self.slot})")
        return names


@dataclass(frozen=True)
class Fitted:
    """Hold what a fit learned, ready to be written."""

    files: dict[str, bytes]
    model: dict[str, Any]
    fill: dict[str, float]
    area: Area
    demographics: list[str] = field(default_factory=list)


def fit(recipe: Recipe, sales: Sales, demographics: Demographics, tick: Tick) -> Fitted:
    """Fit one model on all the sales given; `tick` is called as it goes on."""
    if len(sales) < 200:
        raise SalesError(f"{len(sales)} sales are too few to train on; 200 are needed")
    rows, learned = learn(recipe, sales, demographics)
    fitter = _fit_knn if recipe.kind == "knn" else _fit_lightgbm
    files, model = fitter(recipe, sales, rows, learned.fill, tick)
    return replace(learned, files=files, model=model)


def learn(
    recipe: Recipe, sales: Sales, demographics: Demographics
) -> tuple[FloatArray, Fitted]:
    """Return the recipe's feature rows, and all that is learned but the model."""
    names = recipe.demographics(demographics)
    joined = demographics.join(sales.homes.zipcodes, names)
    if names and np.isnan(joined).all():
        raise SalesError(f"{demographics.source}: has none of the sales' zipcodes")
    area = learn_area(sales)
    if not area:
        raise SalesError(f"no zipcode has {MIN_GROUP} sales, the fewest to learn from")
    _check_known(sales, joined, names)
    fill = _medians(sales, joined, names)
    known = np.where(np.isnan(joined), [fill[name] for name in names], joined)
    columns = features.columns(sales.homes, known, names, area)
    rows = features.matrix(columns, recipe.features)
    fill |= dict(zip(recipe.features, np.nanmedian(rows, axis=0).tolist(), strict=True))
    return rows, Fitted({}, {}, fill, area, names)


def learn_area(sales: Sales) -> Area:
    """Return what training knows of each zipcode with at least `MIN_GROUP` sales.

    level: median log price per sqft. lat, long: the middle of its homes. radius_km:
    the distance that 99 % of them lie within.
    """
    zipcodes = np.asarray(sales.homes.zipcodes)
    column = {n: sales.homes.values[:, i] for n, i in features.POSITION.items()}
    level = np.log(sales.prices / column["sqft_living"])
    area: Area = {}
    for zipcode in np.unique(zipcodes):
        here = zipcodes == zipcode
        if here.sum() < MIN_GROUP:
            continue
        lat, long = column["lat"][here], column["long"][here]
        middle = np.array([np.nanmedian(lat), np.nanmedian(long)]).round(4)
        away = features.distance_km(lat, long, middle[0], middle[1])
        area[str(zipcode)] = {
            "count": int(here.sum()),
            "level": round(float(np.nanmedian(level[here])), 6),
            "lat": float(middle[0]),
            "long": float(middle[1]),
            "radius_km": round(float(np.nanquantile(away, 0.99)), 2),
        }
    return area


def _check_known(sales: Sales, joined: FloatArray, names: list[str]) -> None:
    both = np.column_stack([sales.homes.values, joined])
    nothing = np.asarray(np.all(np.isnan(both), axis=0))
    for name, empty in zip([*features.NAMES, *names], nothing, strict=True):
        if empty:
            raise SalesError(f"{name} is unknown in every sale: nothing to learn from")


def _medians(sales: Sales, joined: FloatArray, names: list[str]) -> dict[str, float]:
    both = np.column_stack([sales.homes.values, joined])
    keys = [*features.NAMES, *names]
    return dict(zip(keys, np.nanmedian(both, axis=0).tolist(), strict=True))


def _fit_lightgbm(
    recipe: Recipe,
    sales: Sales,
    rows: FloatArray,
    fill: Mapping[str, float],
    tick: Tick,
) -> tuple[dict[str, bytes], dict[str, Any]]:
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
        num_boost_round=recipe.trees,
        callbacks=[lambda _: tick()],
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
    fill: Mapping[str, float],
    tick: Tick,
) -> tuple[dict[str, bytes], dict[str, Any]]:
    known = np.where(np.isnan(rows), [fill[name] for name in recipe.features], rows)
    scaler = RobustScaler().fit(known)
    points, prices = scaler.transform(known), sales.prices
    counts = np.ones(len(points))
    if not recipe.keep_sales:
        points, prices, counts = _group(points, sales, tick)
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


def _group(
    points: FloatArray, sales: Sales, tick: Tick
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return groups of at least `MIN_GROUP` like sales of one zipcode.

    A group is the mean point, the median price and the count of its sales; sales of
    zipcodes with fewer than `MIN_GROUP` are left out.
    """
    zipcodes = np.asarray(sales.homes.zipcodes)
    groups: list[tuple[FloatArray, float, int]] = []
    for zipcode in np.unique(zipcodes):
        here = np.flatnonzero(zipcodes == zipcode)
        if here.size >= MIN_GROUP:
            for members in _clusters(points[here]):
                inside = here[members]
                price = float(np.median(sales.prices[inside]))
                groups.append((points[inside].mean(axis=0), price, inside.size))
        tick()
    found, prices, counts = zip(*groups, strict=True)
    return np.array(found), np.array(prices), np.array(counts, dtype=np.float64)


def _clusters(points: FloatArray) -> list[npt.NDArray[np.intp]]:
    """Return the members of k-means clusters, small ones merged into the nearest."""
    wanted = max(1, len(points) // _SALES_PER_GROUP)
    labels = KMeans(wanted, n_init=1, random_state=SEED).fit(points).labels_
    while True:
        names, counts = np.unique(labels, return_counts=True)
        if counts.min() >= MIN_GROUP:
            return [np.flatnonzero(labels == name) for name in names]
        small = names[counts.argmin()]
        others = names[names != small]
        middles = np.array([points[labels == name].mean(axis=0) for name in others])
        middle = points[labels == small].mean(axis=0)
        nearest = others[np.linalg.norm(middles - middle, axis=1).argmin()]
        labels = np.where(labels == small, nearest, labels)


def npy_files(arrays: Mapping[str, FloatArray]) -> dict[str, bytes]:
    """Return arrays as the bytes of .npy files, by name."""
    files = {}
    for name, array in arrays.items():
        buffer = io.BytesIO()
        plain = np.ascontiguousarray(array, dtype=np.float64)
        np.save(buffer, plain, allow_pickle=False)
        files[name] = buffer.getvalue()
    return files


def ticks(recipe: Recipe, sales: Sales) -> int:
    """Return how often a fit calls its `tick`."""
    if recipe.kind != "knn":
        return recipe.trees
    return 0 if recipe.keep_sales else len(set(sales.homes.zipcodes))


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
