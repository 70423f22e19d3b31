"""With pyarrow and without: the same rows, the same bytes."""

import numpy as np
import plausible
import pytest
from batch.conftest import written
from hypothesis import example, given, settings
from hypothesis import strategies as st

from housing_app.batch import csv_arrow, csv_rows, layout, partition
from housing_app.batch.errors import BatchError

HOMES = plausible.homes(40, 4)
NAMES = ("n", "grade", "zipcode")
LAYOUT = layout.Layout(NAMES, ("grade", "zipcode"), ("n",))

CELLS = [
    "7",
    "7.0",
    "x",
    "1_0",
    "nan",
    "-inf",
    "1e400",
    "７",
    "7e0",
    "+7",
    ".5",
    "0x1p3",
]
CELLS += [
    "1e-400",
    "98103",
    '"98103"',
    '"a,b"',
    '"a""b"',
    'a"b',
    '"a"b',
    '""',
    '"',
    "é",
]
CELLS += ["0.1000000000000000055511151231257827", "9007199254740993"]
cell = st.sampled_from([*CELLS, "", " ", " 7", '"a\nb"', "\r"])
line = st.lists(cell, min_size=2, max_size=4) | st.tuples(cell, cell, cell)


@settings(max_examples=500, deadline=None)
@given(st.lists(line, min_size=1, max_size=4), st.sampled_from(["\n", "\r\n"]))
@example([("1", "", "98103"), ("a", "7", "98103")], "\n")
def test_pyarrow_reads_what_the_csv_module_reads(rows, end):
    content = "".join(",".join(row) + end for row in rows).encode()
    try:
        slow = csv_rows._parsed(content, LAYOUT, 1)
    except BatchError:
        return
    quick = csv_arrow.read(content, NAMES, slow.rows)
    if quick is None:
        return
    assert slow.refused == {}
    grades = slow.columns["grade"]
    assert isinstance(grades, np.ndarray)
    np.testing.assert_array_equal(quick["grade"], grades)
    assert quick["n"].to_pylist() == list(slow.kept["n"])
    zipcodes = csv_rows._column("zipcode", quick["zipcode"].to_pylist(), odd=False)
    assert repr(zipcodes) == repr(slow.columns["zipcode"])


text = st.text(st.sampled_from('ab,"\n\r é'), max_size=5)
money = st.floats(0, 1e12).map(lambda x: round(x, 2)) | st.sampled_from(
    [0.0, 0.01, 1e6]
)
small = st.floats(0, 10).map(lambda x: round(x, 4))


@settings(max_examples=500, deadline=None)
@given(st.lists(st.tuples(st.integers(1), text, money, small), min_size=0, max_size=4))
def test_pyarrow_writes_what_the_csv_module_writes(rows):
    columns = dict(zip("abcd", map(list, zip(*rows, strict=True)), strict=False))
    columns = columns or {"a": [], "b": []}
    quick = csv_arrow.write(columns.values())
    if quick is not None:
        assert quick == csv_rows._lines(columns, csv_rows.csv.QUOTE_MINIMAL).encode()


def test_plain_files_are_for_pyarrow(score, monkeypatch):
    """Else the quick way would be for nothing, and nobody would know."""
    monkeypatch.setattr(csv_rows, "_parsed", None)
    monkeypatch.setattr(csv_rows, "_lines", None)
    monkeypatch.setattr(csv_rows, "write_header", lambda names: b"row\n")
    content = written("csv", [home | {"a": '1, "x"'} for home in HOMES])
    assert len(score(content).rows) == len(HOMES)


@pytest.mark.parametrize("bad", [False, True])
def test_without_pyarrow_the_same_bytes_are_written(score, monkeypatch, bad):
    homes = [home | {"a": '1, "x"\n', "b": "é"} for home in HOMES]
    if bad:
        homes[3]["grade"] = 99
        homes[7]["lat"] = "nan"
        homes[8]["lat"] = None
    content = written("csv", homes)
    quick = score(content, chunk=7)
    expected = quick.out.read_bytes(), quick.bad.read_bytes()
    monkeypatch.setattr(csv_rows, "_has_arrow", lambda: False)
    slow = score(content, chunk=7)
    assert (slow.out.read_bytes(), slow.bad.read_bytes()) == expected
    assert len(slow.rejects) == 2 * bad


@given(st.lists(st.floats(0, 1e9) | st.integers(0, 10**9).map(lambda x: x / 1000)))
@example([0.125, 2.675, 1.005, 0.285, 1e9 + 0.005])
def test_numbers_are_rounded_as_the_api_rounds(values):
    array = np.array(values, dtype=float)
    for digits in (2, 4):
        expected = [round(value, digits) for value in values]
        assert partition.rounded(array, digits) == expected
