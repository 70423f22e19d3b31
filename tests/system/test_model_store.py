"""A real server starts from an object store, and without it from its last copy."""

import re
from pathlib import Path

import object_stores
import pytest
import stores
from conftest import unharmed, wait_until_ready

URL = f"s3://{object_stores.BUCKET}/here"


@pytest.fixture(scope="module")
def own_s3():
    with stores.running(object_stores.ObjectStore()) as server:
        yield server


@pytest.fixture(scope="module")
def settings(own_s3, flask, tmp_path_factory):
    """Publish the shipped models as an operator does; return a server's settings."""
    settings = own_s3.environ | {"MODEL_STORE_URL": URL}
    pushed = flask("store", "push", **settings)
    assert pushed.returncode == 0, pushed.stderr
    folder = tmp_path_factory.mktemp("pod")
    return settings | {"INSTANCE_DIR": str(folder), "MODEL_DIR": "/nowhere"}


def started(start, settings):
    process, server = start(**settings)
    return process, server, lambda: wait_until_ready(process, server)


def test_models_come_from_the_store_and_then_from_the_last_copy(
    start, settings, own_s3, home
):
    process, server, wait = started(start, settings)
    with unharmed(process, server, wait):
        assert server.post(home).json()["model"]["name"] == "catboost-full"
        found = server.get("/health").json()
        assert found["status"] == "ok"
        assert found["checks"]["model store"]["store"] > 15
        for pid in (process.pid, *server.workers()):
            # aiohttp, which the S3 client brings, has compiled parts.
            assert "aiohttp" not in Path(f"/proc/{pid}/maps").read_text()
    own_s3.kill()
    process, server, wait = started(start, settings)
    with unharmed(process, server, wait):
        assert server.post(home).json()["model"]["name"] == "catboost-full"
        assert server.get("/health/live").json() == {"status": "ok"}
        ready = server.get("/health/ready")
        assert (ready.status_code, ready.json()["degraded"]) == (200, ["model store"])
        assert server.get("/health").json()["status"] == "degraded"
        text = server.get("/metrics").text
        assert re.search(r'^store_down\{store="model store"\} 1\.0$', text, re.M)
    assert any('"event": "model store"' in line for line in server.lines())


def test_without_store_and_copy_the_last_line_says_what_to_do(run, settings, tmp_path):
    away = {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "INSTANCE_DIR": str(tmp_path)}
    done = run("-c", "import wsgi", **(settings | away))
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"housing_app cannot start: MODEL_STORE_URL: {URL}/serving")
    assert "flask store push" in last
    assert "Traceback" not in done.stderr
