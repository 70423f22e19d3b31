"""What sales say of time and place, and that no sale says it of itself."""

from dataclasses import replace

import numpy as np
import pytest
from training import synthetic

from housing_app.training import locations
from housing_app.training.locations import MIN_GROUP, Places
from housing_app.valuation import features, market
from housing_app.valuation.features import SLOTS, SURFACES


@pytest.fixture(scope="module", params=SLOTS)
def slot(request):
    return request.param


@pytest.fixture(scope="module")
def base(sales, slot):
    return locations.hedonic(sales, slot)


def with_prices(sales, prices):
    return replace(sales, prices=np.asarray(prices, dtype=np.float64))


# --- the simple model of all prices -----------------------------------------------------


def test_the_target_is_the_log_price_less_the_index(sales, base):
    index = market.index(sales.homes.days, base.trend, base.season)
    np.testing.assert_allclose(base.target + index, np.log(sales.prices), rtol=1e-12)


def test_levels_are_around_zero_and_dearer_where_homes_are(sales, base):
    assert base.level.mean() == pytest.approx(0, abs=1e-9)
    zipcodes = np.asarray(sales.homes.zipcodes)
    means = {z: base.level[zipcodes == z].mean() for z in synthetic.ZIPCODES}
    order = sorted(synthetic.ZIPCODES, key=lambda z: synthetic.ZIPCODES[z][2])
    assert sorted(means, key=means.get) == order
    # The dearest zipcode's price per square foot lies .65 above the cheapest's.
    assert means["98103"] - means["98038"] == pytest.approx(0.65, abs=0.1)


def test_twice_the_prices_are_the_same_levels_and_index(sales, slot, base):
    found = locations.hedonic(with_prices(sales, 2 * sales.prices), slot)
    np.testing.assert_allclose(found.target, base.target + np.log(2), atol=1e-6)
    np.testing.assert_allclose(found.level, base.level, atol=1e-6)
    assert (found.trend, found.season) == pytest.approx((base.trend, base.season))


@pytest.mark.parametrize("rise", [-0.02, 0.02])
def test_the_trend_follows_the_sales(sales, slot, base, rise):
    months = market.basis(sales.homes.days)[:, 0]
    found = locations.hedonic(
        with_prices(sales, sales.prices * np.exp(rise * months)), slot
    )
    assert (found.trend - base.trend) / rise > 0.1
    assert abs(found.trend - base.trend) <= abs(rise)


def test_a_few_sales_leave_the_index_where_such_counties_have_it(sales, slot):
    few = sales.where(np.arange(len(sales)) % 6 == 0)
    found = locations.hedonic(few, slot)
    assert found.trend == pytest.approx(0.006, abs=0.002)
    assert found.season == pytest.approx(0.018, abs=0.006)


def test_an_odd_price_hardly_bends_the_model(sales, slot, base):
    prices = sales.prices.copy()
    prices[7] *= 50
    found = locations.hedonic(with_prices(sales, prices), slot)
    others = np.arange(len(sales)) != 7
    moved = np.abs((found.level - base.level)[others] - (found.level - base.level)[0])
    assert moved.max() < 0.01


# --- zipcodes ---------------------------------------------------------------------------


def test_a_zipcode_is_drawn_to_the_whole_by_five_sales():
    zipcodes = np.array(["a"] * 5 + ["b"] * 15)
    values = np.repeat([1.0, 3.0], [5, 15])[:, None]
    found = locations.zip_means(zipcodes, values, np.array(["b", "a"]))
    whole = (5 * 1 + 15 * 3) / 20
    expected = [(15 * 3 + 5 * whole) / 20, (5 * 1 + 5 * whole) / 10]
    assert found[:, 0].tolist() == pytest.approx(expected)


@pytest.mark.parametrize("count", [1, 4])
def test_a_zipcode_of_fewer_than_five_sales_gets_the_mean_of_all(count):
    zipcodes = np.array(["a"] * count + ["b"] * 10)
    values = np.repeat([9.0, 3.0], [count, 10])[:, None]
    found = locations.zip_means(zipcodes, values, np.array(["a"]))
    assert found[0, 0] == pytest.approx(values.mean())


@pytest.mark.parametrize("asked", ["0", "aa", "z"])
def test_a_zipcode_without_sales_gets_the_mean_of_all(asked):
    zipcodes, values = np.array(["a"] * 6 + ["b"] * 6), np.arange(12.0)[:, None]
    found = locations.zip_means(zipcodes, values, np.array([asked]))
    assert found[0, 0] == pytest.approx(5.5)


def test_every_column_of_a_zipcode_has_its_own_mean():
    zipcodes, values = np.array(["a"] * 5), np.arange(10.0).reshape(5, 2)
    found = locations.zip_means(zipcodes, values, np.array(["a"]))
    np.testing.assert_allclose(found, [[4, 5]])


