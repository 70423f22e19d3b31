"""Comparing two artifacts on sales that neither has seen."""

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from housing_app.training import compare, evaluate
from housing_app.training.dataset import SalesError
from housing_app.training.fit import recipe_of
from housing_app.training.recipes import Recipe

CUT = date(2015, 2, 1)
NAMES = ("lightgbm-full-1", "knn-minimal-1")


@pytest.fixture(scope="module")
def shipped(pair, newer, shipped_demographics):
    return compare.as_shipped(pair, newer, shipped_demographics)


@pytest.fixture(scope="module")
def again(pair, sales, shipped_demographics):
    return compare.refitted(pair, sales, shipped_demographics, CUT)


def without(manifest, **changed):
    """Return the manifest with other figures out of time."""
    later = manifest.metrics["out_of_time"] | changed
    return replace(manifest, metrics=manifest.metrics | {"out_of_time": later})


# --- what the manifests say -----------------------------------------------------------


def test_manifests_judged_on_the_same_sales_are_put_side_by_side(pair):
    found = compare.stored(*(model.manifest for model in pair))
    assert found["models"] == list(NAMES)
    assert found["overall"] == [
        model.manifest.metrics["out_of_time"]["overall"] for model in pair
    ]
    assert found["cut"] == CUT.isoformat()


def test_manifests_judged_on_other_sales_are_not(pair):
    a, b = (model.manifest for model in pair)
    assert compare.stored(a, without(b, cut="2015-01-01")) is None
    assert compare.stored(a, without(b, train_rows=7)) is None
    other = replace(b, training=b.training | {"sha256": "0" * 64})
    assert compare.stored(a, other) is None


def test_imported_models_have_no_cut_to_compare_at(pair):
    manifests = [model.manifest for model in pair]
    for manifest in manifests:
        later = dict(manifest.metrics["out_of_time"])
        del later["cut"]
        imported = replace(manifest, metrics={"out_of_time": later})
        assert compare.stored(imported, imported) is None


# --- as they are ----------------------------------------------------------------------


def test_only_sales_after_both_training_windows_count(
    pair, sales, newer, shipped_demographics, shipped
):
    both = replace(
        newer,
        homes=newer.homes._replace(
            values=np.vstack([sales.homes.values, newer.homes.values]),
            zipcodes=[*sales.homes.zipcodes, *newer.homes.zipcodes],
            days=np.concatenate([sales.homes.days, newer.homes.days]),
        ),
        prices=np.concatenate([sales.prices, newer.prices]),
        ids=np.concatenate([sales.ids, newer.ids]),
    )
    assert compare.as_shipped(pair, both, shipped_demographics) == shipped


def test_figures_are_those_of_each_model_alone(
    pair, newer, shipped_demographics, shipped
):
    for i, model in enumerate(pair):
        judged = evaluate.judge(model, newer, shipped_demographics)
        assert shipped["overall"][i] == judged.accuracy
        assert shipped["coverage"][i] == judged.coverage
    assert shipped["paired"]["n"] == len(newer)


def test_without_later_sales_the_ways_out_are_named(pair, sales, shipped_demographics):
    with pytest.raises(SalesError, match=r"0 sales are later than 2015-03-31.*--cut"):
        compare.as_shipped(pair, sales, shipped_demographics)


def test_the_later_of_two_training_windows_counts(pair, newer, shipped_demographics):
    manifest = pair[1].manifest
    last = date.fromordinal(int(newer.homes.days.max())).isoformat()
    trained = replace(manifest, training=manifest.training | {"to": last})
    other = replace(pair[1], manifest=trained)
    with pytest.raises(SalesError, match=f"later than {last}"):
        compare.as_shipped((pair[0], other), newer, shipped_demographics)


# --- fitted again ---------------------------------------------------------------------


def test_fitting_again_gives_the_figures_training_gave(pair, again):
    for model, figures, coverage in zip(
        pair, again["overall"], again["coverage"], strict=True
    ):
        trained = model.manifest.metrics["out_of_time"]
        assert figures == trained["overall"]
        assert coverage == trained["coverage"]


def test_fitting_again_tells_what_was_learned_from(again, sales):
    later = (sales.homes.days >= CUT.toordinal()).sum()
    assert again["cut"] == again["from"] == CUT.isoformat()
    assert again["train_rows"] + later == len(sales)
    assert again["paired"]["n"] == later


