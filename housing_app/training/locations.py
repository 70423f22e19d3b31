"""What sales say about time and place: price index, zipcode levels, smoothed surfaces.

Nothing learned here stands for fewer than `MIN_GROUP` sales.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from housing_app.training.dataset import Mask, Sales
from housing_app.valuation import features, market
from housing_app.valuation.features import FloatArray, Slot
from housing_app.valuation.surfaces import SURFACES, Surfaces

MIN_GROUP = 5  # sales; the fewest that any stored value may stand for
# Eleven months cannot tell trend from season, so both are drawn to what such counties
# usually do: 0.6 % a month, and 1.8 % more in June than the year's mean.
_INDEX_PRIOR = np.array([0.0060, 0.018])
_INDEX_DOUBT = np.array([0.001, 0.003])
_NOISE = 0.15  # log; what a hedonic model leaves open
_FOLDS = 20
_STEP_KM, _MARGIN_KM, _REACH_KM = 0.3, 1.0, 1.5

ZIP_COLUMNS: dict[Slot, tuple[str, ...]] = {
    "full": ("zip_level", "zip_per_sqft"),
    "minimal": (
        "zip_level",
        "zip_per_sqft",
        "zip_north",
        "zip_east",
        "zip_grade",
        "zip_year",
        "zip_living15",
        "zip_lot15",
    ),
}


@dataclass(frozen=True)
class Hedonic:
    """Hold a simple model of all prices: an index, and what places add to it.

    trend, season: log price per month, and in June above the year's mean.
    level: (n,) what a sale's place adds, noise included; target: log price less index.
    """

    trend: float
    season: float
    level: FloatArray
    target: FloatArray


def hedonic(sales: Sales, slot: Slot) -> Hedonic:
    """Fit a robust ridge regression with zipcode effects, trend and season."""
    x = _hedonic_columns(sales, slot)
    x = (x - x.mean(axis=0)) / (x.std(axis=0) + 1e-9)
    zips, zone = np.unique(np.asarray(sales.homes.zipcodes), return_inverse=True)
    when = market.basis(sales.homes.days)
    design = np.column_stack([x, np.eye(len(zips))[zone], when])
    y = np.log(sales.prices)
    penalty, target = np.full(design.shape[1], 1e-3), np.zeros(design.shape[1])
    penalty[-2:], target[-2:] = (_NOISE / _INDEX_DOUBT) ** 2, _INDEX_PRIOR
    target[x.shape[1] : -2] = y.mean()
    weight = np.ones(len(x))
    for _ in range(5):  # reweighted, so that odd sales do not bend it
        weighted = design * weight[:, None]
        found = np.linalg.solve(
            weighted.T @ design + np.diag(penalty), weighted.T @ y + penalty * target
        )
        weight = np.minimum(1, 0.12 / np.maximum(np.abs(y - design @ found), 1e-9))
    index = when @ found[-2:]
    residual = y - index - x @ found[: x.shape[1]]
    trend, season = found[-2:].tolist()
    return Hedonic(trend, season, residual - residual.mean(), y - index)


def _hedonic_columns(sales: Sales, slot: Slot) -> FloatArray:
    c = {name: sales.homes.values[:, i] for name, i in features.POSITION.items()}
    living, lot = np.log(c["sqft_living"]), np.log(c["sqft_lot"])
    both = [
        living,
        np.maximum(living - 7.55, 0),
        lot,
        c["bathrooms"],
        np.minimum(c["bedrooms"], 8),
        c["floors"],
        np.log(np.maximum(c["sqft_above"], 1)) - living,
    ]
    if slot == "minimal":
        more = [np.maximum(lot - 9, 0), c["floors"] > 2.4, c["sqft_basement"] > 0]
    else:
        more = [
            c["grade"],
            np.maximum(c["grade"] - 8, 0),
            np.log(c["sqft_living15"]),
            np.log(c["sqft_lot15"]),
            c["waterfront"],
            c["view"],
            c["condition"],
            c["yr_built"] / 100,
            np.maximum(c["yr_built"] - 1980, 0) / 10,
            c["yr_renovated"] > 0,
        ]
    return np.column_stack([*both, *more]).astype(np.float64)


# --- zipcodes -----------------------------------------------------------------------


def zip_values(sales: Sales, base: Hedonic, slot: Slot) -> FloatArray:
    """Return each sale's own values of the `ZIP_COLUMNS`, to be averaged."""
    c = features.columns(sales.homes, {})
    found = [base.level, base.target - c["log_living"]]
    if slot == "minimal":
        found += [c["north"], c["east"], c["grade"], c["yr_built"]]
        found += [c["log_living15"], c["log_lot15"]]
    return np.column_stack(found)


