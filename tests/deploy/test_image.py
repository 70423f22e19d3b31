"""The Dockerfile's steps, run without Docker (image.py), and what comes of them."""

import os
import re
import shutil
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from housing_app.config import ROOT
from tests.deploy import image
from tests.system.conftest import children, free_port


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """What the image would hold, made once."""
    tools = [name for name in ("unshare", "chroot") if not shutil.which(name)]
    if tools or os.geteuid() != 0:
        if os.environ.get("CI") == "true":
            pytest.fail("the image's steps need root, unshare and chroot in CI")
        pytest.skip("needs root, unshare (util-linux) and chroot (coreutils)")
    made = image.build(ROOT, tmp_path_factory.mktemp("image"))
    yield made
    shutil.rmtree(made.root.parent)


def run(built, *words, **environ):
    return subprocess.run(
        built.within(words, read_only=True),
        env=built.environ | environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@contextmanager
def serving(built, output):
    """Run the image's command on a free port of this machine alone."""
    port = free_port()
    environ = built.environ | {"BIND": f"127.0.0.1:{port}", "RATE_LIMIT": "off"}
    with output.open("wb") as file:
        process = subprocess.Popen(
            built.within(built.command, read_only=True),
            env=environ,
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        deadline = time.monotonic() + 60
        while True:
            assert process.poll() is None, output.read_text()
            assert time.monotonic() < deadline, output.read_text()
            try:
                requests.get(f"http://127.0.0.1:{port}/health/ready", timeout=5)
            except requests.ConnectionError:
                time.sleep(0.1)
            else:
                break
        yield process, port
    finally:
        process.terminate()
        code = process.wait(timeout=60)
    assert code == 0, output.read_text()


@pytest.fixture(scope="module")
def running(built, tmp_path_factory):
    output = tmp_path_factory.mktemp("container") / "output"
    with serving(built, output) as (process, port):
        yield process, port


def test_every_step_but_the_systems_packages_was_run(built):
    (packages,) = built.left_out
    assert re.findall(r"install .*?(\S+) +&&", packages) == ["libgomp1"]
    assert built.command
    assert built.health[:1] == ["flask"]


def test_it_holds_what_serves_and_nothing_else(built):
    found = {path.name for path in built.place("/app").iterdir()}
    assert found == {
        *("wsgi.py", "gunicorn.conf.py", "LICENSE", "data", "model"),
        *("housing_app", "deploy", "__pycache__"),
    }
    assert [path.name for path in built.place("/app/deploy").iterdir()] == ["nginx"]
    installed = {path.name for path in built.place("/opt/venv/bin").iterdir()}
    assert {"gunicorn", "flask"} <= installed
    assert not installed & {"pytest", "ruff", "mypy"}


def test_it_serves_as_another_user_from_a_read_only_root(built, running, home):
    process, port = running
    answer = requests.post(f"http://127.0.0.1:{port}/v1/predict", json=home, timeout=10)
    assert answer.status_code == 200
    assert answer.json()["predictions"][0]["price"] > 0
    deadline = time.monotonic() + 30
    while len(pids := [process.pid, *children(process.pid)]) < 3:
        assert time.monotonic() < deadline, "two workers, and the master"
        time.sleep(0.05)
    user = built.user.partition(":")[0]
    for pid in pids:
        status = Path(f"/proc/{pid}/status").read_text()
        (line,) = re.findall(r"(?m)^Uid:\t(.*)$", status)
        assert set(line.split()) == {user}
    # As root, who may write wherever the mount lets him.
    for place in ("/app", "/app/model", "/opt/venv", "/", "/etc"):
        words = built.within(["touch", f"{place}/planted"], read_only=True)
        as_root = [word.replace(f"--userspec={built.user}", "") for word in words]
        done = subprocess.run(
            as_root, env=built.environ, capture_output=True, text=True, check=False
        )
        assert "Read-only file system" in done.stderr, place
    assert list(built.place("/var/lib/housing_app").iterdir()), "the journal is there"


def health_check(built, port):
    """Run it as Docker would: in the container, with the container's settings."""
    words = [word.replace(":8000", f":{port}") for word in built.health]
    assert words != built.health
    return run(built, *words, BIND=f"127.0.0.1:{port}")


def test_its_health_check_tells_a_server_from_none(built, running):
    done = health_check(built, running[1])
    assert done.returncode == 0, done.stdout + done.stderr
    refused = health_check(built, free_port())
    assert refused.returncode == 1
    assert "Connection refused" in refused.stdout + refused.stderr


def test_its_health_check_counts_into_no_metric(built, running):
    port = running[1]
    before = requests.get(f"http://127.0.0.1:{port}/metrics", timeout=10).text
    assert health_check(built, port).returncode == 0
    after = requests.get(f"http://127.0.0.1:{port}/metrics", timeout=10).text

    def loads(text):
        return re.findall(r"(?m)^model_load_time_seconds.*$", text)

    assert loads(before)
    assert loads(before) == loads(after)


def test_on_all_addresses_it_asks_for_authentication(built):
    done = run(built, *built.command)
    assert done.returncode == 1
    assert "is open to other machines and AUTH is off" in done.stderr


def test_it_makes_the_configuration_of_the_nginx_beside_it(built):
    words = "mkdir /tmp/nginx && python deploy/nginx/render.py /tmp/nginx"
    done = run(
        built, "sh", "-c", f"{words} && cat /tmp/nginx/nginx.conf", UPSTREAMS="api:8000"
    )
    assert done.returncode == 0, done.stderr
    assert "server api:8000 max_fails=0;" in done.stdout
