"""Fitting: reproducible models that stand for groups of sales."""

import io
import json

import lightgbm
import numpy as np
import pytest
from sklearn.preprocessing import RobustScaler
from training import synthetic

from housing_app.training import fit
from housing_app.training.dataset import SalesError
from housing_app.training.fit import MIN_GROUP, Recipe
from housing_app.valuation import features

CORE = [f.name for f in features.slot_features("minimal")]


def fitted(recipe, sales, demographics):
    calls = []
    made = fit.fit(recipe, sales, demographics, lambda: calls.append(1))
    return made, len(calls)


def array(made, name):
    return np.load(io.BytesIO(made.files[name]))


@pytest.fixture
def grouped(sales, shipped_demographics):
    return fitted(Recipe("knn", "minimal"), sales, shipped_demographics)[0]


def test_a_grouped_baseline_holds_no_group_under_five_sales(grouped):
    counts = array(grouped, "counts.npy")
    assert counts.min() >= MIN_GROUP == 5
    assert grouped.model["single_sales"] is False


def test_a_grouped_baseline_has_no_price_or_point_too_many(grouped, sales):
    counts = array(grouped, "counts.npy")
    points = array(grouped, "points.npy")
    assert counts.sum() == len(sales)
    assert len(counts) == len(points) == len(array(grouped, "prices.npy"))
    assert len(points) == grouped.model["points"] <= len(sales) / MIN_GROUP


def test_a_group_is_the_mean_of_its_sales(grouped, sales, shipped_demographics):
    # So the groups, weighted by their counts, have the mean of all sales.
    rows, _ = fit.learn(Recipe("knn", "minimal"), sales, shipped_demographics)
    counts, points = array(grouped, "counts.npy"), array(grouped, "points.npy")
    mean = (points * counts[:, None]).sum(axis=0) / counts.sum()
    expected = RobustScaler().fit(rows).transform(rows).mean(axis=0)
    np.testing.assert_allclose(mean, expected, atol=1e-9)


def test_sales_of_a_zipcode_with_fewer_than_five_are_left_out(
    read, shipped_demographics
):
    rows = synthetic.sales(300)
    for row in rows[:4]:
        row["zipcode"] = "98004"
    for row in rows[4:9]:
        row["zipcode"] = "98112"
    sales = read(rows)
    made, _ = fitted(Recipe("knn", "minimal"), sales, shipped_demographics)
    assert array(made, "counts.npy").sum() == len(sales) - 4
    assert "98004" not in made.area
    assert made.area["98112"]["count"] == 5


def test_kept_sales_are_each_a_point(sales, shipped_demographics):
    recipe = Recipe("knn", "minimal", keep_sales=True)
    made, _ = fitted(recipe, sales, shipped_demographics)
    assert array(made, "prices.npy").tolist() == sales.prices.tolist()
    assert array(made, "counts.npy").tolist() == [1] * len(sales)
    assert made.model == {
        "target": "price",
        "k": 5,
        "weights": "uniform",
        "single_sales": True,
        "points": len(sales),
    }


def test_neighbours_and_weights_can_be_chosen(sales, shipped_demographics):
    recipe = Recipe("knn", "minimal", neighbours=7, weights="uniform")
    made, _ = fitted(recipe, sales, shipped_demographics)
    assert (made.model["k"], made.model["weights"]) == (7, "uniform")


def test_no_leaf_of_a_tree_stands_for_fewer_than_five_sales(
    sales, shipped_demographics
):
    made, _ = fitted(Recipe("lightgbm", "full", trees=10), sales, shipped_demographics)
    text = made.files["price.txt"].decode()
    counts = [
        int(count)
        for line in text.splitlines()
        if line.startswith("leaf_count=")
        for count in line.removeprefix("leaf_count=").split()
    ]
    assert len(counts) > 20
    assert min(counts) >= MIN_GROUP


def test_the_written_trees_tell_no_extremes_and_predict_as_trained(
    sales, shipped_demographics
):
    recipe = Recipe("lightgbm", "full", trees=10)
    rows, _ = fit.learn(recipe, sales, shipped_demographics)
    made, _ = fitted(recipe, sales, shipped_demographics)
    text = made.files["price.txt"].decode()
    (infos,) = [line for line in text.splitlines() if line.startswith("feature_infos=")]
    assert set(infos.removeprefix("feature_infos=").split()) == {"none"}
    options = made.model["options"]
    data = lightgbm.Dataset(rows, np.log(sales.prices), params=options)
    trained = lightgbm.train(options, data, recipe.trees)
    written = lightgbm.Booster(model_str=text)
    assert written.predict(rows).tolist() == trained.predict(rows).tolist()


@pytest.mark.parametrize(
    "recipe",
    [
        Recipe("knn", "minimal"),
        Recipe("lightgbm", "full", trees=15),
        Recipe("lightgbm", "minimal", trees=15),
    ],
    ids=lambda r: f"{r.kind}-{r.slot}",
)
def test_the_same_sales_give_the_same_bytes(recipe, sales, shipped_demographics):
    first, _ = fitted(recipe, sales, shipped_demographics)
    again, _ = fitted(recipe, sales, shipped_demographics)
    assert first == again


