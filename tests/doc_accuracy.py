"""The tables of accuracy in the documents, all from the models' manifests."""

import json
from collections.abc import Iterable
from datetime import date
from typing import Any

import numpy as np

from housing_app.config import ROOT
from housing_app.training.tables import PEOPLE, Table, number, percent
from housing_app.valuation import artifacts, features, intervals, market, serving

Figures = dict[str, Any]
MODEL = ROOT / "model"


def table(head: tuple[str, ...], *rows: tuple[str, ...], words: int = 1) -> str:
    return Table("", head, rows, words=words).markdown()


# --- the models -----------------------------------------------------------------------


def manifests() -> list[artifacts.Manifest]:
    """Return the served models, champions first."""
    roles = serving.read(MODEL).roles.values()
    names = [r[role] for role in ("champion", "fallback") for r in roles if role in r]
    return [artifacts.read_manifest(MODEL / name) for name in dict.fromkeys(names)]


def champions() -> list[artifacts.Manifest]:
    names = [roles["champion"] for roles in serving.read(MODEL).roles.values()]
    return [manifest for manifest in manifests() if manifest.id in names]


def reference() -> Figures:
    """Return what benchmarks/reference_knn.py printed, as docs/accuracy.md holds it."""
    return _stored()[0]


def retired() -> Figures:
    """Return what is stored there of the champions before these, by name."""
    return _stored()[1]


def _stored() -> list[Figures]:
    text = (ROOT / "docs" / "accuracy.md").read_text("utf-8")
    return [json.loads(part.split("```")[0]) for part in text.split("```json\n")[1:]]


def previous() -> list[artifacts.Manifest]:
    """Return the shipped models that serve nothing: the recipe before this one."""
    serving = {manifest.id for manifest in manifests()}
    paths = sorted(MODEL.glob("*/" + artifacts.MANIFEST))
    found = [artifacts.read_manifest(path.parent) for path in paths]
    return [manifest for manifest in found if manifest.id not in serving]


def later(manifest: artifacts.Manifest) -> Figures:
    return manifest.metrics["out_of_time"]


def judged() -> list[tuple[str, str, str, Figures]]:
    """Return each model's name, part, fields and overall figures.

    Those of all fields come first, of the same fields the champion, the reference last.
    """
    ours = [(f"`{m.id}`", part, asked(m), later(m)["overall"]) for part, m in shipped()]
    before = [
        (f"`{name}`", PREVIOUS, 18 if "full" in name else 8, figures)
        for name, figures in retired().items()
    ]
    both = sorted([*ours, *before], key=lambda row: (-row[2], PARTS.index(row[1])))
    found = [(name, part, str(count), figures) for name, part, count, figures in both]
    return [*found, ("reference KNN", "reference", "8", reference()["overall"])]


PREVIOUS = "previous champion"
PARTS = ("champion", PREVIOUS, "its recipe today", "baseline")


def shipped() -> list[tuple[str, artifacts.Manifest]]:
    """Return every shipped model and its part, in the order of the tables."""
    found = []
    for manifest in [*manifests(), *previous()]:
        part = PARTS[0] if manifest in champions() else PARTS[2]
        served = manifest in manifests() and part != PARTS[0]
        found.append((PARTS[3] if served else part, manifest))
    return sorted(found, key=lambda pair: (-asked(pair[1]), PARTS.index(pair[0])))


def asked(manifest: artifacts.Manifest) -> int:
    return sum(f.core or manifest.slot == "full" for f in features.FEATURES) + 1


def accuracy_in_short() -> str:
    keys = ("mdape", "ppe10", "ppe20", "cod")
    rows = [
        (name, part, asked, *(number(key, f[key]) for key in keys))
        for name, part, asked, f in judged()
    ]
    head = ("Model", "Part", "Fields", "Median error", "Within 10 %", "Within 20 %")
    return table((*head, "COD"), *rows, words=2)


def accuracy() -> str:
    keys = ("mdape", "ppe10", "ppe20", "bias", "r2", "cod", "prd", "prb")
    rows = [
        (name, asked, *(number(key, f[key]) for key in keys))
        for name, _, asked, f in judged()
    ]
    head = ("Model", "Fields", "MdAPE", "PPE10", "PPE20", "Bias", "R²", "COD")
    return table((*head, "PRD", "PRB"), *rows)


def sureness() -> str:
    """Return the 95 % bootstrap intervals of the figures of `accuracy`."""
    keys = ("mdape", "ppe10", "ppe20", "bias", "cod", "prd", "prb")
    rows = []
    for _, manifest in shipped():
        ends = later(manifest)["bootstrap"]
        cells = (between(key, *ends[key]) for key in keys)
        rows.append((f"`{manifest.id}`", *cells))
    head = ("Model", "MdAPE", "PPE10", "PPE20", "Bias", "COD", "PRD", "PRB")
    return table(head, *rows)


