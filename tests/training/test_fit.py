"""Fitting: reproducible models that stand for groups of sales."""

import io
import json
import re
import sys

import lightgbm
import numpy as np
import pytest
from sklearn.preprocessing import RobustScaler
from training import synthetic

from housing_app.training import fit, recipes, symmetric
from housing_app.training.census import MODEL_COLUMNS
from housing_app.training.dataset import SalesError
from housing_app.training.locations import MIN_GROUP, ZIP_COLUMNS
from housing_app.training.recipes import Recipe
from housing_app.valuation import artifacts, comparables, features
from housing_app.valuation.kinds import catboost

CORE = [f.name for f in features.slot_features("minimal")]


def fitted(recipe, sales, demographics):
    calls = []
    made = fit.fit(recipe, sales, demographics, calls.append)
    return made, sum(calls)


def array(made, name):
    return np.load(io.BytesIO(made.files[name]))


def rows_of(recipe, sales, demographics):
    """The rows of a model without surfaces, as it is fitted on them."""
    learned = recipes.learn(recipe, sales, demographics)
    columns = features.columns(learned.homes, learned.joined)
    return features.matrix(columns, recipe.features)


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
    rows = rows_of(Recipe("knn", "minimal"), sales, shipped_demographics)
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
    rows = rows_of(recipe, sales, shipped_demographics)
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
        Recipe("catboost", "minimal", trees=6),
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
        Recipe("catboost", "minimal", trees=3),
    ],
    ids=["groups", "sales", "trees", "symmetric trees"],
)
def test_progress_ticks_as_often_as_announced(recipe, sales, shipped_demographics):
    _, calls = fitted(recipe, sales, shipped_demographics)
    assert calls == fit.ticks(recipe, sales)


@pytest.mark.filterwarnings("error")
def test_a_field_that_no_sale_knows_is_named(read, shipped_demographics):
    sales = read([row | {"view": ""} for row in synthetic.sales(250)])
    for recipe in (
        Recipe("knn", "minimal"),
        Recipe("lightgbm", "full", trees=5),
        Recipe("catboost", "full", trees=5),
    ):
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
    for kind in recipes.KINDS:
        used = set(Recipe(kind, "minimal").features)
        assert set(CORE) <= used
        assert not used & others


def test_a_full_recipe_uses_every_field():
    assert set(features.NAMES) <= set(Recipe("lightgbm", "full").features)
    # The champion knows a place by kilometres, not by degrees.
    place = {"lat": "north", "long": "east"}
    used = {place.get(name, name) for name in features.NAMES}
    assert used <= set(Recipe("catboost", "full").features)


@pytest.mark.parametrize("kind", ["catboost", "lightgbm"])
@pytest.mark.parametrize("slot", features.SLOTS)
def test_a_recipe_can_do_without_demographics(kind, slot, shipped_demographics):
    plain = Recipe(kind, slot, without_demographics=True)
    assert plain.demographics(shipped_demographics) == []
    left = [n for n in Recipe(kind, slot).features if n not in MODEL_COLUMNS]
    assert plain.features == left


def test_chosen_columns_are_the_features_in_their_order(shipped_demographics):
    recipe = Recipe("knn", "minimal", columns=("population", "sqft_living"))
    assert recipe.features == ["population", "sqft_living"]
    assert recipe.demographics(shipped_demographics) == ["population"]


@pytest.mark.parametrize("name", ["hous_val_amt", "level_8", "zip_grade"])
def test_a_column_that_nothing_has_is_named(shipped_demographics, name):
    # Surfaces are the champion's, and zipcode columns those of one slot.
    recipe = Recipe("knn", "full", columns=("sqft_living", name))
    with pytest.raises(Exception, match=f"'{name}' is missing"):
        recipe.demographics(shipped_demographics)


def test_a_demographic_column_may_be_named_like_a_zipcode_column(
    sales, shipped_demographics
):
    recipe = Recipe("knn", "minimal", columns=("sqft_living", "zip_lat", "zip_level"))
    assert recipe.demographics(shipped_demographics) == ["zip_lat"]
    made, _ = fitted(recipe, sales, shipped_demographics)
    assert array(made, "points.npy").shape[1] == 3


def test_a_column_list_is_read(tmp_path):
    path = tmp_path / "columns.json"
    path.write_text(json.dumps(["sqft_living", "population"]))
    assert recipes.column_list(path) == ("sqft_living", "population")


@pytest.mark.parametrize("text", ["", "{}", "[1]", '"sqft_living"', "[", "\xff"])
def test_a_column_list_that_is_none_is_refused_with_its_file(tmp_path, text):
    path = tmp_path / "columns.json"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(Exception, match=r"columns\.json") as caught:
        recipes.column_list(path)
    assert len(str(caught.value).splitlines()) == 1