def test_fewer_trees_give_a_quick_look(pair, sales, shipped_demographics, again):
    quick = compare.refitted(pair, sales, shipped_demographics, CUT, trees=2)
    assert quick["overall"][0]["r2"] < again["overall"][0]["r2"]
    assert quick["overall"][1] == again["overall"][1]  # it has no trees


def test_one_recipe_is_not_compared_with_itself(pair, sales, shipped_demographics):
    with pytest.raises(SalesError, match="one recipe"):
        compare.refitted((pair[0], pair[0]), sales, shipped_demographics, CUT)


def test_a_kind_that_cannot_be_fitted_is_refused(pair, sales, shipped_demographics):
    manifest = replace(pair[0].manifest, kind="sklearn")
    other = replace(pair[0], manifest=manifest)
    with pytest.raises(SalesError, match="kind sklearn cannot be fitted again"):
        compare.refitted((other, pair[1]), sales, shipped_demographics, CUT)


def test_a_cut_without_sales_on_both_sides_is_refused(
    pair, sales, shipped_demographics
):
    with pytest.raises(SalesError, match="2016-01-01"):
        compare.refitted(pair, sales, shipped_demographics, date(2016, 1, 1))


def test_a_recipe_is_read_off_its_artifact(pair):
    tree, neighbours = (recipe_of(model.manifest) for model in pair)
    columns = tuple(pair[0].manifest.features)
    assert tree == Recipe("lightgbm", "full", columns=columns, trees=25)
    assert tree.features == pair[0].manifest.features
    assert neighbours.neighbours == 3
    assert neighbours.weights == "distance"
    assert neighbours.keep_sales is False


@pytest.mark.parametrize(("stored", "trees"), [(2500, None), (40, 20)])
def test_a_champion_has_two_forests_of_trees(pair, stored, trees):
    model = {"trees": stored}
    manifest = replace(pair[0].manifest, kind="catboost", model=model)
    assert recipe_of(manifest).trees == trees


# --- in words -------------------------------------------------------------------------

PAIRED = {
    "n": 500,
    "mdape": [0.08, 0.09],
    "difference": -0.01,
    "low": -0.015,
    "high": -0.004,
    "closer": 0.56,
    "wilcoxon": 0.0001,
    "sign_test": 0.001,
}


@pytest.mark.parametrize(
    ("changed", "verdict"),
    [
        (
            {},
            "a-1 is better: its median error is 1.00 points lower than b-1's "
            "(95 % interval 0.40 to 1.50; Wilcoxon p = 0.0001).",
        ),
        (
            {"difference": 0.01, "low": 0.004, "high": 0.015},
            "b-1 is better: its median error is 1.00 points lower than a-1's "
            "(95 % interval 0.40 to 1.50; Wilcoxon p = 0.0001).",
        ),
        (
            {"low": -0.015, "high": 0.005, "wilcoxon": 0.4},
            "No difference can be told on these 500 sales (Wilcoxon p = 0.4); one of "
            "less than about 1.00 points would not show.",
        ),
        (
            {"high": 0.001},
            "Undecided: a-1 has the lower median error by 1.00 points, and a-1 is "
            "closer on more homes, but interval and test disagree "
            "(Wilcoxon p = 0.0001).",
        ),
        (
            {"wilcoxon": 0.3, "closer": 0.45},
            "Undecided: a-1 has the lower median error by 1.00 points, and b-1 is "
            "closer on more homes, but interval and test disagree (Wilcoxon p = 0.3).",
        ),
    ],
)
def test_the_verdict_says_what_the_figures_say(changed, verdict):
    assert compare.verdict(("a-1", "b-1"), PAIRED | changed) == verdict


def test_the_table_has_both_models_and_ends_with_the_verdict(again):
    table = compare.table(again)
    assert table.head == ("Measure", *NAMES)
    assert {"MdAPE", "COD", "In 90 % range"} <= {row[0] for row in table.rows}
    text = table.text()
    assert text.splitlines()[0].endswith("fitted on sales before 2015-02-01")
    assert text.endswith(again["verdict"])


def test_the_title_says_where_figures_come_from(pair, shipped):
    known = compare.stored(*(model.manifest for model in pair))
    assert compare.title(known).endswith("from their manifests")
    assert compare.title(shipped).endswith("as they are")
