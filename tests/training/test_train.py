"""Training: judged on later sales, then refit and described."""

import io
import itertools
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest
from training import synthetic

from housing_app.training import dataset, evaluate, locations
from housing_app.training.dataset import SalesError
from housing_app.training.recipes import Recipe
from housing_app.training.train import Trainer, calibrated, train
from housing_app.valuation import (
    artifacts,
    features,
    intervals,
    loading,
)
from housing_app.valuation.predictor import Details

CUT = date(2015, 2, 1)
RECIPES = {
    "knn-minimal": Recipe("knn", "minimal"),
    "lightgbm-minimal": Recipe("lightgbm", "minimal", trees=40),
    "lightgbm-full": Recipe("lightgbm", "full", trees=40),
    "catboost-minimal": Recipe("catboost", "minimal", trees=15),
    "catboost-full": Recipe("catboost", "full", trees=15),
}
QUICK = Recipe("knn", "minimal", keep_sales=True)
FIGURES = {"n", "r2", "mdape", "ppe10", "ppe20", "bias", "cod", "prd", "prb"}


def trained(recipe, sales, demographics, examples, cut=CUT, **options):
    name = f"{recipe.kind}-{recipe.slot}"
    made = train(
        recipe, sales, demographics, examples, name=name, version=1, cut=cut, **options
    )
    return made.manifest, made.files


@pytest.fixture(scope="module", params=RECIPES.values(), ids=RECIPES)
def made(request, sales, shipped_demographics, examples):
    """The manifest and files of each recipe."""
    return trained(request.param, sales, shipped_demographics, examples)


def test_a_trained_artifact_is_written_and_loads(made, tmp_path):
    manifest, files = made
    model = loading.load(artifacts.write(tmp_path, manifest, files))
    assert model.manifest.id == f"{manifest.name}-1"


def test_the_manifest_says_what_was_learned_from(made, sales, example_homes):
    manifest, _ = made
    first, last = sales.window
    assert manifest.training["from"] == first.isoformat()
    assert manifest.training["to"] == manifest.valuation_date == last.isoformat()
    assert manifest.training["rows"] == len(sales)
    assert manifest.training["sha256"] == sales.sha256
    assert set(manifest.zipcodes) == set(synthetic.ZIPCODES)
    # And a home of which nothing but its zipcode is known.
    assert len(manifest.golden) == len(example_homes) + 1
    libraries = {"numpy", "lightgbm", "catboost", "scikit-learn"}
    assert libraries <= set(manifest.libraries)


def test_the_metrics_have_every_part(made, sales):
    manifest, _ = made
    metrics = manifest.metrics
    assert set(metrics) == {
        "out_of_time",
        "random_split",
        "importance",
        "without_demographics",
    }
    judged = metrics["out_of_time"]
    assert set(judged) == {
        "cut",
        "train_rows",
        "from",
        "to",
        "overall",
        "coverage",
        "by_decile",
        "by_zipcode",
        "by_month",
        "by_missing",
        "by_likeness",
        "bootstrap",
        "fairness",
    }
    assert set(judged["overall"]) == set(metrics["random_split"]) == FIGURES
    assert judged["cut"] == CUT.isoformat() <= judged["from"]
    assert judged["train_rows"] + judged["overall"]["n"] == len(sales)


def test_the_model_learned_what_the_prices_follow(made):
    manifest, _ = made
    # The noise of the synthetic prices alone is 12 %; guessing the median errs by 40 %.
    overall = manifest.metrics["out_of_time"]["overall"]
    assert overall["mdape"] < 0.22
    assert overall["r2"] > 0.5
    assert abs(overall["bias"]) < 0.1


def test_ranges_cover_about_what_they_state_on_later_sales(made):
    manifest, _ = made
    coverage = manifest.metrics["out_of_time"]["coverage"]
    assert set(coverage) == {str(level) for level in intervals.LEVELS}
    for level, found in coverage.items():
        # Around 200 sales to calibrate on and as many to judge on.
        assert found["achieved"] == pytest.approx(float(level), abs=0.12)


def test_ranges_of_the_range_table_hold_nearly_all_homes(made, sales):
    manifest, _ = made
    living = sales.homes.values[:, 2]
    low, high = manifest.ranges["sqft_living"]
    assert np.mean((low <= living) & (living <= high)) >= 0.995


