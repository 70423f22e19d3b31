"""Group like sales, so that none is stored alone; measure likeness in price."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import nnls
from scipy.spatial import cKDTree
from sklearn.cluster import KMeans

from housing_app.training.dataset import Sales
from housing_app.training.locations import MIN_GROUP, Hedonic
from housing_app.valuation import comparables as index
from housing_app.valuation import features
from housing_app.valuation.features import Columns, FloatArray, Slot

_SALES_PER_GROUP = 9
_SEED = 20150331
_NEIGHBOURS = 60  # pairs a sale makes with the sales nearest to it
_MAX_DIFFERENCE = 0.5  # log price; beyond it, how much does not matter
_RARE = 0.99  # share of training homes that count as usual

# What two homes are compared by; the place's own price level stands for its street.
COLUMNS: dict[Slot, tuple[str, ...]] = {
    "full": (
        *("bedrooms", "bathrooms", "log_living", "log_lot", "floors", "waterfront"),
        *("view", "condition", "grade", "effective_year", "log_living15"),
        *("log_lot15", "east", "north", "level_20"),
    ),
    "minimal": (
        *("bedrooms", "bathrooms", "log_living", "log_lot", "floors"),
        *("sqft_basement", "zip_east", "zip_north", "zip_level"),
    ),
}
# Prices of the place are in its level, so the market pays nothing for a kilometre as
# such; but people look for comparables nearby and of the time. 3 km count 0.1.
_LONGEST = {
    "east": 30.0,
    "north": 30.0,
    "zip_east": 30.0,
    "zip_north": 30.0,
    "effective_year": 300.0,
}


def clusters(points: FloatArray) -> list[npt.NDArray[np.intp]]:
    """Return the members of k-means clusters, small ones merged into the nearest."""
    wanted = max(1, len(points) // _SALES_PER_GROUP)
    labels = KMeans(wanted, n_init=1, random_state=_SEED).fit(points).labels_
    while True:
        names, counts = np.unique(labels, return_counts=True)
        if len(names) == 1 or counts.min() >= MIN_GROUP:
            return [np.flatnonzero(labels == name) for name in names]
        small = names[counts.argmin()]
        others = names[names != small]
        middles = np.array([points[labels == name].mean(axis=0) for name in others])
        middle = points[labels == small].mean(axis=0)
        nearest = others[np.linalg.norm(middles - middle, axis=1).argmin()]
        labels = np.where(labels == small, nearest, labels)


def by_zipcode(
    points: FloatArray, sales: Sales, tick: Callable[[int], object] = lambda _: None
) -> list[npt.NDArray[np.intp]]:
    """Return groups of at least `MIN_GROUP` like sales of one zipcode.

    Sales of zipcodes with fewer than `MIN_GROUP` are left out.
    """
    zipcodes = np.asarray(sales.homes.zipcodes)
    found: list[npt.NDArray[np.intp]] = []
    for zipcode in np.unique(zipcodes):
        here = np.flatnonzero(zipcodes == zipcode)
        if here.size >= MIN_GROUP:
            found += [here[members] for members in clusters(points[here])]
        tick(1)
    return found


def means(
    points: FloatArray, sales: Sales, tick: Callable[[int], object]
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the mean points, median prices and counts of groups of sales."""
    groups = by_zipcode(points, sales, tick)
    return (
        np.array([points[members].mean(axis=0) for members in groups]),
        np.array([np.median(sales.prices[members]) for members in groups]),
        np.array([members.size for members in groups], dtype=np.float64),
    )


# --- comparables --------------------------------------------------------------------


def price_steps(columns: Columns, target: FloatArray, slot: Slot) -> FloatArray:
    """Return how far apart two homes are, in each column, per unit of log price.

    Squared differences of price between near sales are explained by squared
    differences of the columns, none of which may count negatively.
    """
    rows = features.matrix(columns, COLUMNS[slot])
    spread = rows.std(axis=0) + 1e-9
    scaled = rows / spread
    rng = np.random.default_rng(_SEED)
    # Half of the pairs are neighbours, half any two homes.
    east = "east" if slot == "full" else "zip_east"
    north = "north" if slot == "full" else "zip_north"
    place = np.column_stack([columns[east], columns[north]])
    _, near = cKDTree(place).query(place, k=min(_NEIGHBOURS, len(place)))
    one = np.repeat(np.arange(len(rows)), 4)
    other = rng.integers(0, len(rows), one.size)
    close = rng.random(one.size) < 0.5
    other[close] = near[one[close], rng.integers(0, near.shape[1], close.sum())]
    apart = (scaled[one] - scaled[other]) ** 2
    gap = np.minimum((target[one] - target[other]) ** 2, _MAX_DIFFERENCE**2)
    weights, _ = nnls(
        np.column_stack([apart, np.ones(len(apart))]),
        gap,
    )
    # A column the market seems not to pay for still tells homes apart a little.
    floor = 0.02 * weights[:-1].max()
    steps = spread / np.sqrt(np.maximum(weights[:-1], floor))
    return np.minimum(steps, [_LONGEST.get(name, np.inf) for name in COLUMNS[slot]])


def comparables(
    sales: Sales, columns: Columns, base: Hedonic, slot: Slot, *, keep_sales: bool
) -> tuple[dict[str, npt.NDArray[Any]], dict[str, Any]]:
    """Return the arrays and options of `valuation.comparables`."""
    steps = price_steps(columns, base.target, slot)
    points = features.matrix(columns, COLUMNS[slot]) / steps
    if keep_sales:
        groups = [np.array([row]) for row in range(len(sales))]
    else:
        groups = by_zipcode(points, sales)

    def median(values: FloatArray) -> FloatArray:
        return np.array([np.median(values[members], axis=0) for members in groups])

    living = sales.homes.values[:, features.POSITION["sqft_living"]]
    zipcodes = np.asarray(sales.homes.zipcodes)
    arrays = {
        "points": np.array([points[members].mean(axis=0) for members in groups]),
        "homes": median(sales.homes.values),
        "prices": median(sales.prices),
        "per_sqft": median(sales.prices / living),
        "levels": median(base.target),
        "counts": np.array([members.size for members in groups]),
        "days": median(sales.homes.days),
        "zipcodes": np.array([zipcodes[members[0]] for members in groups]),
    }
    options = {"columns": list(COLUMNS[slot]), "steps": steps.tolist()}
    found = index.Comparables(
        columns=COLUMNS[slot], steps=steps, far=0.0, apart=0.0, **arrays
    )
    nearest, gaps = [], []
    for start in range(0, len(sales), 1000):
        rows = slice(start, start + 1000)
        part = Columns({name: columns[name][rows] for name in COLUMNS[slot]})
        near = found.near(part, index.JUDGED)
        nearest.append(near.away[:, 0])
        gaps.append(found.gaps(near, base.target[rows]))
    # Over the sales' own prices: a valuation that lies further from its comparables
    # than 99 % of real prices do deserves a second look.
    limits = {
        "far": float(np.quantile(np.concatenate(nearest), _RARE)),
        "apart": float(np.quantile(np.concatenate(gaps), _RARE)),
    }
    return arrays, options | limits
