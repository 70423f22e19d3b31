"""/v1/accuracy: what was measured, and nothing where nothing was."""

import pytest
from served import SERVED, SERVING, manifest

from housing_app.v1.schemas import SEGMENTS
from housing_app.valuation import features, predictor
from housing_app.valuation.serving import ROLES

PLACES = {
    "decile": "by_decile",
    "zipcode": "by_zipcode",
    "month": "by_month",
    "missing": "by_missing",
}
HEAD = {"model", "version", "slot", "source", "from", "to", "segment", "value"}
FIGURES = {"n", "r2", "mdape", "ppe10", "ppe20", "bias", "cod", "prd", "prb"}


@pytest.fixture
def accuracy(client):
    def asked(**query):
        answer = client.get("/v1/accuracy", query_string=query)
        assert answer.status_code == 200, answer.text
        assert answer.content_type == "application/json"
        return answer.json

    return asked


def figures_of(row):
    return {name: value for name, value in row.items() if name not in HEAD}


def test_every_serving_model_is_told_once(accuracy):
    rows = accuracy(segment="overall")["accuracy"]
    assert [f"{row['model']}-{row['version']}" for row in rows] == list(
        dict.fromkeys(
            SERVING[slot][role] for slot in features.SLOTS for role in SERVING[slot]
        )
    )


@pytest.mark.parametrize("name", SERVED)
def test_overall_figures_are_those_of_the_manifest(accuracy, name):
    stored = manifest(name)
    later = stored["metrics"]["out_of_time"]
    (row,) = [
        row
        for row in accuracy(segment="overall")["accuracy"]
        if f"{row['model']}-{row['version']}" == name
    ]
    assert {key: row[key] for key in HEAD} == {
        "model": stored["name"],
        "version": stored["version"],
        "slot": stored["slot"],
        "source": "holdout",
        "from": later["from"],
        "to": later["to"],
        "segment": "overall",
        "value": None,
    }
    assert figures_of(row) == later["overall"] | {"coverage": later["coverage"]}


@pytest.mark.parametrize("name", SERVED)
@pytest.mark.parametrize("segment", PLACES)
def test_figures_of_a_segment_are_those_of_the_manifest(accuracy, name, segment):
    found = manifest(name)["metrics"]["out_of_time"][PLACES[segment]]
    if isinstance(found, list):
        found = {
            str(row[segment]): {k: v for k, v in row.items() if k != segment}
            for row in found
        }
    rows = [
        row
        for row in accuracy(segment=segment)["accuracy"]
        if f"{row['model']}-{row['version']}" == name
    ]
    assert found
    assert {row["segment"] for row in rows} == {segment}
    assert {row["value"]: figures_of(row) for row in rows} == found


def test_without_segment_everything_is_told(accuracy):
    whole = accuracy()["accuracy"]
    parts = [accuracy(segment=segment)["accuracy"] for segment in SEGMENTS]
    key = lambda row: (row["model"], row["segment"], str(row["value"]))  # noqa: E731
    assert sorted(whole, key=key) == sorted(
        (r for part in parts for r in part), key=key
    )
    assert len(whole) > 150


def test_every_row_has_the_members_of_the_contract(accuracy):
    for row in accuracy()["accuracy"]:
        assert row.keys() >= HEAD | FIGURES
        assert row["segment"] in SEGMENTS
        assert row["n"] >= 5
        assert 0 < row["mdape"] < 0.5
        assert set(row.get("coverage", {})) <= {"0.5", "0.8", "0.9"}


def test_the_limits_of_assessors_are_told_beside(accuracy):
    assert accuracy()["limits"] == {
        "cod": [5.0, 15.0],
        "prd": [0.98, 1.03],
        "prb": [-0.05, 0.05],
    }


@pytest.mark.parametrize(
    "text", ["", "Overall", "all", "decile ", "by_decile", "deciles", "fairness"]
)
def test_a_segment_that_is_not_kept_is_refused(client, text):
    answer = client.get("/v1/accuracy", query_string={"segment": text})
    assert answer.status_code == 422
    assert answer.json["type"] == "/problems/invalid-request"
    (error,) = answer.json["errors"]
    assert error["parameter"] == "segment"
    for segment in SEGMENTS:
        assert segment in error["detail"]


@pytest.mark.parametrize("query", ["segment=month&segment=month", "slot=full", "a=1"])
def test_other_queries_are_refused(client, query):
    answer = client.get(f"/v1/accuracy?{query}")
    assert answer.status_code == 422
    assert answer.json["errors"][0]["parameter"] == query.split("=")[0]


def test_accuracy_may_not_be_posted_to(client):
    answer = client.post("/v1/accuracy", json={})
    assert answer.status_code == 405
    assert "GET" in answer.headers["Allow"]


@pytest.fixture
def none_serving(app):
    """No model in any slot; put back afterwards."""
    found = {
        slot: {role: predictor.current(slot, role) for role in ROLES}
        for slot in features.SLOTS
    }
    for slot in found:
        predictor.install(slot, {})
    yield
    for slot, roles in found.items():
        predictor.install(slot, {role: m for role, m in roles.items() if m})


@pytest.mark.usefixtures("none_serving")
def test_where_no_model_serves_nothing_is_told(accuracy):
    assert accuracy()["accuracy"] == []
    assert accuracy(segment="decile")["accuracy"] == []
