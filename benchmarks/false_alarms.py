"""How often drift reports warn for nothing, and which drifts they find.

`PYTHONPATH=. python benchmarks/false_alarms.py --sales FILE --reports 1000`

Each report without drift has a split of the sales of its own: one half is the
reference, homes are drawn from the other (without replacement, as two samples of one
county would be). Errors of valuations are drawn, too.
"""

import argparse
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from housing_app import demographics
from housing_app.config import ROOT
from housing_app.training import dataset, drift, drift_reference, significance
from housing_app.training.drift import Asked
from housing_app.training.drift_checks import Sold
from housing_app.training.drift_thresholds import FALSE_ALARMS
from housing_app.valuation import features, loading, ratios
from housing_app.valuation.artifacts import Manifest

HOMES = (200, 500, 2_000)
OUTCOMES = 200
POSITION = features.POSITION
NOTHING = Sold(*np.zeros((5, 0)))
rng = np.random.default_rng(2026)
# Errors with tails about as long as those of later sales.
ERRORS = rng.standard_t(4, 3_404) * 0.085
ENDS = np.exp(np.quantile(ERRORS, [0.05, 0.95]))
Change = Callable[[Asked], Asked]


def taken(whole: Asked, rows: np.ndarray) -> Asked:
    """Return some of the homes."""
    return Asked(
        whole.values[rows],
        [whole.zipcodes[i] for i in rows],
        whole.prices[rows],
        [whole.warnings[i] for i in rows],
    )


def sold(errors: np.ndarray) -> Sold:
    """Return sales whose valuations were off by so much."""
    prices = np.full(len(errors), 5e5)
    ranges = prices / ENDS[1], prices / ENDS[0]
    return Sold(prices * np.exp(-errors), prices, *ranges, np.full(len(errors), 0.9))


def manifest_of(manifest: Manifest) -> Manifest:
    """Return a manifest whose later sales erred as ERRORS do."""
    found = sold(ERRORS)
    inside = (found.lows <= found.sold) & (found.sold <= found.highs)
    later = {
        "overall": ratios.accuracy(found.sold, found.prices),
        "coverage": {"0.9": {"achieved": float(inside.mean())}},
    }
    return replace(manifest, metrics=manifest.metrics | {"out_of_time": later})


def false_alarms(manifest: Manifest, whole: Asked, reports: int) -> None:
    """Print how many reports without drift warn, by how many homes they have."""
    asked = [f.name for f in features.slot_features(manifest.slot)]
    print("| Homes | Reports | Checks | Warn | of these alarm | Chance alone |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: |")
    for n in HOMES:
        verdicts, unlikely = Counter(), 0
        for _ in tqdm(range(reports), desc=f"{n} homes", disable=None):
            known, others = np.array_split(rng.permutation(len(whole.prices)), 2)
            reference = drift_reference.of_answers(
                taken(whole, known), asked, manifest.zipcodes
            )
            homes = taken(whole, rng.choice(others, n, replace=False))
            found = drift.report(
                replace(manifest, reference=reference),
                manifest.slot,
                homes,
                sold(rng.standard_t(4, OUTCOMES) * 0.085),
            )
            made = [one["p"] for one in found["checks"] if one["value"] is not None]
            verdicts[found["verdict"]] += 1
            unlikely += min(made) * len(made) <= FALSE_ALARMS
        warn = reports - verdicts["quiet"]
        alarm = verdicts["alarm"]
        cells = (f"{n:,}", f"{reports:,}", len(made), warn, alarm, unlikely)
        print(f"| {' | '.join(map(str, cells))} |", flush=True)


def changed(name: str, share: float, change: Callable) -> Change:
    """Return what changes a field of a share of the homes."""

    def apply(asked: Asked) -> Asked:
        values = asked.values.copy()
        rows = rng.random(len(values)) < share
        values[rows, POSITION[name]] = change(values[rows, POSITION[name]])
        return asked._replace(values=values)

    return apply


def elsewhere(share: float) -> Change:
    def apply(asked: Asked) -> Asked:
        away = rng.random(len(asked.prices)) < share
        pairs = zip(away, asked.zipcodes, strict=True)
        return asked._replace(zipcodes=["10001" if is_ else z for is_, z in pairs])

    return apply


