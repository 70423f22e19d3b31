"""Zipcode demographics from any CSV that has a zipcode column."""

import csv

import numpy as np
import pytest

from housing_app import demographics
from housing_app.config import ROOT
from housing_app.demographics import DemographicsError

GOOD = "zipcode,population,median_age\n98103,52000,36.5\n98038,33000,\n"


@pytest.fixture
def table(tmp_path):
    """Load a table from text."""

    def load(text):
        path = tmp_path / "zip.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return demographics.load(path)

    return load


@pytest.fixture
def refusal(table, tmp_path):
    """Return the one line with which a text is refused; it names the file."""

    def text_of(text):
        with pytest.raises(DemographicsError) as caught:
            table(text)
        line = str(caught.value)
        assert line.startswith(str(tmp_path / "zip.csv"))
        assert len(line.splitlines()) == 1
        return line

    return text_of


def test_a_zipcode_is_looked_up_by_name(table):
    assert table(GOOD).row("98103") == {"population": 52_000, "median_age": 36.5}


def test_an_empty_cell_is_unknown(table):
    assert table(GOOD).row("98038") == {"population": 33_000, "median_age": None}


def test_an_unknown_zipcode_has_no_row(table):
    assert table(GOOD).row("00000") is None


def test_the_zipcode_column_may_stand_anywhere(table):
    assert table("a,zipcode,b\n1,98103,2\n").row("98103") == {"a": 1, "b": 2}


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff" + GOOD,  # as spreadsheets save it
        GOOD.replace("\n", "\r\n"),
        GOOD.replace("98103", '"98103"'),
        GOOD.replace("98103", " 98103 ").replace(",population", " , population"),
        GOOD + "\n\n",
    ],
    ids=["byte order mark", "Windows lines", "quotes", "spaces", "blank lines"],
)
def test_the_usual_ways_of_writing_csv_are_read(table, text):
    assert table(text).row("98103") == {"population": 52_000, "median_age": 36.5}


@pytest.mark.parametrize(
    ("written", "zipcode"),
    [("501", "00501"), ("2139", "02139"), ("98103.0", "98103"), ("501.0", "00501")],
)
def test_a_zipcode_that_a_spreadsheet_took_for_a_number_is_restored(
    table, written, zipcode
):
    assert table(f"zipcode,a\n{written},1\n").row(zipcode) == {"a": 1}


@pytest.mark.parametrize(
    "cell", ["", " ", "abcde", "981033", "-9810", "98103-1234", "9810.5", "٩٨١٠٣", ".0"]
)
def test_a_cell_that_is_no_zipcode_is_refused_with_its_line(refusal, cell):
    text = refusal(f"zipcode,a\n98103,1\n{cell},2\n")
    assert "line 3" in text


def test_a_zipcode_that_comes_twice_is_refused_with_its_line(refusal):
    text = refusal("zipcode,a\n00501,1\n98103,2\n501,3\n")
    assert "line 4" in text
    assert "00501" in text


@pytest.mark.parametrize("line", ["98038", "98038,1,2", "98038,1,2,3"])
def test_a_line_of_another_length_is_refused_with_its_number(refusal, line):
    assert "line 3" in refusal(f"zipcode,a\n98103,1\n{line}\n")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "zipcode"),
        ("\n", "zipcode"),
        ("zip,a\n98103,1\n", "zipcode"),
        ("zipcode,a,a\n98103,1,2\n", "same name"),
        ("zipcode,zipcode\n98103,98103\n", "same name"),
        ("zipcode,a\n", "no rows"),
        (b"zipcode,a\n98103,\xff\n", "not readable"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "not readable"),
    ],
    ids=[
        "empty",
        "blank",
        "no zipcode",
        "column twice",
        "zipcode twice",
        "no rows",
        "not Unicode",
        "an image",
    ],
)
def test_a_file_that_is_no_table_is_refused(refusal, text, why):
    assert why in refusal(text)


