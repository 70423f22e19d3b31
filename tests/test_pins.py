"""The pins in requirements*.txt and environment.yml agree with setup.cfg."""

from configparser import ConfigParser
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent


def requirements(lines):
    """Return {canonical name: Requirement} of the lines that hold one."""
    stripped = (line.strip().removesuffix("\\") for line in lines)
    found = [Requirement(x) for x in stripped if x and x[0] not in "#-"]
    return {canonicalize_name(one.name): one for one in found}


def pins(name):
    return requirements((ROOT / name).read_text("utf-8").splitlines())


def declared(section, option):
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    return requirements(setup[section][option].splitlines())


RUNTIME = pins("requirements.txt")
DEVELOPMENT = pins("requirements-dev.txt")
CASES = [
    *((r, RUNTIME) for r in declared("options", "install_requires").values()),
    *((r, DEVELOPMENT) for r in declared("options", "install_requires").values()),
    *((r, DEVELOPMENT) for r in declared("options.extras_require", "dev").values()),
]


def version(requirement):
    (pin,) = requirement.specifier
    assert pin.operator == "==", requirement
    return pin.version


@pytest.mark.parametrize(
    ("wanted", "pinned"), CASES, ids=lambda x: getattr(x, "name", "")
)
def test_a_declared_dependency_is_pinned_within_its_bounds(wanted, pinned):
    assert wanted.specifier.contains(version(pinned[canonicalize_name(wanted.name)]))


def test_the_conda_environment_has_the_runtime_pins():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text("utf-8"))
    (nested,) = (x["pip"] for x in environment["dependencies"] if isinstance(x, dict))
    assert requirements(nested) == RUNTIME


def test_development_and_runtime_pins_are_the_same():
    # The versions: a development tool may want a package on more Pythons.
    shared = {name: version(DEVELOPMENT[name]) for name in RUNTIME}
    assert shared == {name: version(pin) for name, pin in RUNTIME.items()}


@pytest.mark.parametrize(
    "name",
    ["requirements.txt", "requirements-dev.txt", "requirements-mlflow-server.txt"],
)
def test_pins_name_no_index_or_path(name):
    lines = (ROOT / name).read_text("utf-8").splitlines()
    assert [x for x in lines if x.startswith("-") or "/" in x] == []
