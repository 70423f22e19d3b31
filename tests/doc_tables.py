"""The tables of the documents, from the code's tables and the manifests."""

import json
from typing import Any

from prometheus_client.metrics import MetricWrapperBase

from housing_app import config, metrics
from housing_app.config import ROOT
from housing_app.valuation import artifacts, features, intervals


def read(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def table(*rows: tuple[str, ...], right: int = 0) -> str:
    """Return a Markdown table; the last `right` columns are numbers."""
    head, *body = rows
    rule = ["---"] * (len(head) - right) + ["---:"] * right
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, rule, *body))


def manifests() -> list[artifacts.Manifest]:
    """Return the served models, champions first."""
    roles = artifacts.read_serving(ROOT / "model").values()
    names = [r[role] for role in ("champion", "fallback") for r in roles if role in r]
    return [artifacts.read_manifest(ROOT / "model" / n) for n in dict.fromkeys(names)]


def reference() -> dict[str, Any]:
    """Return what benchmarks/reference_knn.py printed, as docs/accuracy.md holds it."""
    return json.loads(read("docs/accuracy.md").split("```json\n")[1].split("```")[0])


def judged() -> list[tuple[str, str, dict[str, Any]]]:
    """Return each model's name, fields and overall figures, the reference last."""
    ours = [
        (
            f"`{manifest.id}`",
            str(len(features.slot_features(manifest.slot)) + 1),  # type: ignore[arg-type]
            manifest.metrics["out_of_time"]["overall"],
        )
        for manifest in manifests()
    ]
    return [*ours, ("reference KNN", "8", reference()["overall"])]


def percent(share: float, sign: str = "") -> str:
    return f"{100 * share:{sign}.1f} %".replace("-", "−")


def accuracy_in_short() -> str:
    keys = ("mdape", "ppe10", "ppe20")
    rows = [
        (name, asked, *(percent(f[key]) for key in keys), f"{f['r2']:.3f}")
        for name, asked, f in judged()
    ]
    head = ("Model", "Fields", "Median error", "Within 10 %", "Within 20 %", "R²")
    return table(head, *rows, right=5)


def accuracy() -> str:
    rows = []
    for name, asked, f in judged():
        shares = (percent(f[key]) for key in ("mdape", "ppe10", "ppe20"))
        plain = (f"{f['r2']:.3f}", f"{f['cod']:.1f}", f"{f['prd']:.3f}")
        prb = f"{f['prb']:+.3f}".replace("-", "−")
        rows.append((name, asked, *shares, percent(f["bias"], "+"), *plain, prb))
    head = ("Model", "Fields", "MdAPE", "PPE10", "PPE20", "Bias", "R²", "COD")
    return table((*head, "PRD", "PRB"), *rows, right=9)


def coverage() -> str:
    rows = []
    for manifest in manifests():
        stored = manifest.metrics["out_of_time"]["coverage"]
        found = [stored[str(level)] for level in intervals.LEVELS]
        cells = (
            f"{percent(x['achieved'])}, width {x['relative_width']:.2f}" for x in found
        )
        rows.append((f"`{manifest.id}`", *cells))
    head = ("Model", *(f"{100 * level:.0f} % range" for level in intervals.LEVELS))
    return table(head, *rows, right=len(intervals.LEVELS))


def deciles() -> str:
    rows = []
    for f in manifests()[0].metrics["out_of_time"]["by_decile"]:
        shares = (percent(f[key]) for key in ("mdape", "ppe10", "ppe20"))
        rows.append((str(f["decile"]), str(f["n"]), *shares, percent(f["bias"], "+")))
    return table(("Decile", "n", "MdAPE", "PPE10", "PPE20", "Bias"), *rows, right=6)


def splits() -> str:
    rows = []
    for manifest in manifests():
        later = manifest.metrics["out_of_time"]["overall"]
        both = (later, manifest.metrics["random_split"])
        rows.append((f"`{manifest.id}`", *(percent(found["mdape"]) for found in both)))
    return table(("Model", "Later sales", "Random split"), *rows, right=2)


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


BLOCKS = {
    ("README.md", "accuracy"): accuracy_in_short,
    ("docs/accuracy.md", "accuracy"): accuracy,
    ("docs/accuracy.md", "coverage"): coverage,
    ("docs/accuracy.md", "deciles"): deciles,
    ("docs/accuracy.md", "splits"): splits,
    ("docs/api.md", "fields"): fields,
    ("docs/operations.md", "metrics"): metric_table,
    ("docs/settings.md", "settings"): settings,
}
