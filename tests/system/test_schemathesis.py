"""Thousands of requests made from the OpenAPI document, against real workers."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from housing_app import auth, config
from tests.system.conftest import clean_environ, wait_until_ready

SEED = "20150331"
GUARDED = {
    "AUTH": "jwt",
    "JWT_SECRET": "not-a-real-secret-" * 4,  # pragma: allowlist secret
    "AUTH_FAILURE_LIMIT": "1000000/second",
}
# What no schema can tell: the day it is today, and that two outcomes of one prediction
# must not differ.
CONFIG = """
[[operations]]
include-path = "/v1/outcomes"
checks.positive_data_acceptance.expected-statuses = ["2xx", "404", "409", "422"]
"""


@pytest.fixture
def attack(tmp_path):
    """Run schemathesis with all its checks; it must find nothing."""

    def run(server, start="/", *options):
        # From a file: schemathesis leaves out the address it has the document from.
        document = tmp_path / "openapi.json"
        document.write_text(server.get("/v1/openapi.json").text)
        config = tmp_path / "schemathesis.toml"
        config.write_text(CONFIG)
        found = subprocess.run(
            [
                Path(sys.executable).with_name("schemathesis"),
                *("--config-file", config),
                *("run", document, "--url", server.url),
                *("--checks", "all", "--phases", "examples,coverage,fuzzing"),
                *("--seed", SEED, "--max-examples", "20"),
                *("--request-timeout", "5", "--continue-on-failure", "--no-color"),
                *("--include-path-regex", f"^{start}", *options),
            ],
            cwd=tmp_path,
            env=clean_environ(),
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert found.returncode == 0, found.stdout[-10_000:] + found.stderr[-2_000:]
        paths = json.loads(document.read_text())["paths"]
        total = sum(path.startswith(start) for path in paths)
        assert f"Tested: {total}\n" in found.stdout
        (count,) = re.findall(r"(\d+) generated, \1 passed", found.stdout)
        return int(count)

    return run


def test_no_request_gets_an_answer_that_the_document_does_not_name(server, attack):
    assert attack(server) > 1_000


def test_nor_where_tokens_are_asked_for_and_none_gets_in_without(start, attack):
    process, server = start(RATE_LIMIT="off", WORKERS="2", **GUARDED)
    try:
        wait_until_ready(process, server)
        settings = config.load(GUARDED)
        (kid,) = settings["JWT_SECRET"]
        token = auth.tokens(settings).issue("schemathesis", ["predict"], 600, kid)
        sent = f"Authorization: Bearer {token}"
        assert attack(server, "/v1/predict", "--header", sent) > 500
    finally:
        process.terminate()
        process.wait(timeout=60)