def test_a_missing_file_is_refused_with_the_cure(tmp_path):
    with pytest.raises(DemographicsError) as caught:
        demographics.load(tmp_path / "none.csv")
    text = str(caught.value)
    assert text.startswith(str(tmp_path / "none.csv"))
    assert "DEMOGRAPHICS_CSV" in text
    assert len(text.splitlines()) == 1


def test_a_directory_is_refused(tmp_path):
    with pytest.raises(DemographicsError, match="not readable"):
        demographics.load(tmp_path)


@pytest.mark.parametrize("cell", ["Seattle", "1,000", "inf", "-inf", "12 %"])
def test_a_column_with_anything_but_numbers_is_left_out(table, cell):
    found = table(f'zipcode,name,a\n98103,"{cell}",1\n98038,3,2\n')
    assert found.columns == ("a",)
    assert found.row("98103") == {"a": 1}


def test_required_columns_that_are_there_pass(table):
    table(GOOD).require(["median_age", "population"], "some-model-1")


def test_a_missing_required_column_is_named_with_the_model_and_the_cure(table):
    with pytest.raises(DemographicsError) as caught:
        table(GOOD).require(["population", "gini_index"], "some-model-1")
    text = str(caught.value)
    for part in ("zip.csv", "'gini_index'", "some-model-1", "DEMOGRAPHICS_CSV"):
        assert part in text


def test_joined_rows_have_the_asked_order_of_zipcodes_and_columns(table):
    joined = table(GOOD).join(["98038", "98103", "98103"], ["median_age", "population"])
    np.testing.assert_array_equal(
        joined, [[np.nan, 33_000], [36.5, 52_000], [36.5, 52_000]]
    )


def test_an_unknown_zipcode_joins_unknown_values(table):
    joined = table(GOOD).join(["00000", "98103"], ["population"])
    np.testing.assert_array_equal(joined, [[np.nan], [52_000]])


def test_joining_nothing_keeps_its_shape(table):
    assert table(GOOD).join([], ["population"]).shape == (0, 1)
    assert table(GOOD).join(["98103"], []).shape == (1, 0)


def test_narrowed_rows_hold_just_the_columns_asked_for_and_are_made_once(table):
    found = table(GOOD)
    narrowed = found.narrowed(["median_age"])
    assert narrowed.shape == (len(found.rows) + 1, 1)
    assert found.join(["98103"], ["median_age"]).tolist() == [[36.5]]
    assert found.narrowed(["median_age"]) is narrowed
    assert found.join(["98103"], ["population"]).tolist() == [[52_000]]


def test_the_file_may_be_gone_once_it_is_loaded(table, tmp_path):
    found = table(GOOD)
    (tmp_path / "zip.csv").unlink()
    assert found.join(["98103"], ["population"])[0, 0] == 52_000


def test_the_shipped_table_has_every_zipcode_with_inhabitants(shipped_demographics):
    assert len(shipped_demographics.rows) > 30_000
    seattle = shipped_demographics.row("98103")
    assert 30_000 < seattle["population"] < 80_000
    assert shipped_demographics.row("00501") is None


def test_the_shipped_table_is_read_cell_by_cell_as_written(shipped_demographics):
    with (ROOT / "data" / "zipcode_demographics.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == len(shipped_demographics.rows)
    for line in lines[:: len(lines) // 50]:
        row = shipped_demographics.row(line.pop("zipcode"))
        assert row == {k: float(v) if v else None for k, v in line.items()}


def test_the_reference_table_is_taken_as_it_is(reference_demographics_csv):
    found = demographics.load(reference_demographics_csv)
    assert len(found.rows) == 70
    assert len(found.columns) == 26
    assert found.row("98042")["ppltn_qty"] == 38_249


def test_the_installed_table_is_handed_out(app, table):
    before = demographics.current()
    try:
        mine = table(GOOD)
        demographics.install(mine)
        assert demographics.current() is mine
    finally:
        demographics.install(before)
