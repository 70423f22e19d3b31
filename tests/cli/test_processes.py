"""What an operator sees at the shell: where the process itself matters."""

import json

import pytest

from housing_app.config import ROOT


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


@pytest.mark.parametrize("arguments", [(), ("--help",)])
def test_help_with_a_bad_setting_shows_no_traceback(process, arguments):
    found = process(*arguments, PORT="x")
    text = (found.stderr + found.stdout).decode()
    assert "Traceback" not in text
    assert "PORT: 'x' is not a whole number" in text


def test_settings_come_from_the_environment(process):
    found = process("config", MAX_RECORDS="7", REFUSE_OUTSIDE_AREA="yes")
    lines = found.stdout.decode().splitlines()
    assert "MAX_RECORDS=7" in lines
    assert "REFUSE_OUTSIDE_AREA=True" in lines


def test_stdout_is_json_and_nothing_else(process, home):
    found = process("value", stdin=json.dumps(home).encode(), LOG_LEVEL="debug")
    assert json.loads(found.stdout)["predictions"][0]["price"] > 0
    assert found.stderr == b""


@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
@pytest.mark.parametrize("stdin", [b"\xff{}", b'{"\xff": 1}', b'{"\\ud800": 1}'])
def test_bytes_that_are_no_text_are_refused_without_traceback(process, locale, stdin):
    found = process("value", stdin=stdin, LC_ALL=locale)
    assert found.returncode == 1
    assert found.stdout == b""
    lines = found.stderr.decode().splitlines()
    assert lines[-1].startswith("Error: ")
    assert b"Traceback" not in found.stderr


def test_the_readme_home_is_valued_as_the_docs_say(process):
    found = process("value", "examples/home.json")
    assert found.returncode == 0
    assert json.loads(found.stdout)["interval"] == 0.9
    assert (ROOT / "examples" / "home.json").exists()


def test_without_openmp_or_data_a_command_that_needs_neither_still_works(process):
    found = process("config", DEMOGRAPHICS_CSV="/none.csv", MODEL_DIR="/none")
    assert found.returncode == 0
    assert b"MODEL_DIR=/none\n" in found.stdout