def zip_means(
    zipcodes: npt.NDArray[np.str_], values: FloatArray, asked: npt.NDArray[np.str_]
) -> FloatArray:
    """Return the means of the asked zipcodes, drawn by five sales to the whole.

    Zipcodes with fewer than `MIN_GROUP` sales, or none, get the whole's mean.
    """
    zips, zone = np.unique(zipcodes, return_inverse=True)
    count = np.bincount(zone)
    whole = values.mean(axis=0)
    sums = np.array([np.bincount(zone, column) for column in values.T]).T
    means = (sums + MIN_GROUP * whole) / (count + MIN_GROUP)[:, None]
    means[count < MIN_GROUP] = whole
    at = np.minimum(np.searchsorted(zips, asked), len(zips) - 1)
    return np.where((zips[at] == asked)[:, None], means[at], whole)


# --- surfaces -----------------------------------------------------------------------


@dataclass(frozen=True)
class Places:
    """Hold where homes sold, km, what they were like, and what their place added."""

    points: FloatArray
    likeness: FloatArray
    level: FloatArray
    per_sqft: FloatArray

    def where(self, mask: Mask) -> "Places":
        """Return the masked ones."""
        return Places(
            self.points[mask],
            self.likeness[mask],
            self.level[mask],
            self.per_sqft[mask],
        )


def places(sales: Sales, base: Hedonic) -> Places:
    """Return the places of sales, for smoothing."""
    c = features.columns(sales.homes, {})
    likeness = np.column_stack(
        [
            c["log_living"] - 7.55,
            c["grade"] - 7.6,
            (c["yr_built"] - 1971) / 30,
            c["log_lot"] - 9,
            c["log_living15"] - 7.55,
            c["view"] - 0.2,
            c["condition"] - 3.4,
        ]
    )
    points = np.column_stack([c["east"], c["north"]])
    return Places(points, likeness, base.level, base.target - c["log_living"])


def smooth(sold: Places, at: FloatArray) -> FloatArray:
    """Return the (n, len(SURFACES)) values at points, from the sales around them.

    Each is a weighted mean of at least eight sales. A sale at the very point has at
    most 35 % of the weight; all weigh as much as six equal sales at least.
    """
    tree = cKDTree(sold.points)
    distance, near = tree.query(at, k=min(200, len(sold.points)))
    found = []
    for k in (8, 20, 60):
        reach = (distance[:, :k] / (distance[:, k - 1 : k] + 0.05)) ** 2
        found.append(_mean(np.exp(-(0.5 if k == 8 else 2) * reach), sold.level, near))
    for k, ridge in ((60, 5.0), (200, 10.0)):
        found.append(_local_level(distance[:, :k], near[:, :k], sold, ridge))
    reach = (distance[:, :15] / (distance[:, 14:15] + 0.05)) ** 2
    found.append(_mean(np.exp(-2 * reach), sold.per_sqft, near))
    return np.column_stack(found)


def _mean(
    weight: FloatArray, values: FloatArray, near: npt.NDArray[np.intp]
) -> FloatArray:
    found = (weight * values[near[:, : weight.shape[1]]]).sum(axis=1)
    return np.asarray(found / weight.sum(axis=1))


def _local_level(
    distance: FloatArray, near: npt.NDArray[np.intp], sold: Places, ridge: float
) -> FloatArray:
    """Return what is left of local levels when local likenesses are priced out."""
    weight = np.exp(-2 * (distance / (distance[:, -1:] + 0.1)) ** 2)
    design = np.column_stack([np.ones(len(sold.likeness)), sold.likeness])
    penalty = np.diag([1e-6, *[ridge] * sold.likeness.shape[1]])
    found = np.empty(len(distance))
    for start in range(0, len(distance), 500):
        rows = slice(start, start + 500)
        z = design[near[rows]]
        weighted = (z * weight[rows, :, None]).transpose(0, 2, 1)
        right = weighted @ sold.level[near[rows]][..., None]
        found[rows] = np.linalg.solve(weighted @ z + penalty, right)[:, 0, 0]
    return found


