"""`flask model retrain`: from a file of newer sales to a candidate."""

import csv
import json
import shutil

import pytest
from cli.conftest import Run
from training import synthetic

from housing_app import create_app
from housing_app.registry import changes, gates
from housing_app.training import screening
from housing_app.valuation import artifacts, loading, serving

RETRAIN = ("model", "retrain", "--slot", "full", "--sales")
CHAMPION, NEXT = "lightgbm-full-1", "lightgbm-full-2"


def sold():
    """Return so many sales that chance alone refuses no candidate."""
    return synthetic.sales(2_000)


@pytest.fixture(scope="module")
def last_year(tmp_path_factory, county_csv):
    """A model directory whose champion learned from the sales of 2014."""
    root = tmp_path_factory.mktemp("champions")
    rows = [row for row in sold() if row["date"] < "2015"]
    sales = synthetic.write(tmp_path_factory.mktemp("old") / "2014.csv", rows)
    run = Run(create_app({"MODEL_DIR": root, "DEMOGRAPHICS_CSV": county_csv}))
    for kind, slot in [("lightgbm", "full"), ("knn", "minimal")]:
        made = ("model", "train", "--kind", kind, "--slot", slot, "--trees", 60)
        run.ok(*made, "--sales", sales)
    serving = {
        slot: {"champion": name, "fallback": "knn-minimal-1"}
        for slot, name in [("full", CHAMPION), ("minimal", "knn-minimal-1")]
    }
    (root / "serving.json").write_text(json.dumps(serving))
    return root


@pytest.fixture(scope="module")
def retrain(county_csv, last_year, tmp_path_factory, spoiled_csv):
    """Retrain in a copy of the models; return the copy and the result."""

    def done(*options):
        root = shutil.copytree(last_year, tmp_path_factory.mktemp("again") / "models")
        settings = {"MODEL_DIR": root, "DEMOGRAPHICS_CSV": county_csv}
        return root, Run(create_app(settings))(*RETRAIN, spoiled_csv, *options)

    return done


@pytest.fixture(scope="module")
def retrained(retrain):
    return retrain()


@pytest.fixture
def root(last_year, tmp_path):
    return shutil.copytree(last_year, tmp_path / "models")


@pytest.fixture
def models(run_with, root):
    return run_with(MODEL_DIR=root)


@pytest.fixture(scope="module")
def spoiled_csv(tmp_path_factory):
    """Newer sales of which four rows cannot be right."""
    rows = sold()
    rows[3]["grade"] = 99
    rows[20] = dict(rows[19])
    rows[40]["price"] *= 12
    rows[50]["date"] = "29990101"
    return synthetic.write(tmp_path_factory.mktemp("spoiled") / "sales.csv", rows)


def test_newer_sales_become_a_candidate_that_waits_for_approval(
    retrained, last_year, spoiled_csv
):
    root, result = retrained
    text = result.stdout
    assert result.exit_code == 0, result.output
    assert f"{spoiled_csv}: 2,000 rows, 4 refused (0.2 %)\n" in text
    assert (
        f"{NEXT}: lightgbm, on 1,996 sales of 2014-05-02 to 2015-03-31, judged from "
        f"2015-02-01 on, beside {CHAMPION}\n"
    ) in text
    assert f"{NEXT} passed the gate against {CHAMPION}." in text
    assert text.endswith(f"\nTo serve it:\n  flask model promote {NEXT}\n")
    serving = [(place / "serving.json").read_bytes() for place in (root, last_year)]
    assert serving[0] == serving[1]
    candidate = loading.load(root / NEXT).manifest
    champion = artifacts.read_manifest(root / CHAMPION)
    assert gates.why_not(root, candidate, champion) is None
    record = gates.read(root, NEXT)
    assert "the champion as it is" in record["way"]
    later = candidate.metrics["out_of_time"]
    rows = {row["gate"]: row for row in record["rows"]}
    assert rows["mdape"]["value"] == later["overall"]["mdape"]
    assert record["sales"] == later["overall"]["n"] >= 300


def test_a_candidate_that_passes_can_be_promoted_at_once(retrain):
    root, result = retrain("--auto-promote")
    assert result.exit_code == 0, result.output
    assert result.stdout.endswith(f"\n{NEXT} is champion of full now.\n")
    assert serving.read(root).roles["full"]["champion"] == NEXT
    (change,) = changes.history(root)
    assert (change.who, change.is_forced) == ("flask model retrain", False)


