"""Symmetric trees: CatBoost's answers and exact reasons, without CatBoost."""

import io
import json
from itertools import combinations
from math import factorial

import catboost as library
import numpy as np
import pytest
from served import FULL, MODEL

from housing_app.training import symmetric
from housing_app.valuation import (
    loading,
)
from housing_app.valuation.kinds import catboost
from housing_app.valuation.kinds.catboost import Forest, Reasoned, SymmetricTrees

WIDTH = 8
RISING = [True, True, False, False, False, False, False, False]
# The shipped recipe but for the number of trees, written out so that CatBoost itself
# can be asked for the same forest.
RECIPE = {
    "depth": 6,
    "l2_leaf_reg": 3,
    "rsm": 0.4,
    "bootstrap_type": "Bernoulli",
    "subsample": 0.7,
    "border_count": 128,
    "nan_mode": "Min",
    "thread_count": 1,
    "random_seed": 20150331,
    "verbose": 0,
    "allow_writing_files": False,
}
MEMBERS = (
    {"loss_function": "RMSE", "iterations": 60, "learning_rate": 0.08},
    {"loss_function": "MAE", "iterations": 90, "learning_rate": 0.04},
)


def sales(n, seed, unknown=0.1):
    """Rows of numbers, whole numbers and gaps, and log prices that follow them."""
    rng = np.random.default_rng(seed)
    rows = np.column_stack(
        [
            rng.lognormal(7.5, 0.4, n),
            rng.integers(1, 13, n),
            rng.integers(1900, 2015, n),
            rng.normal(0, 10, (n, WIDTH - 3)),
        ]
    ).astype(np.float64)
    target = 0.7 * np.log(rows[:, 0]) + 0.1 * rows[:, 1] + 0.02 * rows[:, 3]
    target += rng.normal(0, 0.15, n) + 7
    rows[rng.random(rows.shape) < unknown] = np.nan
    rows[:, -1] = np.nan_to_num(rows[:, -1])  # one column always known in training
    return rows, target


class Case:
    """A forest of both members, and CatBoost's own models of them."""

    def __init__(self, rising):
        rows, target = sales(900, seed=1)
        weight = np.where(np.arange(900) < 600, 1.0, 0.5)
        data = symmetric.Data(rows, target, weight, rising)
        self.centre = np.average(target, weights=weight)
        self.forests = [
            symmetric.fit(data, RECIPE | member, lambda _: None) for member in MEMBERS
        ]
        told = {"monotone_constraints": [int(up) for up in rising]} if rising else {}
        pool = library.Pool(rows, target - self.centre, weight=weight)
        self.models = [
            library.CatBoostRegressor(**RECIPE | member | told).fit(pool)
            for member in MEMBERS
        ]
        self.arrays = symmetric.combine(self.forests, [0.5, 0.5])
        self.forest = catboost.forest(self.arrays)

    def expected(self, rows):
        """What CatBoost says: the mean of both, around the centre."""
        both = [model.predict(rows) for model in self.models]
        return np.mean(both, axis=0) + self.centre


@pytest.fixture(scope="module", params=[RISING, []], ids=["rising", "free"])
def case(request):
    return Case(request.param)


@pytest.fixture(scope="module")
def rising():
    return Case(RISING)


# --- the same prices ------------------------------------------------------------------


def test_prices_are_catboosts(case):
    rows, _ = sales(3_000, seed=2)
    expected = case.expected(rows)
    assert expected.std() > 0.1
    np.testing.assert_allclose(case.forest.predict(rows), expected, rtol=1e-12)


def test_each_members_prices_are_catboosts(case):
    rows, _ = sales(300, seed=3)
    for forest, model in zip(case.forests, case.models, strict=True):
        found = catboost.forest(forest).predict(rows)
        np.testing.assert_allclose(found, model.predict(rows) + case.centre, rtol=1e-12)


