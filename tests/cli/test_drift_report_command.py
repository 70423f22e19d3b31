"""`flask drift report`, through the real app: valued, journalled, drained, reported."""

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from plausible import homes
from served import FULL

from housing_app import create_app, journal
from housing_app.drift import gauges, store
from housing_app.training import dataset
from housing_app.valuation import features
from tests.cli.conftest import Run

METRES = 0.0929


@pytest.fixture
def made(app, tmp_path, database):
    """An app with a database and a spool of its own; the models are `app`'s."""
    settings = {"RATE_LIMIT": "off", "CACHE": "off"}
    settings |= {"INSTANCE_DIR": tmp_path / "instance"}
    yield create_app(settings | {"DATABASE_URL": database.url})
    gauges.tell([])


@pytest.fixture
def run(made):
    return Run(made)


@pytest.fixture
def value(made, run):
    """Value homes over HTTP, and drain the journal."""

    def ask(records, path="/v1/predict"):
        answer = made.test_client().post(path, json={"records": records})
        assert answer.status_code == 200, answer.json
        with made.app_context():
            journal.current().spool.close()  # as the worker does twice a second
        run.ok("journal", "drain")

    return ask


def test_homes_of_training_are_quiet_and_square_metres_are_an_alarm(
    sales_csv, value, run, tmp_path, database
):
    sales = dataset.read(sales_csv)
    chosen = np.random.default_rng(17).choice(len(sales), 400, replace=False)
    records = [
        dict(zip(features.NAMES, sales.homes.values[i].tolist(), strict=True))
        | {"zipcode": sales.homes.zipcodes[i]}
        for i in chosen
    ]
    value(records)
    text = run.ok("drift", "report", "--save")
    assert f"{FULL}, slot full: 400 homes in 400 answers" in text
    assert text.splitlines()[-1].startswith("quiet: none of ")

    for one in records:
        one |= {k: max(100, v * METRES) for k, v in one.items() if "living" in k}
    value(records)
    paths = {form: tmp_path / form for form in ("html", "json", "prometheus")}
    options = [x for form, path in paths.items() for x in (f"--{form}", path)]
    result = run("drift", "report", "--save", *options)
    assert result.exit_code == 4, result.output
    last = result.stdout.splitlines()[-1]
    assert last.startswith("alarm: ")
    assert "sqft_living" in last
    found = json.loads(paths["json"].read_text())
    assert (found["homes"], found["answers"]) == (800, 800)
    assert found["verdict"] == "alarm"
    assert "<svg" not in paths["html"].read_text()
    assert 'drift_level{model="catboost-full",slot="full",version="1"} 2.0' in (
        paths["prometheus"].read_text()
    )
    (newest,) = database.run(store.newest)
    assert newest["verdict"] == "alarm"
    assert newest["checks"] == found["checks"]


def test_other_homes_than_those_of_training_exit_with_4(value, run):
    value([home | {"grade": 12, "condition": 1} for home in homes(250)])
    result = run("drift", "report")
    assert result.exit_code == 4
    first = result.stdout.split("\n\n")[1].splitlines()[2]
    assert "alarm" in first


def test_few_homes_exit_with_5_and_the_minimal_slot_has_its_own_model(value, run):
    value(homes(30))
    result = run("drift", "report")
    assert result.exit_code == 5
    assert result.stdout.splitlines()[-1].startswith("too few: 30 homes")
    result = run("drift", "report", "--slot", "minimal")
    assert result.exit_code == 5
    assert "catboost-minimal-1, slot minimal: 0 homes" in result.stdout


def test_days_before_are_left_out(value, run):
    value(homes(20))
    today = datetime.now(UTC)
    early = today - timedelta(days=5)
    span = ("--from", f"{early:%Y-%m-%d}", "--to", f"{today - timedelta(1):%Y-%m-%d}")
    assert "0 homes" in run("drift", "report", *span).stdout
    span = ("--from", f"{early:%Y-%m-%d}", "--to", f"{today:%Y-%m-%d}")
    assert "20 homes" in run("drift", "report", *span).stdout
    assert "20 homes" in run("drift", "report", "--days", "1").stdout


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--days", "3", "--from", "2026-01-01"), "not both"),
        (("--from", "2026-02-01", "--to", "2026-01-01"), "lies after"),
        (("--model", "../x-1"), "not a path"),
        (("--slot", "luxury"), "luxury"),
    ],
)
def test_a_wrong_call_exits_with_2(run, options, words):
    assert words in run.fails("drift", "report", *options, code=2)[-1]


def test_a_model_that_is_not_there_is_said_in_a_line(run):
    assert "none-1" in run.refuses("drift", "report", "--model", "none-1")


def test_a_file_that_cannot_be_written_is_said_in_a_line(run, tmp_path):
    path = tmp_path / "none" / "report.json"
    result = run("drift", "report", "--json", path)
    assert result.exit_code == 1
    assert result.stderr == f"Error: {path}: No such file or directory\n"


def test_a_database_without_the_tables_is_said_in_a_line(run_with, tmp_path):
    run = run_with(DATABASE_URL=f"sqlite:///{tmp_path / 'new.db'}")
    assert "flask db upgrade" in run.refuses("drift", "report")


def test_a_database_that_is_away_is_said_in_a_line(run_with):
    secret = "secret-word"  # pragma: allowlist secret
    run = run_with(DATABASE_URL=f"postgresql://user:{secret}@127.0.0.1:1/none")
    result = run("drift", "report")
    assert result.exit_code == 1
    assert "does not take part" in result.stderr
    assert "Traceback" not in result.output
    assert secret not in result.output
