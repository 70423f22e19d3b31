"""Sales to train on that are nobody's."""

import pytest
from training import synthetic

from housing_app.training import dataset
from housing_app.valuation import features


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