@pytest.mark.parametrize("column", range(WIDTH))
def test_unknown_values_take_catboosts_way(case, column):
    rows, _ = sales(200, seed=4, unknown=0)
    rows[:, column] = np.nan
    np.testing.assert_allclose(
        case.forest.predict(rows), case.expected(rows), rtol=1e-12
    )


def test_a_home_of_which_nothing_is_known_takes_catboosts_way(case):
    rows = np.full((1, WIDTH), np.nan)
    np.testing.assert_allclose(
        case.forest.predict(rows), case.expected(rows), rtol=1e-12
    )


def test_a_value_on_a_border_and_its_neighbours_go_where_catboost_sends_them(case):
    # One float32 above and below each border, and float64s that round to it.
    used = np.isfinite(case.arrays["border"])
    pairs = np.unique(
        np.column_stack([case.arrays["feature"][used], case.arrays["border"][used]]),
        axis=0,
    )
    base, _ = sales(1, seed=5, unknown=0)
    rows = []
    for column, border in pairs:
        exact = np.float32(border)
        if abs(exact) > 1e30:
            continue  # CatBoost's border between unknown and known
        up, down = (np.nextafter(exact, np.float32(end)) for end in (np.inf, -np.inf))
        hair = abs(float(up) - float(exact)) / 4
        for value in (exact, up, down, float(exact) + hair, float(exact) - hair):
            row = base[0].copy()
            row[int(column)] = value
            rows.append(row)
    assert len(rows) > 500
    found = case.forest.predict(np.array(rows))
    np.testing.assert_allclose(found, case.expected(np.array(rows)), rtol=1e-12)
    # Above is strictly above: the border itself is with what lies below it.
    by_border = found.reshape(-1, 5)
    assert (by_border[:, 0] == by_border[:, 2]).mean() > 0.9
    assert (by_border[:, 0] != by_border[:, 1]).mean() > 0.5


@pytest.mark.parametrize("count", [1, 2, 127, 128, 129, 255, 256, 257, 1000])
def test_a_row_gets_the_same_bits_in_a_batch_of_any_size(case, count):
    rows, _ = sales(count, seed=6)
    alone = [case.forest.predict(row[None])[0] for row in rows]
    assert case.forest.predict(rows).tolist() == alone


def test_no_rows_have_no_prices(case):
    assert case.forest.predict(np.empty((0, WIDTH))).tolist() == []


@pytest.mark.parametrize(
    "take", [np.asfortranarray, lambda x: np.repeat(x, 2, 1)[:, ::2]]
)
def test_the_layout_of_the_rows_in_memory_does_not_matter(case, take):
    rows, _ = sales(130, seed=7)
    expected = case.forest.predict(rows)
    assert case.forest.predict(take(rows)).tolist() == expected.tolist()
    assert case.forest.predict(take(rows)[:1])[0] == expected[0]


@pytest.mark.parametrize("depth", range(1, 9))
def test_trees_of_every_depth_are_catboosts(depth):
    rows, target = sales(400, seed=8)
    options = RECIPE | {"depth": depth, "iterations": 8, "rsm": 1}
    found = symmetric.fit(
        symmetric.Data(rows, target, np.ones(400)), options, lambda _: None
    )
    pool = library.Pool(rows, target - target.mean())
    model = library.CatBoostRegressor(**options).fit(pool)
    np.testing.assert_allclose(
        catboost.forest(found).predict(rows),
        model.predict(rows) + target.mean(),
        rtol=1e-12,
    )


def test_more_of_a_rising_column_never_lowers_the_price(rising):
    rows, _ = sales(2_000, seed=9)
    rng = np.random.default_rng(9)
    for column in np.flatnonzero(RISING):
        more = rows.copy()
        more[:, column] += rng.lognormal(0, 2, len(rows))
        assert (rising.forest.predict(more) >= rising.forest.predict(rows)).all()


def test_a_forest_does_not_forget_the_level_of_the_prices(rising):
    # Under monotone constraints CatBoost drops its own start value.
    rows, target = sales(900, seed=1)
    assert rising.forest.predict(rows).mean() == pytest.approx(target.mean(), abs=0.02)