def test_the_manifest_is_enough_to_make_the_candidate_again(retrained, retrain):
    (root, _), (other, _) = retrained, retrain()
    found, again = (
        {path.name: path.read_bytes() for path in (place / NEXT).iterdir()}
        for place in (root, other)
    )
    assert found == again
    manifest = json.loads(found["manifest.json"])
    trained = manifest["training"]
    assert trained["recipe"] == {"trees": 60}
    assert trained["rows"] == 1_996
    assert trained["screening"] == screening.RULES
    assert trained["seed"]
    assert len(trained["sha256"]) == len(trained["demographics_sha256"]) == 64
    assert manifest["metrics"]["out_of_time"]["cut"] == "2015-02-01"
    assert {"lightgbm", "numpy"} <= set(manifest["libraries"])


def test_refused_rows_are_reported_with_line_and_reason(models, spoiled_csv, tmp_path):
    path = tmp_path / "rejected.csv"
    result = models(*RETRAIN, spoiled_csv, "--dry-run", "--rejected", path)
    assert result.exit_code == 0, result.output
    with path.open(newline="") as file:
        assert [tuple(row.values()) for row in csv.DictReader(file)] == [
            ("5", "refused", "grade must be between 1 and 13"),
            ("22", "refused", "the same sale as on an earlier line"),
            (
                "42",
                "refused",
                "price per square foot over 8 times the usual, or under 1/8 of it",
            ),
            ("52", "refused", "date is in the future"),
        ]
    assert "2,000 rows, 4 refused (0.2 %)" in result.stdout
    assert "       1  refused: date is in the future\n" in result.stdout
    assert "row 5" not in result.stderr


def test_without_a_file_every_refused_row_is_listed(models, spoiled_csv):
    result = models(*RETRAIN, spoiled_csv, "--dry-run")
    lines = [x for x in result.stderr.splitlines() if x.startswith("refused: ")]
    assert [line.split(", ")[1].split(":")[0] for line in lines] == [
        "row 5", "row 22", "row 42", "row 52",
    ]  # fmt: skip


def test_a_dry_run_plans_and_trains_nothing(models, root, synthetic_csv):
    text = models.ok(*RETRAIN, synthetic_csv, "--dry-run")
    assert f"{NEXT}: lightgbm" in text
    assert not (root / NEXT).exists()
    assert not (root / "gates").exists()


def test_a_file_that_is_wrong_as_a_whole_stops_it_after_the_report(
    models, root, tmp_path
):
    rows = synthetic.sales()
    for row in rows[:30]:
        row["grade"] = 99
    sales = synthetic.write(tmp_path / "sales.csv", rows)
    path = tmp_path / "rejected.csv"
    result = models(*RETRAIN, sales, "--rejected", path)
    assert result.exit_code == 1
    assert "30 of 1,200 rows are refused, more than 2 %" in result.stderr
    assert len(path.read_text().splitlines()) == 31
    assert not (root / NEXT).exists()


def test_a_worse_candidate_is_kept_not_to_be_promoted_and_not_made_twice(
    models, root, synthetic_csv
):
    result = models(*RETRAIN, synthetic_csv, "--trees", 2)
    assert result.exit_code == 2, result.output
    assert f"{NEXT} FAILED the gate" in result.stdout
    assert "flask model promote" not in result.stdout
    manifests = [artifacts.read_manifest(root / name) for name in (NEXT, CHAMPION)]
    assert "failed its gate" in gates.why_not(root, *manifests)
    again = models(*RETRAIN, synthetic_csv, "--trees", 2)
    assert again.exit_code == 1
    assert f"{NEXT} is of these very sales and this recipe already" in again.stderr
    assert models(*RETRAIN, synthetic_csv, "--trees", 3, "--dry-run").exit_code == 0


def test_another_kind_has_a_name_of_its_own(models, synthetic_csv):
    text = models.ok(*RETRAIN, synthetic_csv, "--kind", "knn", "--dry-run")
    assert "knn-full-1: knn, on 1,200 sales" in text


def test_sales_the_champion_has_seen_are_not_enough(models, root, tmp_path):
    rows = [row for row in sold() if row["date"] < "20150110"]
    path = synthetic.write(tmp_path / "sales.csv", rows)
    result = models(*RETRAIN, path)
    assert result.exit_code == 1
    assert f"where the training of {CHAMPION} ends; 100 are needed" in result.stderr
    assert not (root / NEXT).exists()


def test_a_candidate_is_judged_from_where_the_champion_ends(models, tmp_path):
    # The last two calendar months begin in December, which the champion has seen.
    rows = [row for row in synthetic.sales(3_000) if row["date"] < "20150131"]
    path = synthetic.write(tmp_path / "sales.csv", rows)
    text = models.ok(*RETRAIN, path, "--dry-run")
    assert "judged from 2015-01-01 on" in text
