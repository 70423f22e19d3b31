"""Loading: an artifact that is off in any way is refused, whole."""

import json

import numpy as np
import pytest
from served import BASELINE, FULL, MODEL, SERVING, SHIPPED
from sklearn.linear_model import Ridge
from skops import io as skops_io

from housing_app.valuation import (
    artifacts,
    comparables,
    features,
    loading,
)
from housing_app.valuation.kinds import catboost, knn, sklearn

FILES = [
    (name, path.name)
    for name in SHIPPED
    for path in sorted((MODEL / name).iterdir())
    if path.name != "manifest.json"
]


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_artifact_loads(shipped, name):
    assert shipped[name].manifest.id == name


@pytest.mark.parametrize(("artifact", "name"), FILES)
def test_a_missing_file_is_refused(copy, refusal, artifact, name):
    directory = copy.artifact(artifact)
    (directory / name).unlink()
    assert f"{directory / name}: missing" in refusal(loading.load, directory)


@pytest.mark.parametrize(("artifact", "name"), FILES)
def test_a_truncated_file_is_refused(copy, refusal, artifact, name):
    path = copy.artifact(artifact) / name
    path.write_bytes(path.read_bytes()[:-1])
    assert str(path) in refusal(loading.load, path.parent)


@pytest.mark.parametrize(("artifact", "name"), FILES)
def test_a_tampered_file_is_refused(copy, refusal, artifact, name):
    path = copy.artifact(artifact) / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert str(path) in refusal(loading.load, path.parent)


@pytest.mark.parametrize("name", ["notes.txt", ".hidden", "zzz.npy"])
def test_a_file_that_no_manifest_names_is_refused(copy, refusal, name):
    directory = copy.artifact(BASELINE)
    (directory / name).write_bytes(b"")
    assert str(directory / name) in refusal(loading.load, directory)


def test_a_directory_in_place_of_a_file_is_refused(copy, refusal):
    path = copy.artifact(FULL) / "price.npz"
    path.unlink()
    path.mkdir()
    assert str(path) in refusal(loading.load, path.parent)


def test_a_manifest_cannot_name_a_file_outside_the_artifact(copy, refusal):
    directory = copy.artifact(FULL)
    (directory / "price.npz").rename(copy.root / "price.npz")
    files = dict(artifacts.read_manifest(directory).files)
    files["../price.npz"] = files.pop("price.npz")
    copy.edit(directory, files=files)
    assert str(directory) in refusal(loading.load, directory)


@pytest.mark.parametrize(
    ("artifact", "name"),
    [
        *((BASELINE, name) for name in knn.FILES),
        *((FULL, name) for name in catboost.FILES),
        (FULL, comparables.FILE),
        (FULL, "surfaces.npz"),
    ],
)
def test_a_model_must_find_all_its_files_in_the_manifest(copy, refusal, artifact, name):
    directory = copy.artifact(artifact)
    files = artifacts.read_manifest(directory).files
    (directory / name).unlink()
    copy.edit(directory, files={k: v for k, v in files.items() if k != name})
    assert str(directory / name) in refusal(loading.load, directory)


@pytest.mark.parametrize("change", [lambda n: n[:-1], lambda n: [*n, "grade"]])
def test_trees_that_do_not_fit_the_manifest_are_refused(copy, refusal, full, change):
    directory = copy.artifact(FULL)
    copy.edit(directory, features=change(full.manifest.features))
    assert str(directory) in refusal(loading.load, directory)


def group(**changes):
    """Return a calibration of one group, spoiled."""
    ends = {"0.5": [-0.1, 0.1], "0.8": [-0.2, 0.2], "0.9": [-0.3, 0.3]}
    return [{"missing": 0, "multipliers": ends, "fsd": 0.1} | changes]


# Every member of the manifest that serving reads, spoiled one at a time.
SPOILED = {
    "an unknown kind": {"kind": "onnx"},
    "another kind": {"kind": "lightgbm"},
    "an unknown slot": {"slot": "luxury"},
    "no features": {"features": []},
    "an unknown feature": {"features": ["bedrooms"] * 23 + ["swimming_pool"]},
    "no demographics": {"demographics": []},
    "a date that is none": {"valuation_date": "soon"},
    "a day that is none": {"valuation_date": "2015-02-30"},
    "a training window that is none": {"training": {"from": "then", "to": "now"}},
    "no training window": {"training": {}},
    "no options": {"model": {}},
    "no medians": {"fill": {}},
    "no ranges": {"ranges": {}},
    "ranges that are none": {"ranges": {name: [1] for name in features.NAMES}},
    "a zipcode without its area": {"zipcodes": {"98103": {}}},
    "an area that is none": {"zipcodes": {"98103": 5}},
    "no calibration": {"interval": []},
    "a calibration of words": {"interval": ["wide"]},
    "no levels": {"interval": group(multipliers={})},
    "levels in a list": {"interval": group(multipliers=[])},
    "an fsd that is none": {"interval": group(fsd="x")},
    "a group of no count": {"interval": group(missing="few")},
    "no group of complete homes": {"interval": group(missing=1)},
    "no golden rows": {"golden": []},
    "golden rows that are none": {"golden": [1]},
    "golden rows without a home": {"golden": [{}]},
    "golden homes that are none": {
        "golden": [{"home": 1, "day": 1, "demographics": [], "expected": [1, 1, 1]}]
    },
}


