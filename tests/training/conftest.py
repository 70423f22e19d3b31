"""Sales to train on that are nobody's."""

from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from training import synthetic

from housing_app.training import dataset
from housing_app.training.recipes import Recipe
from housing_app.training.train import train
from housing_app.valuation import (
    artifacts,
    features,
    loading,
)


@pytest.fixture(scope="session")
def synthetic_csv(tmp_path_factory):
    """A file of 1,200 sales in three zipcodes, 2014-05-02 to 2015-03-31."""
    path = tmp_path_factory.mktemp("sales") / "sales.csv"
    return synthetic.write(path, synthetic.sales())


@pytest.fixture(scope="session")
def sales(synthetic_csv):
    return dataset.read(synthetic_csv)


@pytest.fixture(scope="session")
def examples(example_homes, sales):
    """The example homes as golden rows are made of them."""
    return features.homes(example_homes, sales.window[1])


@pytest.fixture
def read(tmp_path):
    """Read rows as a sales file."""
    return lambda rows: dataset.read(synthetic.write(tmp_path / "sales.csv", rows))


@pytest.fixture(scope="session")
def pair(sales, shipped_demographics, examples, tmp_path_factory):
    """Two small models as they are loaded: LightGBM (full) and groups (minimal)."""
    root = tmp_path_factory.mktemp("pair")
    found = []
    for recipe in (Recipe("lightgbm", "full", trees=25), Recipe("knn", "minimal")):
        name = f"{recipe.kind}-{recipe.slot}"
        made = train(
            recipe,
            sales,
            shipped_demographics,
            examples,
            name=name,
            version=1,
            cut=date(2015, 2, 1),
        )
        found.append(loading.load(artifacts.write(root, made.manifest, made.files)))
    return tuple(found)


@pytest.fixture(scope="session")
def newer(sales):
    """Sales as if of the half year after the models' training window."""
    half = sales.where(np.arange(len(sales)) % 2 == 0)
    days = half.homes.days + 200
    moved = replace(half, homes=half.homes._replace(days=days))
    return moved.where(days > sales.homes.days.max())