def test_the_same_data_give_the_same_bits(rising):
    again = Case(RISING)
    for name, array in rising.arrays.items():
        assert array.tobytes() == again.arrays[name].tobytes(), name


def test_what_ships_does_not_tell_how_many_sales_a_leaf_holds(rising):
    assert set(symmetric.shipped(rising.arrays)) == {
        "feature",
        "border",
        "value",
        "bias",
    }


# --- reasons --------------------------------------------------------------------------


def expected_value(feature, border, value, cover, row, known):
    """Walk one tree from its root, CatBoost's last level; Lundberg's EXPVALUE."""

    def walk(level, first):
        if level < 0:
            return value[first]
        halves = [first, first + (1 << level)]
        if feature[level] in known:
            above = np.float32(row[feature[level]]) > border[level]
            return walk(level - 1, halves[int(above)])
        weights = [cover[half : half + (1 << level)].sum() for half in halves]
        if sum(weights) == 0:
            weights = [1, 1]
        ends = [walk(level - 1, half) for half in halves]
        return np.dot(weights, ends) / sum(weights)

    return walk(len(feature) - 1, 0)


def shapley_by_force(forest, row):
    """Every feature's share, through all subsets of the features of each tree."""
    total = np.zeros(WIDTH + 1)
    total[-1] = float(forest["bias"])
    for tree in range(len(forest["feature"])):
        used = np.isfinite(forest["border"][tree])
        depth = int(used.sum())
        feature = forest["feature"][tree][:depth]
        arguments = (
            feature,
            forest["border"][tree][:depth],
            forest["value"][tree],
            forest["cover"][tree],
            row,
        )
        players = sorted({int(f) for f in feature})
        worth = {
            team: expected_value(*arguments, team)
            for size in range(len(players) + 1)
            for team in combinations(players, size)
        }
        total[-1] += worth[()]
        for player in players:
            others = [p for p in players if p != player]
            for size in range(len(others) + 1):
                weight = factorial(size) * factorial(len(players) - size - 1)
                for team in combinations(others, size):
                    gain = worth[tuple(sorted((*team, player)))] - worth[team]
                    total[player] += weight / factorial(len(players)) * gain
    return total


def reasoned(arrays):
    """A forest with its look-up of shares, as an artifact loads it."""
    found = symmetric.reasons(arrays)
    feature = found["feature"].astype(np.intp).ravel()
    return Reasoned(catboost.forest(arrays), found["share"], feature)


NO_STRETCH = {"middle": 0.0, "beyond": 0.0, "above": 0.0, "below": 0.0}
STRETCH = {"middle": 13.0, "beyond": 0.3, "above": 0.07, "below": 0.03}


def model_of(arrays, other=None, stretch=NO_STRETCH):
    complete = reasoned(arrays)
    return SymmetricTrees(
        complete, reasoned(other) if other else complete, complete.forest, stretch
    )


def small(rising, trees=6, **options):
    rows, target = sales(300, seed=11)
    data = symmetric.Data(rows, target, np.ones(300), rising)
    given = RECIPE | {"iterations": trees, "learning_rate": 0.3} | options
    return symmetric.fit(data, given, lambda _: None)


@pytest.mark.parametrize("depth", [1, 2, 4, 6])
@pytest.mark.parametrize("rising", [RISING, []], ids=["rising", "free"])
def test_shares_are_those_of_brute_force_over_all_subsets(rising, depth):
    # 300 sales in 64 leaves: many leaves are empty, and many trees ask twice for one
    # column.
    arrays = small(rising, depth=depth, rsm=0.6)
    rows, _ = sales(12, seed=12)
    found = model_of(arrays).contributions(rows)
    expected = [shapley_by_force(arrays, row) for row in rows]
    np.testing.assert_allclose(found, expected, atol=2e-6)
    if depth == 6:
        assert (arrays["cover"] == 0).any()
        columns = [set(row.tolist()) for row in arrays["feature"]]
        assert min(map(len, columns)) < depth


