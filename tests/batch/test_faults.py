"""Whatever goes wrong: one line, an exit code, nothing under the final names."""

import plausible
import pytest
from batch.conftest import nothing_under_the_final_names, written

from housing_app.batch import work
from housing_app.batch.errors import BatchError
from housing_app.valuation.predictor import Predictor

HOMES = plausible.homes(30, 3)


@pytest.fixture
def refuses(score, tmp_path):
    """Return the one line with which a run ends."""

    def line(content, *arguments, **options):
        with pytest.raises((BatchError, OSError)) as caught:
            score(content, *arguments, **options)
        nothing_under_the_final_names(tmp_path)
        text = str(caught.value)
        assert "\n" not in text
        return text.replace(f"{tmp_path}/", "")

    return line


HEADER, *LINES = written("csv", HOMES).splitlines(keepends=True)


def test_a_misspelt_field_is_told_once_with_the_nearest_name(refuses):
    content = b"".join([HEADER.replace(b"sqft_living15", b"sqft_livng15"), *LINES])
    assert refuses(content) == (
        "in.csv: no column sqft_living15 (is it 'sqft_livng15'?): every home needs it, "
        "empty where it is unknown"
    )
    lines = written("jsonl", HOMES).replace(b"sqft_living15", b"sqft_livng15")
    assert "(is it 'sqft_livng15'?)" in refuses(lines, "in.jsonl")


@pytest.mark.parametrize(
    ("content", "source", "text"),
    [
        (b"", "in.csv", "in.csv: the file is empty"),
        (b"\n", "in.csv", "in.csv: the file is empty"),
        (b"", "in.jsonl", "in.jsonl: the file is empty"),
        (b"[\n1]\n", "in.jsonl", "in.jsonl: not JSON lines: no line of the first ones"),
        (b"PAR1 and no more", "in.parquet", "in.parquet: not a Parquet file"),
        (b"\xff\xfea\x00,\x00b\x00\n\x00", "in.csv", "in.csv: the header is not UTF-8"),
        (
            HEADER.replace(b"grade", b"view"),
            "in.csv",
            "in.csv: two columns have the name",
        ),
        (
            HEADER.replace(b"\n", b",price\n"),
            "in.csv",
            "in.csv: the column 'price' has",
        ),
    ],
)
def test_a_file_of_another_kind_is_refused_at_once(refuses, content, source, text):
    assert refuses(content, source).startswith(text)


def test_columns_that_are_not_there_cannot_be_kept(refuses):
    text = refuses(HEADER + LINES[0], keep=["loan"])
    assert text == "in.csv: --keep: there is no column 'loan'"


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(
    "header",
    [HEADER, b",".join(reversed(HEADER.strip().split(b","))) + b"\n", b"lat,long\n"],
)
def test_a_second_header_means_that_the_columns_change(refuses, header, workers):
    content = b"".join([HEADER, *LINES, header, *LINES])
    text = refuses(content, workers=workers, chunk=8)
    assert text.startswith("in.csv: row 31 is a header: the columns change there")


@pytest.mark.parametrize("workers", [1, 2])
def test_text_of_another_encoding_is_refused_with_its_row(refuses, workers):
    header = HEADER.replace(b"\n", b",town\n")
    lines = [line.replace(b"\n", b",Orl\xe9ans\n") for line in LINES]
    content = b"".join([header, *(x.replace(b"\n", b",A\n") for x in LINES), *lines])
    text = refuses(content, workers=workers, chunk=20)
    assert text.startswith("in.csv: row 31 is not UTF-8 text: convert the file")


def test_a_quote_that_is_never_closed_is_refused(refuses):
    assert "row 31: a quote is never closed" in refuses(
        b"".join([HEADER, *LINES, b'"', *LINES])
    )


def test_a_parquet_file_that_is_cut_short_is_refused(refuses, score, tmp_path):
    whole = score(written("csv", HOMES), target="whole.parquet").out.read_bytes()
    (tmp_path / "rejects.jsonl").unlink()
    assert "not a Parquet file" in refuses(whole[:-9], "in.parquet")


def test_a_parquet_file_with_a_broken_page_is_refused(refuses, tmp_path):
    from pyarrow import Table, parquet

    def spoiled(path):
        parquet.write_table(Table.from_pylist(HOMES * 50), path, compression="zstd")
        content = bytearray(path.read_bytes())
        content[100:160] = bytes(60)
        path.write_bytes(content)

    assert "in.parquet: not readable after row" in refuses(spoiled, "in.parquet")


@pytest.mark.parametrize("workers", [1, 2])
def test_a_model_that_fails_ends_the_run_and_names_the_rows(
    refuses, monkeypatch, workers
):
    def fails(*_):
        raise ArithmeticError("no\nnumber")

    monkeypatch.setattr(Predictor, "value", fails)
    text = refuses(b"".join([HEADER, *LINES]), workers=workers)
    assert text == (
        "in.csv: rows 1 to 30 could not be scored (ArithmeticError: no number)"
    )


def test_rows_that_do_not_balance_end_the_run(refuses, monkeypatch):
    honest = work._worked
    monkeypatch.setattr(
        work, "_worked", lambda *a: honest(*a)._replace(scored=29, rejected=0)
    )
    assert "30 rows, but 29 scored and 0 rejected" in refuses(
        b"".join([HEADER, *LINES])
    )


@pytest.mark.parametrize("rows", [29, 31])
def test_rows_counted_otherwise_than_they_were_cut_end_the_run(
    refuses, monkeypatch, rows
):
    honest = work._worked
    monkeypatch.setattr(
        work, "_worked", lambda job, chunk: honest(job, chunk._replace(rows=rows))
    )
    text = refuses(b"".join([HEADER, *LINES]))
    assert text == (
        f"in.csv: after row 0: {rows} line ends, but 30 records: is a quote never closed?"
    )


def test_a_file_that_changes_while_it_is_read_is_refused(
    refuses, monkeypatch, tmp_path
):
    honest = work._worked

    def appending(job, chunk):
        with (tmp_path / "in.csv").open("ab") as file:
            file.write(LINES[0])
        return honest(job, chunk)

    monkeypatch.setattr(work, "_worked", appending)
    text = refuses(b"".join([HEADER, *LINES]))
    assert text == "in.csv: changed while it was read"


def test_a_folder_that_is_not_there_is_named(score, tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        score(b"".join([HEADER, *LINES]), target="no/out.csv")
    assert caught.value.filename.startswith(str(tmp_path / "no"))
