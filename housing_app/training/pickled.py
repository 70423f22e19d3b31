"""Convert a pickled scikit-learn model, once its maker is trusted.

This is the only place that unpickles, and no serving process imports it.
"""

import pickle  # nosec B403
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted
from skops import io as skops_io

from housing_app.demographics import Demographics
from housing_app.training import dataset, drift_reference, evaluate
from housing_app.training.dataset import Sales
from housing_app.training.recipes import Recipe, learn
from housing_app.training.train import (
    Ranges,
    calibrated,
    describe,
    load_fitted,
    with_golden,
)
from housing_app.valuation import artifacts, features, intervals
from housing_app.valuation.artifacts import Manifest
from housing_app.valuation.errors import ArtifactError
from housing_app.valuation.features import FloatArray, Homes, Slot
from housing_app.valuation.kinds.sklearn import TRUSTED
from housing_app.valuation.predictor import Predictor

_TOLERANCE = 1e-9
# Scalers the knn kind can do: where they keep the middle, and what switches it off.
_SCALERS = {
    "RobustScaler": ("center_", "with_centering"),
    "StandardScaler": ("mean_", "with_mean"),
}


def convert(
    pickled: Path,
    columns: tuple[str, ...],
    sales: Sales,
    demographics: Demographics,
    examples: Homes,
    *,
    slot: Slot,
    name: str,
    version: int,
) -> tuple[Manifest, dict[str, bytes], list[str]]:
    """Return a manifest, its files, and notes on what was and was not kept.

    Raises ArtifactError when the pickle holds no regressor of these columns or the
    converted model disagrees with it.
    """
    estimator = _unpickle(pickled)
    files, model = _as_knn(estimator) or _as_skops(estimator, pickled)
    kind = "knn" if "k" in model else "sklearn"
    recipe = Recipe(kind, slot, columns=columns)
    learned = learn(recipe, sales, demographics)
    columns_of = features.columns(learned.homes, learned.joined)
    rows = features.matrix(columns_of, columns)
    fitted = replace(learned.fitted, files=files, model=model)
    expected = _predict(estimator, rows, columns, pickled)
    made = load_fitted(
        describe(
            recipe, sales, fitted, name=name, version=version,
            demographics=demographics.digest,
        ),
        files,
    )  # fmt: skip
    notes = _compare(made, rows, expected, pickled)
    errors = np.log(sales.prices / expected)
    group = intervals.calibrate(errors, np.ones(len(errors)))
    ranges = Ranges(intervals.Calibration([group]), intervals.EVEN, 0.0)
    final = calibrated(made, ranges)
    later = sales.where(~dataset.before(sales, dataset.default_cut(sales)))
    report = evaluate.report(final, later, demographics)
    metrics = {
        "out_of_time": report | {"train_rows": 0},
        "note": "imported: the sales judged on may be among those it learned from",
    }
    notes += [
        "not kept: which sales it was trained on, so its accuracy here is no forecast",
        "added: ranges calibrated on the sales given, medians for unknown fields",
    ]
    try:
        golden = with_golden(final, examples, demographics)
        reference = drift_reference.of(final, sales, demographics)
    except ArithmeticError:
        text = f"{pickled}: gives an example home a price that is no positive number"
        raise ArtifactError(text) from None
    told: dict[str, Any] = {
        "metrics": metrics,
        "golden": golden,
        "reference": reference,
    }
    return replace(final.manifest, **told), files, notes


def _unpickle(path: Path) -> Any:
    try:
        # The operator vouched for the file: --trust-pickle.
        estimator = pickle.loads(path.read_bytes())  # noqa: S301  # nosec B301
    except Exception as error:  # whatever a foreign file makes it raise
        text = " ".join(str(error).split())
        raise ArtifactError(f"{path}: does not unpickle ({text})") from None
    try:
        check_is_fitted(estimator)
    except (TypeError, NotFittedError):
        raise ArtifactError(f"{path}: holds no fitted regressor") from None
    if not hasattr(estimator, "predict"):
        raise ArtifactError(f"{path}: holds no fitted regressor")
    return estimator


def _as_knn(estimator: Any) -> tuple[dict[str, bytes], dict[str, Any]] | None:
    """Return the arrays of a scaler + Euclidean KNeighborsRegressor, else None."""
    steps = [step for _, step in getattr(estimator, "steps", [])]
    if [type(step).__name__ for step in steps[1:]] != ["KNeighborsRegressor"]:
        return None
    scaler, neighbours = steps
    middle = _SCALERS.get(type(scaler).__name__)
    euclidean = neighbours.effective_metric_ == "euclidean"
    if middle is None or not euclidean or neighbours.weights not in _WEIGHTS:
        return None
    center = getattr(scaler, middle[0]) if getattr(scaler, middle[1]) else None
    scale = scaler.scale_
    points = np.asarray(neighbours._fit_X, dtype=np.float64)
    nothing, whole = np.zeros(points.shape[1]), np.ones(points.shape[1])
    arrays = {
        "points.npy": points,
        "prices.npy": np.asarray(neighbours._y, dtype=np.float64).ravel(),
        "counts.npy": np.ones(len(points)),
        "center.npy": nothing if center is None else center,
        "scale.npy": whole if scale is None else scale,
    }
    model = {
        "target": "price",
        "k": int(neighbours.n_neighbors),
        "weights": neighbours.weights,
        "single_sales": True,
        "points": len(points),
    }
    return artifacts.npy_files(arrays), model


_WEIGHTS = {"uniform", "distance"}


def _as_skops(estimator: Any, path: Path) -> tuple[dict[str, bytes], dict[str, Any]]:
    content = skops_io.dumps(estimator)
    unknown = set(skops_io.get_untrusted_types(data=content)) - set(TRUSTED)
    if unknown:
        raise ArtifactError(
            f"{path}: holds types that are not trusted: {', '.join(sorted(unknown))}"
        )
    return {"pipeline.skops": content}, {"target": "price"}


def _predict(
    estimator: Any, rows: FloatArray, columns: tuple[str, ...], path: Path
) -> FloatArray:
    table = pd.DataFrame(rows, columns=list(columns))
    try:
        prices = np.asarray(estimator.predict(table), dtype=np.float64).ravel()
    except ValueError as error:
        text = " ".join(str(error).split())
        raise ArtifactError(f"{path}: cannot value the sales: {text}") from None
    if not (prices > 0).all():
        raise ArtifactError(
            f"{path}: values {(~(prices > 0)).sum()} sales at 0 or less"
        )
    return prices


def _compare(
    made: Predictor, rows: FloatArray, expected: FloatArray, path: Path
) -> list[str]:
    """Compare row by row; only exact ties among neighbours may differ."""
    found = np.exp(made.model.log_prices(rows))
    differs = ~np.isclose(found, expected, rtol=_TOLERANCE, atol=0)
    tied = np.zeros(len(rows), dtype=bool)
    if made.manifest.kind == "knn":
        tied[differs] = made.model.tied(rows[differs])  # type: ignore[attr-defined]
    if (differs & ~tied).any():
        row = int(np.flatnonzero(differs & ~tied)[0])
        raise ArtifactError(
            f"{path}: sale {row + 1} gets {found[row]:.2f} converted and "
            f"{expected[row]:.2f} before; nothing was written"
        )
    same = int((~differs).sum())
    notes = [f"kept: the same price on {same:,} of {len(rows):,} homes"]
    if differs.any():
        notes.append(
            f"not kept: the choice among neighbours at exactly the same distance "
            f"({int(differs.sum()):,} homes)"
        )
    return notes
