"""The whole life of a model, as `make lifecycle` shows it, and through a registry."""

import json
import subprocess
import sys
import time

import requests
from served import copied
from training import synthetic

from housing_app.config import ROOT
from housing_app.registry import changes
from housing_app.valuation import features
from tests.system.conftest import clean_environ, wait_until_ready

_FULL = json.loads((ROOT / "examples" / "home.json").read_text())
_NAMES = [field.name for field in features.slot_features("minimal")]
HOME = {name: _FULL[name] for name in (*_NAMES, "zipcode")}


def test_from_newer_sales_to_a_rollback_no_request_fails():
    done = subprocess.run(
        [sys.executable, "tests/system/lifecycle.py", "--trees", "60"],
        cwd=ROOT,
        env=clean_environ(),
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    log = done.stdout
    assert "lightgbm-full-2 passed the gate against lightgbm-full-1." in log
    assert "1,600 outcomes reported" in log
    assert "every answer is lightgbm-full-1's again" in log
    assert " requests, 0 failed\n" in log
    answers = {
        line.split()[-1]: int(line.split()[0].replace(",", ""))
        for line in log.splitlines()
        if " answers by " in line
    }
    assert answers.keys() == {"lightgbm-full-1", "lightgbm-full-2"}
    assert sum(answers.values()) > 500


def test_a_model_comes_through_a_registry_into_a_running_server(
    flask, start, mlflow, tmp_path
):
    here, there = tmp_path / "here", tmp_path / "there"
    sales = synthetic.write(tmp_path / "sales.csv", synthetic.sales())
    settings = {"MODEL_DIR": str(here), "MLFLOW_TRACKING_URI": mlflow.url}
    for command in (
        ("model", "train", "--kind", "knn", "--slot", "minimal", "--sales", str(sales),
         "--name", "sold"),
        ("model", "push", "sold-1"),
    ):  # fmt: skip
        done = flask(*command, **settings)
        assert done.returncode == 0, done.stderr
    # Another checkout, where a server runs.
    copied(there)
    process, server = start(MODEL_DIR=str(there), RATE_LIMIT="off", CACHE="off")
    try:
        wait_until_ready(process, server)
        settings["MODEL_DIR"] = str(there)
        done = flask("model", "pull", "sold@challenger", **settings)
        assert done.returncode == 0, done.stderr
        for path in (here / "sold-1").iterdir():
            assert (there / "sold-1" / path.name).read_bytes() == path.read_bytes()
        done = flask(
            *("model", "promote", "sold-1", "--force", "--why", "a try"), **settings
        )
        assert done.returncode == 0, done.stderr
        assert changes.history(there)[-1].after["champion"] == "sold-1"
        deadline = time.monotonic() + 5
        row = 0
        while row < 20:
            answer = requests.post(
                server.url + "/v1/predict/minimal", json=HOME, timeout=5
            )
            assert answer.status_code == 200
            row = row + 1 if answer.json()["model"]["name"] == "sold" else 0
            assert time.monotonic() < deadline, "not in service within 5 s"
    finally:
        process.terminate()
        assert process.wait(60) == 0
