"""Loading: an artifact that is off in any way is refused, whole."""

import json

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from skops import io as skops_io

from housing_app.config import ROOT
from housing_app.valuation import features, predictor
from housing_app.valuation.kinds import knn, lightgbm, sklearn

SHIPPED = sorted(path.parent.name for path in ROOT.glob("model/*/manifest.json"))
FILES = [
    (name, path.name)
    for name in SHIPPED
    for path in sorted((ROOT / "model" / name).iterdir())
    if path.name != "manifest.json"
]


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_artifact_loads(shipped, name):
    assert shipped[name].manifest.id == name


@pytest.mark.parametrize(("artifact", "name"), FILES)
def test_a_missing_file_is_refused(copy, refusal, artifact, name):
    directory = copy.artifact(artifact)
    (directory / name).unlink()
    assert f"{directory / name}: missing" in refusal(predictor.load, directory)


@pytest.mark.parametrize(("artifact", "name"), FILES)
def test_a_truncated_file_is_refused(copy, refusal, artifact, name):
    path = copy.artifact(artifact) / name
    path.write_bytes(path.read_bytes()[:-1])
    assert str(path) in refusal(predictor.load, path.parent)


@pytest.mark.parametrize(("artifact", "name"), FILES)
def test_a_tampered_file_is_refused(copy, refusal, artifact, name):
    path = copy.artifact(artifact) / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert str(path) in refusal(predictor.load, path.parent)


@pytest.mark.parametrize("name", ["notes.txt", ".hidden", "zzz.npy"])
def test_a_file_that_no_manifest_names_is_refused(copy, refusal, name):
    directory = copy.artifact("knn-minimal-1")
    (directory / name).write_bytes(b"")
    assert str(directory / name) in refusal(predictor.load, directory)


def test_a_directory_in_place_of_a_file_is_refused(copy, refusal):
    path = copy.artifact("lightgbm-full-1") / "price.txt"
    path.unlink()
    path.mkdir()
    assert str(path) in refusal(predictor.load, path.parent)


def test_a_manifest_cannot_name_a_file_outside_the_artifact(copy, refusal):
    directory = copy.artifact("lightgbm-full-1")
    (directory / "price.txt").rename(copy.root / "price.txt")
    digest = predictor.artifacts.read_manifest(directory).files["price.txt"]
    copy.edit(directory, files={"../price.txt": digest})
    assert str(directory) in refusal(predictor.load, directory)


@pytest.mark.parametrize(
    ("artifact", "kind"),
    [("knn-minimal-1", knn), ("lightgbm-full-1", lightgbm)],
)
def test_a_kind_must_find_all_its_files_in_the_manifest(copy, refusal, artifact, kind):
    for name in kind.FILES:
        directory = copy.artifact(artifact)
        files = predictor.artifacts.read_manifest(directory).files
        (directory / name).unlink()
        copy.edit(directory, files={k: v for k, v in files.items() if k != name})
        assert str(directory / name) in refusal(predictor.load, directory)
        directory.rename(copy.root / f"done-{name}")


def test_trees_that_do_not_fit_the_manifest_are_refused(copy, refusal, shipped):
    directory = copy.artifact("lightgbm-full-1")
    names = shipped["lightgbm-full-1"].manifest.features
    copy.edit(directory, features=names[:-1])
    assert str(directory) in refusal(predictor.load, directory)


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
    "no calibration": {"interval": {}},
    "no levels": {"interval": {"multipliers": {}, "fsd": 0.1}},
    "levels in a list": {"interval": {"multipliers": [], "fsd": 0.1}},
    "an fsd that is none": {"interval": {"multipliers": {"0.9": [-1, 1]}, "fsd": "x"}},
    "no golden rows": {"golden": []},
    "golden rows that are none": {"golden": [1]},
    "golden rows without a home": {"golden": [{}]},
    "golden homes that are none": {
        "golden": [{"home": 1, "day": 1, "demographics": [], "expected": [1, 1, 1]}]
    },
}


@pytest.mark.parametrize("changes", SPOILED.values(), ids=SPOILED)
def test_a_manifest_that_serving_could_not_use_is_refused(copy, refusal, changes):
    directory = copy.artifact("knn-minimal-1")
    copy.edit(directory, **changes)
    assert str(directory) in refusal(predictor.load, directory)


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_median_that_is_no_number_is_refused(copy, refusal, shipped, number):
    directory = copy.artifact("knn-minimal-1")
    fill = shipped["knn-minimal-1"].manifest.fill
    copy.edit(directory, fill=fill | {"grade": number})
    assert str(directory) in refusal(predictor.load, directory)


