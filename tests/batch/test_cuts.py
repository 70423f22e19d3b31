"""Chunks hold whole records, whatever stands between quotes."""

import csv
import io
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from housing_app.batch import cuts
from housing_app.batch.errors import BatchError


def read(content):
    return list(csv.reader(io.StringIO(content.decode(), newline="\n")))


def cut(content, rows, block=7, ends=cuts.csv_ends):
    """Return the chunks of a file that is read a few bytes at a time."""
    file = io.BytesIO(content)
    return list(cuts.chunks(lambda size: file.read(block), ends, rows))


def same_rows(content, rows, block):
    solid = content.rstrip(b"\r\n")
    whole = read(solid + b"\n") if solid else []
    chunks = cut(content, rows, block)
    found = [row for chunk in chunks for row in read(chunk.content)]
    assert found == whole
    assert [chunk.rows for chunk in chunks] == [len(read(c.content)) for c in chunks]
    assert all(chunk.rows == rows for chunk in chunks[:-1])
    assert [c.first for c in chunks] == [1 + i * rows for i in range(len(chunks))]
    for before, after in pairwise(chunks):
        assert content[before.after :].startswith(after.content)


cells = st.text(st.sampled_from('ab,"\n\r '), max_size=6)


@settings(max_examples=300)
@given(
    st.lists(st.lists(cells, min_size=1, max_size=3), min_size=1, max_size=8),
    st.integers(1, 4),
    st.integers(1, 30),
    st.sampled_from(["\n", "\r\n"]),
)
def test_what_the_csv_module_wrote_is_cut_between_its_records(rows, count, block, end):
    out = io.StringIO()
    # The module quotes a carriage return only where it is part of a line's end.
    quoting = csv.QUOTE_ALL if end == "\n" else csv.QUOTE_MINIMAL
    csv.writer(out, lineterminator=end, quoting=quoting).writerows(rows)
    same_rows(out.getvalue().encode(), count, block)


@settings(max_examples=500)
@given(
    st.lists(
        st.sampled_from(["a", ",", '"', "\n", "\r\n", '"', ',"', '",']), max_size=30
    ),
    st.integers(1, 4),
    st.integers(1, 30),
)
@example(["a", '"', "\n", "a", "\n"], 1, 5)  # 5" of pipe
@example(['"', "a", '"', '"', "\n", "a", '"', "\n"], 1, 3)
def test_stray_quotes_mean_what_they_mean_to_the_csv_module(parts, count, block):
    content = "".join(parts).encode()
    try:
        chunks = cut(content, count, block)
    except BatchError as error:
        # A quote that is never closed: no other text is refused.
        assert "never closed" in str(error)  # noqa: PT017
        with pytest.raises(csv.Error):
            list(
                csv.reader(
                    io.StringIO(content.decode().rstrip("\r\n"), newline="\n"),
                    strict=True,
                )
            )
        return
    assert sum(chunk.rows for chunk in chunks) == len(
        [row for chunk in chunks for row in read(chunk.content)]
    )
    assert b"".join(c.content for c in chunks).rstrip(b"\r\n") == content.rstrip(
        b"\r\n"
    )


def test_a_quote_that_is_never_closed_names_its_row(monkeypatch):
    with pytest.raises(BatchError, match="row 3: a quote is never closed"):
        cut(b'a\nb\n"c\nd\n', 2)
    monkeypatch.setattr(cuts, "LONGEST", 100)
    with pytest.raises(BatchError, match=r"row 3 is longer than .* never closed"):
        cut(b'a\nb\n"c' + b"d\n" * 1_000, 2)


@pytest.mark.parametrize("tail", [b"", b"\n", b"\r\n", b"\n\n\n", b"\n\r\n\r\n"])
def test_empty_lines_at_the_end_are_no_rows(tail):
    assert sum(chunk.rows for chunk in cut(b"1\n2\n3" + tail, 2)) == 3


def test_empty_lines_elsewhere_are_rows():
    assert sum(chunk.rows for chunk in cut(b"1\n\n3\n", 2)) == 3


def test_lines_of_json_are_cut_at_every_line_feed():
    chunks = cut(b'{"a": "\\""}\n{"b": 1}\n', 1, ends=cuts.line_ends)
    assert [chunk.content for chunk in chunks] == [b'{"a": "\\""}\n', b'{"b": 1}\n']
