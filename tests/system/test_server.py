"""The main job on a running server, and the commands that talk to it."""

import csv
import json
import re
import subprocess
import sys

import pytest

from housing_app.config import ROOT

SAME = ("price", "low", "high", "fsd", "confidence", "missing", "warnings")


def read_homes(path):
    with path.open(newline="") as file:
        return [
            {k: v if k == "zipcode" else float(v) for k, v in row.items()}
            for row in csv.DictReader(file)
        ]


def values(answer):
    return [[found[name] for name in SAME] for found in answer["predictions"]]


def test_the_example_home_is_valued(server):
    body = (ROOT / "examples" / "home.json").read_bytes()
    answer = server.post(body)
    assert answer.status_code == 200
    (found,) = answer.json()["predictions"]
    assert found["low"] < found["price"] < found["high"]


def test_100_unseen_homes_over_http_are_valued_as_without_a_server(
    server, flask, unseen_csv
):
    answer = server.post({"records": read_homes(unseen_csv)})
    assert answer.status_code == 200
    local = flask("value", str(unseen_csv))
    assert local.returncode == 0, local.stderr
    assert len(answer.json()["predictions"]) == 100
    assert values(answer.json()) == values(json.loads(local.stdout))
    assert all(found["price"] > 50_000 for found in answer.json()["predictions"])


def test_the_largest_batch_is_answered(server, home):
    answer = server.post({"records": [home] * 1000})
    assert answer.status_code == 200
    assert len({found["price"] for found in answer.json()["predictions"]}) == 1
    assert len({found["id"] for found in answer.json()["predictions"]}) == 1000


def test_the_example_homes_over_http_are_valued_as_without_a_server(server, flask):
    path = ROOT / "data" / "example_homes.csv"
    answer = server.post({"records": read_homes(path)})
    local = flask("value", str(path))
    assert local.returncode == 0, local.stderr
    assert len(answer.json()["predictions"]) == 20
    assert values(answer.json()) == values(json.loads(local.stdout))


# --- examples/send_examples.py ------------------------------------------------------


def send_examples(*arguments):
    return subprocess.run(
        [sys.executable, "examples/send_examples.py", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("minimal", [False, True])
def test_the_example_script_prints_a_table_of_prices(server, minimal):
    path = ROOT / "data" / "example_homes.csv"
    options = ["--minimal"] if minimal else []
    done = send_examples(path, "--url", server.url, *options)
    assert (done.returncode, done.stderr) == (0, "")
    head, *rows, last = done.stdout.splitlines()
    assert head.split() == ["ZIPCODE", "SQFT", "PRICE", "LOW", "HIGH", "CONFIDENCE"]
    assert last == "20 homes valued"
    assert len(rows) == 20
    for row, home in zip(rows, read_homes(path), strict=True):
        zipcode, size, price, low, high, confidence = row.split()
        assert (zipcode, float(size)) == (home["zipcode"], home["sqft_living"])
        low, price, high = (float(text.replace(",", "")) for text in (low, price, high))
        assert low < price < high
        assert confidence in {"high", "medium", "low"}


def test_the_example_script_prints_the_servers_prices(server, tmp_path):
    path = ROOT / "data" / "example_homes.csv"
    found = server.post({"records": read_homes(path)}).json()["predictions"]
    done = send_examples(path, "--url", server.url)
    printed = [row.split()[2] for row in done.stdout.splitlines()[1:-1]]
    assert printed == [f"{one['price']:,.0f}" for one in found]


def test_the_example_script_repeats_what_the_server_refused(server, tmp_path):
    path = tmp_path / "homes.csv"
    text = (ROOT / "data" / "example_homes.csv").read_text()
    path.write_text(text.replace("98038", "9803", 1))
    done = send_examples(path, "--url", server.url)
    assert done.returncode == 1
    assert "/records/1/zipcode: must be a zipcode of five digits" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_example_script_says_when_there_is_no_server(dead_port):
    url = f"http://127.0.0.1:{dead_port}"
    done = send_examples(ROOT / "data" / "example_homes.csv", "--url", url)
    assert done.returncode == 1
    assert url in done.stderr
    assert "Traceback" not in done.stderr


# --- flask health -------------------------------------------------------------------


def test_flask_health_is_content_with_a_running_server(server, flask):
    done = flask("health", "--url", server.url)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("ok")


@pytest.mark.parametrize("path", ["", "/v1"])
def test_flask_health_fails_on_what_is_not_the_service(flask, server, dead_port, path):
    port = server.port if path else dead_port
    done = flask("health", "--url", f"http://127.0.0.1:{port}{path}")
    assert done.returncode == 1
    assert re.fullmatch(r"Error: .*127\.0\.0\.1.*\n", done.stderr)


# --- HTTP as it goes over the wire --------------------------------------------------


@pytest.mark.parametrize(
    ("path", "status"), [("/health/live", 200), ("/v1/predict", 405), ("/nope", 404)]
)
def test_head_sends_headers_and_nothing_else(server, path, status):
    sent = f"HEAD {path} HTTP/1.1\r\nHost: test\r\n\r\n"
    head, _, body = server.talk(sent.encode()).partition(b"\r\n\r\n")
    assert int(head.split()[1]) == status
    assert body == b""
    assert b"x-request-id:" in head.lower()


def test_options_sends_the_methods(server):
    sent = b"OPTIONS /v1/predict HTTP/1.1\r\nHost: test\r\n\r\n"
    head, _, body = server.talk(sent).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    assert b"\r\nAllow: " in head
    assert body == b""


def test_info_over_http_is_what_flask_info_prints(server, flask):
    done = flask("info")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == server.get("/v1/info").json()
