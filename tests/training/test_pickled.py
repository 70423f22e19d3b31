"""Importing pickled models: the same prices, or nothing."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.compose import TransformedTargetRegressor
from sklearn.linear_model import Ridge
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import RobustScaler, StandardScaler
from sklearn.tree import DecisionTreeRegressor

from housing_app.training import pickled
from housing_app.training.recipes import Recipe, learn
from housing_app.valuation import (
    artifacts,
    features,
    loading,
)
from housing_app.valuation.errors import ArtifactError

# A warning would be printed for every request.
pytestmark = pytest.mark.filterwarnings("error")

COLUMNS = (
    "bedrooms",
    "bathrooms",
    "sqft_living",
    "sqft_above",
    "population",
    "median_household_income",
)


class Foreign(RegressorMixin, BaseEstimator):
    """A type that no one has agreed to trust."""

    def fit(self, rows, prices):
        self.fitted_ = True
        return self

    def predict(self, rows):
        return np.full(len(rows), 450_000.0)


class Doubling(KNeighborsRegressor):
    """Goes by the name of scikit-learn's, and answers otherwise."""

    def predict(self, rows):
        return 2 * super().predict(rows)


Doubling.__name__ = "KNeighborsRegressor"


@pytest.fixture(scope="module")
def rows(sales, shipped_demographics):
    """The sales as the pickled models were trained on them."""
    recipe = Recipe("knn", "minimal", columns=COLUMNS)
    learned = learn(recipe, sales, shipped_demographics)
    columns = features.columns(learned.homes, learned.joined)
    return pd.DataFrame(features.matrix(columns, COLUMNS), columns=COLUMNS)


@pytest.fixture
def convert(tmp_path, sales, rows, shipped_demographics, examples):
    """Fit, pickle and import an estimator."""

    def converted(estimator, fit=True, columns=COLUMNS):
        if fit:
            estimator.fit(rows, sales.prices)
        path = tmp_path / "model.pkl"
        content = estimator if isinstance(estimator, bytes) else pickle.dumps(estimator)
        path.write_bytes(content)
        return pickled.convert(
            path,
            columns,
            sales,
            shipped_demographics,
            examples,
            slot="minimal",
            name="imported",
            version=1,
        )

    return converted


@pytest.fixture
def refusal(convert):
    """Return the one line with which an import is refused; it names the file."""

    def text_of(*arguments, **options):
        with pytest.raises(ArtifactError) as caught:
            convert(*arguments, **options)
        text = str(caught.value)
        assert len(text.splitlines()) == 1
        assert "model.pkl" in text
        return text

    return text_of


NEIGHBOURS = {
    "the reference": make_pipeline(RobustScaler(), KNeighborsRegressor()),
    "by distance": make_pipeline(
        StandardScaler(), KNeighborsRegressor(9, weights="distance")
    ),
    "not centred": make_pipeline(
        RobustScaler(with_centering=False), KNeighborsRegressor(3)
    ),
    "not scaled": make_pipeline(
        RobustScaler(with_scaling=False), KNeighborsRegressor(3)
    ),
    "standard, not centred": make_pipeline(
        StandardScaler(with_mean=False), KNeighborsRegressor(3)
    ),
    "brute force": make_pipeline(
        RobustScaler(), KNeighborsRegressor(5, algorithm="brute")
    ),
}
OTHERS = {
    "ridge of log prices": TransformedTargetRegressor(
        make_pipeline(StandardScaler(), Ridge(100)), func=np.log, inverse_func=np.exp
    ),
    "tree": DecisionTreeRegressor(max_depth=4, random_state=1),
    "manhattan neighbours": make_pipeline(
        RobustScaler(), KNeighborsRegressor(5, metric="manhattan")
    ),
    "bare neighbours": KNeighborsRegressor(4),
}


def prices_of(model, rows):
    return np.exp(model.model.log_prices(rows.to_numpy()))


