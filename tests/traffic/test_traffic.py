"""Which model answers, and what happens when it cannot."""

import dataclasses
import json
import shutil
from itertools import islice

import pytest
from prometheus_client import REGISTRY
from served import Model

from housing_app import config, demographics, traffic
from housing_app.config import ROOT
from housing_app.valuation import features, predictor
from housing_app.valuation.errors import NotReady, OutsideArea, ValuationError
from housing_app.valuation.predictor import Details


def failing(model, answer=None):
    broken = Model(RuntimeError("broken") if answer is None else answer)
    return dataclasses.replace(model, model=broken)


@pytest.fixture
def broken(slots):
    """The champions of both slots raise."""
    for slot, roles in slots.items():
        predictor.install(slot, roles | {"champion": failing(roles["champion"])})


@pytest.fixture
def homes(example_homes):
    day = predictor.current("full").valuation_date
    return features.homes(example_homes, day)


# --- the fallback -------------------------------------------------------------------


def test_the_fallback_answers_for_a_champion_that_raises(
    client, broken, slots, example_homes
):
    answer = client.post("/v1/predict", json={"records": example_homes})
    assert answer.status_code == 200
    fallback = slots["full"]["fallback"].manifest
    assert answer.json["model"] == {
        "name": fallback.name,
        "version": fallback.version,
        "variant": "fallback",
    }
    assert len(answer.json["predictions"]) == len(example_homes)
    for found in answer.json["predictions"]:
        assert "fallback-model" in [warning["code"] for warning in found["warnings"]]
        assert 0 < found["low"] < found["price"] < found["high"]


def test_the_fallbacks_prices_are_its_own(broken, slots, homes):
    answer = traffic.value("full", homes, Details(0.9))
    model = slots["full"]["fallback"]
    rows = demographics.current().join(homes.zipcodes, model.demographics)
    assert answer.variant == "fallback"
    assert answer.valuations.prices.tolist() == model.value(homes, rows).prices.tolist()


def test_the_fallback_of_the_minimal_slot_answers_too(client, broken, home):
    core = [feature.name for feature in features.slot_features("minimal")]
    sent = {name: home[name] for name in [*core, "zipcode"]}
    answer = client.post("/v1/predict/minimal", json=sent)
    assert answer.status_code == 200
    assert answer.json["model"]["variant"] == "fallback"


def test_a_fallback_lists_every_field_that_was_sent_as_unknown(client, broken, home):
    answer = client.post("/v1/predict", json=home | {"grade": None, "bedrooms": None})
    assert answer.json["predictions"][0]["missing"] == ["bedrooms", "grade"]


def test_a_fallback_warns_of_what_the_champion_would_have_warned(client, broken, home):
    sent = home | {"sqft_above": 9, "zipcode": "10001"}
    found = client.post("/v1/predict", json=sent).json["predictions"][0]
    codes = {warning["code"] for warning in found["warnings"]}
    assert {"areas-do-not-add-up", "zipcode-outside-training-area"} <= codes
    assert found["confidence"] == "low"


@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")
@pytest.mark.parametrize("price", [float("nan"), float("inf"), 1e6])
def test_a_champion_that_gives_no_number_counts_as_failed(slots, homes, price):
    roles = slots["full"]
    predictor.install(
        "full", roles | {"champion": failing(roles["champion"], answer=price)}
    )
    assert traffic.value("full", homes, Details(0.9)).variant == "fallback"


def test_a_failure_is_counted_against_the_champion_and_an_answer_for_the_fallback(
    client, slots, broken, home
):
    def counts():
        champion, fallback = (
            {"model": model.manifest.name, "version": str(model.manifest.version)}
            for model in slots["full"].values()
        )
        answers = fallback | {"variant": "fallback", "endpoint": "full"}
        return [
            REGISTRY.get_sample_value("prediction_errors_total", champion) or 0,
            REGISTRY.get_sample_value("prediction_requests_total", answers) or 0,
        ]

    before = counts()
    for _ in range(3):
        client.post("/v1/predict", json=home)
    assert [now - then for now, then in zip(counts(), before, strict=True)] == [3, 3]


def test_a_failure_is_logged_with_the_models_id(client, slots, broken, home, capsys):
    capsys.readouterr()
    answer = client.post("/v1/predict", json=home)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    error = next(line for line in lines if line["level"] == "error")
    assert error["model"] == slots["full"]["champion"].manifest.id
    assert error["request_id"] == answer.json["request_id"]
    assert "broken" in error["exception"]


def test_a_champion_that_recovers_answers_again(client, slots, broken, home):
    assert client.post("/v1/predict", json=home).json["model"]["variant"] == "fallback"
    predictor.install("full", slots["full"])
    assert client.post("/v1/predict", json=home).json["model"]["variant"] == "champion"


def test_without_a_fallback_the_error_is_the_callers(slots, homes):
    predictor.install("full", {"champion": failing(slots["full"]["champion"])})
    with pytest.raises(RuntimeError, match="broken"):
        traffic.value("full", homes, Details(0.9))


# --- refusing -----------------------------------------------------------------------


def test_homes_outside_the_area_are_refused_by_position(app, homes):
    moved = homes._replace(zipcodes=["10001", *homes.zipcodes[1:-1], "00000"])
    with pytest.raises(OutsideArea) as refusal:
        traffic.value("full", moved, Details(0.9), refuse_outside=True)
    assert refusal.value.positions == [0, len(moved.zipcodes) - 1]
    assert len(traffic.value("full", moved, Details(0.9)).valuations.prices) == 20