# --- the champion ---------------------------------------------------------------------


@pytest.fixture(scope="module", params=features.SLOTS)
def champion(request, sales, shipped_demographics):
    recipe = Recipe("catboost", request.param, trees=6)
    return recipe, fitted(recipe, sales, shipped_demographics)[0]


def arrays_of(made, name):
    with np.load(io.BytesIO(made.files[name])) as arrays:
        return dict(arrays)


def test_a_champion_is_made_of_plain_arrays(champion):
    recipe, made = champion
    place = {"surfaces.npz"} if recipe.slot == "full" else set()
    assert set(made.files) == {*catboost.FILES, comparables.FILE} | place
    for name in made.files:
        for array_ in arrays_of(made, name).values():
            assert array_.dtype != object


def test_a_champion_tells_no_counts_of_leaves(champion):
    _, made = champion
    for name in ("price.npz", "price_unknown.npz", "spread.npz"):
        assert set(arrays_of(made, name)) == {"feature", "border", "value", "bias"}


def test_a_champions_price_is_the_mean_of_two_forests(champion):
    recipe, made = champion
    assert made.model["trees"] == 2 * recipe.trees
    for name in ("price.npz", "price_unknown.npz"):
        assert len(arrays_of(made, name)["feature"]) == 2 * recipe.trees


def test_complete_and_other_homes_have_forests_of_their_own(champion):
    _, made = champion
    one, other = (arrays_of(made, n) for n in ("price.npz", "price_unknown.npz"))
    assert not np.array_equal(one["border"], other["border"])
    for name in ("reasons.npz", "reasons_unknown.npz"):
        assert np.isfinite(arrays_of(made, name)["share"]).all()


def test_the_spread_knows_the_price_and_what_is_unknown(champion):
    recipe, made = champion
    spread = arrays_of(made, "spread.npz")
    assert spread["feature"].max() <= len(recipe.features) + 1
    assert "trees" in made.model


def test_a_champions_comparables_are_groups_of_five(champion, sales):
    _, made = champion
    counts = arrays_of(made, comparables.FILE)["counts"]
    assert counts.min() >= MIN_GROUP
    assert counts.sum() == len(sales)


def test_a_champion_knows_each_zipcode_by_its_columns(champion):
    recipe, made = champion
    assert set(made.area) == set(synthetic.ZIPCODES)
    for zone in made.area.values():
        assert set(ZIP_COLUMNS[recipe.slot]) <= set(zone)
        assert all(np.isfinite(value) for value in zone.values())
    # What stands for a zipcode that no sale was in.
    assert set(ZIP_COLUMNS[recipe.slot]) <= set(made.fill)


def test_a_champions_columns_of_living_space_and_grade_are_held_to_be_rising(champion):
    recipe, _ = champion
    entered = {
        name
        for name in recipe.features
        if re.search("living(?!15)|above|basement|grade", name)
    }
    # The zipcode's mean grade knows nothing of the home itself.
    assert entered - {"zip_grade", "zip_living15"} == features.RISING & set(
        recipe.features
    )


def test_a_champion_keeps_single_sales_only_on_demand(sales, shipped_demographics):
    recipe = Recipe("catboost", "minimal", keep_sales=True, trees=3)
    made, _ = fitted(recipe, sales, shipped_demographics)
    stored = arrays_of(made, comparables.FILE)
    assert stored["counts"].tolist() == [1] * len(sales)
    assert stored["prices"].tolist() == sales.prices.tolist()
    assert stored["zipcodes"].tolist() == list(sales.homes.zipcodes)
    assert stored["days"].tolist() == sales.homes.days.tolist()


def test_the_archive_of_arrays_is_the_same_bytes_at_any_time():
    arrays = {"b": np.arange(3), "a": np.ones((2, 2), np.float32)}
    content = artifacts.npz(arrays)
    assert artifacts.npz(dict(reversed(arrays.items()))) == content
    with np.load(io.BytesIO(content), allow_pickle=False) as stored:
        assert stored["a"].dtype == np.float32
        assert stored["b"].tolist() == [0, 1, 2]


def test_catboost_that_is_not_installed_is_named_with_the_cure(monkeypatch):
    monkeypatch.setitem(sys.modules, "catboost", None)
    data = symmetric.Data(np.ones((9, 1)), np.ones(9), np.ones(9))
    with pytest.raises(SalesError, match="not installed: pip install catboost"):
        symmetric.fit(data, {}, print)
