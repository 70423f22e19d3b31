"""Imported scikit-learn models: rebuilt from trusted types only."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.linear_model import Ridge
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skops import io as skops_io

from housing_app.valuation.kinds import sklearn

RNG = np.random.default_rng(8)
ROWS = RNG.normal(size=(200, 3))
PRICES = np.exp(12 + 0.2 * ROWS[:, 0])
PLAIN = {"model": {"target": "price"}}


class Foreign(RegressorMixin, BaseEstimator):
    """A type that no one has agreed to trust."""

    def fit(self, rows, prices):
        self.fitted_ = True
        return self

    def predict(self, rows):
        return np.ones(len(rows))


def stored(directory, estimator):
    (directory / "pipeline.skops").write_bytes(skops_io.dumps(estimator))
    return directory


@pytest.mark.parametrize(
    "estimator",
    [
        make_pipeline(StandardScaler(), Ridge()),
        make_pipeline(StandardScaler(), KNeighborsRegressor(4)),
        RandomForestRegressor(5, random_state=1),
        HistGradientBoostingRegressor(max_iter=5),
    ],
    ids=["ridge", "neighbours", "forest", "boosting"],
)
def test_a_stored_model_prices_as_it_did_before(tmp_path, estimator):
    estimator.fit(ROWS, PRICES)
    model = sklearn.load(stored(tmp_path, estimator), PLAIN)
    expected = estimator.predict(ROWS)
    np.testing.assert_allclose(np.exp(model.log_prices(ROWS)), expected, rtol=1e-12)


def test_a_model_of_log_prices_is_not_logged_again(tmp_path):
    estimator = Ridge().fit(ROWS, np.log(PRICES))
    model = sklearn.load(
        stored(tmp_path, estimator), {"model": {"target": "log_price"}}
    )
    np.testing.assert_array_equal(model.log_prices(ROWS), estimator.predict(ROWS))


def test_an_untrusted_type_is_refused(tmp_path, refusal):
    directory = stored(tmp_path, make_pipeline(StandardScaler(), Foreign()))
    text = refusal(sklearn.load, directory, PLAIN)
    assert "Foreign" in text
    assert "pipeline.skops" in text
