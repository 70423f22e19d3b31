"""What ships with the repository: three honest models, and no single sale in them."""

import json
import re

import numpy as np
import pytest

from housing_app.config import ROOT
from housing_app.valuation import features, intervals

MODEL = ROOT / "model"
SHIPPED = sorted(path.parent for path in MODEL.glob("*/manifest.json"))
TREES = sorted(MODEL.glob("*/price.txt"))
LEAST = 5  # sales that any stored value may stand for


def name_of(path):
    return path.name if path.is_dir() else path.parent.name


def manifest_of(directory):
    return json.loads((directory / "manifest.json").read_text())


def test_one_baseline_and_two_tree_models_ship():
    assert {(m["kind"], m["slot"]) for m in map(manifest_of, SHIPPED)} == {
        ("knn", "minimal"),
        ("lightgbm", "minimal"),
        ("lightgbm", "full"),
    }


@pytest.mark.parametrize("directory", SHIPPED, ids=name_of)
def test_every_zipcode_of_a_manifest_stands_for_five_sales(directory):
    zipcodes = manifest_of(directory)["zipcodes"]
    assert len(zipcodes) == 70
    assert min(area["count"] for area in zipcodes.values()) >= LEAST


@pytest.mark.parametrize("directory", SHIPPED, ids=name_of)
def test_every_accuracy_figure_stands_for_five_sales(directory):
    judged = manifest_of(directory)["metrics"]["out_of_time"]
    groups = [
        *judged["by_decile"],
        *judged["by_zipcode"].values(),
        *judged["by_month"].values(),
    ]
    assert min(group["n"] for group in groups) >= LEAST


def test_every_point_of_the_baseline_stands_for_five_sales():
    stored = MODEL / "knn-minimal-1"
    counts = np.load(stored / "counts.npy")
    options = manifest_of(stored)["model"]
    assert options["single_sales"] is False
    assert counts.min() >= LEAST
    assert len(counts) == options["points"] == len(np.load(stored / "points.npy"))


@pytest.mark.parametrize("path", TREES, ids=name_of)
def test_every_leaf_of_every_tree_stands_for_five_sales(path):
    lines = re.findall(r"^leaf_count=(.*)$", path.read_text(), re.MULTILINE)
    assert len(lines) == manifest_of(path.parent)["model"]["trees"]
    assert min(int(count) for line in lines for count in line.split()) >= LEAST


@pytest.mark.parametrize("path", TREES, ids=name_of)
def test_the_trees_do_not_tell_the_extremes_of_single_homes(path):
    (infos,) = re.findall(r"^feature_infos=(.*)$", path.read_text(), re.MULTILINE)
    assert set(infos.split()) <= {"none"}


@pytest.mark.parametrize("directory", SHIPPED, ids=name_of)
def test_no_golden_home_is_a_sale_but_an_example_home(directory, example_homes):
    homes = [row["home"] for row in manifest_of(directory)["golden"]]
    assert homes == example_homes


@pytest.mark.parametrize("directory", SHIPPED, ids=name_of)
def test_a_manifest_says_how_the_model_was_judged(directory):
    manifest = manifest_of(directory)
    judged = manifest["metrics"]["out_of_time"]
    assert judged["cut"] == "2015-02-01" <= judged["from"]
    assert judged["to"] == manifest["training"]["to"] == "2015-03-31"
    assert judged["train_rows"] + judged["overall"]["n"] == manifest["training"]["rows"]
    assert set(judged["coverage"]) == {str(level) for level in intervals.LEVELS}
    assert re.fullmatch(r"[0-9a-f]{64}", manifest["training"]["sha256"])


@pytest.mark.parametrize("directory", SHIPPED, ids=name_of)
def test_ranges_covered_about_what_they_state_out_of_time(directory):
    coverage = manifest_of(directory)["metrics"]["out_of_time"]["coverage"]
    for level, found in coverage.items():
        assert found["achieved"] == pytest.approx(float(level), abs=0.03)


@pytest.mark.parametrize(
    ("name", "mdape", "ppe10"),
    [
        ("knn-minimal-1", 0.13, 0.40),
        ("lightgbm-minimal-1", 0.11, 0.45),
        ("lightgbm-full-1", 0.085, 0.56),
    ],
)
def test_a_model_is_as_accurate_out_of_time_as_it_must_be(name, mdape, ppe10):
    overall = manifest_of(MODEL / name)["metrics"]["out_of_time"]["overall"]
    assert overall["mdape"] <= mdape
    assert overall["ppe10"] >= ppe10


@pytest.mark.parametrize("directory", SHIPPED, ids=name_of)
def test_models_use_no_ethnicity_and_no_later_home_values(directory):
    used = set(manifest_of(directory)["features"]) - set(features.NAMES)
    assert not [
        name for name in used if re.search("white|black|hisp|asian|value", name)
    ]


@pytest.mark.parametrize("directory", SHIPPED, ids=name_of)
def test_the_shipped_demographics_know_every_training_zipcode(
    directory, shipped_demographics
):
    manifest = manifest_of(directory)
    zipcodes = list(manifest["zipcodes"])
    joined = shipped_demographics.join(zipcodes, manifest["demographics"])
    assert not np.isnan(joined).any()
