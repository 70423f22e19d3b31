"""The shipped demographics, made again from their source."""

import pytest

from housing_app import demographics
from housing_app.config import ROOT
from housing_app.training import census

SHIPPED = ROOT / "data" / "zipcode_demographics.csv"


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The rows built and the file they are in."""
    path = tmp_path_factory.mktemp("census") / "zip.csv"
    return census.build(path), path


def test_building_gives_the_committed_file_again(built):
    _, path = built
    assert path.read_bytes() == SHIPPED.read_bytes()


def test_every_inhabited_zipcode_is_there(built):
    rows, path = built
    assert rows == len(demographics.load(path).rows) > 30_000


def test_nothing_but_the_file_is_left_behind(built):
    _, path = built
    assert list(path.parent.iterdir()) == [path]


def test_every_model_column_is_there_and_a_number(shipped_demographics):
    shipped_demographics.require([*census.MODEL_COLUMNS, *census.OTHER_COLUMNS], "any")


def test_models_may_not_learn_from_ethnicity_or_home_values():
    assert not set(census.MODEL_COLUMNS) & set(census.OTHER_COLUMNS)
    assert not [name for name in census.MODEL_COLUMNS if "value" in name]


def test_an_existing_file_is_replaced(built, tmp_path):
    path = tmp_path / "zip.csv"
    path.write_text("old")
    census.build(path)
    assert path.read_bytes() == built[1].read_bytes()
