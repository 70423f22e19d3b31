"""CatBoost's symmetric trees, evaluated exactly and without CatBoost.

A symmetric tree of depth d asks the same d questions of every home: is column
feature[k] above border[k]? The answers are the bits of the leaf's number, so a forest
is three arrays and a look-up. Exact TreeSHAP depends on the leaf alone, so reasons are
a second look-up, made at training. Comparisons are in float32, as CatBoost makes them.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from housing_app.valuation.errors import ArtifactError
from housing_app.valuation.features import FloatArray
from housing_app.valuation.kinds import PriceModel

FILES = (
    "price.npz",
    "reasons.npz",
    "price_unknown.npz",
    "reasons_unknown.npz",
    "spread.npz",
)
_BLOCK = 128  # rows whose columns stay in the processor's cache
_MAX_DEPTH = 8  # leaf numbers fit a byte

IntArray = npt.NDArray[np.intp]


class Forest:
    """Evaluate symmetric trees.

    feature, border: (trees, depth); value: (trees, 2**depth). Unused levels have an
    infinite border. NaN is above no border: CatBoost's nan_mode "Min".
    """

    def __init__(
        self,
        feature: npt.NDArray[np.int32],
        border: npt.NDArray[np.float32],
        value: FloatArray,
        bias: float,
    ) -> None:
        trees, depth = feature.shape
        if depth > _MAX_DEPTH or border.shape != feature.shape:
            raise ValueError("a forest's arrays do not fit together")
        if value.shape != (trees, 1 << depth) or feature.min() < 0:
            raise ValueError("a forest's leaves do not fit its depth")
        self.bias = bias
        self.width = int(feature.max()) + 1
        self._feature = np.ascontiguousarray(feature, dtype=np.intp)
        self._border = np.ascontiguousarray(border, dtype=np.float32)
        self._levels = [
            (np.ascontiguousarray(self._feature[:, k]), self._border[:, k, None].copy())
            for k in range(depth)
        ]
        self._value = np.ascontiguousarray(value, dtype=np.float64).ravel()
        self._first = np.arange(trees, dtype=np.intp) << depth
        self._bits = (1 << np.arange(depth)).astype(np.float32)

    def leaves(self, rows: FloatArray) -> IntArray:
        """Return (n, trees) positions in the flat table of leaves."""
        table = np.asarray(rows, dtype=np.float32)
        if len(table) == 1:
            above = table[0].take(self._feature) > self._border
            return np.asarray((above @ self._bits).astype(np.intp)[None] + self._first)
        by_column = np.ascontiguousarray(table.T)
        found = np.empty((len(table), len(self._first)), dtype=np.intp)
        for start in range(0, len(table), _BLOCK):
            block = np.ascontiguousarray(by_column[:, start : start + _BLOCK])
            number = np.zeros((len(self._first), block.shape[1]), dtype=np.uint8)
            for k, (feature, border) in enumerate(self._levels):
                above = (block[feature] > border).view(np.uint8)
                number |= above << np.uint8(k)
            found[start : start + _BLOCK] = number.T
        found += self._first
        return found

    def predict(self, rows: FloatArray) -> FloatArray:
        """Return the (n,) sums over the trees."""
        return self.sums(self.leaves(rows))

    def sums(self, leaves: IntArray) -> FloatArray:
        """Return the (n,) sums over the leaves."""
        return np.asarray(self._value[leaves].sum(axis=1) + self.bias)


class Reasoned(NamedTuple):
    """Hold a forest and what each of its leaves owes to which column.

    share: (trees * 2**depth, depth); feature: (trees, depth), flat.
    """

    forest: Forest
    share: npt.NDArray[np.float32]
    feature: IntArray


class SymmetricTrees(PriceModel):
    """Price complete homes and others each with a forest of its own."""

    takes_unknown = True

    def __init__(
        self,
        complete: Reasoned,
        other: Reasoned,
        spread: Forest,
        stretch: Mapping[str, float],
    ) -> None:
        self._complete = complete
        self._other = other
        self._spread = spread
        self._stretch = stretch

    def log_prices(self, rows: FloatArray) -> FloatArray:
        """Return log prices; rows with NaN are for the forest that knows of it."""
        found = np.empty(len(rows))
        for model, chosen in self._parts(rows):
            found[chosen] = model.forest.predict(rows[chosen])
        return found + self._stretched(found)

    def spreads(
        self, rows: FloatArray, log_prices: FloatArray, missing: FloatArray
    ) -> FloatArray:
        """Return the error to expect, from the home, its price and what is unknown."""
        seen = np.column_stack([rows, log_prices, missing])
        return np.asarray(np.exp(self._spread.predict(seen)))

    def contributions(self, rows: FloatArray) -> FloatArray:
        """Return exact TreeSHAP values, stretched as the price is."""
        width = rows.shape[1]
        found = np.empty((len(rows), width + 1))
        for model, chosen in self._parts(rows):
            leaves = model.forest.leaves(rows[chosen])
            shares = np.array(
                [
                    np.bincount(model.feature, model.share[leaf].ravel(), width)
                    for leaf in leaves
                ]
            ).reshape(-1, width)
            raw = model.forest.sums(leaves)
            base = raw - shares.sum(axis=1)
            extra = self._stretched(raw)
            # Beyond the knee the raw price is far from the base: no division by 0.
            factor = 1 + extra / np.where(extra == 0, 1, raw - base)
            found[chosen, :width] = shares * factor[:, None]
            found[chosen, width] = base
        return found

    def _parts(self, rows: FloatArray) -> list[tuple[Reasoned, Any]]:
        unknown = np.isnan(rows).any(axis=1)
        if not unknown.any():
            return [(self._complete, slice(None))]
        if unknown.all():
            return [(self._other, slice(None))]
        return [(self._complete, ~unknown), (self._other, unknown)]

    def _stretched(self, raw: FloatArray) -> FloatArray:
        """Return what is put back of the regression to the mean; order is kept."""
        stretch = self._stretch
        off = raw - stretch["middle"]
        above = np.maximum(off - stretch["beyond"], 0)
        below = np.maximum(-off - stretch["beyond"], 0)
        return np.asarray(stretch["above"] * above - stretch["below"] * below)


def load(directory: Path, manifest: Mapping[str, Any]) -> SymmetricTrees:
    """Open the forests of a verified artifact."""
    try:
        price, reasons, unsure, unsure_reasons, spread = (
            _open(directory / name) for name in FILES
        )
        complete, other = _reasoned(price, reasons), _reasoned(unsure, unsure_reasons)
        errors = forest(spread)
        stretch = {
            name: float(manifest["model"]["stretch"][name])
            for name in ("middle", "beyond", "above", "below")
        }
    except (ValueError, EOFError, KeyError, BadZipFile) as error:
        raise ArtifactError(
            f"{directory}: not the arrays of a forest: {error}"
        ) from None
    width = len(manifest["features"])
    asked = max(complete.forest.width, other.forest.width, errors.width - 2)
    if asked > width:
        raise ArtifactError(
            f"{directory}: the trees ask for {asked} columns of {width}"
        )
    return SymmetricTrees(complete, other, errors, stretch)


def _reasoned(
    price: Mapping[str, npt.NDArray[Any]], reasons: Mapping[str, npt.NDArray[Any]]
) -> Reasoned:
    trees, depth = price["feature"].shape
    feature, share = reasons["feature"], reasons["share"]
    fits = feature.shape == (trees, depth) and share.shape == (trees << depth, depth)
    if not fits or feature.min() < 0 or feature.max() > price["feature"].max():
        raise ValueError("reasons do not fit their forest")
    return Reasoned(forest(price), share, feature.astype(np.intp).ravel())


def _open(path: Path) -> dict[str, npt.NDArray[Any]]:
    with np.load(path, allow_pickle=False) as arrays:
        return dict(arrays)


def forest(arrays: Mapping[str, npt.NDArray[Any]]) -> Forest:
    """Return the forest of arrays as `Forest` names them, and a bias."""
    return Forest(
        arrays["feature"], arrays["border"], arrays["value"], float(arrays["bias"])
    )
