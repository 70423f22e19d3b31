"""`flask model import`: a pickle is read only when its maker is trusted."""

import json
import pickle
import shutil

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import RobustScaler
from sklearn.tree import DecisionTreeRegressor

from housing_app.valuation import (
    loading,
)

COLUMNS = ["bedrooms", "sqft_living", "sqft_lot", "grade", "lat", "long"]


class Bomb:
    """Runs code when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (self.path, "w")


@pytest.fixture
def files(tmp_path, synthetic_csv):
    """Write a model.pkl and its model_features.json; return them with the options."""

    def written(estimator, fit=True):
        sales = pd.read_csv(synthetic_csv)
        if fit:
            estimator.fit(sales[COLUMNS], sales["price"])
        pickled, columns = tmp_path / "model.pkl", tmp_path / "model_features.json"
        pickled.write_bytes(pickle.dumps(estimator))
        columns.write_text(json.dumps(COLUMNS))
        return pickled, columns, "--slot", "full", "--sales", synthetic_csv

    return written


@pytest.fixture
def new_run(run_with, tmp_path):
    return run_with(MODEL_DIR=tmp_path / "new")


def test_a_pickle_is_not_opened_unless_its_maker_is_trusted(new_run, files, tmp_path):
    proof = tmp_path / "ran"
    lines = new_run.fails(
        "model", "import", *files(Bomb(str(proof)), fit=False), code=2
    )
    assert "--trust-pickle" in lines[-1]
    assert not proof.exists()
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("estimator", "kind"),
    [
        (make_pipeline(RobustScaler(), KNeighborsRegressor()), "knn"),
        (DecisionTreeRegressor(max_depth=5, random_state=1), "sklearn"),
    ],
    ids=["neighbours", "tree"],
)
def test_a_trusted_pickle_becomes_an_artifact_with_the_same_prices(
    new_run, files, tmp_path, synthetic_csv, estimator, kind
):
    lines = new_run.ok("model", "import", *files(estimator), "--trust-pickle")
    directory = tmp_path / "new" / "imported-1"
    assert lines.splitlines()[0] == f"{directory}: kind {kind}"
    assert "- kept: the same price on" in lines
    model = loading.load(directory)
    sales = pd.read_csv(synthetic_csv).drop_duplicates(COLUMNS, keep=False)
    far = sales[COLUMNS] * np.array([1, 1.03, 1.02, 1, 1, 1])
    found = np.exp(model.model.log_prices(far.to_numpy(float)))
    np.testing.assert_allclose(found[::9], estimator.predict(far)[::9], rtol=0.02)
    same = np.isclose(found, estimator.predict(far), rtol=1e-9)
    assert same.mean() > 0.95


def test_an_imported_model_is_listed_and_shown(new_run, files):
    tree = DecisionTreeRegressor(max_depth=3)
    new_run.ok("model", "import", *files(tree), "--trust-pickle", "--name", "tree")
    assert "tree-1" in new_run.ok("model", "list")
    assert "verified" in new_run.ok("model", "show", "tree-1")


@pytest.mark.usefixtures("restored")
def test_an_imported_model_can_serve(new_run, files, tmp_path, home_json, trained):
    tree = DecisionTreeRegressor(max_depth=3)
    new_run.ok("model", "import", *files(tree), "--trust-pickle")
    root = tmp_path / "new"
    shutil.copytree(trained[0] / "knn-minimal-1", root / "knn-minimal-1")
    serving = {
        "full": {"champion": "imported-1"},
        "minimal": {"champion": "knn-minimal-1"},
    }
    (root / "serving.json").write_text(json.dumps(serving))
    valued = json.loads(new_run.ok("value", home_json))
    assert valued["model"] == {"name": "imported", "version": 1, "variant": "champion"}
    described = json.loads(new_run.ok("info"))
    assert described["models"][0]["kind"] == "sklearn"


def test_a_pickle_of_something_else_writes_nothing(new_run, files, tmp_path):
    arguments = files({"price": 1}, fit=False)
    line = new_run.refuses("model", "import", *arguments, "--trust-pickle")
    assert "model.pkl" in line
    assert not (tmp_path / "new").exists()


def test_a_broken_column_list_is_named(new_run, files, tmp_path):
    arguments = files(DecisionTreeRegressor(max_depth=3))
    (tmp_path / "model_features.json").write_text("[")
    line = new_run.refuses("model", "import", *arguments, "--trust-pickle")
    assert "model_features.json" in line


def test_the_reference_model_is_imported_with_its_prices(
    new_run, tmp_path, sales_csv, reference_demographics_csv, reference_columns_json
):
    columns = json.loads(reference_columns_json.read_text())
    merged = pd.read_csv(sales_csv, dtype={"zipcode": str}).merge(
        pd.read_csv(reference_demographics_csv, dtype={"zipcode": str}),
        how="left",
        on="zipcode",
    )
    train, _, prices, _ = train_test_split(
        merged[columns], merged["price"], random_state=42
    )
    fitted = make_pipeline(RobustScaler(), KNeighborsRegressor()).fit(train, prices)
    pickled = tmp_path / "model.pkl"
    pickled.write_bytes(pickle.dumps(fitted))
    output = new_run.ok(
        "model",
        "import",
        pickled,
        reference_columns_json,
        "--sales",
        sales_csv,
        "--demographics",
        reference_demographics_csv,
        "--trust-pickle",
    )
    (kept,) = [line for line in output.splitlines() if line.startswith("- kept")]
    same, of_all = (int(w.replace(",", "")) for w in kept.split() if w[0].isdigit())
    assert of_all == 18_736
    assert same > 0.95 * of_all
    assert loading.load(tmp_path / "new" / "imported-1").manifest.kind == "knn"