@pytest.mark.parametrize("estimator", NEIGHBOURS.values(), ids=NEIGHBOURS)
def test_scaled_neighbours_become_the_fast_kind_with_the_same_prices(
    convert, tmp_path, rows, estimator
):
    manifest, files, _ = convert(estimator)
    assert manifest.kind == "knn"
    assert manifest.model["single_sales"] is True
    model = loading.load(artifacts.write(tmp_path, manifest, files))
    jittered = rows * np.random.default_rng(1).normal(1, 0.05, rows.shape)
    k = estimator[1].n_neighbors
    away, _ = estimator[1].kneighbors(estimator[0].transform(jittered), k + 1)
    clear = away[:, k] > away[:, k - 1] * (1 + 1e-9)
    # Homes that sold twice are two equal points, one of which may be the k-th.
    assert clear.mean() > 0.9
    np.testing.assert_allclose(
        prices_of(model, jittered)[clear], estimator.predict(jittered)[clear], rtol=1e-9
    )


@pytest.mark.parametrize("estimator", OTHERS.values(), ids=OTHERS)
def test_any_other_regressor_becomes_the_general_kind_with_the_same_prices(
    convert, tmp_path, rows, estimator
):
    manifest, files, _ = convert(estimator)
    assert manifest.kind == "sklearn"
    model = loading.load(artifacts.write(tmp_path, manifest, files))
    np.testing.assert_allclose(
        prices_of(model, rows), estimator.predict(rows), rtol=1e-9
    )


def test_an_imported_model_values_homes_with_unknown_fields(
    convert, tmp_path, home, shipped_demographics
):
    for name, estimator in (NEIGHBOURS | OTHERS).items():
        manifest, files, _ = convert(estimator)
        directory = artifacts.write(tmp_path / name.replace(" ", "-"), manifest, files)
        model = loading.load(directory)
        homes = features.homes([home | {"bathrooms": None}], model.valuation_date)
        joined = shipped_demographics.join(homes.zipcodes, model.demographics)
        assert 1e4 < model.value(homes, joined).prices[0] < 1e7


def test_notes_say_what_was_kept_and_what_was_not(convert, sales):
    _, _, notes = convert(NEIGHBOURS["the reference"])
    text = "\n".join(notes)
    assert f"of {len(sales):,} homes" in text
    assert "not kept: which sales it was trained on" in text
    assert "added: ranges" in text


def test_the_metrics_own_up_to_what_they_are(convert):
    manifest, _, _ = convert(NEIGHBOURS["the reference"])
    assert "may be among those it learned from" in manifest.metrics["note"]


def test_drift_is_told_from_the_sales_given(convert, sales):
    manifest, _, _ = convert(NEIGHBOURS["the reference"])
    assert manifest.reference["rows"] == len(sales)
    assert "grade" not in manifest.reference["columns"], "the minimal slot asks not"


def test_ranges_are_calibrated_on_the_sales_given(convert):
    tight, _, _ = convert(make_pipeline(RobustScaler(), KNeighborsRegressor(5)))
    loose, _, _ = convert(make_pipeline(RobustScaler(), KNeighborsRegressor(600)))
    assert 0 < tight.interval[0]["fsd"] < loose.interval[0]["fsd"]


@pytest.mark.parametrize(
    "content", [b"", b"not a pickle", pickle.dumps(Ridge())[:40], b"cno_such\nthing\n."]
)
def test_a_file_that_does_not_unpickle_is_refused(refusal, content):
    refusal(content, fit=False)


def test_a_pickle_without_a_model_is_refused(refusal):
    assert "no fitted regressor" in refusal({"price": 1}, fit=False)


def test_a_model_that_was_not_fitted_is_refused(refusal):
    refusal(make_pipeline(RobustScaler(), KNeighborsRegressor()), fit=False)


def test_a_model_of_a_type_that_is_not_trusted_is_refused(refusal):
    assert "Foreign" in refusal(make_pipeline(StandardScaler(), Foreign()))


def test_a_model_that_would_give_other_prices_once_converted_is_refused(refusal):
    refusal(make_pipeline(RobustScaler(), Doubling()))


def test_a_model_that_gives_homes_no_price_is_refused(refusal, rows):
    refusal(Ridge().fit(rows, -rows["sqft_living"]), fit=False)


@pytest.mark.parametrize("columns", [COLUMNS[:-1], (*COLUMNS, "grade")])
def test_a_model_of_other_columns_is_refused(refusal, columns):
    for estimator in (NEIGHBOURS["the reference"], OTHERS["ridge of log prices"]):
        refusal(estimator, columns=columns)