@pytest.mark.parametrize("changes", SPOILED.values(), ids=SPOILED)
def test_a_manifest_that_serving_could_not_use_is_refused(copy, refusal, changes):
    directory = copy.artifact(BASELINE)
    copy.edit(directory, **changes)
    assert str(directory) in refusal(loading.load, directory)


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_median_that_is_no_number_is_refused(copy, refusal, baseline, number):
    directory = copy.artifact(BASELINE)
    copy.edit(directory, fill=baseline.manifest.fill | {"grade": number})
    assert str(directory) in refusal(loading.load, directory)


def spoiled(model, number, level, ends):
    """Return a model's calibration with other ends, or ... none, of a group's level."""
    groups = json.loads(json.dumps(model.manifest.interval))
    groups[number]["multipliers"][level] = ends
    if ends is ...:
        del groups[number]["multipliers"][level]
    return groups


@pytest.mark.parametrize("ends", [[0.2, -0.2], [0.1, 0.2], [-0.2, -0.1]])
@pytest.mark.parametrize("level", ["0.5", "0.8", "0.9"])
def test_a_range_that_would_not_hold_its_price_is_refused(
    copy, refusal, full, level, ends
):
    # The golden homes have none or all of their fields: what they do not try must
    # be refused too.
    directory = copy.artifact(FULL)
    copy.edit(directory, interval=spoiled(full, 1, level, ends))
    assert str(directory) in refusal(loading.load, directory)


@pytest.mark.parametrize("order", [[0, 2, 1, 3], [0, 1, 1, 3], [1, 2, 3]])
def test_groups_in_disorder_are_refused(copy, refusal, full, order):
    directory = copy.artifact(FULL)
    groups = full.manifest.interval
    copy.edit(directory, interval=[groups[i] for i in order])
    assert str(directory) in refusal(loading.load, directory)


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("level", ["0.5", "0.8", "0.9"])
def test_a_calibration_must_have_every_level(copy, refusal, full, number, level):
    directory = copy.artifact(FULL)
    copy.edit(directory, interval=spoiled(full, number, level, ...))
    assert str(directory) in refusal(loading.load, directory)


@pytest.mark.parametrize("part", [0, 1, 2], ids=["price", "low", "high"])
def test_a_golden_row_with_another_answer_is_refused(copy, refusal, full, part):
    directory = copy.artifact(FULL)
    golden = json.loads(json.dumps(full.manifest.golden))
    golden[7]["expected"][part] *= 1.00001
    copy.edit(directory, golden=golden)
    text = refusal(loading.load, directory)
    assert str(directory) in text
    assert "golden row 7" in text


def test_golden_rows_catch_a_model_whose_hashes_were_forged(copy, refusal):
    directory = copy.artifact(BASELINE)
    prices = np.load(directory / "prices.npy") * 1.01
    np.save(directory / "prices.npy", prices)
    copy.replace(directory, "prices.npy", (directory / "prices.npy").read_bytes())
    assert "golden row 0" in refusal(loading.load, directory)


def test_an_artifact_under_another_name_is_refused(copy, refusal):
    directory = copy.artifact(BASELINE).rename(copy.root / "other-1")
    assert str(directory) in refusal(loading.load, directory)


@pytest.mark.parametrize("content", [b"", b"not a zip file", b"PK\x03\x04 cut short"])
def test_a_skops_file_that_is_none_is_refused(copy, refusal, content):
    directory = as_sklearn(copy, content)
    assert str(directory) in refusal(loading.load, directory)


def test_a_skops_file_of_another_width_is_refused(copy, refusal):
    narrow = Ridge().fit(np.eye(3), np.ones(3))
    directory = as_sklearn(copy, skops_io.dumps(narrow))
    assert str(directory) in refusal(loading.load, directory)


def as_sklearn(copy, content):
    """Return an artifact of kind sklearn with forged hashes."""
    directory = copy.artifact(BASELINE)
    for name in knn.FILES:
        (directory / name).unlink()
    copy.edit(directory, kind="sklearn", files={}, model={"target": "price"})
    copy.replace(directory, sklearn.FILES[0], content)
    return directory


def serve(copy, **slots):
    for name in SHIPPED:
        copy.artifact(name)
    copy.serving({k: v for k, v in (SERVING | slots).items() if v is not ...})


def test_the_shipped_serving_json_loads_a_champion_and_a_fallback_for_each_slot():
    loaded = loading.load_serving(MODEL)
    assert set(loaded) == set(features.SLOTS)
    for slot, (roles, share) in loaded.items():
        assert set(roles) == {"champion", "fallback"}
        assert share == 0
        assert roles["champion"].manifest.slot == slot


def test_one_artifact_in_two_roles_is_loaded_once():
    loaded = loading.load_serving(MODEL)
    full, minimal = loaded["full"].roles, loaded["minimal"].roles
    assert full["fallback"] is minimal["fallback"]


@pytest.mark.parametrize("slot", features.SLOTS)
def test_a_slot_without_champion_is_refused(copy, refusal, slot):
    serve(copy, **{slot: ...})
    text = refusal(loading.load_serving, copy.root)
    assert str(copy.root / "serving.json") in text
    assert slot in text


def test_a_serving_json_that_names_a_missing_artifact_is_refused(copy, refusal):
    serve(copy, full={"champion": "gone-9"})
    text = refusal(loading.load_serving, copy.root)
    assert str(copy.root / "gone-9") in text


def test_a_champion_that_needs_more_fields_than_its_slot_asks_for_is_refused(
    copy, refusal
):
    serve(copy, minimal={"champion": FULL})
    assert "serving.json" in refusal(loading.load_serving, copy.root)


def test_a_broken_fallback_is_refused_like_a_broken_champion(copy, refusal):
    serve(copy)
    (copy.root / BASELINE / "points.npy").unlink()
    assert "points.npy" in refusal(loading.load_serving, copy.root)
