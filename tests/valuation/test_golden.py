"""Golden rows: an artifact's own answers, given again before it serves."""

from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from served import SHIPPED

from housing_app.valuation import features, golden
from housing_app.valuation.errors import ArtifactError

DAY = date(2015, 3, 31)
HOMES = features.homes(
    [
        {"zipcode": "98103", "sqft_living": 1850.0, "grade": 7.0},
        {"zipcode": "98004", "valuation_date": date(2014, 6, 1)},
    ],
    DAY,
)
JOINED = np.array([[1.5, np.nan], [np.nan, np.nan]])


def by_size(homes, joined):
    """Prices that depend on what is known, with a range around them."""
    size = np.nan_to_num(homes.values[:, features.POSITION["sqft_living"]], nan=900.0)
    prices = 300 * size + np.nan_to_num(joined).sum(axis=1) + homes.days / 1000
    return prices, 0.8 * prices, 1.2 * prices


@pytest.fixture
def manifest(full):
    rows = golden.rows(by_size, HOMES, JOINED)
    return replace(full.manifest, golden=rows, demographics=["a", "b"])


def test_the_inputs_come_back_as_they_were(manifest):
    homes, joined = golden.inputs(manifest)
    np.testing.assert_array_equal(homes.values, HOMES.values)
    assert list(homes.zipcodes) == HOMES.zipcodes
    assert homes.days.tolist() == HOMES.days.tolist()
    np.testing.assert_array_equal(joined, JOINED)


def test_a_row_holds_price_low_and_high(manifest):
    price, low, high = manifest.golden[0]["expected"]
    assert (low, high) == pytest.approx((0.8 * price, 1.2 * price))


def test_the_same_answers_pass(manifest):
    golden.check(by_size, manifest, "model/some-1")


@pytest.mark.parametrize("part", range(3), ids=["price", "low", "high"])
def test_another_answer_is_refused_by_row_and_cure(manifest, part):
    def other(homes, joined):
        answers = [array.copy() for array in by_size(homes, joined)]
        answers[part][1] *= 1 + 2e-6
        return answers

    with pytest.raises(ArtifactError, match="model/some-1: golden row 1 gives"):
        golden.check(other, manifest, "model/some-1")


def test_rounding_of_another_processor_passes(manifest):
    def other(homes, joined):
        return [array * (1 + 1e-9) for array in by_size(homes, joined)]

    golden.check(other, manifest, "model/some-1")


def test_answers_that_are_no_numbers_are_refused(manifest):
    def none(homes, joined):
        return [array * np.nan for array in by_size(homes, joined)]

    with pytest.raises(ArtifactError, match="golden row 0"):
        golden.check(none, manifest, "model/some-1")


def test_a_model_that_raises_is_refused_in_one_line(manifest):
    def broken(homes, joined):
        raise RuntimeError("two\nlines")

    with pytest.raises(ArtifactError, match="cannot be valued") as caught:
        golden.check(broken, manifest, "model/some-1")
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_models_golden_rows_are_the_example_homes_and_one_unknown(
    shipped, name, example_homes
):
    homes, _ = golden.inputs(shipped[name].manifest)
    expected = features.homes(example_homes, DAY)
    np.testing.assert_array_equal(homes.values[:-1], expected.values)
    assert np.isnan(homes.values[-1]).all()
