"""`flask score`: a portfolio's prices, from file to file."""

import csv
import fcntl
import io
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios

import pytest

from housing_app.config import ROOT

pytestmark = pytest.mark.usefixtures("restored")

EXAMPLES = ROOT / "data" / "example_homes.csv"
SUMMARY = re.compile(
    r"(.*): 20 rows read, 20 scored, 0 rejected; [\d.]+ s, [\d,]+ rows/s"
)


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out.csv"


@pytest.fixture
def bad_csv(tmp_path):
    """The example homes, one of them with a grade that is none."""
    path = tmp_path / "bad.csv"
    text = EXAMPLES.read_text()
    path.write_text(text.replace("0,0,4,7,1450", "0,0,4,99,1450"))
    assert path.read_text() != text
    return path


def test_a_file_is_scored_with_one_line_of_summary(run, out):
    result = run("score", EXAMPLES, out)
    assert (result.exit_code, result.stdout) == (0, "")
    (line,) = result.stderr.splitlines()
    assert SUMMARY.fullmatch(line)[1] == str(out)
    assert len(out.read_text().splitlines()) == 21
    assert out.with_name("out.csv.rejects.jsonl").read_text() == ""


def test_prices_are_those_of_flask_value(run, out):
    answers = json.loads(run.ok("value", EXAMPLES))["predictions"]
    run.ok("score", EXAMPLES, out, "--workers", 2, "--chunk", 7)
    with out.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["price"]) for row in rows] == [x["price"] for x in answers]


def test_from_stdin_to_stdout(run, out):
    run.ok("score", EXAMPLES, out)
    text = run.ok("score", "-", "-", stdin=EXAMPLES.read_text())
    assert text == out.read_text()
    lines = run.ok("score", EXAMPLES, "-", "--format", "jsonl").splitlines()
    assert [json.loads(line)["row"] for line in lines] == list(range(1, 21))
    again = "".join(
        json.dumps({k: v if k == "zipcode" else float(v) for k, v in row.items()})
        + "\n"
        for row in csv.DictReader(io.StringIO(EXAMPLES.read_text()))
    )
    assert (
        run.ok("score", "-", "-", "--format", "jsonl", stdin=again).splitlines()
        == lines
    )


def test_rejects_go_to_stderr_beside_stdout(run, bad_csv, tmp_path):
    result = run("score", bad_csv, "-")
    bad, summary = result.stderr.splitlines()
    assert json.loads(bad)["errors"][0]["pointer"] == "/grade"
    assert "19 scored, 1 rejected; " in summary
    rejects = tmp_path / "bad.jsonl"
    result = run("score", bad_csv, "-", "--rejects", rejects)
    assert rejects.read_text() == bad + "\n"
    assert result.stderr.count("\n") == 1


def test_rejected_rows_are_told_and_end_with_3_only_when_strict(run, bad_csv, out):
    result = run("score", bad_csv, out)
    assert result.exit_code == 0
    rejects = out.with_name("out.csv.rejects.jsonl")
    assert f"20 rows read, 19 scored, 1 rejected ({rejects});" in result.stderr
    strict = run("score", bad_csv, out, "--strict", "--force")
    assert strict.exit_code == 3
    assert len(out.read_text().splitlines()) == 20
    assert run("score", EXAMPLES, out, "--strict", "--force").exit_code == 0


def test_what_is_there_is_only_replaced_by_force(run, out):
    out.write_text("mine")
    (*_, line) = run.fails("score", EXAMPLES, out, code=2)
    assert line == f"Error: {out} exists: --force replaces it"
    rejects = out.with_name("other.jsonl")
    rejects.write_text("mine too")
    arguments = ("score", EXAMPLES, out.with_name("new.csv"), "--rejects", rejects)
    assert run.fails(*arguments, code=2)[-1].endswith(
        "other.jsonl exists: --force replaces it"
    )
    assert out.read_text() == "mine"
    run.ok("score", EXAMPLES, out, "--force")
    assert out.read_text().startswith("row,")


def test_input_output_and_rejects_are_different_files(run, out):
    out.write_bytes(EXAMPLES.read_bytes())
    link = out.with_name("link.csv")
    link.symlink_to(out)
    for arguments in [
        (out, out),
        (out, link),
        (out, out.with_name("x.csv"), "--rejects", out),
    ]:
        lines = run.fails("score", *arguments, "--force", code=2)
        assert lines[-1] == "Error: IN, OUT and the rejects must be different files"
    assert out.read_bytes() == EXAMPLES.read_bytes()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (
            ("-", "out.csv", "--resume"),
            "--resume needs a file to read again, not stdin",
        ),
        (
            ("in.csv", "-", "--resume"),
            "--resume needs a file to go on with, not stdout",
        ),
        (
            ("in.xls", "out.csv"),
            "in.xls: give a name that ends in .csv, .jsonl, .parquet",
        ),
        (("-", "-", "--format", "parquet"), "Parquet is not for stdin or stdout"),
    ],
)
def test_what_cannot_be_is_refused(run, arguments, text):
    assert text in run.fails("score", *arguments, code=2)[-1]


def test_a_file_that_is_not_there_is_named(run, out):
    line = run.refuses("score", "no.csv", out)
    assert line == "Error: no.csv: No such file or directory"
    assert not out.exists()


def test_stdin_can_fill_a_file(run, out):
    run.ok("score", "-", out, stdin=EXAMPLES.read_text())
    assert len(out.read_text().splitlines()) == 21


def test_a_run_that_ended_is_not_gone_on_with(run, out):
    run.ok("score", EXAMPLES, out, "--resume")  # nothing to resume: it begins
    assert (
        "exists: --force" in run.fails("score", EXAMPLES, out, "--resume", code=2)[-1]
    )


def test_the_setting_that_refuses_other_areas_holds_here_too(run_with, tmp_path, out):
    path = tmp_path / "in.csv"
    path.write_text(EXAMPLES.read_text().replace("98103", "10001", 1))
    result = run_with(REFUSE_OUTSIDE_AREA=True)("score", path, out)
    assert "19 scored, 1 rejected" in result.stderr


def test_a_model_or_table_that_cannot_be_loaded_is_told_in_one_line(run_with, out):
    line = run_with(MODEL_DIR=out.parent / "none").refuses("score", EXAMPLES, out)
    assert "serving.json: missing" in line


def test_a_terminal_sees_rows_rate_and_what_is_left(tmp_path, out, county_csv):
    path = tmp_path / "in.csv"
    header, *lines = EXAMPLES.read_text().splitlines(keepends=True)
    path.write_text(header + "".join(lines) * 1_000)
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", 24, 80, 0, 0))
    command = [
        sys.executable,
        "-m",
        "flask",
        "--app",
        "housing_app",
        "score",
        path,
        out,
    ]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=os.environ | {"DEMOGRAPHICS_CSV": str(county_csv)},
        stderr=theirs,
    )
    os.close(theirs)
    shown = b""
    try:
        while part := os.read(ours, 4096):
            shown += part
    except OSError:  # the terminal is gone with its last user
        pass
    assert process.wait() == 0
    bar = re.compile(rb"score +\d+% \|.*\| \d+:\d+<[\d:?]+, [\d,]+ rows, [\d,]+/s")
    assert bar.search(shown)
    assert b"100%" in shown