def test_there_are_values_for_every_zipcode_column(sales, slot, base):
    values = locations.zip_values(sales, base, slot)
    assert values.shape == (len(sales), len(locations.ZIP_COLUMNS[slot]))
    assert values[:, 0].tolist() == base.level.tolist()


def test_an_area_is_the_middle_of_its_homes(read, slot):
    rows = synthetic.sales(400)
    here = [row for row in rows if row["zipcode"] == "98103"]
    sales = read(rows)
    area = locations.area(sales, locations.hedonic(sales, slot), slot)
    assert set(area) == set(synthetic.ZIPCODES)
    found = area["98103"]
    assert found["count"] == len(here)
    assert found["lat"] == pytest.approx(np.median([r["lat"] for r in here]), abs=1e-4)
    # Positions scatter with 0.012 degrees, 1.3 km to the north.
    assert 2 < found["radius_km"] < 6
    # The log price per square foot, without the index, drawn to the whole a little.
    per_foot = [np.log(row["price"] / row["sqft_living"]) for row in here]
    assert found["zip_per_sqft"] == pytest.approx(np.mean(per_foot), abs=0.1)


def test_an_area_knows_no_zipcode_of_fewer_than_five_sales(read, slot):
    rows = synthetic.sales(300)
    for row in rows[:4]:
        row["zipcode"] = "98004"
    for row in rows[4:9]:
        row["zipcode"] = "98112"
    sales = read(rows)
    area = locations.area(sales, locations.hedonic(sales, slot), slot)
    assert "98004" not in area
    assert area["98112"]["count"] == MIN_GROUP


# --- surfaces ---------------------------------------------------------------------------


def places(points, level=None):
    n = len(points)
    level = np.zeros(n) if level is None else np.asarray(level, dtype=np.float64)
    return Places(np.asarray(points, dtype=np.float64), np.zeros((n, 7)), level, level)


def weights(points, at):
    """The weight of each sale in each surface at one point: all are linear."""
    n = len(points)
    found = [locations.smooth(places(points, np.eye(n)[i]), at)[0] for i in range(n)]
    return np.array(found).T


@pytest.fixture(scope="module")
def scattered():
    return np.random.default_rng(1).normal(0, 3, (260, 2))


def test_a_surface_of_one_level_is_that_level(scattered):
    found = locations.smooth(places(scattered, np.full(260, 0.3)), scattered[:20])
    assert found.shape == (20, len(SURFACES))
    np.testing.assert_allclose(found, 0.3, rtol=1e-5)


@pytest.mark.parametrize("where", ["at a sale", "between sales", "far away"])
def test_no_surface_rests_on_fewer_than_five_sales(scattered, where):
    at = {
        "at a sale": scattered[40],
        "between sales": np.array([0.05, 0.02]),
        "far away": np.array([40.0, 0.0]),
    }[where][None]
    for name, weight in zip(SURFACES, weights(scattered, at), strict=True):
        assert weight.sum() == pytest.approx(1, abs=1e-4), name
        assert 1 / (weight**2).sum() >= MIN_GROUP, name
        assert np.abs(weight).max() <= 0.35, name


def test_the_lonelier_a_sale_the_less_it_may_say():
    # One sale far out and the others in a heap: at the lonely one, it weighs most.
    heap = np.random.default_rng(2).normal(0, 1, (259, 2))
    points = np.vstack([[[60.0, 0.0]], heap])
    for name, weight in zip(SURFACES, weights(points, points[:1]), strict=True):
        assert 1 / (weight**2).sum() >= MIN_GROUP, name
        assert np.abs(weight).max() <= 0.35, name


def test_a_surface_follows_the_levels_around_it():
    grid = np.stack(np.meshgrid(np.arange(16.0), np.arange(16.0)), -1).reshape(-1, 2)
    east = (grid[:, 0] > 7.5).astype(float)
    found = locations.smooth(places(grid, east), np.array([[1.0, 8], [14.0, 8]]))
    near = [i for i, name in enumerate(SURFACES) if name in ("level_8", "level_20")]
    assert (found[0, near] < 0.01).all()
    assert (found[1, near] > 0.99).all()
    # The widest surfaces see further but know the side too.
    assert (found[0] < 0.45).all()
    assert (found[1] > 0.55).all()


def test_local_levels_are_without_what_the_homes_are_like(scattered):
    rng = np.random.default_rng(3)
    likeness = rng.normal(size=(260, 7))
    level = 0.2 + 0.3 * likeness[:, 1]
    sold = Places(scattered, likeness, level, level)
    found = locations.smooth(sold, scattered[:30])
    local = [i for i, name in enumerate(SURFACES) if name.startswith("local")]
    np.testing.assert_allclose(found[:, local], 0.2, atol=0.05)


@pytest.fixture(scope="module")
def sold(sales):
    return locations.places(sales, locations.hedonic(sales, "full"))


