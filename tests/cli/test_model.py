"""`flask model train`, `list` and `show`."""

import json
import shutil

import pytest
from training import synthetic

from housing_app.valuation import (
    loading,
)

TRAIN = ("model", "train", "--kind", "knn", "--slot", "minimal", "--keep-sales")


@pytest.fixture
def models(tmp_path, trained):
    """A copy of the trained models."""
    return shutil.copytree(trained[0], tmp_path / "models")


@pytest.mark.parametrize(
    "artifact", ["knn-minimal-1", "lightgbm-minimal-1", "lightgbm-full-1"]
)
def test_training_writes_a_model_that_loads(trained, artifact):
    root, _ = trained
    assert loading.load(root / artifact).manifest.id == artifact


@pytest.mark.parametrize("artifact", ["knn-minimal-1", "lightgbm-full-1"])
def test_training_prints_where_the_model_is_and_how_good(trained, artifact):
    root, output = trained
    lines = output[artifact].splitlines()
    assert lines[0] == f"{root / artifact}: trained on 1,200 sales"
    assert lines[1].startswith("out of time")
    assert "MdAPE" in lines[1]
    assert lines[2].startswith("random split")
    assert f"flask model gate {artifact}" in lines[3]


def test_training_again_takes_the_next_version(run_with, models, synthetic_csv):
    run = run_with(MODEL_DIR=models)
    run.ok(*TRAIN, "--sales", synthetic_csv)
    assert loading.load(models / "knn-minimal-2").manifest.version == 2


def test_a_name_version_and_cut_can_be_chosen(run_with, tmp_path, synthetic_csv):
    run = run_with(MODEL_DIR=tmp_path / "new")
    run.ok(
        *TRAIN,
        "--sales",
        synthetic_csv,
        "--name",
        "mine",
        "--version",
        7,
        "--cut",
        "2015-01-15",
    )
    manifest = loading.load(tmp_path / "new" / "mine-7").manifest
    assert manifest.metrics["out_of_time"]["cut"] == "2015-01-15"


def test_a_version_that_exists_is_refused(run_with, models, synthetic_csv):
    before = (models / "knn-minimal-1" / "manifest.json").read_bytes()
    run = run_with(MODEL_DIR=models)
    line = run.refuses(*TRAIN, "--sales", synthetic_csv, "--version", 1)
    assert "knn-minimal-1" in line
    assert (models / "knn-minimal-1" / "manifest.json").read_bytes() == before


def test_a_version_that_exists_is_refused_before_anything_is_read(
    run_with, models, tmp_path
):
    path = tmp_path / "sales.csv"
    path.write_text("no sales at all")
    run = run_with(MODEL_DIR=models)
    assert "knn-minimal-1" in run.refuses(*TRAIN, "--sales", path, "--version", 1)


def test_refused_rows_are_listed_and_the_rest_trained_on(run_with, tmp_path):
    rows = synthetic.sales()
    rows[10]["price"] = ""
    rows[20]["grade"] = 99
    path = synthetic.write(tmp_path / "sales.csv", rows)
    result = run_with(MODEL_DIR=tmp_path)(*TRAIN, "--sales", path)
    assert result.exit_code == 0
    assert "trained on 1,198 sales" in result.stdout
    refused = [x for x in result.stderr.splitlines() if x.startswith("refused: ")]
    assert [line.split(", ")[1].split(":")[0] for line in refused] == [
        "row 12",
        "row 22",
    ]


@pytest.mark.parametrize(
    ("option", "content", "named"),
    [
        ("--sales", "id,date\n1,2\n", "'price'"),
        ("--sales", "", "CSV"),
        ("--demographics", "zipcode,a\n98103,1\n", "column"),
        ("--demographics", "zip,a\n98103,1\n", "zipcode"),
        ("--columns", "not JSON", "JSON"),
        ("--columns", '["swimming_pool"]', "swimming_pool"),
        ("--columns", "[]", "column"),
    ],
)
def test_a_bad_file_is_refused_in_one_line_that_names_it(
    run_with, tmp_path, synthetic_csv, option, content, named
):
    path = tmp_path / "bad"
    path.write_text(content)
    run = run_with(MODEL_DIR=tmp_path / "new")
    line = run.refuses(*TRAIN, "--sales", synthetic_csv, option, path)
    assert named in line
    if "swimming_pool" not in content:
        assert str(path) in line
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--cut", "2014-05-02"), "2014-05-02"),
        (("--cut", "2030-01-01"), "2030-01-01"),
        (("--name", "No Name"), "No Name"),
        (("--name", "../up"), "../up"),
    ],
)
def test_a_training_that_cannot_be_is_refused_in_one_line(
    run_with, tmp_path, synthetic_csv, arguments, named
):
    run = run_with(MODEL_DIR=tmp_path / "new")
    assert named in run.refuses(*TRAIN, "--sales", synthetic_csv, *arguments)
    assert not (tmp_path / "new").exists()


