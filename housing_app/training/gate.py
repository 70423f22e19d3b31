"""Hold a candidate to `GATES`, beside the champion it would replace."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import numpy as np

from housing_app.demographics import Demographics
from housing_app.training.compare import Pair
from housing_app.training.criteria import BY_KEY, GATES, Gate
from housing_app.training.evaluate import Figures
from housing_app.training.evidence import Evidence
from housing_app.training.tables import Table
from housing_app.valuation import golden, intervals
from housing_app.valuation.artifacts import Manifest
from housing_app.valuation.predictor import Predictor

# A candidate's value and the champion's; None where there is none.
Values = tuple[float | None, float | None]


def judge(
    pair: Pair,
    evidence: Evidence,
    costs: Mapping[str, Values],
    demographics: Demographics,
    now: datetime,
) -> dict[str, Any]:
    """Return the record of a gate: every criterion, and whether all are passed."""
    ours, theirs = (_figures_of(figures) for figures in evidence.figures)
    values: dict[str, Values] = {key: (ours[key], theirs[key]) for key in ours}
    values["faults"] = (0, 0)  # both were loaded
    values["likeness"] = (_likeness(*pair, demographics), None)
    widths = [figures["coverage"]["0.9"]["relative_width"] for figures in
              evidence.figures]  # fmt: skip
    values["width"] = (widths[0] / widths[1], None)
    values["paired"] = (evidence.paired["low"] if evidence.paired else None, None)
    figures = evidence.figures[0]
    about = {
        "way": evidence.way,
        "sales": figures["overall"]["n"],
        "from": figures["from"],
        "to": figures["to"],
        "sales_sha256": evidence.sales_sha256,
    }
    values |= dict(costs)
    rows = [
        _row(
            gate,
            values.get(gate.key, (None, None)),
            evidence.chances.get(gate.key, 0.0),
        )
        for gate in GATES
    ]
    return _record((pair[0].manifest, pair[1].manifest), now, rows, about)


def unsound(
    candidate: Manifest, champion: Manifest, why: str, now: datetime
) -> dict[str, Any]:
    """Return the record of a candidate that cannot be loaded."""
    rows = [
        _row(gate, (1, 0) if gate.key == "faults" else (None, None), 0.0)
        for gate in GATES
    ]
    return _record((candidate, champion), now, rows, {"way": why})


def _record(
    manifests: tuple[Manifest, Manifest],
    now: datetime,
    rows: list[dict[str, Any]],
    about: dict[str, Any],
) -> dict[str, Any]:
    optional = {gate.key for gate in GATES if gate.optional}
    candidate, champion = manifests
    return {
        "candidate": {"id": candidate.id, "digest": candidate.digest},
        "champion": {"id": champion.id, "digest": champion.digest},
        "slot": candidate.slot,
        "date": now.isoformat(timespec="seconds"),
        **about,
        "rows": rows,
        "passed": all(
            row["passed"] or (row["passed"] is None and row["gate"] in optional)
            for row in rows
        ),
    }


def _row(gate: Gate, values: Values, chance: float) -> dict[str, Any]:
    value, champion = values
    passed = None if value is None else bool(gate.passes(value, champion, chance))
    return {
        "gate": gate.key,
        "name": gate.name,
        "value": None if value is None else round(float(value), 4),
        "champion": None if champion is None else round(float(champion), 4),
        "chance": chance,
        "threshold": gate.threshold,
        "passed": passed,
        "why": gate.optional if value is None and gate.optional else gate.why,
    }


def _figures_of(figures: Figures) -> dict[str, float | None]:
    """Return one model's value of each criterion that is about its figures."""
    names = ("mdape", "ppe10", "ppe20", "bias", "cod", "prd", "prb")
    found: dict[str, float | None] = {name: figures["overall"][name] for name in names}
    count = figures["overall"]["n"]
    for level in intervals.LEVELS:
        found[f"coverage_{level}"] = _miss(figures["coverage"], level, count, 2)
        found[f"decile_{level}"] = max(
            _miss(decile["coverage"], level, decile["n"], 3)
            for decile in figures["by_decile"]
        )
    errors = np.array([zipcode["bias"] for zipcode in figures["by_zipcode"].values()])
    found["zipcode"] = float(np.abs(errors).max()) if errors.size else None
    found["zipcodes"] = float(errors.std()) if errors.size else None
    found["thirds"] = _thirds(figures["by_decile"])
    return found


def _miss(coverage: Figures, level: float, count: int, errors: int) -> float:
    """Return how far a coverage is from the stated one, but for standard errors."""
    chance = errors * np.sqrt(level * (1 - level) / count)
    away = abs(coverage[str(level)]["achieved"] - level)
    return float(max(away - chance, 0.0))


def _thirds(deciles: list[Figures]) -> float | None:
    """Return the worst of three price classes' errors: means over their deciles."""
    if len(deciles) < 10:
        return None
    parts = (deciles[:3], deciles[3:7], deciles[7:])
    return max(abs(float(np.mean([d["bias"] for d in part]))) for part in parts)


def _likeness(
    candidate: Predictor, champion: Predictor, demographics: Demographics
) -> float:
    """Return the farthest ratio of both prices of the champion's golden homes."""
    homes, _ = golden.inputs(champion.manifest)
    known = ~np.isnan(homes.values).all(axis=1)
    prices = [
        model.value(homes, demographics.join(homes.zipcodes, model.demographics)).prices
        for model in (candidate, champion)
    ]
    apart = np.abs(np.log(prices[0] / prices[1]))[known]
    return float(np.exp(apart.max()))


_WORDS = {True: "yes", False: "NO", None: "not judged"}


def table(record: dict[str, Any]) -> Table:
    """Return a gate's criteria, and below them what came of it."""
    rows = [
        (
            row["name"],
            row["threshold"],
            BY_KEY[row["gate"]].shown(row["value"]),
            BY_KEY[row["gate"]].shown(row["champion"]),
            _WORDS[row["passed"]],
        )
        for row in record["rows"]
    ]
    ours, theirs = (record[name]["id"] for name in ("candidate", "champion"))
    head = ("Criterion", "Passes", ours, theirs, "Passed")
    title = f"Not judged: {record['way']}."
    if "sales" in record:
        span = f"{record['from']} to {record['to']}"
        title = f"Judged: {record['way']}.\n{record['sales']:,} sales, {span}."
    notes = [
        f"{row['name']}: {_WORDS[row['passed']]}; {row['why']}."
        for row in record["rows"]
        if not row["passed"] and (row["passed"] is False or "sales" in record)
    ]
    verdict = "passed" if record["passed"] else "FAILED"
    notes.append(f"{ours} {verdict} the gate against {theirs}.")
    return Table(title, head, rows, "\n".join(notes), words=2)
