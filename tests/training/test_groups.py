"""Groups: like sales together, never fewer than five, and likeness in price."""

from dataclasses import replace

import numpy as np
import pytest
from training import synthetic

from housing_app.training import groups, locations
from housing_app.training.locations import MIN_GROUP
from housing_app.valuation import comparables, features
from housing_app.valuation.features import SLOTS, Columns


@pytest.mark.parametrize("n", [5, 9, 17, 18, 40, 200])
@pytest.mark.parametrize("seed", [1, 2])
def test_clusters_part_all_points_and_none_is_under_five(n, seed):
    points = np.random.default_rng(seed).lognormal(size=(n, 3))
    found = groups.clusters(points)
    assert min(members.size for members in found) >= MIN_GROUP == 5
    assert sorted(np.concatenate(found).tolist()) == list(range(n))
    assert len(found) <= max(1, n // 9)


def test_points_far_from_all_others_join_the_nearest_cluster():
    rng = np.random.default_rng(3)
    heaps = [rng.normal(x, 0.1, (20, 1)) for x in (0, 100)]
    points = np.vstack([*heaps, [[140.0], [141.0]]])
    found = groups.clusters(points)
    (with_far,) = [members for members in found if 40 in members]
    assert 41 in with_far
    assert points[with_far].min() > 90


@pytest.mark.parametrize("n", [1, 4])
def test_fewer_than_five_points_are_one_cluster(n):
    found = groups.clusters(np.arange(float(n))[:, None])
    assert [members.size for members in found] == [n]


@pytest.mark.filterwarnings("ignore:Number of distinct clusters")
def test_clusters_of_equal_points_are_large_enough():
    found = groups.clusters(np.ones((60, 2)))
    assert sum(members.size for members in found) == 60
    assert min(members.size for members in found) >= MIN_GROUP


@pytest.fixture(scope="module")
def few(sales):
    """Sales of which one zipcode has four and another five."""
    zipcodes = np.asarray(sales.homes.zipcodes)
    zipcodes[:4], zipcodes[4:9] = "98004", "98112"
    return replace(sales, homes=sales.homes._replace(zipcodes=zipcodes.tolist()))


def test_groups_are_each_of_one_zipcode(few):
    points = np.random.default_rng(4).normal(size=(len(few), 3))
    ticks = []
    found = groups.by_zipcode(points, few, ticks.append)
    zipcodes = np.asarray(few.homes.zipcodes)
    assert all(len(set(zipcodes[members].tolist())) == 1 for members in found)
    assert min(members.size for members in found) >= MIN_GROUP
    grouped = np.concatenate(found)
    assert len(set(grouped.tolist())) == len(grouped) == len(few) - 4
    assert "98004" not in zipcodes[grouped]
    assert (zipcodes[grouped] == "98112").sum() == 5
    assert sum(ticks) == len(set(zipcodes.tolist()))


def test_means_are_of_points_and_medians_of_prices(few):
    points = np.random.default_rng(5).normal(size=(len(few), 2))
    members = groups.by_zipcode(points, few)
    found, prices, counts = groups.means(points, few, lambda _: None)
    for i, rows in enumerate(members):
        np.testing.assert_allclose(found[i], points[rows].mean(axis=0))
        assert prices[i] == np.median(few.prices[rows])
        assert counts[i] == rows.size


# --- likeness ---------------------------------------------------------------------------


@pytest.fixture(scope="module", params=SLOTS)
def case(request, sales):
    """What comparables are made of, for a slot."""
    slot = request.param
    base = locations.hedonic(sales, slot)
    columns = features.columns(sales.homes, {})
    columns.update(locations.out_of_fold(sales, base, slot))
    return slot, base, columns


@pytest.mark.parametrize("slot", SLOTS)
def test_what_the_price_follows_tells_homes_apart_most(slot):
    # Prices of homes spread evenly, that follow size and twice as strongly the floors.
    rng = np.random.default_rng(6)
    names = groups.COLUMNS[slot]
    columns = Columns({name: rng.uniform(0, 1, 8_000) for name in names})
    columns["log_living"] *= 10  # in whatever unit it is measured
    target = 0.02 * columns["log_living"] + 0.4 * columns["floors"]
    target += rng.normal(0, 0.02, 8_000)
    steps = dict(zip(names, groups.price_steps(columns, target, slot), strict=True))
    # A step of one is a log price of one.
    assert 1 / steps["floors"] == pytest.approx(0.4, rel=0.2)
    assert 1 / steps["log_living"] == pytest.approx(0.02, rel=0.2)
    others = [1 / steps[name] for name in names if name not in ("log_living", "floors")]
    # What the market does not pay for still tells homes apart a little.
    assert min(others) > 0
    assert max(others) < 0.25 / steps["floors"]


def test_steps_are_the_same_for_the_same_sales(case):
    slot, base, columns = case
    assert (groups.price_steps(columns, base.target, slot) > 0).all()
    first, again = (groups.price_steps(columns, base.target, slot) for _ in range(2))
    assert first.tolist() == again.tolist()


@pytest.fixture(scope="module")
def made(case, sales):
    slot, base, columns = case
    return groups.comparables(sales, columns, base, slot, keep_sales=False)


def loaded(case, made):
    """The groups as a model holds them."""
    arrays, options = made
    return comparables.Comparables(
        columns=options["columns"],
        steps=np.array(options["steps"]),
        far=options["far"],
        apart=options["apart"],
        **arrays,
    )


def test_every_comparable_stands_for_five_sales_of_one_zipcode(case, made, sales):
    arrays, _ = made
    assert arrays["counts"].min() >= MIN_GROUP
    assert arrays["counts"].sum() == len(sales)
    assert set(arrays["zipcodes"]) == set(synthetic.ZIPCODES)
    sizes = {name: len(array) for name, array in arrays.items()}
    assert set(sizes.values()) == {len(arrays["counts"])}


def test_a_comparable_is_the_middle_of_its_sales(case, made, sales):
    _slot, base, columns = case
    arrays, options = made
    points = features.matrix(columns, options["columns"]) / np.array(options["steps"])
    members = groups.by_zipcode(points, sales)
    living = sales.homes.values[:, features.POSITION["sqft_living"]]
    for i in (0, len(members) // 2, len(members) - 1):
        rows = members[i]
        assert arrays["counts"][i] == rows.size
        assert arrays["prices"][i] == np.median(sales.prices[rows])
        assert arrays["per_sqft"][i] == np.median((sales.prices / living)[rows])
        assert arrays["levels"][i] == np.median(base.target[rows])
        assert arrays["days"][i] == np.median(sales.homes.days[rows])
        np.testing.assert_array_equal(
            arrays["homes"][i], np.median(sales.homes.values[rows], axis=0)
        )
        np.testing.assert_allclose(arrays["points"][i], points[rows].mean(axis=0))


def test_one_training_home_in_a_hundred_is_far_from_all_groups(case, made, sales):
    _, base, columns = case
    index = loaded(case, made)
    distances = index.distances(columns)
    assert (distances.min(axis=1) > index.far).mean() == pytest.approx(0.01, abs=0.003)
    gaps = index.gaps(index.near(columns, 5), base.target)
    assert (gaps > index.apart).mean() == pytest.approx(0.01, abs=0.003)


def test_homes_are_nearer_to_groups_of_like_price(case, made):
    _, base, columns = case
    index = loaded(case, made)
    nearest = index.distances(columns).argmin(axis=1)
    apart = np.abs(index.levels[nearest] - base.target)
    anywhere = np.abs(index.levels[::-1][nearest % len(index.levels)] - base.target)
    assert np.median(apart) < 0.5 * np.median(anywhere)


def test_kept_sales_are_each_a_comparable_of_their_own(case, sales):
    slot, base, columns = case
    arrays, options = groups.comparables(sales, columns, base, slot, keep_sales=True)
    assert arrays["counts"].tolist() == [1] * len(sales)
    assert arrays["prices"].tolist() == sales.prices.tolist()
    assert arrays["zipcodes"].tolist() == list(sales.homes.zipcodes)
    index = loaded(case, (arrays, options))
    near = comparables.closest(index.distances(columns)[:1], 3)
    (found,) = index.described(near, np.array([np.nan]), np.array([np.nan]))
    assert [group["sales"] for group in found] == [1, 1, 1]
    assert found[0]["similarity"] == 1.0
    assert found[0]["median_price"] == sales.prices[0]
