"""What an operator sees at the shell: where the process itself matters."""

import json

import pytest


def test_a_bad_setting_is_one_line_that_names_it(process):
    found = process("config", WORKERS="zero")
    (line,) = found.stderr.decode().splitlines()
    assert line.startswith("Error: WORKERS: 'zero' is not ")
    assert found.returncode == 1
    assert found.stdout == b""


def test_every_bad_setting_is_named_at_once(process):
    found = process("model", "list", PORT="x", RATE_LIMIT="y")
    (line,) = found.stderr.decode().splitlines()
    assert "PORT: " in line
    assert "RATE_LIMIT: " in line


def test_help_with_a_bad_setting_names_it_too(process):
    found = process("--help", PORT="x")
    assert "PORT: 'x' is not a whole number" in found.stderr.decode()


def test_settings_come_from_the_environment(process):
    found = process("config", MAX_RECORDS="7", REFUSE_OUTSIDE_AREA="yes")
    lines = found.stdout.decode().splitlines()
    assert "MAX_RECORDS=7" in lines
    assert "REFUSE_OUTSIDE_AREA=True" in lines


def test_stdout_is_json_and_nothing_else(process, home, county_csv):
    found = process(
        "value",
        stdin=json.dumps(home).encode(),
        LOG_LEVEL="debug",
        DEMOGRAPHICS_CSV=str(county_csv),
    )
    assert json.loads(found.stdout)["predictions"][0]["price"] > 0
    assert found.stderr == b""


@pytest.mark.parametrize(
    ("locale", "stdin"),
    [("C", b"\xff{}"), ("C.UTF-8", b'{"\xff": 1}'), ("C", b'{"\\ud800": 1}')],
)
def test_bytes_that_are_no_text_are_refused_without_traceback(
    process, county_csv, locale, stdin
):
    found = process(
        "value", stdin=stdin, LC_ALL=locale, DEMOGRAPHICS_CSV=str(county_csv)
    )
    assert found.returncode == 1
    assert found.stdout == b""
    lines = found.stderr.decode().splitlines()
    assert lines[-1].startswith("Error: ")
    assert b"Traceback" not in found.stderr


def test_a_command_that_needs_no_models_works_without_them(process):
    found = process("config", DEMOGRAPHICS_CSV="/none.csv", MODEL_DIR="/none")
    assert found.returncode == 0
    assert b"MODEL_DIR=/none\n" in found.stdout
