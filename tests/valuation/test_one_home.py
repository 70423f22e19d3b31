"""One home alone is valued as in any company, though by other arithmetic."""

import numpy as np
import plausible
import pytest
from served import CHAMPIONS

from housing_app.valuation import features
from housing_app.valuation.features import Homes
from housing_app.valuation.predictor import Details
from housing_app.valuation.surfaces import SURFACES, Surfaces

HOMES = plausible.homes(150, seed=8)


@pytest.fixture(scope="module")
def grid():
    values = np.random.default_rng(2).normal(size=(60, 60, len(SURFACES)))
    return Surfaces(values.astype(np.float32), west=-30.0, south=-30.0, step=1.0)


def gaps(homes, seed):
    """Make a third of the values unknown, in some of the homes."""
    rng = np.random.default_rng(seed)
    holes = rng.random(homes.values.shape) < 0.3
    holes[::2] = False
    return homes._replace(values=np.where(holes, np.nan, homes.values))


def alone(homes, row):
    part = slice(row, row + 1)
    return Homes(homes.values[part], homes.zipcodes[part], homes.days[part])


def made(full, homes=HOMES):
    return features.homes(homes, full.valuation_date)


@pytest.mark.parametrize("seed", range(4))
def test_every_column_of_one_home_is_that_of_many(full, grid, seed):
    homes = gaps(made(full), seed)
    together = features.columns(homes, {}, grid)
    for row in range(len(HOMES)):
        one = features.one_home(alone(homes, row), {}, grid)
        for name in sorted({*features.OWN, *SURFACES}):
            expected = together[name][row]
            assert isinstance(one[name], float), name
            assert one[name] == pytest.approx(expected, rel=1e-14, nan_ok=True), name


@pytest.mark.parametrize("east", [-500.0, -30.0, 0.0, 12.34, 29.0, 500.0, np.nan])
@pytest.mark.parametrize("north", [-500.0, -7.5, 0.25, 500.0, np.nan])
def test_a_surface_at_one_place_is_the_same_to_the_last_bit(grid, east, north):
    (expected,) = grid.at(np.array([east]), np.array([north]))
    np.testing.assert_array_equal(grid.at_one(east, north), expected)


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("name", CHAMPIONS)
def test_answers_are_the_same_to_the_cent(shipped, shipped_demographics, name, seed):
    model = shipped[name]
    homes = gaps(made(model), seed)
    if name != CHAMPIONS[0] and seed == 0:
        homes = homes._replace(days=homes.days - 200)
    joined = shipped_demographics.join(homes.zipcodes, model.demographics)
    asked = Details(explain=True, comparables=3)
    found = model.value(homes, joined, asked)
    for row in range(len(HOMES)):
        one = model.value(alone(homes, row), joined[row : row + 1], asked)
        for ours, theirs in zip(one[:3], found[:3], strict=True):
            assert round(float(ours[0]), 2) == round(float(theirs[row]), 2)
        assert one.fsds[0] == pytest.approx(found.fsds[row], rel=1e-12)
        for ours, theirs in zip(one[4:], found[4:], strict=True):
            assert ours[0] == theirs[row]