def surfaces(sold: Places) -> Surfaces:
    """Return the surfaces on a grid over all sales; far cells repeat the nearest."""
    corner = sold.points.min(axis=0) - _MARGIN_KM
    span = sold.points.max(axis=0) + _MARGIN_KM - corner
    columns, rows = (np.ceil(span / _STEP_KM).astype(int) + 1).tolist()
    east = corner[0] + _STEP_KM * np.arange(columns)
    north = corner[1] + _STEP_KM * np.arange(rows)
    nodes = np.column_stack([axis.ravel() for axis in np.meshgrid(east, north)])
    close = cKDTree(sold.points).query(nodes)[0] < _REACH_KM
    values = np.empty((len(nodes), len(SURFACES)))
    values[close] = smooth(sold, nodes[close])
    values[~close] = values[close][cKDTree(nodes[close]).query(nodes[~close])[1]]
    grid = values.reshape(rows, columns, -1).astype(np.float32)
    return Surfaces(grid, float(corner[0]), float(corner[1]), _STEP_KM)


# --- out of fold ----------------------------------------------------------------------


def folds(sales: Sales, count: int, seed: int) -> npt.NDArray[np.int64]:
    """Return each sale's fold; a home that sold twice is in one fold."""
    homes, inverse = np.unique(sales.ids, return_inverse=True)
    return np.random.default_rng(seed).integers(0, count, len(homes))[inverse]


def out_of_fold(sales: Sales, base: Hedonic, slot: Slot) -> dict[str, FloatArray]:
    """Return zipcode and surface columns of sales, each without its own fold.

    A home's own price would tell the model too much; at a request it is not there.
    """
    fold = folds(sales, _FOLDS, seed=0)
    zipcodes = np.asarray(sales.homes.zipcodes)
    values = zip_values(sales, base, slot)
    names: Iterable[str] = ZIP_COLUMNS[slot]
    zones = np.empty_like(values)
    for k in range(_FOLDS):
        own = fold == k
        zones[own] = zip_means(zipcodes[~own], values[~own], zipcodes[own])
    found = dict(zip(names, zones.T, strict=True))
    if slot == "full":
        sold = places(sales, base)
        local = np.empty((len(sales), len(SURFACES)))
        for k in range(_FOLDS):
            own = fold == k
            local[own] = smooth(sold.where(~own), sold.points[own])
        found |= dict(zip(SURFACES, local.T, strict=True))
    return found


# --- what the manifest says of the training area ------------------------------------


def area(sales: Sales, base: Hedonic, slot: Slot) -> dict[str, dict[str, float]]:
    """Return what is known of each zipcode with at least `MIN_GROUP` sales.

    count; lat, long: the middle of its homes; radius_km: the distance that 99 % of
    them lie within; and the `ZIP_COLUMNS`.
    """
    zipcodes = np.asarray(sales.homes.zipcodes)
    names, counts = np.unique(zipcodes, return_counts=True)
    names, counts = names[counts >= MIN_GROUP], counts[counts >= MIN_GROUP]
    means = zip_means(zipcodes, zip_values(sales, base, slot), names)
    c = {name: sales.homes.values[:, i] for name, i in features.POSITION.items()}
    found: dict[str, dict[str, float]] = {}
    for zipcode, count, values in zip(names, counts, means, strict=True):
        here = zipcodes == zipcode
        lat, long = c["lat"][here], c["long"][here]
        middle = np.array([np.median(lat), np.median(long)]).round(4)
        away = features.distance_km(lat, long, middle[0], middle[1])
        found[str(zipcode)] = {
            "count": int(count),
            "lat": float(middle[0]),
            "long": float(middle[1]),
            "radius_km": round(float(np.quantile(away, 0.99)), 2),
        } | dict(zip(ZIP_COLUMNS[slot], values.round(6).tolist(), strict=True))
    return found