def between(key: str, low: float, high: float) -> str:
    unit = " %" if key in ("mdape", "ppe10", "ppe20", "bias") else ""
    ends = (number(key, end).removesuffix(unit) for end in (low, high))
    return " to ".join(ends) + unit


# --- parts of the sales ---------------------------------------------------------------

LEVELS = tuple(map(str, intervals.LEVELS))
RANGE_HEAD = tuple(f"In {100 * level:.0f} %" for level in intervals.LEVELS)


def inside(figures: Figures) -> tuple[str, ...]:
    """Return the share inside each range, and the width of the widest."""
    found = [figures["coverage"][level] for level in LEVELS]
    width = f"{found[-1]['relative_width']:.2f}"
    return (*(percent(x["achieved"]) for x in found), width)


def segment(first: str, segments: Iterable[tuple[str, Figures]]) -> str:
    keys = ("n", "mdape", "ppe10", "bias")
    rows = [
        (label, *(number(key, f[key]) for key in keys), *inside(f))
        for label, f in segments
    ]
    head = (first, "n", "MdAPE", "PPE10", "Bias", *RANGE_HEAD, "Width of 90 %")
    return table(head, *rows)


def coverage() -> str:
    rows = []
    for _, manifest in shipped():
        stored = later(manifest)["coverage"]
        found = [stored[level] for level in LEVELS]
        cells = (
            f"{percent(x['achieved'])}, width {x['relative_width']:.2f}" for x in found
        )
        rows.append((f"`{manifest.id}`", *cells))
    head = ("Model", *(f"{100 * level:.0f} % range" for level in intervals.LEVELS))
    return table(head, *rows)


def deciles() -> str:
    found = later(manifests()[0])["by_decile"]
    return segment("Decile", [(str(f["decile"]), f) for f in found])


def months() -> str:
    return segment("Month", later(manifests()[0])["by_month"].items())


def missing() -> str:
    rows = [
        (f"`{manifest.id}`, {count} unknown", figures)
        for manifest in champions()
        for count, figures in sorted(
            later(manifest)["by_missing"].items(), key=lambda pair: int(pair[0])
        )
    ]
    return segment("Model", rows)


def likeness() -> str:
    """Return what homes that were flagged are like beside all others."""
    rows = [
        (f"`{manifest.id}`, {name.replace('-', ' ')}", figures)
        for manifest in champions()
        for name, figures in sorted(
            later(manifest)["by_likeness"].items(), reverse=True
        )
    ]
    return segment("Homes", rows)


def fairness() -> str:
    """Return the champion's figures by quartile of what a zipcode's people are like."""
    manifest = manifests()[0]
    rows = []
    for name, quartiles in later(manifest)["fairness"].items():
        label = PEOPLE[name][0]
        beside = manifest.metrics["without_demographics"]["fairness"][name]
        for row, other in zip(quartiles, beside, strict=True):
            cells = (number(key, row[key]) for key in ("n", "mdape", "bias"))
            plain = (number(key, other[key]) for key in ("mdape", "bias"))
            share = percent(row["coverage"]["0.9"]["achieved"])
            rows.append((f"{label}, {row['quartile']}", *cells, share, *plain))
    head = ("Quartile of zipcodes by", "n", "MdAPE", "Bias", "In 90 %")
    return table((*head, "MdAPE without", "Bias without"), *rows)


def splits() -> str:
    rows = []
    for _, manifest in shipped():
        both = (later(manifest)["overall"], manifest.metrics["random_split"])
        rows.append((f"`{manifest.id}`", *(percent(found["mdape"]) for found in both)))
    return table(("Model", "Later sales", "Random split"), *rows)


def index() -> str:
    """Return the price indices of the champions, and what they make of some days."""
    found = {m.id: m.model["index"] for m in champions()}
    home = date.fromisoformat(champions()[0].valuation_date)

    def moved(day: date) -> list[str]:
        days = np.array([day.toordinal(), home.toordinal()], dtype=float)
        logs = (market.index(days, i["trend"], i["season"]) for i in found.values())
        return [percent(float(np.exp(log[0] - log[1])) - 1, "+") for log in logs]

    def stored(key: str) -> list[str]:
        return [f"{100 * i[key]:+.2f} %".replace("-", "−") for i in found.values()]

    rows = [
        ("Trend, a month", *stored("trend")),
        ("Mid June above the year's mean", *stored("season")),
        ("Level of the latest sales", *stored("level")),
        *((f"{day:%-d %B %Y} against {home:%-d %B %Y}", *moved(day)) for day in DAYS),
    ]
    return table(("", *(f"`{name}`" for name in found)), *rows)


DAYS = (date(2014, 6, 15), date(2014, 12, 15), date(2015, 2, 28), date(2015, 6, 15))
