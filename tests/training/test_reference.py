"""The reference protocol: its 33-column pipeline, reproduced on the real sales."""

import csv
import json

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import RobustScaler

from housing_app import create_app, demographics
from housing_app.valuation import (
    features,
    loading,
)


@pytest.fixture(scope="module")
def columns(reference_columns_json):
    return json.loads(reference_columns_json.read_text())


@pytest.fixture(scope="module")
def reference(sales_csv, reference_demographics_csv, columns):
    """The pipeline as the reference challenge fits it."""
    sales = pd.read_csv(sales_csv, dtype={"zipcode": str})
    census = pd.read_csv(reference_demographics_csv, dtype={"zipcode": str})
    merged = sales.merge(census, how="left", on="zipcode")
    train, _, prices, _ = train_test_split(
        merged[columns], merged["price"], random_state=42
    )
    return make_pipeline(RobustScaler(), KNeighborsRegressor()).fit(train, prices)


@pytest.fixture(scope="module")
def unseen(unseen_csv):
    with unseen_csv.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [
        {k: v if k == "zipcode" else float(v) for k, v in row.items()} for row in rows
    ]


@pytest.fixture(scope="module")
def ours(
    tmp_path_factory, sales_csv, reference_demographics_csv, reference_columns_json
):
    """The model that `flask model train` makes of the same protocol."""
    root = tmp_path_factory.mktemp("model")
    app = create_app({"MODEL_DIR": root, "RATE_LIMIT": "off"})
    arguments = [
        "--kind",
        "knn",
        "--slot",
        "minimal",
        "--keep-sales",
        "--reference-split",
        "--name",
        "reference",
        "--columns",
        str(reference_columns_json),
        "--demographics",
        str(reference_demographics_csv),
        "--sales",
        str(sales_csv),
    ]
    result = app.test_cli_runner().invoke(args=["model", "train", *arguments])
    assert result.exit_code == 0, result.output
    return loading.load(root / "reference-1")


def test_the_unseen_homes_get_the_prices_of_the_reference(
    reference, ours, columns, unseen, reference_demographics_csv
):
    census = demographics.load(reference_demographics_csv)
    homes = features.homes(unseen, ours.valuation_date)
    joined = census.join(homes.zipcodes, ours.demographics)
    found = ours.value(homes, joined).prices
    rows = features.matrix(ours.columns(homes, joined), ours.manifest.features)
    expected = reference.predict(pd.DataFrame(rows, columns=columns))
    same = np.isclose(found, expected, rtol=1e-9, atol=0)
    assert len(unseen) == 100
    assert same.sum() >= 90
    # Where they differ, the fifth and the sixth neighbour are equally far, as
    # scikit-learn itself measures it.
    scaled = reference[0].transform(pd.DataFrame(rows[~same], columns=columns))
    if len(scaled):
        away, _ = reference[1].kneighbors(scaled, n_neighbors=6)
        np.testing.assert_allclose(away[:, 4], away[:, 5], rtol=1e-6)


def test_it_learned_from_the_three_quarters_the_reference_chose(reference, ours):
    assert ours.manifest.training["rows"] == reference[1].n_samples_fit_ == 14_052
    assert ours.manifest.model["k"] == 5
    assert ours.manifest.model["weights"] == "uniform"


def test_its_features_are_the_references_in_their_order(ours, columns):
    assert ours.manifest.features == columns
    assert len(columns) == 33
