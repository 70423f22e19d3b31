"""`flask experiment …`"""

import json
import uuid
from datetime import UTC, date, datetime

import numpy as np
import pytest

from housing_app.database.tables import outcomes
from housing_app.journal import records, store
from tests.journal import samples

ID = "catboost-full-1/lightgbm-full-2"
NOW = datetime.now(UTC)


@pytest.fixture
def run(run_with, tmp_path, database_url):
    return run_with(INSTANCE_DIR=tmp_path / "instance", DATABASE_URL=database_url)


def fill(database, n=300, id_=ID, *, sold=True, shadow=False, slot="full"):
    """Record two arms of n homes each; the challenger's errors are half as large."""
    rng = np.random.default_rng(4)
    rows, sales, said = [], [], []
    for number in range(2 * n):
        arm = ("champion", "challenger")[number % 2]
        noise = 0.15 if arm == "champion" else 0.06
        row = samples.ROW | {"id": str(uuid.UUID(int=number, version=4))}
        row |= {"experiment": id_, "arm": arm, "subject": f"s-{number}"}
        row |= {"answered_at": NOW, "endpoint": slot}
        price = 1_000.0 * (200 + number)
        row["price"] = price * float(np.exp(noise * rng.standard_normal()))
        rows.append(row)
        sales.append({"prediction_id": row["id"], "sale_price": price})
        said.append((row["id"], price * 1.01, 1.0, 2.0))
    more = {"sale_date": date(2026, 1, 1), "reported_at": NOW}
    if shadow:
        rows += records.rows(records.shadow_line("lightgbm-full", 2, 0.0, said))

    def work(connection):
        store.insert(connection, rows)
        if sold:
            connection.execute(outcomes.insert(), [one | more for one in sales])

    database.run(work, 30)


def test_the_list_names_slot_pair_days_and_counts(run, database):
    assert "No recorded prediction is of an experiment." in run.ok("experiment", "list")
    fill(database, 30)
    head, line = run.ok("experiment", "list").splitlines()
    assert head.split()[:2] == ["SLOT", "CHAMPION/CHALLENGER"]
    day = f"{NOW:%Y-%m-%d}"
    assert line.split() == ["full", ID, day, day, *["30", "+", "30", "30", "+", "30"]]


def test_a_report_ends_with_its_verdict_and_can_be_kept(run, database, tmp_path):
    fill(database)
    path = tmp_path / "x.json"
    text = run.ok("experiment", "report", "--share", "0.5", "--json", path)
    assert "The challenger is better: its mean error is" in text
    assert "chi-square p = 1)" in text
    found = json.loads(path.read_text())
    assert (found["experiment"], found["slot"], found["alpha"]) == (ID, "full", 0.05)
    assert found["verdict"]["is"] == "challenger"
    assert found["verdict"]["text"] in text
    assert found["arms"]["challenger"]["outcomes"] == 300
    assert found["paired"] is None


def test_the_share_is_that_of_the_running_experiment(run_with, database, tmp_path):
    models = tmp_path / "models"
    models.mkdir()
    champion, challenger = ID.split("/")
    roles = {"champion": champion, "challenger": challenger, "share": 0.1}
    (models / "serving.json").write_text(
        json.dumps({"full": roles, "minimal": {"champion": "a-1"}})
    )
    run = run_with(MODEL_DIR=models, DATABASE_URL=str(database.url))
    fill(database)
    text = run.ok("experiment", "report")
    assert "Arms are not comparable: 300 of 600 clients came to the challenger" in text
    roles["challenger"] = "another-1"
    (models / "serving.json").write_text(
        json.dumps({"full": roles, "minimal": {"champion": "a-1"}})
    )
    text = run.ok("experiment", "report")
    assert "not held against the share: the share is not known" in text
    assert "The challenger is better" in text


def test_a_shadow_is_compared_without_arms(run, database):
    fill(database, shadow=True)
    other = "catboost-full-1/lightgbm-full-2"
    text = run.ok("experiment", "report", "--experiment", other, "--slot", "full")
    assert "On the same 600 homes, the challenger looking on:" in text


def test_of_several_experiments_one_has_to_be_chosen(run, database):
    fill(database, 3)
    rows = [samples.ROW | {"id": "x", "experiment": "a-1/b-2", "arm": "champion"}]
    database.run(lambda connection: store.insert(connection, rows), 10)
    line = run.refuses("experiment", "report")
    assert f"--experiment {ID} --slot full" in line
    assert "--experiment a-1/b-2 --slot full" in line
    text = run.ok("experiment", "report", "--experiment", "a-1/b-2")
    assert "Too few: 0 and 0 outcomes, 100 of each arm are needed." in text


def test_no_experiment_is_said_in_a_line(run, database):
    assert "no recorded prediction" in run.refuses("experiment", "report")
    fill(database, 3)
    line = run.refuses("experiment", "report", "--slot", "minimal")
    assert "no recorded prediction" in line


@pytest.mark.parametrize("id_", ["x", "a-1", "a/b", "a-1/b-1/c-1", "a-1/b-x"])
def test_an_experiment_is_named_by_two_models(run, database, id_):
    lines = run.fails("experiment", "report", "--experiment", id_, code=2)
    assert "CHAMPION/CHALLENGER" in lines[-1]


def test_shadows_are_shown_beside_what_was_answered(run, database, tmp_path):
    text = run.ok("experiment", "shadow")
    assert text == "No recorded prediction was valued by a shadow.\n"
    fill(database, 30, sold=False, shadow=True)
    path = tmp_path / "x.json"
    text = run.ok("experiment", "shadow", "--json", path)
    assert "full: lightgbm-full-2 beside catboost-full-1" in text
    assert "dearest third   20" in text
    (found,) = json.loads(path.read_text())
    assert found["disagreement"]["all"]["n"] == 60
    assert 0 < found["disagreement"]["all"]["beyond"]["0.05"] < 1
    text = run.ok("experiment", "shadow", "--slot", "minimal")
    assert "No recorded prediction" in text


COMMANDS = [("list",), ("report",), ("shadow",)]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda c: c[0])
def test_a_database_without_the_tables_or_away_is_said_in_a_line(
    run, run_with, command
):
    assert "flask db upgrade" in run("experiment", *command).stderr
    secret = "secret-word"  # pragma: allowlist secret
    away = run_with(DATABASE_URL=f"postgresql://user:{secret}@127.0.0.1:1/none")
    result = away("experiment", *command)
    assert result.exit_code == 1
    errors = [x for x in result.stderr.splitlines() if x.startswith("Error: ")]
    assert len(errors) == 1
    assert secret not in result.output + result.stderr


def test_a_file_that_cannot_be_written_is_said(run, database, tmp_path):
    fill(database, 3)
    path = tmp_path / "nowhere" / "x.json"
    result = run("experiment", "report", "--json", path)
    assert result.exit_code == 1
    assert str(path) in result.stderr
