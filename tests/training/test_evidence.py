"""How two models come to be judged on sales that neither has seen."""

from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from training.spoiled import renamed

from housing_app.training import dataset, evidence
from housing_app.training.dataset import SalesError
from housing_app.training.fit import recipe_asked
from housing_app.training.recipes import Recipe
from housing_app.training.train import Trainer

CUT = date(2015, 2, 1)


def trained_until(model, day):
    """Return the model, as if it had learned from nothing later."""
    training = model.manifest.training | {"to": day.isoformat()}
    return replace(model, manifest=replace(model.manifest, training=training))


@pytest.fixture
def later(sales):
    return sales.where(~dataset.before(sales, CUT))


def test_models_are_judged_as_they_are_where_enough_sales_are_later(
    pair, newer, shipped_demographics
):
    found = evidence.gather(pair, newer, shipped_demographics)
    assert "as they are" in found.way
    assert found.figures[0]["overall"]["n"] == found.paired["n"] == len(newer)


def test_a_candidate_is_fitted_again_beside_a_champion_that_saw_less(
    pair, sales, shipped_demographics, later
):
    champion = trained_until(pair[1], date(2015, 1, 31))
    found = evidence.gather((pair[0], champion), sales, shipped_demographics)
    assert "the champion as it is" in found.way
    assert "2015-01-31" in found.way
    # The candidate's figures are those of its manifest: judged as it was trained.
    trained = pair[0].manifest.metrics["out_of_time"]
    for part in ("overall", "coverage", "by_decile", "by_zipcode", "from", "to"):
        assert found.figures[0][part] == trained[part]
    assert found.paired["n"] == len(later) >= 100
    # The champion is the shipped one, which did see these sales.
    assert found.figures[1]["overall"] != pair[1].manifest.metrics["out_of_time"][
        "overall"
    ]  # fmt: skip


def test_both_are_fitted_again_where_the_champion_saw_the_sales(
    pair, sales, shipped_demographics
):
    found = evidence.gather(pair, sales, shipped_demographics)
    assert found.way == "both recipes fitted again on the sales before 2015-02-01"
    for figures, model in zip(found.figures, pair, strict=True):
        assert figures["overall"] == model.manifest.metrics["out_of_time"]["overall"]


def test_a_champion_that_saw_the_first_later_sale_does_not_count_as_blind(
    pair, sales, shipped_demographics
):
    champion = trained_until(pair[1], CUT)
    found = evidence.gather((pair[0], champion), sales, shipped_demographics)
    assert found.way.startswith("both recipes")


def test_one_recipe_cannot_be_told_from_itself(pair, sales, shipped_demographics):
    both = (renamed(pair[0]), pair[0])
    with pytest.raises(SalesError, match=r"one recipe.*Give --sales a file with 100"):
        evidence.gather(both, sales, shipped_demographics)


def test_manifests_of_other_sales_are_no_evidence(pair):
    ours = pair[0].manifest
    other = replace(ours, training=ours.training | {"sha256": "0" * 64})
    with pytest.raises(SalesError, match="different sales"):
        evidence.stored(other, pair[1].manifest)


def test_manifests_without_every_part_are_no_evidence(pair):
    ours, theirs = (model.manifest for model in pair)
    old = dict(theirs.metrics["out_of_time"])
    del old["by_zipcode"]
    with pytest.raises(SalesError, match="different sales"):
        evidence.stored(ours, replace(theirs, metrics={"out_of_time": old}))


# --- the recipe a successor is trained by ---------------------------------------------


def test_a_recipe_is_asked_for_as_it_was_given(sales, shipped_demographics):
    given = Recipe("knn", "minimal", True, ("sqft_living", "grade"), 4, "uniform")
    trainer = Trainer(given, "x", 1, sales, shipped_demographics, lambda _: None)
    model, _ = trainer.fit(np.full(len(sales), True))
    assert recipe_asked(model.manifest) == given


def test_what_was_left_to_the_code_is_left_to_it_again(pair):
    trees, groups = (recipe_asked(model.manifest) for model in pair)
    assert trees == Recipe("lightgbm", "full", trees=25)
    assert groups == Recipe("knn", "minimal")


def test_the_recipe_of_an_older_manifest_is_read_off_its_model(pair):
    manifest = pair[0].manifest
    older = {k: v for k, v in manifest.training.items() if k != "recipe"}
    found = recipe_asked(replace(manifest, training=older))
    assert found == Recipe("lightgbm", "full", trees=25)
