"""Bad releases are refused, or rolled back by themselves, under load."""

import subprocess
import sys

import pytest
import releases
from load import Load
from rollout_scripts import FOLDER, asking, golden, rollout, watch
from served import MODEL
from two_pools import HOME, REQUESTS

from housing_app.config import ROOT
from tests.deploy.conftest import program

BLUE = {"blue": 100, "green": 0}
LIMITS = watch.Limits(seconds=4.0)


@pytest.fixture
def release(two_pools):
    """Roll a release out under load, from blue; return code and load."""

    def begin(folder, steps=(100,), limits=LIMITS):
        place = of(two_pools, folder)
        with Load(two_pools.port, HOME, rate=300.0, threads=8, keep=True) as load:
            load.wait_for(100)
            code = rollout.release(place, str(folder), MODEL, limits, steps)
            load.wait_for(max(100, REQUESTS - load.count))
        assert load.count >= REQUESTS
        return code, load

    return begin


def of(two_pools, folder):
    """Return the place where a release serves its own models."""
    return two_pools.with_settings(MODEL_DIR=str(folder / "model"))


def test_wrong_prices_are_found_before_anyone_gets_them(
    two_pools, release, tmp_path, capsys
):
    code, load = release(releases.wrong(tmp_path / "release"))
    assert code == rollout.REFUSED
    assert "golden row 0" in capsys.readouterr().out
    assert not load.errors(), load.errors()
    assert two_pools.place.weights() == BLUE
    assert two_pools.place.urls("green") == [], "it runs on"


def test_a_bug_that_shows_late_is_rolled_back(two_pools, release, tmp_path, capsys):
    code, load = release(releases.failing(tmp_path / "release"))
    assert code == rollout.ROLLED_BACK
    assert "requests failed" in capsys.readouterr().out
    assert two_pools.place.weights() == BLUE
    # The release's own answers; none was lost on the way there or back.
    assert set(load.errors()) == {500}
    assert load.errors()[500] < REQUESTS / 3
    assert load.unrecorded == []


def test_a_slow_release_is_rolled_back_and_costs_no_request(
    two_pools, release, tmp_path, capsys
):
    limits = watch.Limits(seconds=4.0, p95=0.025)
    code, load = release(releases.slow(tmp_path / "release"), limits=limits)
    assert code == rollout.ROLLED_BACK
    assert "95th percentile" in capsys.readouterr().out
    assert not load.errors(), load.errors()
    assert two_pools.place.weights() == BLUE


def test_a_canary_gets_its_share(two_pools, release, capsys):
    limits = watch.Limits(seconds=3.0, least=50)
    code, load = release(ROOT, steps=(10, 100), limits=limits)
    assert code == rollout.DONE
    assert not load.errors(), load.errors()
    assert two_pools.place.weights() == {"blue": 0, "green": 100}
    said = [x for x in capsys.readouterr().out.splitlines() if " requests, " in x]
    tenth, whole = (int(line.split()[1]) for line in said)
    assert 0.05 < tenth / whole < 0.2


def test_a_release_that_does_not_start_is_refused(two_pools, tmp_path, capsys):
    folder = releases.good(tmp_path / "release")
    (folder / "model" / "serving.json").unlink()
    place = of(two_pools, folder)
    found = rollout.release(place, str(folder), MODEL, LIMITS)
    assert found == rollout.REFUSED
    assert "housing_app cannot start: " in capsys.readouterr().out
    assert two_pools.place.weights() == BLUE


def test_no_pool_with_traffic_is_ended(two_pools):
    with pytest.raises(asking.Failed, match="blue has traffic"):
        two_pools.place.retire("blue")
    assert two_pools.place.urls("blue")


def test_golden_prices_are_those_of_the_operators_models(two_pools):
    (url,) = two_pools.place.urls("blue")
    assert golden.verify(url, MODEL) == two_pools.golden


# --- the scripts ----------------------------------------------------------------------


def run(*command, **environ):
    return subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, **environ
    )


@pytest.mark.parametrize("name", ["blue_green.sh", "canary.sh"])
def test_a_script_says_how_it_is_called(name):
    done = run(FOLDER / name)
    assert done.returncode == 64
    assert f"deploy/scripts/{name} local FOLDER" in done.stderr
    done = run(FOLDER / name, "local", "--help")
    assert done.returncode == 0, done.stderr
    assert "--max-p95" in done.stdout


def test_status_from_the_command_line(two_pools):
    ports = map(str, two_pools.place.ports.values())
    options = ("--on", "local", "--folder", two_pools.folder, "--ports", *ports)
    done = run(sys.executable, FOLDER / "rollout.py", *options, "status")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("blue 100 %: http://127.0.0.1:")


def test_where_nothing_serves_a_release_is_refused(tmp_path):
    options = ("--on", "local", "--folder", tmp_path / "none")
    done = run(sys.executable, FOLDER / "rollout.py", *options, "blue-green", ROOT)
    assert done.returncode == rollout.REFUSED
    assert "`start` it first" in done.stdout


def test_shellcheck_finds_no_fault():
    scripts = [*ROOT.glob("deploy/**/*.sh"), ROOT / ".ci" / "run"]
    assert len(scripts) == 4
    done = run(program("shellcheck"), *scripts)
    assert done.returncode == 0, done.stdout
