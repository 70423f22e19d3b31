"""CatBoost's symmetric trees, evaluated exactly and without CatBoost.

A symmetric tree of depth d asks the same d questions of every home: is column
feature[k] above border[k]? The answers are the bits of the leaf's number, so a forest
is three arrays and a look-up. Exact TreeSHAP depends on the leaf alone, so reasons are
a second look-up, made at training. Comparisons are in float32, as CatBoost makes them.
"""

import math
from collections.abc import Iterator, Mapping
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
# Homes and leaves of a block, which stay in the processor's cache.
_HOMES, _CELLS = 512, 32_768
_FEW = 64  # homes; of fewer all questions are answered at once
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
        if not np.isfinite(value).all():
            raise ValueError("a forest's leaves are no numbers")
        self.bias = bias
        self.width = int(feature.max()) + 1
        # By level, so that the trees' answers to one question lie side by side.
        self._feature = np.ascontiguousarray(feature.T, dtype=np.intp)
        self._border = np.ascontiguousarray(border.T, dtype=np.float32)
        self._bits = (1 << np.arange(depth)).astype(np.uint8)[:, None]
        # Whole multiples of a tiny unit: their sum is exact, so it is the same to the
        # last bit whatever the order, in a batch of any size.
        most = float(np.abs(value).max(axis=1).sum())
        self._unit = math.ldexp(1.0, math.frexp(most)[1] - 62)
        self._value = np.rint(value.astype(np.float64) / self._unit)
        self._value = self._value.astype(np.int64).ravel()
        self._first = np.arange(trees, dtype=np.intp) << depth
        self._questions = _Questions(self._feature, self._border)

    def leaves(self, rows: FloatArray) -> IntArray:
        """Return (n, trees) positions in the flat table of leaves."""
        if len(rows) == 1:
            return np.asarray(self._leaves_of_one(rows[0]))[None]
        found = np.empty((len(rows), len(self._first)), dtype=np.intp)
        for homes, trees, part in self._blocks(rows):
            np.add(part.T, self._first[trees.start], out=found[homes, trees])
        return found

    def predict(self, rows: FloatArray) -> FloatArray:
        """Return the (n,) sums over the trees."""
        if len(rows) == 1:
            return self.sums(self._leaves_of_one(rows[0])[None])
        sums = np.zeros(len(rows), dtype=np.int64)
        found = np.empty(0, dtype=np.int64)
        for homes, trees, part in self._blocks(rows):
            if found.size < part.size:
                found = np.empty(part.size, dtype=np.int64)
            values = found[: part.size].reshape(part.shape)
            self._value[self._first[trees.start] :].take(part, mode="clip", out=values)
            sums[homes] += values.sum(axis=0)
        return np.asarray(sums * self._unit + self.bias)

    def sums(self, leaves: IntArray) -> FloatArray:
        """Return the (n,) sums over the leaves."""
        return np.asarray(
            self._value.take(leaves, mode="clip").sum(axis=1) * self._unit + self.bias
        )

    def _leaves_of_one(self, row: FloatArray) -> IntArray:
        # "clip" spares a look at every index; all are good.
        asked = row.astype(np.float32).take(self._feature, mode="clip")
        answers = (asked > self._border).view(np.uint8) * self._bits
        return np.asarray(self._first + np.bitwise_or.reduce(answers, axis=0))

    def _blocks(self, rows: FloatArray) -> Iterator[tuple[slice, slice, IntArray]]:
        """Yield homes, trees and their (trees, homes) leaves, block by block.

        Leaves are counted from the block's first tree. Each array is used again.
        """
        by_column = rows.T.astype(np.float32)
        depth, count = self._feature.shape
        for start in range(0, len(rows), _HOMES):
            homes = slice(start, start + _HOMES)
            answers = self._questions.answered(
                np.ascontiguousarray(by_column[:, homes])
            )
            width = answers.shape[1]
            step = min(_CELLS // width, count)
            first = self._first[:step, None].astype(np.min_scalar_type(step << depth))
            number = np.empty((step, width), dtype=np.uint8)
            bit = np.empty_like(number)
            place = np.empty((step, width), dtype=first.dtype)
            leaves = np.empty((step, width), dtype=np.intp)
            for begin in range(0, count, step):
                trees = slice(begin, min(begin + step, count))
                n = trees.stop - begin
                asked = self._questions.asked[:, trees]
                answers.take(asked[-1], axis=0, out=number[:n], mode="clip")
                for level in asked[-2::-1]:
                    answers.take(level, axis=0, out=bit[:n], mode="clip")
                    number[:n] += number[:n]  # a shift takes ten times as long
                    number[:n] |= bit[:n]
                np.add(number[:n], first[:n], out=place[:n])
                np.copyto(leaves[:n], place[:n])
                yield homes, trees, leaves[:n]


class _Questions:
    """Answer each question of a forest once, however many trees ask it.

    asked: (depth, trees) positions among the questions.
    """

    def __init__(self, feature: IntArray, border: npt.NDArray[np.float32]) -> None:
        """Take what is asked, both (depth, trees)."""
        kind = np.dtype([("feature", np.intp), ("border", np.float32)])
        pairs = np.empty(feature.shape, dtype=kind)
        pairs["feature"], pairs["border"] = feature, border
        unique, place = np.unique(pairs, return_inverse=True)
        self.asked = place.reshape(feature.shape).astype(np.intp)
        self._feature = np.ascontiguousarray(unique["feature"])
        self._border = np.ascontiguousarray(unique["border"])[:, None]
        self._parts = [
            (column, slice(*np.searchsorted(unique["feature"], [column, column + 1])))
            for column in np.unique(unique["feature"]).tolist()
        ]

    def answered(self, block: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
        """Return (questions, homes) answers to a (columns, homes) block."""
        if block.shape[1] < _FEW:
            return (block.take(self._feature, axis=0) > self._border).view(np.uint8)
        found = np.empty((len(self._border), block.shape[1]), dtype=np.bool_)
        for column, part in self._parts:
            np.greater(block[column], self._border[part], out=found[part])
        return found.view(np.uint8)


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
        parts = self._parts(rows)
        if len(parts) == 1:
            found = parts[0][0].forest.predict(rows)
        else:
            found = np.empty(len(rows))
            for model, chosen in parts:
                found[chosen] = model.forest.predict(rows[chosen])
        return found + self._stretched(found)

    def spreads(
        self, rows: FloatArray, log_prices: FloatArray, missing: FloatArray
    ) -> FloatArray:
        """Return the error to expect, from the home, its price and what is unknown."""
        seen = np.empty((len(rows), rows.shape[1] + 2))
        seen[:, :-2], seen[:, -2], seen[:, -1] = rows, log_prices, missing
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
        if not np.count_nonzero(np.isnan(rows)):
            return [(self._complete, slice(None))]
        unknown = np.isnan(rows).any(axis=1)
        if unknown.all():
            return [(self._other, slice(None))]
        return [(self._complete, ~unknown), (self._other, unknown)]

    def _stretched(self, raw: FloatArray) -> FloatArray:
        """Return what is put back of the regression to the mean; order is kept."""
        stretch = self._stretch
        off = raw - stretch["middle"]
        beyond = np.abs(off) - stretch["beyond"]
        rate = np.where(off > 0, stretch["above"], -stretch["below"])
        return np.asarray(rate * np.maximum(beyond, 0))


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