def test_the_same_sales_give_the_same_artifact_to_the_last_bit(
    made, sales, shipped_demographics, examples, tmp_path
):
    manifest, files = made
    again, again_files = trained(
        RECIPES[manifest.name], sales, shipped_demographics, examples
    )
    assert again_files == files
    texts = [
        (artifacts.write(tmp_path / root, m, f) / "manifest.json").read_bytes()
        for root, m, f in (("a", manifest, files), ("b", again, again_files))
    ]
    assert texts[0] == texts[1]


def test_figures_come_from_sales_the_model_did_not_see(
    sales, shipped_demographics, examples
):
    # Later prices doubled: a model judged on what it was fitted to would not notice.
    later = ~dataset.before(sales, CUT)
    prices = np.where(later, 2 * sales.prices, sales.prices)
    doubled = dataset.Sales(sales.homes, prices, sales.ids, sales.sha256, [])
    manifest, _ = trained(QUICK, doubled, shipped_demographics, examples)
    judged = manifest.metrics["out_of_time"]
    assert judged["overall"]["bias"] == pytest.approx(-0.5, abs=0.06)
    assert judged["coverage"]["0.9"]["achieved"] < 0.2


def test_no_split_is_judged_on_homes_the_model_learned(
    sales, shipped_demographics, examples
):
    # The nearest sale to a sale it learned is that sale: no error at all.
    nearest = replace(QUICK, neighbours=1)
    manifest, _ = trained(
        nearest, sales, shipped_demographics, examples, reference_split=True
    )
    metrics = manifest.metrics
    for judged in (
        metrics["out_of_time"]["overall"],
        metrics["random_split"],
        metrics["reference_split"],
    ):
        assert judged["mdape"] > 0.1


def test_the_shipped_ranges_are_calibrated_on_the_latest_sales(
    sales, shipped_demographics, examples
):
    later = ~dataset.before(sales, CUT)
    noise = np.where(later, np.random.default_rng(5).normal(0, 1, len(sales)), 0)
    noisy = dataset.Sales(
        sales.homes, sales.prices * np.exp(noise), sales.ids, sales.sha256, []
    )
    calm, _ = trained(QUICK, sales, shipped_demographics, examples)
    wild, _ = trained(QUICK, noisy, shipped_demographics, examples)
    assert wild.interval[0]["fsd"] > 3 * calm.interval[0]["fsd"]


def test_the_reference_split_learns_from_three_quarters(
    sales, shipped_demographics, examples
):
    manifest, _ = trained(
        QUICK, sales, shipped_demographics, examples, reference_split=True
    )
    assert manifest.training["rows"] == dataset.reference_split(len(sales)).sum()
    split = manifest.metrics["reference_split"]
    assert set(split) == FIGURES
    assert split["n"] + manifest.training["rows"] == len(sales)


@pytest.mark.parametrize("cut", [date(2014, 6, 1), date(2015, 4, 1), date(2030, 1, 1)])
def test_a_cut_without_sales_on_both_sides_is_refused_before_any_fit(
    sales, shipped_demographics, examples, cut
):
    with pytest.raises(SalesError) as caught:
        trained(
            RECIPES["lightgbm-full"], sales, shipped_demographics, examples, cut=cut
        )
    assert cut.isoformat() in str(caught.value)


def test_a_later_cut_learns_from_more_sales(sales, shipped_demographics, examples):
    rows = [
        trained(QUICK, sales, shipped_demographics, examples, cut=cut)[0].metrics[
            "out_of_time"
        ]["train_rows"]
        for cut in (CUT - timedelta(days=31), CUT)
    ]
    assert rows[0] < rows[1]


# --- the champion ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def trainer(sales, shipped_demographics):
    recipe = Recipe("catboost", "minimal", trees=10)
    return Trainer(recipe, "some", 1, sales, shipped_demographics, lambda _: None)


@pytest.fixture(scope="module")
def calibrating(sales, trainer):
    """A model of the sales before the cut, and which those are."""
    known = dataset.before(sales, CUT)
    return trainer.fit(known)[0], known


def test_the_level_is_the_recent_median_error_within_bounds(
    sales, trainer, calibrating
):
    model, known = calibrating
    assert abs(trainer.calibrate(model, ~known).level) <= 0.0075
    for factor, level in ((0.8, -0.0075), (1.25, 0.0075)):
        other = replace(sales, prices=sales.prices * factor)
        moved = replace(trainer, sales=other).calibrate(model, ~known)
        assert moved.level == level


def test_groups_of_unknown_fields_start_at_none_and_widen(trainer, calibrating):
    model, known = calibrating
    found = trainer.calibrate(model, ~known).calibration.groups
    assert [group.missing for group in found] == [0, 1, 2]
    for before, after in itertools.pairwise(found):
        assert after.fsd >= before.fsd
        for level in intervals.LEVELS:
            assert after.multipliers[level][0] <= before.multipliers[level][0] < 0
            assert after.multipliers[level][1] >= before.multipliers[level][1] > 0


