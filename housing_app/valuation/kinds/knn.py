"""Nearest neighbours: the baseline.

Points are single sales, or groups of at least five of them (`counts`). Equal to
scikit-learn's `RobustScaler` + `KNeighborsRegressor`, at a twentieth of its time.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from housing_app.valuation.errors import ArtifactError
from housing_app.valuation.features import FloatArray
from housing_app.valuation.kinds import PriceModel

FILES = ("points.npy", "prices.npy", "counts.npy", "center.npy", "scale.npy")
# Up to so many points all distances are computed, which takes no scipy: to load that
# takes longer than any other part of the start.
FEW = 5_000
_SPARE = 16  # neighbours asked for beyond k, to see a tie at the k-th


class Neighbours(PriceModel):
    """Predict the mean price of the k nearest points.

    Ties: of several points at exactly the distance of the k-th, those that come
    first in the artifact are taken.
    """

    def __init__(
        self,
        points: FloatArray,
        prices: FloatArray,
        center: FloatArray,
        scale: FloatArray,
        *,
        k: int,
        weights: str,
        few: int = FEW,
    ) -> None:
        self._points = points
        self._tree = _tree(points) if len(points) > few else None
        self._prices = prices
        self._center = center
        self._scale = scale
        self._k = k
        self._by_distance = weights == "distance"

    def log_prices(self, rows: FloatArray) -> FloatArray:
        """Return log prices; the rows hold no NaN."""
        distance, index = self._nearest((rows - self._center) / self._scale, self._k)
        prices = self._prices[index]
        if not self._by_distance:
            return np.asarray(np.log(prices.mean(axis=1)))
        with np.errstate(divide="ignore"):
            weight = 1 / distance
        exact = np.isinf(weight)
        weight = np.where(exact.any(axis=1, keepdims=True), exact, weight)
        mean = (weight * prices).sum(axis=1) / weight.sum(axis=1)
        return np.asarray(np.log(mean))

    def tied(self, rows: FloatArray) -> npt.NDArray[np.bool_]:
        """Return for which rows the k-th and the next neighbour are equally far."""
        if not len(rows):
            return np.zeros(0, dtype=bool)
        ask = min(self._k + 1, len(self._points))
        distance, _ = self._nearest((rows - self._center) / self._scale, ask)
        # To rounding: scikit-learn computes distances by another formula.
        last = distance[:, self._k - 1]
        return np.asarray(np.isclose(last, distance[:, -1], rtol=1e-6, atol=1e-6))

    def _nearest(
        self, scaled: FloatArray, k: int
    ) -> tuple[FloatArray, npt.NDArray[np.intp]]:
        """Return (n, k) distances and indices, ties broken by index."""
        if self._tree is not None:
            return self._by_tree(scaled, k)
        chosen = np.empty((len(scaled), k), dtype=np.intp)
        best = np.empty((len(scaled), k))
        for i, row in enumerate(scaled):
            away = np.sqrt(((self._points - row) ** 2).sum(axis=1))
            chosen[i] = away.argsort(kind="stable")[:k]
            best[i] = away[chosen[i]]
        return best, chosen

    def _by_tree(
        self, scaled: FloatArray, k: int
    ) -> tuple[FloatArray, npt.NDArray[np.intp]]:
        tree: Any = self._tree
        ask = min(k + _SPARE, tree.n)
        distance, index = tree.query(scaled, k=ask)
        distance = distance.reshape(len(scaled), -1)
        index = index.reshape(len(scaled), -1)
        # lexsort's last key is the first to decide: distance, then index.
        order = np.lexsort((index, distance))[:, :k]
        best = np.take_along_axis(distance, order, 1)
        chosen = np.take_along_axis(index, order, 1)
        tied_to_the_end = distance[:, -1] <= best[:, -1]
        if ask < tree.n and tied_to_the_end.any():
            for row in np.flatnonzero(tied_to_the_end):
                reach = np.nextafter(best[row, -1], np.inf)
                inside = np.sort(tree.query_ball_point(scaled[row], reach))
                away = np.linalg.norm(tree.data[inside] - scaled[row], axis=1)
                first = np.lexsort((inside, away))[:k]
                chosen[row], best[row] = inside[first], away[first]
        return best, chosen


def _tree(points: FloatArray) -> Any:
    # Deferred: see FEW.
    from scipy.spatial import cKDTree

    return cKDTree(points)


def load(directory: Path, manifest: Mapping[str, Any]) -> Neighbours:
    """Open the arrays of a verified artifact, memory-mapped so workers share them."""
    try:
        points, prices, _, center, scale = (
            np.load(directory / name, mmap_mode="r", allow_pickle=False)
            for name in FILES
        )
    except (ValueError, EOFError) as error:
        text = f"{directory}: not a plain array file: {error}".splitlines()[0]
        raise ArtifactError(text) from error
    if not all(isinstance(a, np.ndarray) for a in (points, prices, center, scale)):
        raise ArtifactError(f"{directory}: not a plain array file")
    options = manifest["model"]
    width = len(manifest["features"])
    if points.ndim != 2 or points.shape != (len(prices), width):
        raise ArtifactError(f"{directory}/points.npy: shape {points.shape} is wrong")
    if not 1 <= options["k"] <= len(points):
        raise ArtifactError(f"{directory}/manifest.json: k={options['k']} is wrong")
    return Neighbours(
        points,
        prices,
        center,
        scale,
        k=options["k"],
        weights=options["weights"],
    )