def test_at_the_nodes_of_the_grid_a_surface_is_what_sales_say_there(sold):
    grid = locations.surfaces(sold)
    rows, columns, _ = grid.values.shape
    j, i = 2 * rows // 3, columns // 3
    nearest = sold.points[0]
    i, j = (round(x) for x in (nearest - [grid.west, grid.south]) / grid.step)
    at = np.array([[grid.west + i * grid.step, grid.south + j * grid.step]])
    expected = locations.smooth(sold, at)[0]
    np.testing.assert_allclose(grid.values[j, i], expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(grid.at(*at.T)[0], expected, rtol=1e-4, atol=1e-5)


def test_the_grid_covers_every_sale_and_is_never_empty(sold):
    grid = locations.surfaces(sold)
    assert np.isfinite(grid.values).all()
    rows, columns, _ = grid.values.shape
    end = np.array([grid.west, grid.south]) + grid.step * np.array([columns, rows])
    assert (sold.points.min(axis=0) > [grid.west, grid.south]).all()
    assert (sold.points.max(axis=0) < end).all()


# --- no sale knows its own price ----------------------------------------------------------


def test_a_home_that_sold_twice_is_in_one_fold(sales):
    fold = locations.folds(sales, 20, seed=0)
    homes, counts = np.unique(sales.ids, return_counts=True)
    twice = homes[counts > 1]
    assert len(twice) > 20
    for home in twice:
        assert len(set(fold[sales.ids == home].tolist())) == 1
    assert set(fold.tolist()) == set(range(20))
    assert fold.tolist() == locations.folds(sales, 20, seed=0).tolist()
    assert fold.tolist() != locations.folds(sales, 20, seed=1).tolist()


def moved(base, row, by=3.0):
    """Return what would be learned if one sale's place had added so much more."""
    level, target = base.level.copy(), base.target.copy()
    level[row] += by
    target[row] += by
    return replace(base, level=level, target=target)


@pytest.mark.parametrize("row", [0, 700])
def test_a_sales_price_is_in_none_of_its_own_columns(sales, slot, base, row):
    before = locations.out_of_fold(sales, base, slot)
    after = locations.out_of_fold(sales, moved(base, row), slot)
    fold = locations.folds(sales, locations._FOLDS, seed=0)
    same = fold == fold[row]
    seen = np.zeros(len(sales), dtype=bool)
    for name, values in before.items():
        # Nor in those of its fold, where the home may have sold once more.
        assert (after[name][same] == values[same]).all(), name
        seen |= after[name] != values
    assert not seen[same].any()
    # Its neighbours and the rest of its zipcode do learn from it.
    assert seen.sum() > 100


def test_there_is_a_column_of_every_kind(sales, slot, base):
    found = locations.out_of_fold(sales, base, slot)
    expected = set(locations.ZIP_COLUMNS[slot])
    if slot == "full":
        expected |= set(SURFACES)
    assert set(found) == expected
    for values in found.values():
        assert values.shape == (len(sales),)
        assert np.isfinite(values).all()


def test_a_sales_price_hardly_moves_its_columns_through_the_simple_model_either(
    sales, slot, base
):
    # The hedonic model is fitted on all sales: what one sale can do to it is what it
    # can do to its own columns.
    prices = sales.prices.copy()
    prices[700] *= 2
    bent = locations.hedonic(with_prices(sales, prices), slot)
    before = locations.out_of_fold(sales, base, slot)
    after = locations.out_of_fold(sales, bent, slot)
    for name, values in before.items():
        assert abs(after[name][700] - values[700]) < 0.003, name


def test_columns_of_served_homes_are_of_the_size_of_those_learned_from(
    sales, base, slot
):
    # Out of fold, a column is noisier than at a request but must not be shifted.
    found = locations.out_of_fold(sales, base, slot)
    area = locations.area(sales, base, slot)
    for name in locations.ZIP_COLUMNS[slot]:
        served = np.array([area[z][name] for z in sales.homes.zipcodes])
        assert found[name].mean() == pytest.approx(served.mean(), abs=0.01), name
        assert np.corrcoef(found[name], served)[0, 1] > 0.95, name


def test_columns_of_the_place_know_nothing_of_the_home(sales):
    # Another home at the same place has the same columns: or more living space could
    # lower a price by them.
    base = locations.hedonic(sales, "full")
    grid = locations.surfaces(locations.places(sales, base))
    larger = sales.homes.values.copy()
    larger[:, features.POSITION["sqft_living"]] += 500
    larger[:, features.POSITION["grade"]] += 1
    ours, theirs = (
        features.columns(sales.homes._replace(values=values), {}, grid)
        for values in (sales.homes.values, larger)
    )
    for name in SURFACES:
        assert ours[name].tolist() == theirs[name].tolist()
