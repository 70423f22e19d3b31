"""Rules and dashboards ask for what a running server says, by labels that it has."""

import json
import re

import pytest
import yaml
from prometheus_client import Counter, Histogram
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.parser import text_string_to_metric_families

from housing_app import metrics
from housing_app.config import ROOT
from housing_app.model_store import poll
from housing_app.valuation import features
from tests.deploy.promql import named

OF_PROMETHEUS = {"job", "instance"}
OF_OTHERS = {"up": set(), "probe_ssl_earliest_cert_expiry": set()}


def rules():
    for name in ("recording.yml", "alerts.yml"):
        text = (ROOT / "deploy" / "prometheus" / name).read_text("utf-8")
        for group in yaml.safe_load(text)["groups"]:
            yield from group["rules"]


def dashboards():
    for path in (ROOT / "deploy" / "grafana" / "dashboards").glob("*.json"):
        yield json.loads(path.read_text("utf-8"))


def expressions():
    """Return every expression, by where it is."""
    found = {rule.get("alert") or rule["record"]: rule["expr"] for rule in rules()}
    for dashboard in dashboards():
        for panel in dashboard["panels"]:
            for target in panel.get("targets", []):
                found[f"{panel['title']} {target['refId']}"] = target["expr"]
    return found | indicators()


def indicators():
    """Return what the service levels are measured by."""
    text = (ROOT / "docs" / "slo.md").read_text("utf-8")
    found = re.findall(r"(?s)\n\*\*(\d)\. .*?```promql\n(.*?)```", text)
    return {f"objective {number}": expression for number, expression in found}


EXPRESSIONS = expressions()


def declared():
    """Return what housing_app.metrics may say: samples, and the labels of each."""
    found = {}
    for metric in vars(metrics).values():
        if isinstance(metric, MetricWrapperBase):
            labels = set(metric._labelnames)
            name = metric.describe()[0].name
            if isinstance(metric, Counter):
                found[f"{name}_total"] = labels
            elif isinstance(metric, Histogram):
                found |= {f"{name}_sum": labels, f"{name}_count": labels}
                found[f"{name}_bucket"] = labels | {"le"}
            else:
                found[name] = labels
    return found


def recorded(known):
    """Return what the recording rules make of these."""
    found = {}
    for rule in rules():
        if "record" in rule:
            inner = named(rule["expr"])
            labels = set(inner.groups)
            for name in inner.metrics:
                # A rule over another rule's record keeps its labels.
                labels |= found.get(name, set())
            found[rule["record"]] = labels
    return found


@pytest.fixture(scope="module")
def scraped(server):
    """Return what a real server says after some traffic, the labels of each sample."""
    home = json.loads((ROOT / "examples" / "home.json").read_text("utf-8"))
    for _ in range(10):
        assert server.post(home).status_code == 200
    server.post({})
    server.post(home, "/v1/predict/minimal")
    server.get("/nope")
    found = {}
    for family in text_string_to_metric_families(server.get("/metrics").text):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def test_a_server_says_only_what_is_declared_with_those_labels(scraped):
    wanted = declared()
    assert len(scraped) > 20
    assert {name: wanted.get(name) for name in scraped} == scraped


@pytest.mark.parametrize("place", EXPRESSIONS)
def test_every_metric_and_label_that_is_asked_for_exists(scraped, place):
    # What had no reason to be counted yet is known from its declaration.
    known = OF_OTHERS | declared() | scraped
    known |= recorded(known)
    found = named(EXPRESSIONS[place])
    assert found.metrics, "an expression asks for something"
    for name, labels in found.metrics.items():
        assert name in known, f"no such metric: {name}"
        assert labels <= known[name] | OF_PROMETHEUS, f"no such label of {name}"
    of_all = set().union(*(known[name] for name in found.metrics))
    assert found.groups <= of_all | OF_PROMETHEUS


def values(label):
    """Return what expressions compare a label with, `|` taken apart."""
    return {
        part
        for expression in EXPRESSIONS.values()
        for name, _, value in named(expression).values
        if name == label and not value.startswith("$")
        for part in value.split("|")
    }


def test_roles_results_stores_and_levels_that_are_asked_for_exist():
    source = "".join(
        path.read_text("utf-8") for path in (ROOT / "housing_app").rglob("*.py")
    )
    for label in ("role", "result", "slot", "variant"):
        for value in values(label):
            assert f'"{value}"' in source, f'{label}="{value}"'
    stores = set(re.findall(r'(?:Breaker|Database)\((?:.*, )?"([a-z ]+)"\)', source))
    assert values("store") == stores | {poll.NAME}, "each has an alert"
    assert values("level") <= {"0.5", "0.8", "0.9"}
    assert values("job") <= {"housing_app", "housing_app_tls"}


def test_routes_that_are_asked_for_exist(app):
    rules = [rule.rule for rule in app.url_map.iter_rules()]
    for pattern in values("route"):
        assert any(re.fullmatch(pattern, rule) for rule in rules), pattern


def test_there_are_as_many_slots_as_the_alert_counts():
    (rule,) = [rule for rule in rules() if rule.get("alert") == "HousingModelMissing"]
    assert f") == {len(features.SLOTS)}" in rule["expr"]


# --- the dashboard --------------------------------------------------------------------


@pytest.mark.parametrize(
    "dashboard", list(dashboards()), ids=lambda found: found["uid"]
)
def test_panels_have_ids_of_their_own_a_place_and_a_source(dashboard):
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken = set()
    for panel in panels:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, f"{panel['title']} lies over another"
        taken |= cells
        if panel["type"] != "row":
            assert panel["datasource"]["uid"] == "${datasource}"
            assert panel["targets"]
            assert panel["description"]


def test_the_dashboard_shows_every_part():
    rows = [
        panel["title"]
        for dashboard in dashboards()
        for panel in dashboard["panels"]
        if panel["type"] == "row"
    ]
    assert rows == [
        *("Objectives", "Traffic and errors", "Latency", "Models"),
        *("Accuracy on reported sales", "Drift", "Stores", "Journal"),
    ]


def test_variables_that_expressions_use_are_defined():
    for dashboard in dashboards():
        defined = {variable["name"] for variable in dashboard["templating"]["list"]}
        used = set(re.findall(r"\$\{?(\w+)", json.dumps(dashboard)))
        assert {name for name in used if not name.startswith("__")} <= defined


def test_provisioning_names_the_folder_and_a_prometheus():
    folder = ROOT / "deploy" / "grafana" / "provisioning"
    (source,) = yaml.safe_load((folder / "datasources" / "prometheus.yml").read_text())[
        "datasources"
    ]
    assert (source["type"], source["uid"]) == ("prometheus", "prometheus")
    (provider,) = yaml.safe_load(
        (folder / "dashboards" / "housing_app.yml").read_text()
    )["providers"]
    assert provider["options"]["path"] == "/etc/grafana/dashboards"
