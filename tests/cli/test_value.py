"""`flask value`: the service's answers without a server."""

import csv
import json

import pytest

from housing_app.config import ROOT

pytestmark = pytest.mark.usefixtures("restored")

MEMBERS = {"predictions", "interval", "currency", "valuation_date", "model"}


def prices(output):
    return [found["price"] for found in json.loads(output)["predictions"]]


@pytest.fixture
def price(run, home_json):
    """The price of the example home."""
    (found,) = prices(run.ok("value", home_json))
    return found


def test_a_home_in_a_json_file_is_valued(run, home_json):
    answer = json.loads(run.ok("value", home_json))
    assert set(answer) >= MEMBERS
    (found,) = answer["predictions"]
    assert found["low"] < found["price"] < found["high"]
    assert answer["model"] == {
        "name": "catboost-full",
        "version": 1,
        "variant": "champion",
    }


@pytest.mark.parametrize(
    "shape",
    [lambda h: h, lambda h: [h], lambda h: {"records": [h]}],
    ids=["home", "list", "records"],
)
def test_json_may_be_a_home_a_list_or_records(run, tmp_path, home, price, shape):
    path = tmp_path / "homes.json"
    path.write_text(json.dumps(shape(home)))
    assert prices(run.ok("value", path)) == [price]


@pytest.mark.parametrize("arguments", [("value",), ("value", "-")])
def test_json_is_read_from_stdin(run, home, price, arguments):
    assert prices(run.ok(*arguments, stdin=json.dumps(home))) == [price]


@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["plain", "byte order mark"])
def test_a_csv_file_is_valued(run, tmp_path, home, price, mark):
    path = tmp_path / "homes.CSV"
    header = ",".join(home)
    line = ",".join(str(value) for value in home.values())
    path.write_text(f"{mark}{header}\n{line}\n{line}\n", encoding="utf-8")
    assert prices(run.ok("value", path)) == [price, price]


def test_an_empty_csv_cell_is_unknown(run, tmp_path, home):
    path = tmp_path / "homes.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(home))
        writer.writeheader()
        writer.writerow(home | {"grade": None})
    (found,) = json.loads(run.ok("value", path))["predictions"]
    assert found["missing"] == ["grade"]


def test_the_answers_are_those_of_the_service(run, client, example_homes):
    path = ROOT / "data" / "example_homes.csv"
    served = client.post("/v1/predict", json={"records": example_homes}).get_json()
    answer = json.loads(run.ok("value", path))
    same = ("price", "low", "high", "fsd", "confidence", "missing", "warnings")
    assert len(answer["predictions"]) == 20
    for ours, theirs in zip(answer["predictions"], served["predictions"], strict=True):
        assert [ours[key] for key in same] == [theirs[key] for key in same]


def test_the_hundred_unseen_homes_are_valued_in_order(run, client, unseen_csv):
    with unseen_csv.open(newline="") as file:
        rows = list(csv.DictReader(file))
    homes = [
        {k: v if k == "zipcode" else float(v) for k, v in row.items()} for row in rows
    ]
    served = client.post("/v1/predict", json={"records": homes}).get_json()
    found = prices(run.ok("value", unseen_csv))
    assert len(found) == 100
    assert found == [answer["price"] for answer in served["predictions"]]


def test_the_core_fields_are_enough_for_the_minimal_slot(run, home):
    core = (
        "bedrooms",
        "bathrooms",
        "sqft_living",
        "sqft_lot",
        "floors",
        "sqft_above",
        "sqft_basement",
        "zipcode",
    )
    stdin = json.dumps({name: home[name] for name in core})
    answer = json.loads(run.ok("value", "--slot", "minimal", stdin=stdin))
    assert answer["model"]["name"] == "catboost-minimal"


@pytest.mark.parametrize("level", ["0.5", "0.8", "0.9"])
def test_the_interval_can_be_chosen(run, home_json, level):
    answer = json.loads(run.ok("value", "--interval", level, home_json))
    assert answer["interval"] == float(level)


