"""`flask model evaluate`, `compare` and `card`."""

import json
import re

import pytest
from training import synthetic

FULL, MINIMAL, BASELINE = "lightgbm-full-1", "lightgbm-minimal-1", "knn-minimal-1"


@pytest.fixture
def models(run_with, trained):
    """Run with the three trained models."""
    return run_with(MODEL_DIR=trained[0])


# --- evaluate -------------------------------------------------------------------------


def test_a_model_is_evaluated_on_later_sales(models, newer_csv):
    result = models("model", "evaluate", FULL, "--sales", newer_csv)
    assert result.exit_code == 0
    assert result.stderr == ""
    assert result.stdout.startswith(f"{FULL}, trained on 1,200 sales")
    assert "judged on 300 sales of 2015-04-01 to 2015-05-30" in result.stdout
    assert re.search(r"^COD +\d+\.\d +\d+\.\d to \d+\.\d +5.0 to 15.0", result.stdout,
                     re.M)  # fmt: skip


def test_sales_of_the_training_window_are_warned_of(models, synthetic_csv):
    result = models("model", "evaluate", BASELINE, "--sales", synthetic_csv)
    assert result.exit_code == 0
    assert "Warning: 1,200 of the 1,200 sales lie in the window" in result.stderr
    assert "Warning" not in result.stdout


def test_sales_before_a_day_can_be_left_out(models, synthetic_csv):
    sales = ("--sales", synthetic_csv, "--from", "2015-03-01")
    text = models.ok("model", "evaluate", BASELINE, *sales)
    assert re.search(r"judged on \d+ sales of 2015-03-01 to 2015-03-31", text)


def test_the_report_is_written_in_every_form(models, tmp_path, newer_csv):
    paths = {form: tmp_path / f"report.{form}" for form in ("html", "json", "markdown")}
    options = [x for form, path in paths.items() for x in (f"--{form}", path)]
    result = models("model", "evaluate", FULL, "--sales", newer_csv, *options)
    assert result.exit_code == 0, result.output
    for path in paths.values():
        assert f"written: {path}" in result.stderr
    found = json.loads(paths["json"].read_text())
    assert found["model"] == FULL
    assert found["overall"]["n"] == 300
    assert paths["markdown"].read_text().startswith(f"# {FULL}: evaluation\n")
    assert paths["html"].read_text().startswith("<!doctype html>")


def test_the_same_report_is_written_again_to_the_last_bit(models, tmp_path, newer_csv):
    pages = []
    for name in ("a", "b"):
        path = tmp_path / name
        models.ok("model", "evaluate", FULL, "--sales", newer_csv, "--html", path)
        pages.append(path.read_bytes())
    assert pages[0] == pages[1]


def test_refused_rows_are_listed(models, tmp_path):
    rows = synthetic.sales(200)
    rows[3]["grade"] = 99
    path = synthetic.write(tmp_path / "sales.csv", rows)
    result = models("model", "evaluate", BASELINE, "--sales", path)
    assert result.exit_code == 0
    assert f"refused: {path}, row 5: grade" in result.stderr
    assert "judged on 199 sales" in result.stdout


def test_a_report_that_cannot_be_written_ends_in_one_line(models, newer_csv, tmp_path):
    path = tmp_path / "none" / "report.json"
    result = models("model", "evaluate", FULL, "--sales", newer_csv, "--json", path)
    assert result.exit_code == 1
    assert result.stderr == f"Error: {path}: No such file or directory\n"


def test_too_few_sales_are_refused(models, synthetic_csv):
    sales = ("--sales", synthetic_csv, "--from", "2015-03-31")
    assert "too few" in models.refuses("model", "evaluate", BASELINE, *sales)


def test_no_sales_at_all_are_refused(models, synthetic_csv):
    sales = ("--sales", synthetic_csv, "--from", "2020-01-01")
    assert "0 sales" in models.refuses("model", "evaluate", BASELINE, *sales)


# --- compare --------------------------------------------------------------------------


def test_manifests_are_compared_without_sales(models):
    text = models.ok("model", "compare", FULL, MINIMAL)
    title, head, *_ = text.splitlines()
    assert title.endswith("from their manifests")
    assert head.split() == ["Measure", FULL, MINIMAL]
    assert "better" not in text


def test_models_are_compared_as_they_are_on_later_sales(models, newer_csv, tmp_path):
    path = tmp_path / "found.json"
    pair = ("model", "compare", FULL, BASELINE, "--sales", newer_csv, "--json", path)
    text = models.ok(*pair)
    assert "300 sales, 2015-04-01 to 2015-05-30; as they are" in text
    found = json.loads(path.read_text())
    assert text.rstrip().endswith(found["judged"]["verdict"])
    assert found["judged"]["models"] == [FULL, BASELINE]


def test_models_are_fitted_again_before_a_cut(models, synthetic_csv):
    options = ("--sales", synthetic_csv, "--cut", "2015-02-01", "--trees", 10)
    text = models.ok("model", "compare", FULL, MINIMAL, *options)
    assert "fitted on sales before 2015-02-01\n" in text
    assert "Wilcoxon" in text


def test_sales_a_model_has_seen_are_never_judged_on(models, synthetic_csv):
    result = models("model", "compare", FULL, MINIMAL, "--sales", synthetic_csv)
    assert result.exit_code == 1
    assert "0 sales are later than 2015-03-31" in result.stderr


@pytest.mark.parametrize(
    "options", [("--cut", "2015-02-01"), ("--sales", "CSV", "--trees", 5)]
)
def test_options_that_need_another_are_refused(models, synthetic_csv, options):
    given = [synthetic_csv if x == "CSV" else x for x in options]
    lines = models.fails("model", "compare", FULL, MINIMAL, *given, code=2)
    assert "--cut needs --sales" in lines[-1]


def test_a_model_is_not_fitted_against_itself(models, synthetic_csv):
    options = ("--sales", synthetic_csv, "--cut", "2015-02-01")
    result = models("model", "compare", FULL, FULL, *options)
    assert result.exit_code == 1
    assert "one recipe" in result.stderr


# --- card -----------------------------------------------------------------------------


@pytest.mark.parametrize("artifact", [FULL, MINIMAL, BASELINE])
def test_a_card_is_printed(models, artifact):
    text = models.ok("model", "card", artifact)
    assert text.startswith(f"# Model card: {artifact}\n")
    assert text.endswith("as the code.\n")


# --- what is refused ------------------------------------------------------------------

CALLS = {
    "evaluate": lambda name, csv: ("evaluate", name, "--sales", csv),
    "compare": lambda name, _: ("compare", name, FULL),
    "card": lambda name, _: ("card", name),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_an_unknown_model_is_named(models, call, synthetic_csv):
    assert "nothing-1" in models.refuses("model", *call("nothing-1", synthetic_csv))


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_path_is_no_name_of_a_model(models, call, synthetic_csv):
    arguments = ("model", *call("../model/x-1", synthetic_csv))
    assert "not a path" in models.fails(*arguments, code=2)[-1]


@pytest.mark.parametrize("given", [("evaluate", FULL), ("compare", FULL, MINIMAL)])
def test_a_bad_sales_file_is_refused_in_one_line(models, tmp_path, given):
    path = tmp_path / "bad.csv"
    path.write_text("id,date\n1,2\n")
    result = models("model", *given, "--sales", path)
    assert result.exit_code == 1
    assert result.stderr == f"Error: {path}: column 'price' is missing\n"