def test_too_few_sales_are_refused(run_with, tmp_path):
    path = synthetic.write(tmp_path / "sales.csv", synthetic.sales(150))
    run_with(MODEL_DIR=tmp_path / "new").refuses(*TRAIN, "--sales", path)


def test_a_missing_sales_file_is_a_wrong_call(run):
    lines = run.fails(*TRAIN, "--sales", "/none.csv", code=2)
    assert "/none.csv" in lines[-1]


def test_models_are_listed_with_their_accuracy_and_roles(run_with, trained):
    header, *lines = run_with(MODEL_DIR=trained[0]).ok("model", "list").splitlines()
    assert header.split() == ["MODEL", "KIND", "SLOT", "MdAPE", "PPE10", "SERVES", "AS"]
    found = {line.split()[0]: line for line in lines}
    assert set(found) == {"knn-minimal-1", "lightgbm-full-1", "lightgbm-minimal-1"}
    assert found["knn-minimal-1"].endswith("full fallback, minimal fallback")
    assert found["lightgbm-full-1"].endswith("full champion")
    assert "%" in found["lightgbm-full-1"]


def test_the_shipped_models_are_listed(run):
    lines = run.ok("model", "list").splitlines()
    assert [line.split()[0] for line in lines[1:]] == [
        "catboost-full-1",
        "catboost-minimal-1",
        "knn-minimal-1",
        "lightgbm-full-2",
        "lightgbm-minimal-2",
    ]


def test_an_empty_model_directory_lists_no_models(run_with, tmp_path):
    output = run_with(MODEL_DIR=tmp_path / "none").ok("model", "list")
    assert len(output.splitlines()) == 1


def test_a_model_that_serves_as_nothing_is_listed_without_role(run_with, models):
    (models / "serving.json").unlink()
    _, *lines = run_with(MODEL_DIR=models).ok("model", "list").splitlines()
    assert all(line.split()[-1] == "-" for line in lines)


@pytest.mark.parametrize("name", ["serving.json", "knn-minimal-1/manifest.json"])
def test_listing_names_a_file_that_is_broken(run_with, models, name):
    (models / name).write_text("{")
    result = run_with(MODEL_DIR=models)("model", "list")
    assert isinstance(result.exception, SystemExit)
    assert result.exit_code == 1
    assert str(models / name) in result.stderr


def test_a_model_is_shown_as_verified(run):
    text = run.ok("model", "show", "catboost-full-1")
    assert "catboost-full-1: catboost, slot full" in text
    assert "trained on 18,736 sales, 2014-05-02 to 2015-03-31" in text
    assert "verified: 7 files, 21 golden rows" in text


def test_the_whole_manifest_is_shown_as_json(run):
    found = json.loads(run.ok("model", "show", "knn-minimal-1", "--json"))
    assert found["kind"] == "knn"
    assert len(found["golden"]) == 21


def test_a_tampered_model_is_not_shown(run_with, models):
    path = models / "knn-minimal-1" / "prices.npy"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    line = run_with(MODEL_DIR=models).refuses("model", "show", "knn-minimal-1")
    assert str(path) in line


def test_an_unknown_model_is_not_shown(run):
    assert "nothing-1" in run.refuses("model", "show", "nothing-1")


@pytest.mark.parametrize("path", ["../model/knn-minimal-1", "/etc", "a/b", "."])
def test_a_path_is_no_name_of_a_model(run, path):
    assert "not a path" in run.fails("model", "show", path, code=2)[-1]