def test_every_error_of_a_bad_home_is_listed_and_the_exit_code_is_1(run, home):
    bad = home | {"grade": 14, "bedrooms": "three", "zipcode": "9810", "pool": 1}
    del bad["view"]
    *listed, last = run.fails("value", stdin=json.dumps({"records": [home, bad]}))
    pointers = {line.split(": ")[0] for line in listed}
    assert pointers == {
        f"/records/1/{name}"
        for name in ("grade", "bedrooms", "zipcode", "pool", "view")
    }
    assert last.startswith("Error: 5 errors")


def test_a_bad_csv_cell_is_pointed_at(run, tmp_path, home):
    path = tmp_path / "homes.csv"
    values = [str(v) for v in (home | {"sqft_lot": "large"}).values()]
    path.write_text(",".join(home) + "\n" + ",".join(values) + "\n")
    listed, _ = run.fails("value", path)
    assert listed.startswith("/records/0/sqft_lot: ")


BAD_FILES = {
    "no JSON": ("x.json", b"price"),
    "nothing": ("x.json", b""),
    "not Unicode": ("x.json", b'{"zipcode": "\xff"}'),
    "an empty CSV": ("x.csv", b""),
    "a CSV without homes": ("x.csv", b"bedrooms,zipcode\n"),
    "a CSV that is not Unicode": ("x.csv", b"bedrooms,zipcode\n3,\xff\n"),
    "a CSV line too long": ("x.csv", b"bedrooms,zipcode\n3,98103,5\n"),
    "a CSV line too short": ("x.csv", b"bedrooms,zipcode\n3\n"),
}


@pytest.mark.parametrize(("name", "content"), BAD_FILES.values(), ids=BAD_FILES)
def test_a_file_that_holds_no_homes_is_refused_by_name(run, tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    assert str(path) in run.refuses("value", path)


def test_an_empty_list_of_homes_is_refused_in_words_people_use(run):
    lines = run.fails("value", stdin="[]")
    assert not any("9223372036854775807" in line for line in lines)


def test_a_missing_file_is_refused(run):
    assert "/none.json" in run.refuses("value", "/none.json")


def test_a_directory_is_a_wrong_call(run, tmp_path):
    run.fails("value", tmp_path, code=2)


def test_a_home_outside_the_area_can_be_refused(run_with, home):
    run = run_with(REFUSE_OUTSIDE_AREA=True)
    stdin = json.dumps([home, home | {"zipcode": "98201"}])
    lines = run.fails("value", stdin=stdin)
    assert any("/records/1" in line or "homes 1" in line for line in lines)


def test_models_that_do_not_load_are_named(run_with, tmp_path, home_json):
    run = run_with(MODEL_DIR=tmp_path)
    assert str(tmp_path / "serving.json") in run.refuses("value", home_json)


def test_reasons_and_comparables_are_added_on_demand(run, home_json):
    plain = json.loads(run.ok("value", home_json))["predictions"][0]
    assert not {"explanation", "comparables"} & plain.keys()
    output = run.ok("value", "--explain", "--comparables", 3, home_json)
    (found,) = json.loads(output)["predictions"]
    assert found["price"] == plain["price"]
    told = found["explanation"]
    total = sum((reason["dollars"] for reason in told["reasons"]), told["base_price"])
    assert total == pytest.approx(found["price"], abs=0.001)
    assert len(found["comparables"]) == 3


def test_details_are_those_of_the_service(run, client, example_homes):
    query = {"explain": "true", "comparables": "2", "interval": "0.8"}
    served = client.post(
        "/v1/predict", json={"records": example_homes}, query_string=query
    ).get_json()
    path = ROOT / "data" / "example_homes.csv"
    options = ("--explain", "--comparables", 2, "--interval", "0.8")
    answer = json.loads(run.ok("value", *options, path))
    for ours, theirs in zip(answer["predictions"], served["predictions"], strict=True):
        for name in ("explanation", "comparables", "low", "high"):
            assert ours[name] == theirs[name]


@pytest.mark.parametrize("count", ["-1", "21", "1.5", "many"])
def test_a_number_of_comparables_that_is_not_offered_is_a_wrong_call(
    run, home_json, count
):
    lines = run.fails("value", "--comparables", count, home_json, code=2)
    assert "--comparables" in lines[-1]
