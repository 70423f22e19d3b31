"""deploy/compose.yaml: what Compose makes of it, and what must stay so."""

import importlib.util
import re
import shutil
import subprocess
import sys

import pytest
import yaml

from housing_app import config
from housing_app.config import ROOT
from tests.deploy.conftest import program

DEPLOY = ROOT / "deploy"
PROGRAM = "docker-compose"  # v1 and v2 of it: `config` is the same

_spec = importlib.util.spec_from_file_location("env", DEPLOY / "env.py")
env = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(env)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A copy of what compose.yaml asks for, with secrets of its own."""
    folder = tmp_path_factory.mktemp("compose")
    (folder / "deploy").mkdir()
    shutil.copy(DEPLOY / "compose.yaml", folder / "deploy")
    shutil.copy(ROOT / "Dockerfile", folder)
    env.write(folder / "deploy" / "env")
    return folder


def compose(folder, text=None):
    path = folder / "deploy" / "compose.yaml"
    if text is not None:
        path = folder / "deploy" / "changed.yaml"
        path.write_text(text)
    return subprocess.run(
        [program(PROGRAM), "-f", str(path), "config"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture(scope="module")
def services(folder):
    done = compose(folder)
    assert done.returncode == 0, done.stderr
    found = yaml.safe_load(done.stdout)["services"]
    assert len(found) == 8
    return found


def test_compose_refuses_a_key_it_does_not_know(folder):
    text = (DEPLOY / "compose.yaml").read_text()
    done = compose(
        folder, text.replace("  nginx:\n", "  nginx:\n    read_onyl: true\n")
    )
    assert done.returncode != 0
    assert "read_onyl" in done.stderr


def test_the_services_start_in_order_and_are_watched(services):
    once = {"migrate", "nginx-conf"}
    for name, service in services.items():
        if name not in once | {"api"}:  # the api's check is the image's
            assert "test" in service["healthcheck"], name
        for other, wanted in service.get("depends_on", {}).items():
            expected = "completed_successfully" if other in once else "healthy"
            assert wanted["condition"] == f"service_{expected}", (name, other)
    assert set(services["api"]["depends_on"]) == {"migrate", "redis"}
    assert set(services["nginx"]["depends_on"]) == {"nginx-conf", "api"}


def test_every_service_is_confined(services):
    for name, service in services.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["mem_limit"], name
        assert service["pids_limit"], name
        assert not service.get("privileged"), name
        # Ours have their user in the image.
        ours = service["image"].startswith("housing_app")
        assert ours or re.fullmatch(r"[1-9]\d*:\d+", service["user"]), name


def test_only_nginx_has_a_port_and_stores_have_no_way_out(services):
    published = {name for name, service in services.items() if service.get("ports")}
    assert published == {"nginx"}
    text = str(services["nginx"]["ports"])
    assert "127.0.0.1" in text
    networks = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["networks"]
    assert {n for n, made in networks.items() if not made.get("internal")} == {"edge"}
    on = {
        name: set(service.get("networks") or ()) for name, service in services.items()
    }
    assert {name for name in on if "edge" in on[name]} == {"nginx"}
    assert {name for name in on if "stores" in on[name]} == {
        *("api", "migrate", "redis", "postgres")
    }
    assert not on["nginx"] & {"stores", "watch"}, "/metrics and stores stay inside"


def test_images_name_a_release(services):
    for name, service in services.items():
        tag = service["image"].rpartition(":")[2]
        assert re.fullmatch(r"v?\d+\.\d+(\.\d+)?(-alpine)?", tag), name


def test_the_service_starts_with_these_settings(services):
    environ = {k: str(v) for k, v in services["api"]["environment"].items()}
    assert set(environ) <= {setting.name for setting in config.SETTINGS}
    loaded = config.load(environ | {"BIND": "0.0.0.0:8000"})
    assert loaded["HOUSING_ENV"] == "production"
    assert loaded["AUTH"] == "jwt"
    assert services["migrate"]["environment"] == services["api"]["environment"]


def test_passwords_agree_and_are_in_no_file_of_the_repository(services):
    postgres = services["postgres"]["environment"]
    url = services["api"]["environment"]["DATABASE_URL"]
    name, database = postgres["POSTGRES_USER"], postgres["POSTGRES_DB"]
    password = postgres["POSTGRES_PASSWORD"]
    assert url == f"postgresql://{name}:{password}@postgres:5432/{database}"
    assert len(password) > 40
    assert not re.search(
        r"(?i)(password|secret)\w*: *[^$\s]", (DEPLOY / "compose.yaml").read_text()
    )


def test_every_path_that_is_written_to_can_be(services):
    # What the image and render.py say they write.
    written = {"api": "/var/lib/housing_app", "migrate": "/var/lib/housing_app"}
    written |= {"nginx": "/var/run/housing", "nginx-conf": "/etc/housing-nginx"}
    assert services["nginx-conf"]["environment"]["RUN_DIR"] == written["nginx"]
    for name, path in written.items():
        places = services[name].get("tmpfs", []) + services[name].get("volumes", [])
        texts = [str(place) for place in places]
        found = [text for text in texts if path in text]
        assert found, name
        assert not any(":ro" in text for text in found), name
    for name in ("api", "migrate"):
        assert any(text.startswith("/tmp") for text in services[name]["tmpfs"])


def test_everything_mounted_from_the_repository_is_there():
    text = (DEPLOY / "compose.yaml").read_text()
    sources = set(re.findall(r"(\./[\w/]+):", text))
    assert sources
    assert [name for name in sources if not (DEPLOY / name).is_dir()] == []


def test_secrets_are_new_each_time_private_and_never_overwritten(tmp_path):
    command = [sys.executable, str(DEPLOY / "env.py")]
    folders = [tmp_path / "one", tmp_path / "two"]
    for path in folders:
        done = subprocess.run(
            [*command, path], capture_output=True, text=True, check=True
        )
        assert len(done.stdout.splitlines()) == 3
    texts = [
        (path / name).read_text() for path in folders for name in sorted(env.files())
    ]
    values = re.findall(r"(?:SECRET|PASSWORD)=(\S+)", "".join(texts))
    assert len(values) == len(set(values)) == 6
    assert {x.stat().st_mode & 0o777 for x in folders[0].iterdir()} == {0o600}
    again = subprocess.run(
        [*command, folders[0]], capture_output=True, text=True, check=False
    )
    assert again.returncode == 1
    assert again.stderr.startswith("env.py: ")
    assert "exists; nothing was written" in again.stderr
    assert [(folders[0] / n).read_text() for n in sorted(env.files())] == texts[:3]
