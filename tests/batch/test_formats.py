"""What each format holds is read and written as it is meant."""

import csv
import json
from datetime import date
from decimal import Decimal

import numpy as np
import plausible
import pyarrow
import pytest
from batch.conftest import FORMATS, written
from pyarrow import parquet

from housing_app.batch.errors import BatchError

HOMES = plausible.homes(30, 3)
OWN = {"loan": "L-1", "address": '12, "Pine" St\r\nSeattle', "note": ""}


def table_of(homes):
    return pyarrow.Table.from_pylist(homes)


def prices(done):
    return [float(row["price"]) for row in done.rows]


@pytest.fixture
def expected(score):
    return prices(score(written("csv", HOMES), "expected.csv", "expected-out.csv"))


@pytest.mark.parametrize("target", FORMATS)
@pytest.mark.parametrize("source", FORMATS)
def test_any_format_becomes_any_other(score, expected, source, target):
    homes = [home | OWN | {"n": str(i)} for i, home in enumerate(HOMES)]
    if source == "parquet":
        done = score(
            lambda path: parquet.write_table(table_of(homes), path, row_group_size=7),
            "in.parquet",
            f"out.{target}",
            chunk=4,
        )
    else:
        done = score(written(source, homes), f"in.{source}", f"out.{target}", chunk=4)
    assert prices(done) == expected
    assert [int(row["row"]) for row in done.rows] == list(range(1, 31))
    assert [row["n"] for row in done.rows] == [str(i) for i in range(30)]
    assert {row["address"] for row in done.rows} == {OWN["address"]}
    assert list(done.rows[0])[:5] == ["row", *OWN, "n"]
    assert list(done.rows[0])[5:7] == ["price", "low"]


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["", "byte order mark"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_line_ends_and_marks_make_no_difference(score, expected, kind, mark, end):
    content = mark + written(kind, HOMES).replace(b"\n", end)
    assert prices(score(content, f"in.{kind}", chunk=7)) == expected
    assert prices(score(content[: -len(end)], f"in.{kind}", chunk=7)) == expected


def test_the_columns_of_a_csv_file_may_come_in_any_order(score, expected):
    names = sorted(HOMES[0], reverse=True)
    content = written("csv", HOMES, names).replace(b"zipcode", b" zipcode ")
    assert prices(score(content)) == expected


@pytest.mark.parametrize("cells", [17, 19, 0])
def test_a_row_of_too_many_or_few_cells_is_rejected(score, cells):
    lines = written("csv", HOMES).split(b"\n")
    lines[3] = b",".join([b"1"] * cells)
    done = score(b"\n".join(lines))
    (bad,) = done.rejects
    detail = f"has {cells} cells, not 18"
    assert bad["row"] == 3
    assert bad["errors"] == [{"pointer": "", "detail": detail}]
    assert bad["sent"] == ["1"] * cells
    assert len(done.rows) == 29


def test_a_row_that_is_no_csv_is_rejected(score):
    lines = written("csv", HOMES).split(b"\n")
    lines[3] = b"1\r2" + lines[3]
    done = score(b"\n".join(lines))
    assert [bad["row"] for bad in done.rejects] == [3]
    assert done.rejects[0]["errors"][0]["detail"].startswith("is not CSV")


@pytest.mark.parametrize(
    ("line", "detail"),
    [
        (b"", "not JSON: Expecting value at character 0"),
        (b"[]", "must be a JSON object"),
        (b"{} {}", "not JSON: Extra data at character 3"),
        (b'{"a": 1, "a": 1}', 'the name "a" comes twice'),
        (b'{"n": "\\ud800"}', "holds half a character (a lone surrogate)"),
        (b"\xff", "not JSON: it is not Unicode text or holds a huge number"),
    ],
)
def test_a_line_that_is_no_object_is_rejected(score, line, detail):
    lines = written("jsonl", [home | {"n": "1"} for home in HOMES]).split(b"\n")
    lines[3] = line
    done = score(b"\n".join(lines), "in.jsonl", chunk=8)
    (bad,) = done.rejects
    assert bad["row"] == 4
    assert bad["errors"][0]["detail"].startswith(detail)
    assert len(done.rows) == 29


@pytest.mark.parametrize("keep", [[], ["n"], ["loan", "n"], ["grade", "loan"]])
def test_only_the_columns_asked_for_are_carried_through(score, keep):
    homes = [home | OWN | {"n": "7"} for home in HOMES]
    done = score(written("csv", homes), keep=keep)
    assert list(done.rows[0])[: len(keep) + 2] == ["row", *keep, "price"]


def test_fields_the_minimal_slot_does_not_ask_for_are_carried_through(score):
    done = score(written("csv", HOMES), slot="minimal")
    assert [float(row["grade"]) for row in done.rows] == [h["grade"] for h in HOMES]
    assert {row["model"] for row in done.rows} == {"catboost-minimal-1"}


def test_what_json_holds_is_carried_into_other_formats_as_text(score):
    extra = [{"x": [1, 2]}, {"x": {"a": None}}, {"x": True}, {"x": None}, {"x": 1.5}]
    homes = [home | more for home, more in zip(HOMES, extra, strict=False)]
    done = score(written("jsonl", homes), "in.jsonl", "out.csv")
    texts = ["[1, 2]", '{"a": null}', "true", "", "1.5"]
    assert [row["x"] for row in done.rows] == texts
    done = score(written("jsonl", homes), "in.jsonl", "out.parquet")
    assert [row["x"] for row in done.rows] == [*texts[:3], None, "1.5"]
    done = score(written("jsonl", homes), "in.jsonl", "out.jsonl")
    assert [row["x"] for row in done.rows] == [more["x"] for more in extra]


# --- Parquet --------------------------------------------------------------------------


def typed(**types):
    """Return homes as a table with some columns of other types."""
    table = table_of(HOMES)
    for name, kind in types.items():
        place = table.schema.get_field_index(name)
        column = table.column(name)
        if name == "zipcode" and not pyarrow.types.is_large_string(kind):
            column = column.cast(pyarrow.int32())
        table = table.set_column(place, name, column.cast(kind))
    return table


@pytest.mark.parametrize(
    "types",
    [
        {"grade": pyarrow.int8(), "bedrooms": pyarrow.float32()},
        {"sqft_lot": pyarrow.decimal128(22, 2)},
        {"zipcode": pyarrow.int32()},
        {"zipcode": pyarrow.large_string()},
        {"zipcode": pyarrow.float64()},
    ],
    ids=str,
)
def test_numbers_and_zipcodes_may_be_of_any_such_type(score, expected, types):
    table = typed(**types)
    done = score(lambda path: parquet.write_table(table, path), "in.parquet")
    assert prices(done) == expected


def test_null_is_unknown_and_nan_is_no_number(score):
    numbers = [None, float("nan"), *[3.0] * 28]
    table = table_of(HOMES)
    place = table.schema.get_field_index("condition")
    table = table.set_column(place, "condition", pyarrow.array(numbers))
    done = score(lambda path: parquet.write_table(table, path), "in.parquet")
    assert done.rows[0]["missing"] == "condition"
    (bad,) = done.rejects
    assert bad["row"] == 2
    detail = "must be a finite number"
    assert bad["errors"] == [{"pointer": "/condition", "detail": detail}]


def test_dates_of_parquet_are_dates_of_valuation(score):
    days = [date(2014, 6, 1), None, *[date(2015, 1, 1)] * 28]
    table = table_of(HOMES).append_column("valuation_date", pyarrow.array(days))
    done = score(
        lambda path: parquet.write_table(table, path), "in.parquet", "out.parquet"
    )
    found = [row["valuation_date"] for row in done.rows]
    assert found == [date(2014, 6, 1), date(2015, 3, 31), *days[2:]]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("grade", ["7"] * 30),
        ("waterfront", [True] * 30),
        ("zipcode", [b"98103"] * 30),
        ("valuation_date", [7] * 30),
    ],
)
def test_a_column_of_a_type_that_fits_no_row_ends_it_at_once(score, name, values):
    table = table_of(HOMES)
    if name in table.column_names:
        table = table.drop([name])
    table = table.append_column(name, pyarrow.array(values))
    with pytest.raises(BatchError, match=f"the column {name} is of type .*: cast it"):
        score(lambda path: parquet.write_table(table, path), "in.parquet")