def test_shares_are_those_of_catboost_on_free_trees():
    rows, target = sales(900, seed=13)
    options = RECIPE | {"iterations": 20, "depth": 3}
    arrays = symmetric.fit(
        symmetric.Data(rows, target, np.ones(900)), options, lambda _: None
    )
    pool = library.Pool(rows, target - target.mean())
    model = library.CatBoostRegressor(**options).fit(pool)
    expected = model.get_feature_importance(pool, type="ShapValues")
    found = model_of(arrays).contributions(rows)
    np.testing.assert_allclose(found[:, :-1], expected[:, :-1], atol=1e-6)
    np.testing.assert_allclose(found[:, -1], expected[:, -1] + target.mean(), atol=1e-6)


def test_shares_and_base_add_up_to_the_price(rising):
    rows, _ = sales(500, seed=14)
    for stretch in (NO_STRETCH, STRETCH):
        model = model_of(rising.arrays, stretch=stretch)
        np.testing.assert_allclose(
            model.contributions(rows).sum(axis=1), model.log_prices(rows), rtol=1e-13
        )


def test_the_base_is_the_mean_of_what_was_learned_and_the_same_for_all(rising):
    rows, _ = sales(500, seed=15)
    arrays = rising.arrays
    share = arrays["cover"] / arrays["cover"].sum(axis=1, keepdims=True)
    mean = float((share * arrays["value"]).sum() + arrays["bias"])
    found = model_of(arrays).contributions(rows)[:, -1]
    np.testing.assert_allclose(found, mean, atol=1e-4)


def test_a_column_that_no_tree_asks_for_has_no_share(rising):
    rows, _ = sales(20, seed=16)
    arrays = rising.arrays | {"feature": rising.arrays["feature"] + 1}
    wide = np.column_stack([rows[:, 3], rows])
    found = model_of(arrays).contributions(wide)
    assert (found[:, 0] == 0).all()
    assert (found[:, 1:-1] != 0).any(axis=0).all()


# --- two forests, and the stretch -----------------------------------------------------


def test_homes_with_gaps_are_for_the_other_forest():
    complete, other = small([], trees=3), small([], trees=5, random_seed=2)
    model = model_of(complete, other)
    rows, _ = sales(60, seed=17, unknown=0.05)
    gaps = np.isnan(rows).any(axis=1)
    assert 10 < gaps.sum() < 50
    expected = np.where(
        gaps,
        catboost.forest(other).predict(rows),
        catboost.forest(complete).predict(rows),
    )
    assert model.log_prices(rows).tolist() == expected.tolist()
    for part in (rows[gaps], rows[~gaps], rows[:1]):
        alone = [model.log_prices(row[None])[0] for row in part]
        assert model.log_prices(part).tolist() == alone
    together = model.contributions(rows)
    alone = [model.contributions(row[None])[0] for row in rows]
    np.testing.assert_array_equal(together, alone)


def staircase(steps=4_000, low=12.0, high=14.0):
    """A forest that gives back its one column, to a step."""
    borders = np.linspace(low, high, steps, dtype=np.float32)[:, None]
    value = np.tile([0.0, (high - low) / steps], (steps, 1))
    return {
        "feature": np.zeros((steps, 1), np.int32),
        "border": borders,
        "value": value,
        "cover": np.ones((steps, 2)),
        "bias": np.array(low),
    }


