"""A real Prometheus with our configuration, asking a real server."""

import json
import re
import runpy
import shutil
import subprocess
import time
from xml.etree import ElementTree

import pytest
import requests
import yaml

from housing_app.config import ROOT
from tests.deploy import test_metric_names
from tests.deploy.conftest import program, wait_for_port
from tests.deploy.test_metric_names import EXPRESSIONS, dashboards
from tests.system.conftest import free_port

PATIENCE = 30.0


@pytest.fixture(scope="module")
def dead_port():
    return free_port()


class Prometheus:
    def __init__(self, port):
        self.url = f"http://127.0.0.1:{port}"

    def get(self, path, **asked):
        answer = requests.get(f"{self.url}/api/v1/{path}", params=asked, timeout=10)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    def query(self, expression):
        return self.get("query", query=expression)["result"]

    def until(self, look):
        """Return what `look` finds, once it finds something."""
        deadline = time.monotonic() + PATIENCE
        while not (found := look()):
            assert time.monotonic() < deadline, self.get("targets")
            time.sleep(0.2)
        return found


@pytest.fixture(scope="module")
def prometheus(server, dead_port, tmp_path_factory):
    """It scrapes and evaluates every second, and knows a second, dead instance."""
    home = json.loads((ROOT / "examples" / "home.json").read_text("utf-8"))
    path = program("prometheus")
    folder = tmp_path_factory.mktemp("prometheus")
    shutil.copytree(ROOT / "deploy" / "prometheus", folder, dirs_exist_ok=True)
    conf = folder / "prometheus.yml"
    quicker = re.sub(
        r"(_interval|_timeout): (15|5)s", r"\1: 1s", conf.read_text("utf-8")
    )
    conf.write_text(quicker)
    targets = [f"127.0.0.1:{server.port}", f"127.0.0.1:{dead_port}"]
    (folder / "targets" / "instances.yml").write_text(
        yaml.safe_dump([{"targets": targets}])
    )
    port = free_port()
    output = folder / "output"
    with output.open("wb") as file:
        process = subprocess.Popen(
            [
                *(
                    path,
                    f"--config.file={conf}",
                    f"--storage.tsdb.path={folder / 'data'}",
                ),
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=file,
            stderr=file,
        )
    try:
        wait_for_port(port, process, output)
        running = Prometheus(port)
        for _ in range(5):  # a rate needs two scrapes
            server.post(home)
            time.sleep(0.5)
        yield running
        assert process.poll() is None, output.read_text()
    finally:
        process.terminate()
        process.wait(timeout=20)


def test_it_scrapes_each_instance_by_itself(prometheus, server, dead_port):
    def health():
        found = prometheus.get("targets")["activeTargets"]
        return {x["labels"]["instance"]: x["health"] for x in found} | {"": "up"}

    wanted = {
        "": "up",
        f"127.0.0.1:{server.port}": "up",
        f"127.0.0.1:{dead_port}": "down",
    }
    assert prometheus.until(lambda: wanted.items() <= health().items())


def test_every_rule_is_evaluated_without_a_fault(prometheus):
    def rules():
        found = [r for g in prometheus.get("rules")["groups"] for r in g["rules"]]
        return found if all(r["health"] != "unknown" for r in found) else None

    found = prometheus.until(rules)
    assert len(found) == len(list(test_metric_names.rules())) > 38
    assert {
        rule["name"]: rule["health"] for rule in found if rule["health"] != "ok"
    } == {}


@pytest.mark.parametrize(
    ("record", "labels"),
    [
        ("housing:requests:rate5m", {"job"}),
        ("housing:error_ratio:rate6h", {"job"}),
        ("housing:request_seconds:p95", {"job", "route"}),
    ],
)
def test_what_is_recorded_has_series(prometheus, record, labels):
    (found, *_) = prometheus.until(lambda: prometheus.query(record))
    assert set(found["metric"]) - {"__name__"} == labels
    assert found["metric"]["job"] == "housing_app"


def test_a_dead_instance_is_told_of_and_a_sound_one_is_not(prometheus, dead_port):
    (found,) = prometheus.until(lambda: prometheus.get("alerts")["alerts"])
    assert found["labels"]["alertname"] == "HousingInstanceDown"
    assert found["labels"]["instance"] == f"127.0.0.1:{dead_port}"
    said = f"127.0.0.1:{dead_port} has not answered for a minute."
    assert found["annotations"]["description"] == said


def test_prometheus_takes_every_expression_of_the_dashboard(prometheus):
    for expression in EXPRESSIONS.values():
        asked = expression.replace("$__rate_interval", "1m").replace("$__range", "1h")
        prometheus.query(asked.replace("$instance", ".*"))


def test_the_variable_of_the_dashboard_finds_the_instances(prometheus, server):
    (dashboard,) = dashboards()
    asked = [x for x in dashboard["templating"]["list"] if x["name"] == "instance"]
    selector = re.search(r"label_values\((.*), instance\)", asked[0]["query"]["query"])[
        1
    ]
    found = prometheus.until(lambda: prometheus.query(selector))
    assert f"127.0.0.1:{server.port}" in {x["metric"]["instance"] for x in found}


def test_the_preview_draws_every_panel_from_what_was_scraped(prometheus, tmp_path):
    prometheus.until(lambda: prometheus.query("housing:requests:rate5m"))
    preview = runpy.run_path(str(ROOT / "deploy" / "grafana" / "preview.py"))
    (dashboard,) = dashboards()
    drawn = preview["draw"](dashboard, preview["Source"](prometheus.url, minutes=1))
    found = ElementTree.fromstring(drawn)
    said = {text.text for text in found.iter("{http://www.w3.org/2000/svg}text")}
    assert {panel["title"] for panel in dashboard["panels"]} <= said
    assert {"champion", "No data"} <= said
    # Legends have room for some; other tests asked the same server for other routes.
    assert {label for label in said if label and label.startswith("/")}
    lines = list(found.iter("{http://www.w3.org/2000/svg}polyline"))
    assert len(lines) > 10
