"""Commands run in this process, or in one of their own."""

import json
import os
import subprocess
import sys
from datetime import date, timedelta

import pytest
from training import synthetic

from housing_app import create_app, traffic
from housing_app.config import ROOT, SETTINGS
from housing_app.valuation import features


class Run:
    """Run `flask` commands of one app and look at what the operator sees."""

    def __init__(self, app):
        self._runner = app.test_cli_runner()

    def __call__(self, *arguments, stdin=None):
        return self._runner.invoke(args=[str(a) for a in arguments], input=stdin)

    def ok(self, *arguments, stdin=None):
        """Return the output of a command that must succeed."""
        result = self(*arguments, stdin=stdin)
        assert result.exit_code == 0, (result.output, result.exception)
        return result.stdout

    def fails(self, *arguments, code=1, stdin=None):
        """Return the error lines of a command that must fail in an orderly way."""
        result = self(*arguments, stdin=stdin)
        assert isinstance(result.exception, SystemExit), result.exception
        assert result.exit_code == code, result.output
        assert result.stdout == ""
        assert "Traceback" not in result.stderr
        return result.stderr.splitlines()

    def refuses(self, *arguments, stdin=None):
        """Return the one line with which a command refuses to go on."""
        (line,) = self.fails(*arguments, stdin=stdin)
        assert line.startswith("Error: ")
        return line


@pytest.fixture
def run_with(county_csv, tmp_path):
    """Make a runner with other settings; what it writes is its own test's."""
    settings = {"RATE_LIMIT": "off", "DEMOGRAPHICS_CSV": county_csv}
    settings["INSTANCE_DIR"] = tmp_path / "instance"
    return lambda **other: Run(create_app(settings | other))


@pytest.fixture(scope="module")
def restored(app):
    """Put back what commands that value homes have put into service."""
    yield
    traffic.install(app.config)


@pytest.fixture
def run(run_with):
    """Run a command with the shipped models."""
    return run_with()


@pytest.fixture(scope="session")
def process():
    """Run a command as an operator does, with nothing but these variables."""
    clean = {
        name: text
        for name, text in os.environ.items()
        if name not in {s.name for s in SETTINGS} | {"FLASK_APP"}
    }

    def start(*arguments, stdin=b"", **environ):
        command = [sys.executable, "-m", "flask", *map(str, arguments)]
        return subprocess.run(
            command,
            cwd=ROOT,
            env=clean | environ,
            input=stdin,
            capture_output=True,
            check=False,
        )

    return start


@pytest.fixture(scope="session")
def synthetic_csv(tmp_path_factory):
    path = tmp_path_factory.mktemp("sales") / "sales.csv"
    return synthetic.write(path, synthetic.sales())


@pytest.fixture(scope="session")
def newer_csv(tmp_path_factory):
    """Sales from the day after the training window on."""
    rows = synthetic.sales(300, seed=8)
    for i, row in enumerate(rows):
        row["date"] = f"{date(2015, 4, 1) + timedelta(days=i % 60):%Y%m%d}T000000"
    return synthetic.write(tmp_path_factory.mktemp("newer") / "newer.csv", rows)


@pytest.fixture(scope="session")
def trained(tmp_path_factory, synthetic_csv, county_csv):
    """A model directory with three models trained by the command, and their output."""
    root = tmp_path_factory.mktemp("models")
    run = Run(create_app({"MODEL_DIR": root, "DEMOGRAPHICS_CSV": county_csv}))
    output = {
        f"{kind}-{slot}-1": run.ok(
            "model",
            "train",
            "--kind",
            kind,
            "--slot",
            slot,
            "--sales",
            synthetic_csv,
            "--trees",
            25,
        )
        for kind, slot in [
            ("knn", "minimal"),
            ("lightgbm", "minimal"),
            ("lightgbm", "full"),
        ]
    }
    serving = {
        slot: {"champion": f"lightgbm-{slot}-1", "fallback": "knn-minimal-1"}
        for slot in features.SLOTS
    }
    (root / "serving.json").write_text(json.dumps(serving))
    return root, output


@pytest.fixture
def home_json(tmp_path, home):
    path = tmp_path / "home.json"
    path.write_text(json.dumps(home))
    return path