def test_the_stretch_keeps_the_order_and_leaves_the_middle_alone():
    arrays = staircase()
    rows = np.linspace(12.0, 14.0, 4_001)[:, None]
    plain = model_of(arrays).log_prices(rows)
    found = model_of(arrays, stretch=STRETCH).log_prices(rows)
    assert (np.diff(plain) >= 0).all()
    assert (np.diff(found) >= 0).all()
    assert ((np.diff(found) > 0) == (np.diff(plain) > 0)).all()
    inside = np.abs(plain - 13) <= 0.3
    assert (found[inside] == plain[inside]).all()
    dear, cheap = plain > 13.31, plain < 12.69
    np.testing.assert_allclose(
        found[dear] - plain[dear], 0.07 * (plain[dear] - 13.3), atol=1e-12
    )
    np.testing.assert_allclose(
        plain[cheap] - found[cheap], 0.03 * (12.7 - plain[cheap]), atol=1e-12
    )


def test_the_stretch_has_no_jump_at_its_knees():
    arrays = staircase()
    rows = np.linspace(12.6, 13.4, 4_001)[:, None]
    found = model_of(arrays, stretch=STRETCH).log_prices(rows)
    assert np.diff(found).max() < 3 * 2.0 / 4_000


def test_the_spread_is_told_the_price_and_what_is_unknown():
    # A forest of one question to each of the two columns behind the home's own.
    spread = Forest(
        np.array([[WIDTH], [WIDTH + 1]], np.int32),
        np.array([[13.0], [0.5]], np.float32),
        np.array([[-3.0, -2.0], [0.0, 0.5]]),
        0.0,
    )
    complete = reasoned(small([], trees=2))
    model = SymmetricTrees(complete, complete, spread, NO_STRETCH)
    rows, _ = sales(4, seed=18)
    prices, missing = np.array([12.0, 14.0, 12.0, 14.0]), np.array([0.0, 0.0, 1.0, 3.0])
    found = np.log(model.spreads(rows, prices, missing))
    np.testing.assert_allclose(found, [-3, -2, -2.5, -1.5])


# --- what is refused ------------------------------------------------------------------

GOOD = {
    "feature": np.zeros((3, 2), np.int32),
    "border": np.ones((3, 2), np.float32),
    "value": np.zeros((3, 4)),
    "bias": np.array(0.0),
}
DEEP = {
    "feature": np.zeros((3, 9), np.int32),
    "border": np.ones((3, 9), np.float32),
    "value": np.zeros((3, 512)),
}
MISSHAPEN = {
    "no trees": {
        "feature": np.zeros((0, 2), np.int32),
        "border": np.zeros((0, 2), np.float32),
        "value": np.zeros((0, 4)),
    },
    "nine levels": DEEP,
    "a list of features": {"feature": np.zeros(3, np.int32)},
    "borders of another depth": {"border": np.ones((3, 3), np.float32)},
    "borders of other trees": {"border": np.ones((2, 2), np.float32)},
    "leaves of another depth": {"value": np.zeros((3, 8))},
    "leaves of other trees": {"value": np.zeros((4, 4))},
    "a negative column": {"feature": np.full((3, 2), -1, np.int32)},
}


@pytest.mark.parametrize("changes", MISSHAPEN.values(), ids=MISSHAPEN)
def test_arrays_that_make_no_forest_are_refused(changes):
    catboost.forest(GOOD)
    with pytest.raises(ValueError, match=r"\w"):
        catboost.forest(GOOD | changes)


def test_a_forest_of_eight_levels_is_the_deepest():
    arrays = {name: array[:, :8] for name, array in DEEP.items()}
    value = np.arange(768.0).reshape(3, 256)
    forest = catboost.forest(GOOD | arrays | {"value": value})
    assert forest.predict(np.array([[2.0], [0.0]])).tolist() == [
        value[:, -1].sum(),
        value[:, 0].sum(),
    ]


