"""A registry that is away, hangs, is none or must not learn a secret."""

import os
import socket
import sys
import threading
import time
from base64 import b64encode
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from housing_app.mlflow_registry.server import (
    RegistryError,
    _folder,
    _split,
    connected,
)

SECONDS = 15


def error_of(url):
    started = time.monotonic()
    with pytest.raises(RegistryError) as caught, connected(url):
        pass
    assert time.monotonic() - started < SECONDS
    return str(caught.value)


@pytest.fixture
def answering():
    """A web server that answers everything with a status and a body."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.headers)
            self.send_response(self.server.status)
            for name, text in self.server.told.items():
                self.send_header(name, text)
            self.end_headers()
            self.wfile.write(self.server.body)

        do_POST = do_GET  # noqa: N815

        def log_message(self, *_): ...

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        server.asked, server.told = asked, {}
        server.status, server.body = 200, b"{}"
        server.url = f"127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def test_a_dead_server_is_one_clear_line():
    found = error_of("http://127.0.0.1:1")
    assert found == (
        "http://127.0.0.1:1: no MLflow server answers there (ConnectionError)"
    )


def test_a_server_that_never_answers_is_given_up():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        assert "no MLflow server answers there" in error_of(f"http://127.0.0.1:{port}")


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b"<html>hello</html>"),
        (200, b'{"registered_models": 3}'),
        (404, b"not here"),
        (500, b'{"error_code": "INTERNAL_ERROR", "message": "no"}'),
        (503, b""),
    ],
)
def test_what_is_no_mlflow_server_is_refused(answering, status, body):
    answering.status, answering.body = status, body
    answering.told = {"Retry-After": "3600"}
    found = error_of(f"http://{answering.url}")
    assert found.startswith(f"http://{answering.url}: ")
    assert len(found) < 400


def test_a_password_goes_to_the_server_and_nowhere_else(answering):
    answering.status = 401
    found = error_of(f"http://ann:hush%21@{answering.url}")
    expected = b64encode(b"ann:hush!").decode()  # pragma: allowlist secret
    assert answering.asked[0]["Authorization"] == f"Basic {expected}"
    assert "hush" not in found
    assert "ann" not in found


@pytest.mark.parametrize(
    "url",
    [
        "ftp://hush@host",
        "http://",
        "http://[hush",
        "http://host:hush",
        "http://host/?token=hush",
        "http://host/#hush",
        "sqlite:///hush.db",
        "databricks",
    ],
)
def test_a_wrong_url_is_not_repeated(url):
    found = error_of(url)
    assert "is not one of an MLflow server" in found
    assert "hush" not in found


def test_a_url_loses_its_credentials_and_nothing_else():
    assert _split("https://host:8443/mlflow/") == ("https://host:8443/mlflow", {})
    clean, given = _split("https://a%40b:c@host")
    assert clean == "https://host"
    assert sorted(given.values()) == ["a@b", "c"]


@pytest.mark.parametrize(
    "source",
    [
        "mlflow-artifacts://elsewhere/1/a",
        "mlflow-artifacts:/1/../2",
        "mlflow-artifacts:/1//2",
        "mlflow-artifacts:/1/%2e%2e/2",
        "mlflow-artifacts:/1/.hidden",
        "http://elsewhere/api/2.0/mlflow-artifacts/artifacts/1",
        "file:///etc",
        "/etc",
        "runs:/abc/model",
        "",
    ],
)
def test_only_files_that_the_server_serves_are_asked_for(source):
    with pytest.raises(RegistryError, match="only those that the server itself serves"):
        _folder(source)
    assert _folder("mlflow-artifacts:/1/0af/artifacts/model") == "1/0af/artifacts/model"


def test_the_environment_is_as_it_was(answering, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "77")
    before = dict(os.environ)
    with connected(f"http://ann:b@{answering.url}"):
        assert os.environ["MLFLOW_TRACKING_PASSWORD"] == "b"
        assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"
        assert os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "30"
    assert dict(os.environ) == before


def test_without_the_extra_the_cure_is_named(monkeypatch):
    for name in [n for n in sys.modules if n.partition(".")[0] == "mlflow"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "mlflow", None)
    found = error_of("http://127.0.0.1:1")
    assert 'pip install "housing_app[mlflow]"' in found
