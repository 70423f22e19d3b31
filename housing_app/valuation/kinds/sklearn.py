"""Any scikit-learn regressor on log or plain prices: the slow, general path.

Made by `flask model import` for pipelines that no faster kind can express. Stored with
skops, which rebuilds only the types named here and never runs code from the file.
"""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from housing_app.valuation.errors import ArtifactError
from housing_app.valuation.features import FloatArray
from housing_app.valuation.kinds import PriceModel

FILES = ("pipeline.skops",)
# Types beyond skops' own defaults that a file may name; nothing else is rebuilt.
TRUSTED = (
    "numpy.dtype",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.metrics._dist_metrics.EuclideanDistance64",
    "sklearn.metrics._dist_metrics.ManhattanDistance64",
    "sklearn.neighbors._ball_tree.BallTree",
    "sklearn.neighbors._kd_tree.KDTree",
    "sklearn.tree._tree.Tree",
)


class Pipeline(PriceModel):
    """Value rows with a fitted scikit-learn estimator."""

    def __init__(self, estimator: Any, *, log_target: bool) -> None:
        self._estimator = estimator
        self._log_target = log_target

    def log_prices(self, rows: FloatArray) -> FloatArray:
        """Return log prices."""
        with warnings.catch_warnings():
            # Rows are in the manifest's order; the estimator may have seen a table.
            warnings.filterwarnings("ignore", "X does not have valid feature names")
            predicted = np.asarray(self._estimator.predict(rows), dtype=np.float64)
        if self._log_target:
            return predicted
        with np.errstate(invalid="ignore", divide="ignore"):
            # No number for a price that is not positive: the caller refuses it.
            return np.asarray(np.log(predicted))


def load(directory: Path, manifest: Mapping[str, Any]) -> PriceModel:
    """Rebuild the estimator of a verified artifact from the trusted types only."""
    # Deferred: scikit-learn takes 170 MiB and 2 s, and only this kind needs it.
    from skops import io
    from skops.io.exceptions import UntrustedTypesFoundException

    path = directory / FILES[0]
    try:
        estimator = io.load(path, trusted=list(TRUSTED))
    except UntrustedTypesFoundException as error:
        raise ArtifactError(f"{path}: {error}".splitlines()[0]) from error
    except (OSError, ValueError, KeyError, TypeError, BadZipFile) as error:
        raise ArtifactError(f"{path}: not a skops file ({error})") from error
    return Pipeline(estimator, log_target=manifest["model"]["target"] == "log_price")
