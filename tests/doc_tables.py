"""The tables of the documents, from the code's tables and the manifests."""

import sys
from functools import partial

import doc_accuracy
import doc_goals
import yaml
from prometheus_client.metrics import MetricWrapperBase

from housing_app import config, metrics
from housing_app.config import ROOT
from housing_app.errors import PROBLEMS
from housing_app.training import criteria, drift_report
from housing_app.valuation import features

sys.path.append(str(ROOT / "benchmarks"))  # last: tests have modules of the same names

import capacity


def read(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def table(*rows: tuple[str, ...]) -> str:
    """Return a Markdown table, the head first."""
    head, *body = rows
    rule = ["---"] * len(head)
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, rule, *body))


def fields() -> str:
    def limits(f: features.Feature) -> str:
        style = "" if f.unit == "year" else ","
        return f"{'0 or ' * f.zero}{f.low:{style}} to {f.high:{style}}"

    rows = [
        (
            f"`{f.name}`",
            f.unit,
            limits(f),
            f"{f.step:g}" if f.step else "–",
            "yes" if f.core else "–",
            f.help,
        )
        for f in features.FEATURES
    ]
    head = ("Field", "Unit", "Limits", "Steps of", "Minimal", "Meaning")
    zipcode = ("`zipcode`", "five digits", "–", "–", "yes", "U.S. zipcode of the home.")
    return table(head, *rows, zipcode)


def settings() -> str:
    rows = [
        (f"`{s.name}`", f"`{s.default}`" if s.default else "none", s.help)
        for s in config.SETTINGS
    ]
    return table(("Setting", "Default", "Meaning"), *rows)


def metric_table() -> str:
    rows = []
    for metric in vars(metrics).values():
        if isinstance(metric, MetricWrapperBase):
            family = metric.describe()[0]
            name = family.name + "_total" * (family.type == "counter")
            labels = ", ".join(f"`{label}`" for label in metric._labelnames)
            rows.append((f"`{name}`", labels or "–", family.documentation))
    return table(("Metric", "Labels", "Meaning"), *rows)


def alerts() -> str:
    rows = []
    for group in yaml.safe_load(read("deploy/prometheus/alerts.yml"))["groups"]:
        for rule in group["rules"]:
            link = f"[{rule['alert']}](#{rule['alert'].lower()})"
            wait = rule.get("for", "–")
            summary = rule["annotations"]["summary"]
            rows.append((link, rule["labels"]["severity"], summary, wait))
    return table(("Alert", "Severity", "What", "For at least"), *rows)


def problems() -> str:
    rows = [
        (f"`/problems/{name}`", str(k.status), k.title, k.meaning, k.cure)
        for name, k in PROBLEMS.items()
    ]
    return table(("Type", "Status", "Title", "When", "What to do"), *rows)


def gates() -> str:
    rows = [
        (gate.name, gate.threshold, gate.why, gate.optional or "–")
        for gate in criteria.GATES
    ]
    return table(("Criterion", "Passes", "Why", "May be unjudged"), *rows)


def thresholds() -> str:
    return drift_report.thresholds().markdown()


BLOCKS = {
    ("README.md", "accuracy"): doc_accuracy.accuracy_in_short,
    ("docs/accuracy.md", "accuracy"): doc_accuracy.accuracy,
    ("docs/accuracy.md", "bootstrap"): doc_accuracy.sureness,
    ("docs/accuracy.md", "goals"): doc_goals.goals,
    ("docs/accuracy.md", "coverage"): doc_accuracy.coverage,
    ("docs/accuracy.md", "range-goals"): doc_goals.range_goals,
    ("docs/accuracy.md", "deciles"): doc_accuracy.deciles,
    ("docs/accuracy.md", "missing"): doc_accuracy.missing,
    ("docs/accuracy.md", "likeness"): doc_accuracy.likeness,
    ("docs/accuracy.md", "months"): doc_accuracy.months,
    ("docs/accuracy.md", "index"): doc_accuracy.index,
    ("docs/accuracy.md", "fairness"): doc_accuracy.fairness,
    ("docs/accuracy.md", "splits"): doc_accuracy.splits,
    **{
        ("docs/capacity.md", name): partial(capacity.block, name)
        for name in capacity.BLOCKS
    },
    ("docs/api.md", "fields"): fields,
    ("docs/api.md", "problems"): problems,
    ("docs/gates.md", "gates"): gates,
    ("docs/drift.md", "thresholds"): thresholds,
    ("docs/observability.md", "alerts"): alerts,
    ("docs/operations.md", "metrics"): metric_table,
    ("docs/settings.md", "settings"): settings,
}
