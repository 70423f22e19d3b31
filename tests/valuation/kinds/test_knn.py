"""Nearest neighbours: scikit-learn's prices, and a rule for ties."""

import io

import numpy as np
import pytest
from served import BASELINE, MODEL
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import RobustScaler

from housing_app.valuation import (
    features,
    loading,
)
from housing_app.valuation.kinds import knn


@pytest.fixture(params=[0, knn.FEW], ids=["tree", "all distances"], autouse=True)
def few(request):
    """How many points are few: with few of them no tree is made."""
    return request.param


@pytest.fixture
def neighbours(few):
    def made(points, prices, k, weights="uniform"):
        width = points.shape[1]
        origin, unit = np.zeros(width), np.ones(width)
        return knn.Neighbours(
            points, prices, origin, unit, k=k, weights=weights, few=few
        )

    return made


def prices_of(model, rows):
    return np.exp(model.log_prices(np.asarray(rows, dtype=float)))


def random_sales(seed, n=600, width=8):
    rng = np.random.default_rng(seed)
    rows = rng.lognormal(size=(n, width)) * rng.uniform(1, 1_000, width)
    return rows, rng.uniform(1e5, 2e6, n), rng.lognormal(size=(200, width))


def npy(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


@pytest.mark.parametrize("weights", ["uniform", "distance"])
@pytest.mark.parametrize("k", [1, 3, 5, 20])
def test_prices_are_those_of_scikit_learn(few, weights, k):
    rows, prices, fresh = random_sales(seed=k)
    pipeline = make_pipeline(RobustScaler(), KNeighborsRegressor(k, weights=weights))
    pipeline.fit(rows, prices)
    scaler = pipeline[0]
    model = knn.Neighbours(
        scaler.transform(rows),
        prices,
        scaler.center_,
        scaler.scale_,
        k=k,
        weights=weights,
        few=few,
    )
    asked = np.vstack([rows[:50], fresh * rows.mean(axis=0)])
    np.testing.assert_allclose(
        prices_of(model, asked), pipeline.predict(asked), rtol=1e-12
    )


def test_the_shipped_baseline_prices_homes_as_scikit_learn_does(
    baseline, example_homes, shipped_demographics
):
    homes = features.homes(example_homes, baseline.valuation_date)
    joined = shipped_demographics.join(homes.zipcodes, baseline.demographics)
    stored = {path.stem: np.load(path) for path in (MODEL / BASELINE).glob("*.npy")}
    options = baseline.manifest.model
    reference = KNeighborsRegressor(options["k"], weights=options["weights"])
    reference.fit(stored["points"], stored["prices"])
    columns = baseline.columns(homes, joined)
    rows = features.matrix(columns, baseline.manifest.features)
    scaled = (rows - stored["center"]) / stored["scale"]
    np.testing.assert_allclose(
        baseline.value(homes, joined).prices, reference.predict(scaled), rtol=1e-12
    )


def brute_force(points, prices, row, k, weights):
    """The documented rule: nearest first, of equals the first in the artifact."""
    distance = np.sqrt(((points - row) ** 2).sum(axis=1))
    chosen = np.lexsort((np.arange(len(points)), distance))[:k]
    near = distance[chosen]
    if weights == "uniform":
        weight = np.ones(k)
    elif (near == 0).any():
        weight = (near == 0).astype(float)
    else:
        weight = 1 / near
    return np.average(prices[chosen], weights=weight)


@pytest.mark.parametrize("weights", ["uniform", "distance"])
@pytest.mark.parametrize(
    ("width", "n", "k"), [(1, 40, 3), (2, 60, 5), (2, 400, 3), (3, 900, 5), (1, 900, 1)]
)
def test_of_equally_distant_points_the_first_are_taken(
    neighbours, width, n, k, weights
):
    # Whole-number grids: with 900 points of 4 places up to hundreds tie at the k-th.
    rng = np.random.default_rng(1_000 * width + n)
    points = rng.integers(0, 4, (n, width)).astype(float)
    prices = rng.uniform(1e5, 1e6, n)
    rows = np.vstack(
        [rng.integers(0, 5, (25, width)), rng.integers(0, 4, (25, width)) + 0.5]
    )
    expected = [brute_force(points, prices, row, k, weights) for row in rows]
    found = prices_of(neighbours(points, prices, k, weights), rows)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("copies", [2, 15, 16, 17, 18, 19, 20, 60])
def test_the_rule_for_ties_holds_however_many_tie(neighbours, copies):
    points = np.vstack([np.full((copies, 2), 3.0), [[9.0, 9.0]] * 30])
    prices = np.arange(1.0, copies + 31)
    found = prices_of(neighbours(points, prices, 2), [[0.0, 0.0]])
    assert found[0] == pytest.approx(1.5)


def test_a_home_equal_to_sold_ones_gets_their_mean_price_by_distance(neighbours):
    points = np.array([[1.0], [1.0], [1.1], [5.0]])
    model = neighbours(points, np.array([100.0, 300.0, 900.0, 50.0]), 3, "distance")
    assert prices_of(model, [[1.0]])[0] == pytest.approx(200)


def test_nearer_neighbours_weigh_more_by_distance(neighbours):
    model = neighbours(
        np.array([[0.0], [3.0]]), np.array([100.0, 400.0]), 2, "distance"
    )
    # Distances 1 and 2 weigh 1 and 1/2.
    assert prices_of(model, [[1.0]])[0] == pytest.approx((100 + 400 / 2) / 1.5)


@pytest.mark.parametrize("weights", ["uniform", "distance"])
def test_a_batch_is_priced_as_its_homes_alone(neighbours, weights):
    rows, prices, fresh = random_sales(seed=11)
    model = neighbours(rows, prices, 4, weights)
    alone = [model.log_prices(row[None])[0] for row in fresh]
    assert model.log_prices(fresh).tolist() == alone


@pytest.mark.parametrize("n", [1, 2, 5, 17])
def test_there_may_be_no_more_points_than_neighbours(neighbours, n):
    points, prices = np.arange(n, dtype=float)[:, None], np.arange(1.0, n + 1)
    found = prices_of(neighbours(points, prices, n), [[0.3]])
    assert found[0] == pytest.approx(prices.mean())


def test_a_tie_at_the_last_neighbour_is_told_from_none(neighbours):
    model = neighbours(np.array([[0.0], [1.0], [3.0]]), np.array([1.0, 2.0, 3.0]), 1)
    assert model.tied(np.array([[0.5], [0.4], [2.0]])).tolist() == [True, False, True]


COUNT, WIDTH = np.load(MODEL / BASELINE / "points.npy").shape
SPOILED = {
    "empty": b"",
    "a pickle": npy(np.array([{"price": 1}], dtype=object)),
    "no array": b"points",
    "cut short": npy(np.ones((COUNT, WIDTH)))[:2_000],
    "one-dimensional": npy(np.ones(COUNT)),
    "too narrow": npy(np.ones((COUNT, WIDTH - 1))),
    "one row short": npy(np.ones((COUNT - 1, WIDTH))),
    "full of NaN": npy(np.full((COUNT, WIDTH), np.nan)),
}


@pytest.mark.parametrize("content", SPOILED.values(), ids=SPOILED)
def test_points_that_are_no_table_of_numbers_are_refused(copy, refusal, content):
    directory = copy.artifact(BASELINE)
    copy.replace(directory, "points.npy", content)
    assert str(directory) in refusal(loading.load, directory)


@pytest.mark.parametrize("k", [0, -1, COUNT + 1, "3", None])
def test_a_number_of_neighbours_that_cannot_be_is_refused(copy, refusal, k):
    directory = copy.artifact(BASELINE)
    copy.edit(directory, model={"k": k, "weights": "distance", "target": "price"})
    assert str(directory) in refusal(loading.load, directory)