def warned(share: float) -> Change:
    def apply(asked: Asked) -> Asked:
        more = rng.random(len(asked.prices)) < share
        pairs = zip(more, asked.warnings, strict=True)
        return asked._replace(warnings=[["one"] if is_ else w for is_, w in pairs])

    return apply


def dearer(factor: float) -> Change:
    return lambda asked: asked._replace(prices=asked.prices * factor)


def injected() -> Iterator[tuple[str, str, Change]]:
    """Yield drifts: what they are, the field that they are of, what they do."""
    for share in (0.1, 0.2, 0.4):
        name = f"{share:.0%} of the homes in square metres"
        metres = changed("sqft_living", share, lambda v: 0.0929 * v)
        yield name, "sqft_living", metres
    for share in (0.2, 0.5):
        more = changed("grade", share, lambda v: v + 1)
        yield f"grade one higher in {share:.0%}", "grade", more
    for share in (0.08, 0.2):
        unknown = changed("grade", share, lambda v: v * np.nan)
        yield f"grade unknown in {share:.0%}", "grade", unknown
    for share in (0.04, 0.15):
        yield f"{share:.0%} in unseen zipcodes", "zipcode", elsewhere(share)
    for share in (0.15, 0.35):
        yield f"{share:.0%} more answers with warnings", "", warned(share)
    for factor in (1.1, 1.2, 1.4):
        yield f"prices {factor - 1:.0%} higher", "price", dearer(factor)


def found_of(manifest: Manifest, whole: Asked, reports: int) -> None:
    """Print which drifts are found, by how many homes a report has."""
    print(f"| Injected | {' | '.join(f'{n:,} homes' for n in HOMES)} |")
    print(f"| --- |{' ---: |' * len(HOMES)}")
    for name, field, change in injected():
        cells = []
        for n in HOMES:
            levels = Counter()
            for _ in range(reports):
                homes = change(taken(whole, rng.integers(0, len(whole.prices), n)))
                report = drift.report(manifest, manifest.slot, homes, NOTHING)
                loud = [
                    one["level"]
                    for one in report["checks"]
                    if one["field"] == field and one["level"] in ("warning", "alarm")
                ]
                levels["found"] += bool(loud)
                levels["alarm"] += "alarm" in loud
            found, alarm = (levels[key] / reports for key in ("found", "alarm"))
            cells.append(f"{found:.0%} ({alarm:.0%})")
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


def worse(manifest: Manifest, whole: Asked, reports: int) -> None:
    """Print which changes of accuracy are found, by how many sales were reported."""
    sizes = (100, 400, 1_600)
    homes = taken(whole, rng.integers(0, len(whole.prices), 200))
    changes = {
        "valued 4 % higher": (1.0, 0.04),
        "valued 8 % higher": (1.0, 0.08),
        "errors a third larger": (1.33, 0.0),
        "errors two thirds larger": (1.67, 0.0),
    }
    print(f"| Injected | {' | '.join(f'{n:,} sales' for n in sizes)} |")
    print(f"| --- |{' ---: |' * len(sizes)}")
    for name, (factor, shift) in changes.items():
        cells = []
        for n in sizes:
            levels = Counter()
            for _ in range(reports):
                errors = factor * rng.standard_t(4, n) * 0.085 + shift
                report = drift.report(manifest, manifest.slot, homes, sold(errors))
                loud = {o["level"] for o in report["checks"] if o["ends"]}
                levels["found"] += bool(loud & {"warning", "alarm"})
                levels["alarm"] += "alarm" in loud
            found, alarm = (levels[key] / reports for key in ("found", "alarm"))
            cells.append(f"{found:.0%} ({alarm:.0%})")
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--sales", type=Path, required=True)
    parser.add_argument("--model", default="catboost-full-1")
    parser.add_argument("--reports", type=int, default=1_000)
    options = parser.parse_args()
    significance.DRAWS = 200  # no verdict rests on them
    sales = dataset.read(options.sales)
    model = loading.load(ROOT / "model" / options.model)
    joined = demographics.load(ROOT / "data" / "zipcode_demographics.csv")
    whole = drift_reference.answers(model, sales, joined)
    manifest = manifest_of(model.manifest)
    false_alarms(manifest, whole, options.reports)
    print()
    some = max(1, options.reports // 10)
    found_of(manifest, whole, some)
    print()
    worse(manifest, whole, some)


if __name__ == "__main__":
    main()