def test_ranges_cover_the_sales_they_were_calibrated_on(sales, trainer, calibrating):
    model, known = calibrating
    made = calibrated(model, trainer.calibrate(model, ~known))
    later = sales.where(~known)
    for level in intervals.LEVELS:
        _, low, high = evaluate.predict(made, later, trainer.demographics, level)
        inside = (low <= later.prices) & (later.prices <= high)
        assert level - 0.02 <= inside.mean() <= level + 0.04


def test_a_calibrated_model_is_moved_by_its_level_and_nothing_else(
    sales, trainer, calibrating
):
    model, known = calibrating
    ranges = trainer.calibrate(model, ~known)
    later = sales.where(~known)
    prices = [
        evaluate.predict(m, later, trainer.demographics)[0]
        for m in (model, calibrated(model, ranges._replace(level=0.005)))
    ]
    np.testing.assert_allclose(prices[1] / prices[0], np.exp(0.005), rtol=1e-12)


def test_comparables_of_kept_sales_are_single_sales(
    sales, trainer, shipped_demographics
):
    recipe = replace(trainer.recipe, keep_sales=True, trees=3)
    model, _ = replace(trainer, recipe=recipe).fit(np.full(len(sales), True))
    first = sales.where(np.arange(len(sales)) < 3)
    joined = shipped_demographics.join(first.homes.zipcodes, model.demographics)
    answers = model.value(first.homes, joined, Details(comparables=2))
    for i, groups in enumerate(answers.comparables):
        assert [group["sales"] for group in groups] == [1, 1]
        # A home that was sold is most like itself.
        assert groups[0]["zipcode"] == first.homes.zipcodes[i]
        assert first.prices[i] in [group["median_price"] for group in groups]


def test_columns_of_demographics_named_like_zipcode_columns_can_be_chosen(
    sales, shipped_demographics, examples
):
    columns = ("sqft_living", "zip_lat", "zip_long", "zip_level")
    recipe = replace(QUICK, columns=columns)
    manifest, files = trained(recipe, sales, shipped_demographics, examples)
    assert manifest.demographics == ["zip_lat", "zip_long"]
    points = np.load(io.BytesIO(files["points.npy"]))
    assert points.shape == (len(sales), 4)


# --- no sale tells its own price --------------------------------------------------------

_PLACE = ("lat", "long")


@pytest.fixture(scope="module")
def real(sales_csv):
    """The real sales of north Seattle, and which of them come before the cut."""
    found = dataset.read(sales_csv)
    lat, long = found.homes.values[:, [features.POSITION[n] for n in _PLACE]].T
    some = found.where((lat > 47.61) & (lat < 47.74) & (long < -122.27))
    return some, dataset.before(some, CUT)


def later_error(sales, known, demographics):
    """The median error on later sales of a draft of the champion."""
    recipe = Recipe("catboost", "full", trees=40)
    trainer = Trainer(recipe, "draft", 1, sales, demographics, lambda _: None)
    model, _ = trainer.fit(known)
    return trainer.accuracy(model, ~known)["mdape"]


def test_out_of_fold_columns_are_not_those_that_know_the_sale(real):
    sales, known = real
    early = sales.where(known)
    base = locations.hedonic(early, "full")
    blind = locations.out_of_fold(early, base, "full")
    places = locations.places(early, base)
    seeing = locations.smooth(places, places.points)
    own = base.level - base.level.mean()
    for i, name in enumerate(features.SURFACES[:3]):
        assert not np.isclose(blind[name], seeing[:, i]).all()
        # What is left of a sale's own level: seen, it is drawn to itself.
        left = own - blind[name], own - seeing[:, i]
        assert left[1].std() < 0.97 * left[0].std()


def test_prices_at_random_teach_the_champion_nothing(real, shipped_demographics):
    # A model that saw a home's own price in its columns would trust them and be far
    # worse than a constant; one that learned nothing is a constant.
    sales, known = real
    shuffled = sales.prices.copy()
    rng = np.random.default_rng(17)
    shuffled[known] = rng.permutation(shuffled[known])
    mixed = replace(sales, prices=shuffled)
    constant = np.median(np.abs(np.median(shuffled[known]) / sales.prices[~known] - 1))
    assert later_error(mixed, known, shipped_demographics) == pytest.approx(
        constant, rel=0.12
    )
    assert later_error(sales, known, shipped_demographics) < 0.4 * constant