def test_a_slot_without_a_model_is_not_ready(slots, homes):
    predictor.install("full", {})
    with pytest.raises(NotReady):
        traffic.value("full", homes, Details(0.9))


# --- what is refused at the door ----------------------------------------------------


@pytest.fixture
def models(tmp_path):
    """A copy of the shipped models to spoil."""
    return shutil.copytree(ROOT / "model", tmp_path / "model")


@pytest.fixture(scope="session")
def few_zipcodes(tmp_path_factory):
    """The head of the shipped demographics: all columns, read in no time."""
    with (ROOT / "data" / "zipcode_demographics.csv").open() as file:
        head = list(islice(file, 5))
    path = tmp_path_factory.mktemp("data") / "few.csv"
    path.write_text("".join(head))
    return path


@pytest.fixture
def installing(slots, models, few_zipcodes):
    """Install the copy, spoilt or not, and give the shipped table back after."""
    table = demographics.current()

    def install(csv=few_zipcodes):
        places = {"MODEL_DIR": models, "DEMOGRAPHICS_CSV": csv}
        traffic.install(config.load({}) | places)

    yield install
    demographics.install(table)


def edit(path, change):
    stored = json.loads(path.read_text())
    change(stored)
    path.write_text(json.dumps(stored))


def test_a_copy_of_the_shipped_models_is_taken(slots, installing):
    installing()
    assert predictor.current("full") is not slots["full"]["champion"]


# What an editor, a bad copy or a mix-up leaves behind, and what must be named.
TAMPERED = {
    "no range": ("interval", {}),
    "a range of nothing": ("interval.0.multipliers", [1]),
    "a level missing": ("interval.0.multipliers", {"0.9": [-0.1, 0.1]}),
    "a deviation in words": ("interval.0.fsd", "wide"),
    "no golden rows": ("golden", []),
    "golden rows of words": ("golden", ["x"]),
    "a golden home of one number": ("golden.0.home", 1),
    "a golden price changed": ("golden.0.expected", [1, 1, 1]),
    "a date in words": ("valuation_date", "soon"),
    "no training facts": ("training", {}),
    "no row count": ("training", {"from": "2014-05-02", "to": "2015-03-31"}),
    "no metrics": ("metrics", {}),
    "no holdout": ("metrics.out_of_time", {}),
    "a zipcode without facts": ("zipcodes.98004", {}),
    "no medians": ("fill", {}),
    "no ranges": ("ranges", {}),
    "an unknown feature": ("features.0", "nonsense"),
    "an unknown kind": ("kind", "magic"),
    "another kind": ("kind", "knn"),
    "another slot": ("slot", "other"),
    "another name": ("name", "other"),
    "another version": ("version", 999),
    "another format": ("format", 2),
    "no files": ("files", {}),
    "a file elsewhere": ("files", {"../serving.json": "00"}),
    "an unknown column": ("demographics.0", "nope"),
    "features of another type": ("features", "all"),
}


@pytest.mark.parametrize("what", TAMPERED)
def test_a_tampered_manifest_is_refused_by_name(slots, models, installing, what):
    place, content = TAMPERED[what]
    artifact = models / slots["full"]["champion"].manifest.id

    def change(stored):
        *path, last = place.split(".")
        for name in path:
            stored = stored[int(name) if isinstance(stored, list) else name]
        stored[int(last) if isinstance(stored, list) else last] = content

    edit(artifact / "manifest.json", change)
    with pytest.raises(ValuationError) as refusal:
        installing()
    assert str(artifact) in str(refusal.value)
    assert "\n" not in str(refusal.value)
    for slot, roles in slots.items():
        assert predictor.current(slot) is roles["champion"], "the old one must serve on"


@pytest.mark.parametrize(
    "change",
    [
        lambda s: s.clear(),
        lambda s: s.pop("full"),
        lambda s: s["full"].pop("champion"),
        lambda s: s["full"].update(champion="../model/" + s["full"]["champion"]),
        lambda s: s["full"].update(champion="nope-1"),
        lambda s: s["full"].update(champion=1),
        lambda s: s["minimal"].update(champion=s["full"]["champion"]),
        lambda s: s["full"].update(champoin=s["full"]["champion"]),
        lambda s: s.update(spare=s["full"]),
        lambda s: s.update(full=list(s["full"].values())),
    ],
    ids=[
        "empty",
        "a slot gone",
        "no champion",
        "a path",
        "no such artifact",
        "a number",
        "a full model in the minimal slot",
        "a role misspelt",
        "a slot too many",
        "a list",
    ],
)
def test_a_serving_json_that_cannot_be_served_is_refused(models, installing, change):
    edit(models / "serving.json", change)
    with pytest.raises(ValuationError) as refusal:
        installing()
    assert str(models) in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_an_artifact_under_another_name_is_refused(slots, models, installing):
    (models / slots["full"]["champion"].manifest.id).rename(models / "copy-1")
    serve = {"champion": "copy-1"}
    edit(models / "serving.json", lambda stored: stored["full"].update(serve))
    with pytest.raises(ValuationError, match="copy-1"):
        installing()


def test_demographics_without_a_column_name_the_column_and_the_model(
    slots, installing, tmp_path
):
    csv = tmp_path / "few.csv"
    csv.write_text("zipcode,population\n98103,51878\n")
    with pytest.raises(ValuationError) as refusal:
        installing(csv)
    text = str(refusal.value)
    assert str(csv) in text
    assert "DEMOGRAPHICS_CSV" in text
    assert slots["full"]["champion"].manifest.id in text
    assert demographics.current().source != str(csv)