def test_carried_columns_of_parquet_keep_their_types(score):
    more = {
        "when": pyarrow.array([date(2020, 1, 1)] * 30),
        "sum": pyarrow.array([Decimal("1.50")] * 30),
        "list": pyarrow.array([[1, None]] * 30),
    }
    table = table_of(HOMES)
    for name, array in more.items():
        table = table.append_column(name, array)
    done = score(
        lambda path: parquet.write_table(table, path), "in.parquet", "out.parquet"
    )
    written_table = parquet.read_table(done.out)
    for name in more:
        assert written_table.column(name).type == table.column(name).type
        assert written_table.column(name).to_pylist() == table.column(name).to_pylist()
    done = score(lambda path: parquet.write_table(table, path), "in.parquet", "o.jsonl")
    assert done.rows[0]["when"] == "2020-01-01"
    assert done.rows[0]["list"] == [1, None]


def test_parquet_has_a_row_group_for_each_chunk_and_types_of_its_own(score):
    done = score(written("csv", HOMES), target="out.parquet", chunk=10)
    file = parquet.ParquetFile(done.out)
    assert file.metadata.num_row_groups == 3
    types = {field.name: str(field.type) for field in file.schema_arrow}
    assert types["row"] == "int64"
    assert types["price"] == "double"
    assert types["valuation_date"] == "date32[day]"
    assert types["warnings"].startswith("list<")


def test_rejects_can_be_mended_and_sent_again(score):
    """What was sent is there, under the names of the file."""
    bad = HOMES[0] | {"grade": 99, "loan": "L9"}
    done = score(written("csv", [bad]))
    (line,) = done.rejects
    again = line["sent"] | {"grade": str(HOMES[0]["grade"])}
    assert len(score(written("csv", [again])).rows) == 1


def test_no_row_at_all_is_a_file_without_rows(score):
    done = score(written("csv", HOMES).split(b"\n")[0] + b"\n")
    assert done.rows == []
    with done.out.open(newline="") as file:
        assert next(csv.reader(file))[:2] == ["row", "price"]
    assert done.tally.read == 0
    done = score(
        lambda path: parquet.write_table(table_of(HOMES).slice(0, 0), path),
        "in.parquet",
        "out.parquet",
    )
    assert done.rows == []
    assert parquet.ParquetFile(done.out).schema_arrow.names[1] == "price"


def test_json_lines_say_what_csv_says(score):
    lines = score(written("csv", HOMES), target="out.jsonl").out.read_text()
    assert json.loads(lines.splitlines()[0])["missing"] == []
    assert np.isfinite([json.loads(line)["fsd"] for line in lines.splitlines()]).all()
