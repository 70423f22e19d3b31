"""CatBoost's models as arrays. What they answer is in valuation/kinds."""

import numpy as np
import pytest

from housing_app.training import symmetric
from housing_app.training.symmetric import Data
from housing_app.valuation.kinds import catboost


def split(column, border):
    return {"float_feature_index": column, "border": border}


def tree(splits, values):
    weights = list(range(1, len(values) + 1))
    return {"splits": splits, "leaf_values": values, "leaf_weights": weights}


MODEL = {
    "scale_and_bias": [2.0, [0.5]],
    "oblivious_trees": [
        tree([split(0, 10.0), split(1, 20.0)], [1.0, 2.0, 3.0, 4.0]),
        tree([split(1, 15.0)], [10.0, 20.0]),
        tree(None, [100.0]),
    ],
}


def test_a_model_of_trees_of_different_depth_becomes_arrays():
    found = symmetric.from_json(MODEL)
    assert found["feature"].tolist() == [[0, 1], [1, 0], [0, 0]]
    assert found["border"].tolist() == [
        [10, 20],
        [15, float("inf")],
        [float("inf")] * 2,
    ]
    assert found["value"].tolist() == [[2, 4, 6, 8], [20, 40, 0, 0], [200, 0, 0, 0]]
    assert found["cover"].tolist() == [[1, 2, 3, 4], [1, 2, 0, 0], [1, 0, 0, 0]]
    assert found["bias"] == 0.5


@pytest.mark.parametrize(
    ("row", "price"),
    [
        ([5.0, 5.0], 2 + 20),
        ([11.0, 5.0], 4 + 20),
        ([5.0, 18.0], 2 + 40),
        ([5.0, 21.0], 6 + 40),
        ([11.0, 21.0], 8 + 40),
        ([np.nan, np.nan], 2 + 20),
    ],
)
def test_the_first_question_is_the_lowest_bit_of_the_leaf(row, price):
    forest = catboost.forest(symmetric.from_json(MODEL))
    assert forest.predict(np.array([row]))[0] == price + 200 + 0.5


def test_a_bias_may_be_a_plain_number():
    found = symmetric.from_json(MODEL | {"scale_and_bias": [1.0, 0.25]})
    assert found["bias"] == 0.25


def test_forests_are_combined_by_their_weights():
    one = symmetric.from_json(MODEL)
    other = symmetric.from_json(MODEL | {"scale_and_bias": [-3.0, [7.0]]})
    rows = np.random.default_rng(1).uniform(0, 30, (50, 2))
    found = catboost.forest(symmetric.combine([one, other], [0.25, 0.75]))
    expected = 0.25 * catboost.forest(one).predict(rows)
    expected += 0.75 * catboost.forest(other).predict(rows)
    np.testing.assert_allclose(found.predict(rows), expected, rtol=1e-14)


def test_combining_does_not_change_its_parts():
    one = symmetric.from_json(MODEL)
    symmetric.combine([one, one], [0.5, 0.5])
    assert one["value"].tolist() == symmetric.from_json(MODEL)["value"].tolist()


def test_a_fit_ticks_once_with_its_trees():
    rng = np.random.default_rng(2)
    rows = rng.normal(size=(80, 3))
    ticks = []
    symmetric.fit(Data(rows, rows[:, 0], np.ones(80)), {"iterations": 7}, ticks.append)
    assert ticks == [7]


def test_weights_count():
    # Two answers to one question, one of which weighs nine times as much; the other
    # column only keeps CatBoost from refusing rows that are all alike.
    rows = np.column_stack([np.zeros(400), np.tile([0.0, 1.0], 200)])
    target = np.repeat([0.0, 1.0], 200)
    weight = np.repeat([1.0, 9.0], 200)
    found = symmetric.fit(
        Data(rows, target, weight), {"iterations": 5, "rsm": 1}, lambda _: None
    )
    answers = catboost.forest(found).predict(np.array([[0.0, 0.0], [0.0, 1.0]]))
    np.testing.assert_allclose(answers, 0.9, atol=0.03)


def test_a_mask_selects_rows_targets_and_weights():
    data = Data(np.arange(6.0).reshape(3, 2), np.arange(3.0), np.ones(3), [True, False])
    some = data.where(np.array([True, False, True]))
    assert some.rows.tolist() == [[0, 1], [4, 5]]
    assert some.target.tolist() == [0, 2]
    assert len(some.weight) == 2
    assert some.rising == [True, False]


def test_shares_of_one_question_are_the_step_from_the_mean():
    # Leaves 10 and 20 hold one and two homes: the mean is 50/3.
    arrays = symmetric.from_json(
        MODEL | {"oblivious_trees": [tree([split(1, 15.0)], [5, 10])]}
    )
    found = symmetric.reasons(arrays)
    assert found["feature"].tolist() == [[1]]
    np.testing.assert_allclose(found["share"][:, 0], [10 - 50 / 3, 20 - 50 / 3], 1e-6)


def test_two_questions_to_one_column_are_one_reason():
    splits = [split(1, 15.0), split(1, 25.0)]
    model = MODEL | {"oblivious_trees": [tree(splits, [1.0, 2.0, 3.0, 4.0])]}
    found = symmetric.reasons(symmetric.from_json(model))
    assert found["feature"][0, 0] == 1
    assert (found["share"][:, 1] == 0).all()
    value, cover = np.array([2.0, 4, 6, 8]), np.arange(1, 5)
    np.testing.assert_allclose(
        found["share"][:, 0], value - np.average(value, weights=cover), rtol=1e-6
    )


def test_a_tree_without_questions_has_no_reasons():
    found = symmetric.reasons(symmetric.from_json(MODEL))
    last = found["share"].reshape(3, 4, 2)[2]
    assert (last == 0).all()
