"""`flask outcomes`: files whole or not at all, and a way to take back."""

import json
import uuid

import pytest
from cli.conftest import Run
from sqlalchemy import select

from housing_app import database
from housing_app.database import schema, tables

HEAD = "prediction_id,sale_price,sale_date"


@pytest.fixture
def served(app, run_with, database_url, tmp_path):
    """An app with a database and a spool of its own, and the models of `app`."""
    settings = {"DATABASE_URL": database_url, "INSTANCE_DIR": tmp_path / "instance"}
    made = run_with(**settings)._runner.app
    with made.app_context():
        database.current().run(schema.upgrade, 30)
    return made


@pytest.fixture
def run(served):
    return Run(served)


@pytest.fixture
def value(served, home):
    def ask(count):
        records = {"records": [home] * count}
        answer = served.test_client().post("/v1/predict", json=records)
        return [prediction["id"] for prediction in answer.json["predictions"]]

    return ask


@pytest.fixture
def stored(served):
    def found():
        query = select(tables.outcomes.c.prediction_id, tables.outcomes.c.sale_price)
        with served.app_context():
            rows = database.current().run(lambda c: c.execute(query).all())
        return dict(map(tuple, rows))

    return found


@pytest.fixture
def file(tmp_path):
    def write(text, name="sales.csv"):
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


def csv(*lines):
    return "\n".join([HEAD, *lines]) + "\n"


def test_a_csv_file_is_imported_straight_from_the_spool(run, value, file, stored):
    ids = value(3)
    path = file(
        csv(*(f"{one},{512_000 + n}.5,2015-05-02" for n, one in enumerate(ids)))
    )
    assert run.ok("outcomes", "import", path) == f"{path}: 3 outcomes new, 0 known\n"
    assert stored() == {one: 512_000.5 + n for n, one in enumerate(ids)}
    assert run.ok("outcomes", "import", path) == f"{path}: 0 outcomes new, 3 known\n"


def test_json_lines_are_imported(run, value, file):
    sales = [
        {"prediction_id": one, "sale_price": 512_000, "sale_date": "2015-05-02"}
        for one in value(2)
    ]
    path = file("\n".join(map(json.dumps, sales)) + "\n\n", "sales.jsonl")
    assert "2 outcomes new" in run.ok("outcomes", "import", path)


def test_every_wrong_line_is_told_and_nothing_is_stored(run, value, file, stored):
    one, other = value(2)
    path = file(
        csv(
            f"{one},512000,2015-05-02",
            f"{other},cheap,2099-01-01",
            "x,512000,2015-05-02",
            f"{other},512000",
            f"{one},512001,2015-05-02",
        )
    )
    assert run.fails("outcomes", "import", path) == [
        f"{path}:3: sale_price must be a number",
        f"{path}:3: sale_date must not be in the future",
        f"{path}:4: prediction_id must be the id of a prediction, a UUID",
        f"{path}:5: has not as many cells as line 1",
        f"{path}:6: prediction_id comes twice, with another price or date",
        f"Error: {path}: 5 errors, nothing was stored",
    ]
    assert stored() == {}


def test_wrong_json_lines_are_told(run, value, file, stored):
    (one,) = value(1)
    good = {"prediction_id": one, "sale_price": 512_000, "sale_date": "2015-05-02"}
    lines = [json.dumps(good), "", "{", "[]", "3", json.dumps(good | {"a": 1})]
    path = file("\n".join(lines), "sales.jsonl")
    found = run.fails("outcomes", "import", path)
    numbers = [line.split(":")[1] for line in found[:-1]]
    assert numbers == ["3", "4", "5", "6"]
    assert found[-1].endswith("4 errors, nothing was stored")
    assert stored() == {}


def test_unknown_and_conflicting_lines_are_told(run, value, file, stored):
    one, other = value(2)
    run.ok("outcomes", "import", file(csv(f"{one},512000,2015-05-02")))
    lines = f"{other},1000,2015-05-02", f"{uuid.uuid4()},1000,2015-05-02"
    path = file(csv(*lines, f"{one},600000,2015-05-03"))
    assert run.fails("outcomes", "import", path) == [
        f"{path}:3: no valuation has this id",
        f"{path}:4: another sale_price and sale_date was reported before",
        f"Error: {path}: 2 errors, nothing was stored",
    ]
    assert stored() == {one: 512_000.0}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "must name the columns"),
        ("id,price\n1,2\n", "must name the columns"),
        (HEAD + "\n", "holds no outcomes"),
        (HEAD + ',"\n', "not readable as CSV"),
    ],
)
def test_a_file_of_another_kind_is_refused(run, file, text, why):
    assert why in run.refuses("outcomes", "import", file(text))


def test_a_file_that_is_not_there_is_refused(run, tmp_path):
    assert "No such file" in run.refuses("outcomes", "import", tmp_path / "none.csv")


def test_withdrawn_outcomes_are_gone(run, value, file, stored):
    ids = value(3)
    run.ok("outcomes", "import", file(csv(*(f"{x},1000,2015-05-02" for x in ids))))
    stranger = str(uuid.uuid4())
    refused = run.refuses("outcomes", "withdraw", ids[0], stranger)
    assert stranger in refused
    assert len(stored()) == 3
    said = run.ok("outcomes", "withdraw", ids[0].upper(), ids[2])
    assert said == "2 outcomes withdrawn\n"
    assert stored().keys() == {ids[1]}


def test_without_tables_or_database_it_says_so(run_with, tmp_path, file):
    path = file(csv(f"{uuid.uuid4()},1000,2015-05-02"))
    fresh = run_with(INSTANCE_DIR=tmp_path / "new")
    assert "no tables" in fresh.refuses("outcomes", "import", path)
    url = "postgresql://nobody:s3cret@127.0.0.1:1/none"  # pragma: allowlist secret
    away = run_with(DATABASE_URL=url, INSTANCE_DIR=tmp_path / "new")
    refused = away("outcomes", "withdraw", str(uuid.uuid4()))
    assert refused.exit_code == 1
    assert refused.stderr.startswith("Error: the database does not take part: ")
    assert "s3cret" not in refused.output
