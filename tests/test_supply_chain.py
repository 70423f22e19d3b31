"""What is installed, and what goes into the image, is known beforehand."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
PINS = ["requirements.txt", "requirements-dev.txt"]
SERVER = "requirements-mlflow-server.txt"


def read(name):
    return (ROOT / name).read_text("utf-8")


def pinned(name):
    """Return {requirement: its hashes} as pip reads the file."""
    joined = read(name).replace("\\\n", " ").splitlines()
    lines = [line.split(" --hash=") for line in joined if re.match(r"\w", line)]
    return {line[0].strip(): [h.strip() for h in line[1:]] for line in lines}


# --- requirements ---------------------------------------------------------------------


@pytest.mark.parametrize("name", [*PINS, SERVER])
def test_every_pin_has_hashes(name):
    assert len(pinned(name)) > 20
    for requirement, hashes in pinned(name).items():
        assert hashes, requirement
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", one) for one in hashes)


def test_what_both_files_pin_has_the_same_hashes():
    # Less the marker and the extras, which a development tool may want more of.
    runtime, development = (
        {re.sub(r"\[.*?\]| ;.*", "", k): found for k, found in pinned(name).items()}
        for name in PINS
    )
    assert {name: development[name] for name in runtime} == runtime


def test_make_and_the_image_install_only_what_has_a_hash():
    for name in ("Makefile", "Dockerfile"):
        text = read(name).replace("\\\n", " ")
        installs = re.findall(r"pip install.*--requirement.*", text)
        assert installs, name
        assert all("--require-hashes" in line for line in installs)
    assert "--only-binary :all:" in read("Dockerfile")


def test_pip_refuses_a_file_that_is_not_the_pinned_one(tmp_path):
    hashes = pinned("requirements.txt")
    (line,) = (name for name in hashes if name.startswith("markupsafe=="))
    wheel = tmp_path / f"MarkupSafe-{line.partition('==')[2]}-py3-none-any.whl"
    wheel.write_bytes(b"not what was hashed")
    sums = " ".join(f"--hash={one}" for one in hashes[line])
    (tmp_path / "requirements.txt").write_text(f"{line} {sums}\n")
    command = ["install", "--dry-run", "--no-deps", "--no-index", "--ignore-installed"]
    command += ["--require-hashes", "--find-links", str(tmp_path)]
    command += ["--requirement", str(tmp_path / "requirements.txt")]
    done = subprocess.run(
        [sys.executable, "-m", "pip", "--isolated", *command],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode != 0
    assert "DO NOT MATCH THE HASHES" in done.stderr


def test_the_bill_of_materials_is_valid_and_complete(tmp_path):
    """The tool checks it against CycloneDX's own schema before it writes."""
    path = tmp_path / "sbom.json"
    command = ["requirements", str(ROOT / "requirements.txt"), "--validate"]
    done = subprocess.run(
        [sys.executable, "-m", "cyclonedx_py", *command, "--output-file", str(path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(path.read_text())
    assert found["bomFormat"] == "CycloneDX"
    listed = {(canonicalize_name(c["name"]), c["version"]) for c in found["components"]}
    wanted = {
        (canonicalize_name(one.name), str(one.specifier).removeprefix("=="))
        for one in map(Requirement, pinned("requirements.txt"))
    }
    assert listed == wanted
    for component in found["components"]:
        references = component["externalReferences"]
        assert any(reference.get("hashes") for reference in references)


# --- the image ------------------------------------------------------------------------

DOCKERFILE = read("Dockerfile").replace("\\\n", " ").splitlines()


def copied():
    """Return what the Dockerfile copies from the repository."""
    lines = [x.split() for x in DOCKERFILE if x.startswith(("COPY ", "ADD "))]
    own = [line for line in lines if not line[1].startswith("--from")]
    return {name.rstrip("/") for line in own for name in line[1:-1]}


def test_the_build_sees_only_what_the_image_serves():
    patterns = [x for x in read(".dockerignore").splitlines() if x and x[0] != "#"]
    assert patterns[0] == "*", "everything that is not named stays out"
    assert {x[1:] for x in patterns if x[0] == "!"} == copied()
    assert {x for x in patterns[1:] if x[0] != "!"} == {"**/__pycache__"}
    assert patterns[-1] == "**/__pycache__", "a later ! would let it in again"
    for name in (".", ".git", ".env", "instance", "tests", "deploy"):
        assert name not in copied()


def test_what_the_image_copies_exists():
    assert [name for name in copied() if not (ROOT / name).exists()] == []


def test_the_image_runs_as_a_number_that_is_not_root():
    last = DOCKERFILE[
        max(i for i, x in enumerate(DOCKERFILE) if x.startswith("FROM")) :
    ]
    users = [line.split()[1] for line in last if line.startswith("USER ")]
    assert users
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", users[-1])
    commands = [i for i, x in enumerate(last) if x.startswith(("CMD", "ENTRYPOINT"))]
    assert min(commands) > last.index(f"USER {users[-1]}")


def test_the_image_holds_no_secret_and_fetches_nothing_unchecked():
    text = "\n".join(DOCKERFILE)
    assert not re.search(r"(?im)^(ENV|ARG).*(SECRET|PASSWORD|TOKEN|_KEY)", text)
    assert not re.search(r"(?m)^ADD |curl|wget|chmod .*777|sudo|--privileged", text)


def test_ci_installs_what_the_tests_of_deploy_need():
    script = read(".ci/run")
    for name in ("nginx-light", "openssl", "libgomp1", "docker-compose"):
        assert f"missing+=({name})" in script


def test_ci_installs_the_mlflow_server_before_the_tests_that_need_it():
    (line,) = (x for x in read(".ci/run").splitlines() if "exec make" in x)
    targets = line.split("exec make ")[1].split()
    assert targets.index("mlflow") < targets.index("test")
    (client,), (server,) = (
        [x for x in pinned(name) if re.match(r"mlflow-skinny==", x)]
        for name in ("requirements-dev.txt", SERVER)
    )
    assert client == server, "tests talk to the server of their own release"
