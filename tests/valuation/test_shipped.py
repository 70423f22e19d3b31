"""What ships with the repository: honest models, and no single sale in them."""

import itertools
import json
import re
from pathlib import Path

import numpy as np
import pytest
from served import (
    BASELINE,
    CHAMPIONS,
    FULL,
    MINIMAL,
    MODEL,
    SHIPPED,
    manifest,
    of_kind,
)

from housing_app.config import ROOT
from housing_app.valuation import features, intervals

LEAST = 5  # sales that any stored value may stand for
LEVELS = [str(level) for level in intervals.LEVELS]


def out_of_time(name):
    return manifest(name)["metrics"]["out_of_time"]


def overall(name):
    return out_of_time(name)["overall"]


def test_what_ships_is_what_make_model_trains():
    (line,) = re.findall(r"^SHIPPED = (.*)$", (ROOT / "Makefile").read_text(), re.M)
    stored = [manifest(name) for name in SHIPPED]
    found = [f"{m['kind']}/{m['slot']}/{m['version']}" for m in stored]
    assert sorted(found) == sorted(line.split())


def test_the_champions_are_symmetric_trees_and_the_fallback_is_simple():
    assert [manifest(name)["kind"] for name in CHAMPIONS] == ["catboost", "catboost"]
    assert [manifest(name)["slot"] for name in CHAMPIONS] == ["full", "minimal"]
    assert manifest(BASELINE)["kind"] == "knn"


# --- no single sale -------------------------------------------------------------------


@pytest.mark.parametrize("name", SHIPPED)
def test_every_zipcode_of_a_manifest_stands_for_five_sales(name):
    zipcodes = manifest(name)["zipcodes"]
    assert len(zipcodes) == 70
    assert min(area["count"] for area in zipcodes.values()) >= LEAST


def groups(judged):
    """Every group of sales that a manifest holds figures of."""
    for name, found in judged.items():
        if name.startswith("by_"):
            yield from found.values() if isinstance(found, dict) else found
    yield from itertools.chain(*judged["fairness"].values())


@pytest.mark.parametrize("name", SHIPPED)
def test_every_accuracy_figure_stands_for_five_sales(name):
    judged = out_of_time(name)
    assert {"by_decile", "by_zipcode", "by_month", "by_missing"} <= judged.keys()
    assert min(group["n"] for group in groups(judged)) >= LEAST


def test_every_point_of_the_baseline_stands_for_five_sales():
    stored = MODEL / BASELINE
    counts = np.load(stored / "counts.npy")
    options = manifest(BASELINE)["model"]
    assert options["single_sales"] is False
    assert counts.min() >= LEAST
    assert len(counts) == options["points"] == len(np.load(stored / "points.npy"))


@pytest.mark.parametrize("name", of_kind("catboost"))
def test_every_comparable_stands_for_five_sales(name):
    with np.load(MODEL / name / "comparables.npz") as arrays:
        counts, homes = arrays["counts"], arrays["homes"]
    assert counts.min() >= LEAST
    assert len(counts) == len(homes) <= manifest(name)["training"]["rows"] / LEAST


@pytest.mark.parametrize("name", of_kind("catboost"))
def test_the_champions_do_not_tell_how_many_sales_a_leaf_holds(name):
    for path in (MODEL / name).glob("*.npz"):
        with np.load(path) as arrays:
            assert "cover" not in arrays.files
            assert "leaf_weights" not in arrays.files


@pytest.mark.parametrize("name", of_kind("lightgbm"))
def test_every_leaf_of_every_tree_stands_for_five_sales(name):
    text = (MODEL / name / "price.txt").read_text()
    lines = re.findall(r"^leaf_count=(.*)$", text, re.MULTILINE)
    assert len(lines) == manifest(name)["model"]["trees"]
    assert min(int(count) for line in lines for count in line.split()) >= LEAST


@pytest.mark.parametrize("name", of_kind("lightgbm"))
def test_the_trees_do_not_tell_the_extremes_of_single_homes(name):
    text = (MODEL / name / "price.txt").read_text()
    (infos,) = re.findall(r"^feature_infos=(.*)$", text, re.MULTILINE)
    assert set(infos.split()) <= {"none"}


@pytest.mark.parametrize("name", SHIPPED)
def test_no_golden_home_is_a_sale_but_an_example_home(name, example_homes):
    homes = [row["home"] for row in manifest(name)["golden"]]
    nothing = dict.fromkeys(features.NAMES) | {"zipcode": example_homes[0]["zipcode"]}
    assert homes == [*example_homes, nothing]