@pytest.mark.parametrize(
    "recipe",
    [
        Recipe("knn", "minimal"),
        Recipe("knn", "minimal", keep_sales=True),
        Recipe("lightgbm", "minimal", trees=7),
    ],
    ids=["groups", "sales", "trees"],
)
def test_progress_ticks_as_often_as_announced(recipe, sales, shipped_demographics):
    _, calls = fitted(recipe, sales, shipped_demographics)
    assert calls == fit.ticks(recipe, sales)


def test_two_hundred_sales_are_needed(read, shipped_demographics):
    recipe = Recipe("knn", "minimal")
    with pytest.raises(SalesError, match="199 sales are too few"):
        fitted(recipe, read(synthetic.sales(199)), shipped_demographics)
    made, _ = fitted(recipe, read(synthetic.sales(200)), shipped_demographics)
    assert array(made, "counts.npy").sum() == 200


@pytest.mark.filterwarnings("error")
def test_a_field_that_no_sale_knows_is_named(read, shipped_demographics):
    sales = read([row | {"view": ""} for row in synthetic.sales(250)])
    for recipe in (Recipe("knn", "minimal"), Recipe("lightgbm", "full", trees=5)):
        with pytest.raises(SalesError, match="view"):
            fitted(recipe, sales, shipped_demographics)


@pytest.mark.filterwarnings("error")
def test_groups_need_a_zipcode_with_five_sales(read, shipped_demographics):
    rows = synthetic.sales(250)
    for number, row in enumerate(rows):
        row["zipcode"] = f"{98001 + number // 2}"
    with pytest.raises(SalesError, match="zipcode"):
        fitted(Recipe("knn", "minimal"), read(rows), shipped_demographics)


def test_demographics_of_another_country_are_refused(read, shipped_demographics):
    rows = [row | {"zipcode": "00000"} for row in synthetic.sales(250)]
    with pytest.raises(SalesError, match="none of the sales' zipcodes"):
        fitted(Recipe("knn", "minimal"), read(rows), shipped_demographics)


def test_an_area_is_the_middle_of_its_homes(read):
    rows = synthetic.sales(400)
    here = [row for row in rows if row["zipcode"] == "98103"]
    area = fit.learn_area(read(rows))
    assert set(area) == set(synthetic.ZIPCODES)
    found = area["98103"]
    assert found["count"] == len(here)
    assert found["lat"] == pytest.approx(np.median([r["lat"] for r in here]), abs=1e-4)
    level = np.median([np.log(row["price"] / row["sqft_living"]) for row in here])
    assert found["level"] == pytest.approx(level, abs=1e-6)
    # Positions scatter with 0.012 degrees, 1.3 km to the north.
    assert 2 < found["radius_km"] < 6


def test_medians_fill_what_is_unknown(read, shipped_demographics):
    rows = synthetic.sales(250)
    for row in rows[::7]:
        row |= {"sqft_basement": "", "lat": ""}
    sales = read(rows)
    made, _ = fitted(Recipe("knn", "minimal"), sales, shipped_demographics)
    assert made.fill["lat"] == np.median([row["lat"] for row in rows if row["lat"]])
    assert np.isfinite(array(made, "points.npy")).all()


def test_a_minimal_recipe_uses_no_field_beyond_the_core():
    others = set(features.NAMES) - set(CORE)
    for kind in ("knn", "lightgbm"):
        used = set(Recipe(kind, "minimal").features)
        assert set(CORE) <= used
        assert not used & others


def test_a_full_recipe_uses_every_field():
    assert set(features.NAMES) <= set(Recipe("lightgbm", "full").features)


def test_chosen_columns_are_the_features_in_their_order(shipped_demographics):
    recipe = Recipe("knn", "minimal", columns=("population", "sqft_living"))
    assert recipe.features == ["population", "sqft_living"]
    assert recipe.demographics(shipped_demographics) == ["population"]


def test_a_column_that_nothing_has_is_named(shipped_demographics):
    recipe = Recipe("knn", "minimal", columns=("sqft_living", "hous_val_amt"))
    with pytest.raises(Exception, match="'hous_val_amt' is missing"):
        recipe.demographics(shipped_demographics)


def test_a_column_list_is_read(tmp_path):
    path = tmp_path / "columns.json"
    path.write_text(json.dumps(["sqft_living", "population"]))
    assert fit.column_list(path) == ("sqft_living", "population")


@pytest.mark.parametrize("text", ["", "{}", "[1]", '"sqft_living"', "[", "\xff"])
def test_a_column_list_that_is_none_is_refused_with_its_file(tmp_path, text):
    path = tmp_path / "columns.json"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(Exception, match=r"columns\.json") as caught:
        fit.column_list(path)
    assert len(str(caught.value).splitlines()) == 1
