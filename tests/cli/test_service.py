"""`flask health`, `flask info` and `flask config`."""

import json
import shutil
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from werkzeug.serving import make_server

from housing_app import config
from housing_app.config import ROOT

pytestmark = pytest.mark.usefixtures("restored")


@pytest.fixture
def serve():
    """Run a server on a free port; return its address."""
    running = []

    def start(server):
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        running.append((server, thread))
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server, thread in running:
        server.shutdown()
        server.server_close()
        thread.join()


def test_healthy_models_on_disk_exit_with_0(run):
    assert run.ok("health").startswith("ok")


def test_the_info_is_that_of_the_service(run, client):
    served = client.get("/v1/info").get_json()
    assert json.loads(run.ok("info")) == served


@pytest.mark.parametrize("command", ["health", "info"])
def test_a_tampered_model_is_named(run_with, tmp_path, command):
    models = shutil.copytree(ROOT / "model", tmp_path / "model")
    path = models / "catboost-full-1" / "price.npz"
    path.write_text("tree\n")
    assert str(path) in run_with(MODEL_DIR=models).refuses(command)


@pytest.mark.parametrize("command", ["health", "info"])
def test_missing_models_are_named(run_with, tmp_path, command):
    line = run_with(MODEL_DIR=tmp_path).refuses(command)
    assert str(tmp_path / "serving.json") in line


@pytest.mark.parametrize("command", ["health", "info"])
def test_missing_demographics_are_named_with_the_cure(run_with, tmp_path, command):
    path = tmp_path / "none.csv"
    line = run_with(DEMOGRAPHICS_CSV=path).refuses(command)
    assert str(path) in line
    assert "DEMOGRAPHICS_CSV" in line


def test_a_demographic_column_that_a_model_needs_is_named(run_with, tmp_path):
    path = tmp_path / "zip.csv"
    path.write_text("zipcode,population\n98103,52000\n")
    line = run_with(DEMOGRAPHICS_CSV=path).refuses("health")
    assert str(path) in line
    assert "population_density" in line
    assert "catboost-full-1" in line


@pytest.mark.parametrize("slash", ["", "/"])
def test_a_running_server_is_healthy(run, serve, app, slash):
    url = serve(make_server("127.0.0.1", 0, app))
    # The server of this process writes its log line to the same place.
    *_, last = run.ok("health", "--url", url + slash).splitlines()
    assert last == f"ok: {url}/health/ready answered 200"


class Unready(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(503)
        self.end_headers()

    def log_message(self, *arguments):
        pass


class Nonsense(BaseHTTPRequestHandler):
    def do_GET(self):
        self.wfile.write(b"\x00\x01 not HTTP\r\n\r\n")

    def log_message(self, *arguments):
        pass


def test_a_server_that_is_not_ready_exits_with_1(run, serve):
    url = serve(HTTPServer(("127.0.0.1", 0), Unready))
    assert "503" in run.refuses("health", "--url", url)


def test_something_that_speaks_no_http_exits_with_1(run, serve):
    url = serve(HTTPServer(("127.0.0.1", 0), Nonsense))
    assert url in run.refuses("health", "--url", url)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:1",
        "http://127.0.0.1:99999",
        "http://",
        "http://[",
        "http://no host",
    ],
)
def test_a_server_that_does_not_answer_exits_with_1(run, url):
    run.refuses("health", "--url", url)


@pytest.mark.parametrize("url", ["127.0.0.1:8000", "file:///etc/passwd", "ftp://x"])
def test_an_address_that_is_no_url_is_a_wrong_call(run, url):
    assert "http://" in run.fails("health", "--url", url, code=2)[-1]


def test_every_setting_is_shown_with_its_value_and_help(run):
    lines = run.ok("config").splitlines()
    shown = dict(line.split("=", 1) for line in lines if not line.startswith(" "))
    assert list(shown) == [setting.name for setting in config.SETTINGS]
    assert shown["MAX_RECORDS"] == "1000"
    assert shown["RATE_LIMIT"] == "off"  # as the tests' app is set
    for setting in config.SETTINGS:
        (help_line,) = [line for line in lines if setting.help in line]
        assert (setting.default or "none") in help_line