@pytest.mark.parametrize("name", SHIPPED)
def test_every_number_of_a_drift_reference_stands_for_five_sales(name):
    stored = manifest(name)
    reference = stored["reference"]
    slot = [f.name for f in features.slot_features(stored["slot"])]
    assert sorted(reference["columns"]) == sorted([*slot, "zipcode", "price"])
    for column in reference["columns"].values():
        counts = [*column["counts"], column["missing"]]
        assert sum(counts) == reference["rows"] == stored["training"]["rows"]
        assert min(column["counts"]) >= LEAST
        assert column["missing"] == 0 or column["missing"] >= LEAST
    assert min(reference["warnings"].values()) >= LEAST
    assert len(json.dumps(reference, indent=1)) < 40_000


# --- how they were judged -------------------------------------------------------------


@pytest.mark.parametrize("name", SHIPPED)
def test_a_manifest_says_how_the_model_was_judged(name):
    trained, judged = manifest(name)["training"], out_of_time(name)
    assert judged["cut"] == "2015-02-01" <= judged["from"]
    assert judged["to"] == trained["to"] == "2015-03-31"
    assert judged["train_rows"] + judged["overall"]["n"] == trained["rows"]
    assert set(judged["coverage"]) == set(LEVELS)
    assert re.fullmatch(r"[0-9a-f]{64}", trained["sha256"])


def test_all_models_were_judged_on_the_same_sales():
    found = {
        (
            manifest(name)["training"]["sha256"],
            manifest(name)["training"]["rows"],
            out_of_time(name)["cut"],
            overall(name)["n"],
        )
        for name in SHIPPED
    }
    assert len(found) == 1


@pytest.mark.parametrize("name", SHIPPED)
def test_the_parts_of_the_report_add_up_to_the_whole(name):
    judged = out_of_time(name)
    n = judged["overall"]["n"]
    assert sum(found["n"] for found in judged["by_decile"]) == n
    assert sum(found["n"] for found in judged["by_month"].values()) == n
    assert {found["n"] for found in judged["by_missing"].values()} == {n}
    whole = judged["by_missing"]["0"]
    assert {key: whole[key] for key in judged["overall"]} == judged["overall"]
    assert whole["coverage"] == judged["coverage"]


# --- how good they are ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "mdape", "ppe10"),
    [
        (BASELINE, 0.13, 0.40),
        (MINIMAL, 0.105, 0.48),
        (FULL, 0.080, 0.595),
        *((name, 0.11, 0.45) for name in of_kind("lightgbm")),
    ],
)
def test_a_model_is_as_accurate_out_of_time_as_it_must_be(name, mdape, ppe10):
    assert overall(name)["mdape"] <= mdape
    assert overall(name)["ppe10"] >= ppe10


def test_the_full_champion_meets_the_standards_of_assessors():
    found = overall(FULL)
    assert abs(found["bias"]) <= 0.012
    assert found["cod"] <= 12.2
    assert 0.98 <= found["prd"] <= 1.03
    assert abs(found["prb"]) <= 0.04
    assert found["ppe20"] >= 0.84


def test_the_minimal_champion_is_neither_too_low_nor_too_high():
    assert abs(overall(MINIMAL)["bias"]) <= 0.015


@pytest.mark.parametrize(("name", "ahead"), [(FULL, 0.03), (MINIMAL, 0.015)])
def test_a_champion_is_well_ahead_of_the_baseline(name, ahead):
    assert overall(name)["mdape"] <= overall(BASELINE)["mdape"] - ahead
    assert overall(name)["cod"] < overall(BASELINE)["cod"]


@pytest.mark.parametrize("name", CHAMPIONS)
def test_a_champion_is_ahead_of_the_lightgbm_model_of_its_slot(name):
    slot = manifest(name)["slot"]
    for other in of_kind("lightgbm"):
        if manifest(other)["slot"] == slot:
            assert overall(name)["mdape"] < overall(other)["mdape"]
            assert overall(name)["cod"] < overall(other)["cod"]


@pytest.mark.parametrize("name", CHAMPIONS)
def test_a_champion_is_about_as_good_on_a_random_split(name):
    # Much better there would mean that it knows the sales it is judged on.
    at_random = manifest(name)["metrics"]["random_split"]["mdape"]
    assert overall(name)["mdape"] - 0.012 < at_random < overall(name)["mdape"] + 0.005


