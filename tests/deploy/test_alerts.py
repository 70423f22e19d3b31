"""The rules: promtool's own checks, its unit tests, and that nothing is left out."""

import re
import subprocess

import pytest
import yaml

from housing_app.config import ROOT
from tests.deploy.conftest import program

PROMETHEUS = ROOT / "deploy" / "prometheus"
TESTS = sorted((ROOT / "tests" / "deploy" / "alerts").glob("*.yml"))
ALERTS = {
    rule["alert"]: rule
    for group in yaml.safe_load((PROMETHEUS / "alerts.yml").read_text())["groups"]
    for rule in group["rules"]
}


@pytest.fixture(scope="module")
def promtool():
    def run(*arguments):
        return subprocess.run(
            [program("promtool"), *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run


def test_promtool_finds_no_fault_in_the_configuration(promtool):
    done = promtool("check", "config", PROMETHEUS / "prometheus.yml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(ALERTS)} rules found" in done.stdout
    assert "WARNING" not in done.stdout + done.stderr


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.stem)
def test_alerts_fire_when_they_should_and_not_otherwise(promtool, path):
    done = promtool("test", "rules", path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_would_find_an_alert_that_does_not_fire(promtool, tmp_path):
    text = TESTS[0].read_text().replace("../../../deploy", str(ROOT / "deploy"))
    (tmp_path / "test.yml").write_text(
        re.sub(r"exp_samples:\n.*", "exp_samples: []", text)
    )
    done = promtool("test", "rules", tmp_path / "test.yml")
    assert done.returncode != 0
    assert "FAILED" in done.stdout + done.stderr


def looked_at():
    """Yield, for each test, the alerts that fire each time that is looked at."""
    for path in TESTS:
        for test in yaml.safe_load(path.read_text())["tests"]:
            looks = test["promql_expr_test"]
            # It names all that fire, so that those it does not name are silent.
            assert {look["expr"] for look in looks} == {
                'count by (alertname) (ALERTS{alertstate="firing"})'
            }
            yield [
                set(re.findall(r'alertname="(\w+)"', str(look["exp_samples"])))
                for look in looks
            ]


@pytest.mark.parametrize("alert", ALERTS)
def test_every_alert_is_seen_to_fire_and_to_be_silent_over_the_same_series(alert):
    seen = [[alert in firing for firing in looks] for looks in looked_at()]
    assert any({True, False} <= set(looks) for looks in seen)


def test_every_alert_that_a_test_names_is_there():
    named = set().union(*(firing for looks in looked_at() for firing in looks))
    assert named == set(ALERTS)


@pytest.mark.parametrize("rule", ALERTS.values(), ids=lambda rule: rule["alert"])
def test_every_alert_says_how_bad_what_and_what_to_do(rule):
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    notes = rule["annotations"]
    assert set(notes) == {"summary", "description", "runbook_url"}
    assert "{{" not in notes["summary"], "a summary is the same each time"
    document, _, anchor = notes["runbook_url"].partition("#")
    heads = re.findall(r"^#+ (.*)$", (ROOT / document).read_text("utf-8"), re.M)
    assert anchor in {head.lower() for head in heads}
    text = (ROOT / document).read_text("utf-8")
    body = re.split(rf"^#+ {rule['alert']}\n", text, flags=re.M)[1]
    assert len(re.split(r"^#", body, flags=re.M)[0].split()) > 10, "says what to do"