@pytest.mark.parametrize("level", ["0.5", "0.8"])
def test_a_range_upside_down_is_refused(copy, refusal, shipped, level):
    directory = copy.artifact("knn-minimal-1")
    interval = shipped["knn-minimal-1"].manifest.interval
    low, high = interval["multipliers"][level]
    upside_down = interval["multipliers"] | {level: [high, low]}
    copy.edit(directory, interval=interval | {"multipliers": upside_down})
    assert str(directory) in refusal(predictor.load, directory)


@pytest.mark.parametrize("level", ["0.5", "0.8", "0.9"])
def test_a_calibration_must_have_every_level(copy, refusal, shipped, level):
    directory = copy.artifact("knn-minimal-1")
    interval = shipped["knn-minimal-1"].manifest.interval
    others = {k: v for k, v in interval["multipliers"].items() if k != level}
    copy.edit(directory, interval=interval | {"multipliers": others})
    assert str(directory) in refusal(predictor.load, directory)


@pytest.mark.parametrize("part", [0, 1, 2], ids=["price", "low", "high"])
def test_a_golden_row_with_another_answer_is_refused(copy, refusal, shipped, part):
    directory = copy.artifact("lightgbm-full-1")
    golden = json.loads(json.dumps(shipped["lightgbm-full-1"].manifest.golden))
    golden[7]["expected"][part] *= 1.00001
    copy.edit(directory, golden=golden)
    text = refusal(predictor.load, directory)
    assert str(directory) in text
    assert "golden row 7" in text


def test_golden_rows_catch_a_model_whose_hashes_were_forged(copy, refusal):
    directory = copy.artifact("knn-minimal-1")
    prices = np.load(directory / "prices.npy") * 1.01
    np.save(directory / "prices.npy", prices)
    copy.replace(directory, "prices.npy", (directory / "prices.npy").read_bytes())
    assert "golden row 0" in refusal(predictor.load, directory)


def test_an_artifact_under_another_name_is_refused(copy, refusal):
    directory = copy.artifact("knn-minimal-1").rename(copy.root / "lightgbm-full-1")
    assert str(directory) in refusal(predictor.load, directory)


@pytest.mark.parametrize("content", [b"", b"not a zip file", b"PK\x03\x04 cut short"])
def test_a_skops_file_that_is_none_is_refused(copy, refusal, content):
    directory = as_sklearn(copy, content)
    assert str(directory) in refusal(predictor.load, directory)


def test_a_skops_file_of_another_width_is_refused(copy, refusal):
    narrow = Ridge().fit(np.eye(3), np.ones(3))
    directory = as_sklearn(copy, skops_io.dumps(narrow))
    assert str(directory) in refusal(predictor.load, directory)


def as_sklearn(copy, content):
    """Return an artifact of kind sklearn with forged hashes."""
    directory = copy.artifact("knn-minimal-1")
    for name in knn.FILES:
        (directory / name).unlink()
    copy.edit(directory, kind="sklearn", files={}, model={"target": "price"})
    copy.replace(directory, sklearn.FILES[0], content)
    return directory


def serve(copy, **slots):
    for name in SHIPPED:
        copy.artifact(name)
    shipped = json.loads((ROOT / "model" / "serving.json").read_text())
    copy.serving({k: v for k, v in (shipped | slots).items() if v is not ...})


def test_the_shipped_serving_json_loads_a_champion_and_a_fallback_for_each_slot():
    loaded = predictor.load_serving(ROOT / "model")
    assert set(loaded) == set(features.SLOTS)
    for slot, roles in loaded.items():
        assert set(roles) == {"champion", "fallback"}
        assert roles["champion"].manifest.slot == slot


def test_one_artifact_in_two_roles_is_loaded_once():
    loaded = predictor.load_serving(ROOT / "model")
    assert loaded["full"]["fallback"] is loaded["minimal"]["fallback"]


@pytest.mark.parametrize("slot", features.SLOTS)
def test_a_slot_without_champion_is_refused(copy, refusal, slot):
    serve(copy, **{slot: ...})
    text = refusal(predictor.load_serving, copy.root)
    assert str(copy.root / "serving.json") in text
    assert slot in text


def test_a_serving_json_that_names_a_missing_artifact_is_refused(copy, refusal):
    serve(copy, full={"champion": "lightgbm-full-9"})
    text = refusal(predictor.load_serving, copy.root)
    assert str(copy.root / "lightgbm-full-9") in text


def test_a_champion_that_needs_more_fields_than_its_slot_asks_for_is_refused(
    copy, refusal
):
    serve(copy, minimal={"champion": "lightgbm-full-1"})
    assert "serving.json" in refusal(predictor.load_serving, copy.root)


def test_a_broken_fallback_is_refused_like_a_broken_champion(copy, refusal):
    serve(copy)
    (copy.root / "knn-minimal-1" / "points.npy").unlink()
    assert "points.npy" in refusal(predictor.load_serving, copy.root)