@pytest.mark.parametrize("name", CHAMPIONS)
def test_what_is_unknown_costs_accuracy_step_by_step(name):
    found = list(out_of_time(name)["by_missing"].items())
    found.sort(key=lambda item: int(item[0]))
    errors = [figures["mdape"] for _, figures in found]
    assert len(errors) >= 3
    assert errors == sorted(errors)
    # One unknown field costs less than a percent.
    assert errors[1] - errors[0] < 0.01


def test_homes_that_are_called_unlike_are_really_harder_to_value():
    found = out_of_time(FULL)["by_likeness"]
    unlike, others = found["unlike-training-homes"], found["others"]
    assert unlike["mdape"] > 1.5 * others["mdape"]
    assert unlike["n"] < 0.05 * others["n"]


# --- whether the ranges hold what they say ----------------------------------------------


@pytest.mark.parametrize("name", SHIPPED)
def test_ranges_covered_about_what_they_state_out_of_time(name):
    near = 0.02 if name in CHAMPIONS else 0.03
    for level, found in out_of_time(name)["coverage"].items():
        assert found["achieved"] == pytest.approx(float(level), abs=near)


def within(found, level, noise=1):
    """Whether coverage is within five points of its level, and so much noise."""
    p = float(level)
    error = noise * np.sqrt(p * (1 - p) / found["n"])
    return abs(found["coverage"][level]["achieved"] - p) <= 0.05 + error


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", CHAMPIONS)
def test_ranges_hold_in_every_decile_of_predicted_price(name, level):
    deciles = out_of_time(name)["by_decile"]
    assert len(deciles) == 10
    # 312 sales each: one standard error is 1.7 points at 90 % and 2.8 at 50 %.
    assert [d["decile"] for d in deciles if not within(d, level)] == []


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", CHAMPIONS)
def test_ranges_hold_whatever_number_of_fields_is_unknown(name, level):
    found = out_of_time(name)["by_missing"]
    assert [k for k, f in found.items() if not within(f, level, noise=0)] == []


@pytest.mark.parametrize("name", CHAMPIONS)
def test_ranges_hold_in_nearly_every_zipcode(name):
    found = out_of_time(name)["by_zipcode"]
    achieved = np.array([f["coverage"]["0.9"]["achieved"] for f in found.values()])
    assert len(achieved) > 40
    assert min(f["n"] for f in found.values()) >= 30
    # Of fifty zipcodes of thirty sales chance alone puts one below 80 %.
    assert (achieved < 0.8).mean() <= 0.05
    assert achieved.min() > 0.7


@pytest.mark.parametrize(("name", "width"), [(FULL, 0.47), (MINIMAL, 0.62)])
def test_ranges_are_no_wider_than_they_need_to_be(name, width):
    assert out_of_time(name)["coverage"]["0.9"]["relative_width"] <= width


@pytest.mark.parametrize("name", CHAMPIONS)
def test_ranges_widen_with_what_is_unknown(name):
    found = out_of_time(name)["by_missing"]
    widths = [
        found[count]["coverage"]["0.9"]["relative_width"]
        for count in sorted(found, key=int)
    ]
    assert widths == sorted(widths)
    assert widths[-1] > 1.2 * widths[0]


# --- what they learn from ---------------------------------------------------------------


@pytest.mark.parametrize("name", SHIPPED)
def test_models_use_no_ethnicity_and_no_later_home_values(name):
    used = set(manifest(name)["features"]) - set(features.NAMES)
    assert not [
        column for column in used if re.search("white|black|hisp|asian|value", column)
    ]


@pytest.mark.parametrize("name", SHIPPED)
def test_the_shipped_demographics_know_every_training_zipcode(
    name, shipped_demographics
):
    stored = manifest(name)
    joined = shipped_demographics.join(list(stored["zipcodes"]), stored["demographics"])
    assert not np.isnan(joined).any()


@pytest.mark.parametrize("name", of_kind("catboost"))
def test_the_date_enters_the_champions_by_the_index_alone(name):
    assert not {"months", "age", "years_since_work"} & set(manifest(name)["features"])


@pytest.mark.parametrize("name", SHIPPED)
def test_an_artifact_holds_no_file_but_those_of_its_manifest(name):
    files = {path.name for path in (MODEL / name).iterdir()} - {"manifest.json"}
    assert files == set(manifest(name)["files"])
    assert {Path(file).suffix for file in files} <= {".npy", ".npz", ".txt"}