def npz(**arrays):
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def npy(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def stored(name):
    with np.load(MODEL / FULL / name) as arrays:
        return dict(arrays)


def without(arrays, name):
    return {key: array for key, array in arrays.items() if key != name}


PICKLED = np.array([{"price": 1}], dtype=object)
FILES = (*catboost.FILES, "surfaces.npz", "comparables.npz")
NO_ARRAYS = {
    "empty": b"",
    "text": b"forest",
    "one plain array": npy(np.ones(3)),
    "a pickle": npz(feature=PICKLED, values=PICKLED, points=PICKLED, share=PICKLED),
    "cut short": (MODEL / FULL / "comparables.npz").read_bytes()[:5_000],
    "other arrays": npz(other=np.ones(3)),
    "a zip of text": b"PK\x05\x06" + bytes(18),
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("content", NO_ARRAYS.values(), ids=NO_ARRAYS)
def test_a_file_that_holds_no_such_arrays_is_refused(copy, refusal, name, content):
    directory = copy.artifact(FULL)
    copy.replace(directory, name, content)
    assert str(directory) in refusal(loading.load, directory)


@pytest.mark.parametrize("name", ["price.npz", "price_unknown.npz", "spread.npz"])
@pytest.mark.parametrize(
    "change",
    [
        lambda a: without(a, "bias"),
        lambda a: a | {"value": a["value"][:-1]},
        lambda a: a | {"feature": a["feature"] + 100},
        lambda a: a | {"feature": a["feature"] - 100},
        lambda a: a | {"border": a["border"][:, :-1]},
        lambda a: a | {"value": a["value"] * 1.01},
        lambda a: a | {"value": a["value"] * np.nan},
    ],
    ids=["no bias", "short", "too wide", "negative", "shallow", "other", "NaN"],
)
def test_a_forged_forest_is_refused(copy, refusal, name, change):
    directory = copy.artifact(FULL)
    copy.replace(directory, name, npz(**change(stored(name))))
    assert str(directory) in refusal(loading.load, directory)


@pytest.mark.parametrize("name", ["reasons.npz", "reasons_unknown.npz"])
@pytest.mark.parametrize(
    "change",
    [
        lambda a: without(a, "share"),
        lambda a: a | {"share": a["share"][:-64]},
        lambda a: a | {"share": a["share"][:, :-1]},
        lambda a: a | {"feature": a["feature"][:-1]},
        lambda a: a | {"feature": a["feature"] + 100},
        lambda a: a | {"feature": a["feature"] - 100},
    ],
    ids=["no shares", "short", "shallow", "few features", "too wide", "negative"],
)
def test_reasons_that_do_not_fit_their_forest_are_refused(copy, refusal, name, change):
    # Golden rows are prices: nobody would notice before the first ?explain=true.
    directory = copy.artifact(FULL)
    copy.replace(directory, name, npz(**change(stored(name))))
    assert str(directory) in refusal(loading.load, directory)


COMPARABLES = ("homes", "prices", "per_sqft", "counts", "days", "zipcodes", "levels")


@pytest.mark.parametrize("array", COMPARABLES)
def test_comparables_of_different_lengths_are_refused(copy, refusal, array):
    directory = copy.artifact(FULL)
    arrays = stored("comparables.npz")
    arrays[array] = arrays[array][:-1]
    copy.replace(directory, "comparables.npz", npz(**arrays))
    assert str(directory) in refusal(loading.load, directory)


@pytest.mark.parametrize("values", [np.ones((5, 6)), np.ones((5, 6, 2)), np.ones(6)])
def test_surfaces_of_another_shape_are_refused(copy, refusal, values):
    directory = copy.artifact(FULL)
    copy.replace(directory, "surfaces.npz", npz(values=values.astype(np.float32)))
    assert str(directory) in refusal(loading.load, directory)


@pytest.mark.parametrize("name", ["middle", "beyond", "above", "below"])
@pytest.mark.parametrize("value", [..., None, "much"])
def test_a_stretch_that_is_no_number_is_refused(copy, refusal, full, name, value):
    directory = copy.artifact(FULL)
    stretch = json.loads(json.dumps(full.manifest.model["stretch"]))
    stretch[name] = value
    if value is ...:
        del stretch[name]
    copy.edit(directory, model=full.manifest.model | {"stretch": stretch})
    assert str(directory) in refusal(loading.load, directory)
