"""Compare two artifacts on sales that neither has seen.

A shipped artifact has seen every sale it was trained on, so there are three ways:
what both manifests say, where they were judged on the same sales; both artifacts as
they are, on sales later than both training windows; or both recipes fitted again on
the sales before a cut, and judged on those after it.
"""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import numpy as np
from tqdm import tqdm

from housing_app.demographics import Demographics
from housing_app.training import dataset, evaluate, significance
from housing_app.training.dataset import Mask, Sales, SalesError
from housing_app.training.evaluate import Figures
from housing_app.training.fit import recipe_of, ticks
from housing_app.training.recipes import KINDS, Recipe
from housing_app.training.tables import MEASURES, Table, number, percent
from housing_app.training.train import CALIBRATION_DAYS, Trainer, calibrated
from housing_app.valuation import intervals
from housing_app.valuation.artifacts import Manifest
from housing_app.valuation.predictor import Predictor

MIN_SALES = 100  # later ones; fewer cannot tell two good models apart
_LIKELY = 0.05
Pair = tuple[Predictor, Predictor]


def stored(a: Manifest, b: Manifest) -> Figures | None:
    """Return both manifests' figures, None where they judge different sales."""
    ours, theirs = (manifest.metrics["out_of_time"] for manifest in (a, b))
    keys = ("cut", "from", "to", "train_rows")
    same = "cut" in ours and all(ours[key] == theirs.get(key) for key in keys)
    if not same or a.training["sha256"] != b.training["sha256"]:
        return None
    return _beside((a.id, b.id), ours, theirs) | {"cut": ours["cut"]}


def as_shipped(pair: Pair, sales: Sales, demographics: Demographics) -> Figures:
    """Compare the artifacts as they are, on sales after both training windows."""
    later = after(pair, sales)
    if later.sum() < MIN_SALES:
        last = max(model.manifest.training["to"] for model in pair)
        raise SalesError(
            f"{later.sum()} sales are later than {last}, where a model's training "
            f"ends; {MIN_SALES} are needed. Give later sales, or --cut DATE to fit "
            "both models again on the sales before that day"
        )
    return _judged(pair, sales.where(later), demographics)


def after(models: Sequence[Predictor], sales: Sales) -> Mask:
    """Return which sales are later than all that the models learned from."""
    last = max(model.manifest.training["to"] for model in models)
    return np.asarray(sales.homes.days > date.fromisoformat(last).toordinal())


def refitted(
    pair: Pair,
    sales: Sales,
    demographics: Demographics,
    cut: date,
    trees: int | None = None,
) -> Figures:
    """Fit both recipes on the sales before the cut and compare them on those after."""
    dataset.check_cut(sales, cut, CALIBRATION_DAYS)
    recipes = [_recipe(model.manifest, trees) for model in pair]
    if recipes[0] == recipes[1]:
        names = " and ".join(model.manifest.id for model in pair)
        raise SalesError(f"{names} have one recipe: fitted again they are the same")
    ours, theirs = fitted_before(cut, pair, sales, demographics, trees)
    known = dataset.before(sales, cut)
    found = _judged((ours, theirs), sales.where(~known), demographics)
    return found | {"cut": cut.isoformat(), "train_rows": int(known.sum())}


def fitted_before(
    cut: date,
    models: Sequence[Predictor],
    sales: Sales,
    demographics: Demographics,
    trees: int | None = None,
) -> list[Predictor]:
    """Fit the models' recipes again on the sales before the cut, with ranges."""
    recipes = [_recipe(model.manifest, trees) for model in models]
    known = dataset.before(sales, cut)
    early = dataset.before(sales, cut - timedelta(days=CALIBRATION_DAYS))
    steps = 2 * sum(ticks(recipe, sales) for recipe in recipes)
    names = " and ".join(model.manifest.id for model in models)
    with (
        tqdm(total=steps, desc=f"fit {names}", unit="tree", disable=None) as bar,
        ThreadPoolExecutor(os.cpu_count()) as pool,
    ):
        trainers = [
            Trainer(recipe, m.manifest.name, m.manifest.version, sales, demographics,
                    bar.update)
            for recipe, m in zip(recipes, models, strict=True)
        ]  # fmt: skip
        jobs = [(trainer, mask) for trainer in trainers for mask in (known, early)]
        fits = [model for model, _ in pool.map(_fit, jobs)]
    return [
        calibrated(model, trainer.calibrate(earlier, known & ~early))
        for trainer, model, earlier in zip(trainers, fits[::2], fits[1::2], strict=True)
    ]


def _fit(job: tuple[Trainer, Mask]) -> tuple[Predictor, Any]:
    trainer, mask = job
    return trainer.fit(mask)


def _recipe(manifest: Manifest, trees: int | None) -> Recipe:
    if manifest.kind not in KINDS:
        raise SalesError(f"{manifest.id}: kind {manifest.kind} cannot be fitted again")
    recipe = recipe_of(manifest)
    return replace(recipe, trees=trees) if trees else recipe


def _judged(pair: Pair, sales: Sales, demographics: Demographics) -> Figures:
    found = [evaluate.judge(model, sales, demographics) for model in pair]
    first, last = sales.window
    period = {"from": first.isoformat(), "to": last.isoformat()}
    reports = [
        period | {"overall": judged.accuracy, "coverage": judged.coverage}
        for judged in found
    ]
    names = (pair[0].manifest.id, pair[1].manifest.id)
    prices = (found[0].predicted, found[1].predicted)
    paired = significance.paired(sales.prices, *prices)
    return _beside(names, *reports) | {
        "paired": paired,
        "verdict": verdict(names, paired),
    }


def _beside(names: tuple[str, str], ours: Figures, theirs: Figures) -> Figures:
    return {
        "models": list(names),
        "from": ours["from"],
        "to": ours["to"],
        "overall": [ours["overall"], theirs["overall"]],
        "coverage": [ours["coverage"], theirs["coverage"]],
    }


def verdict(names: tuple[str, str], paired: Figures) -> str:
    """Say in words which of two models is better, if that can be told."""
    better, worse = names if paired["difference"] <= 0 else names[::-1]
    size = f"{100 * abs(paired['difference']):.2f} points"
    ends = sorted(abs(paired[end]) for end in ("low", "high"))
    between = f"{100 * ends[0]:.2f} to {100 * ends[1]:.2f}"
    apart = paired["low"] > 0 or paired["high"] < 0
    ranked = paired["wilcoxon"] < _LIKELY
    test = f"Wilcoxon p = {paired['wilcoxon']:.2g}"
    if apart and ranked:
        return (
            f"{better} is better: its median error is {size} lower than {worse}'s "
            f"(95 % interval {between}; {test})."
        )
    if not apart and not ranked:
        unseen = 50 * (paired["high"] - paired["low"])
        return (
            f"No difference can be told on these {paired['n']:,} sales ({test}); one "
            f"of less than about {unseen:.2f} points would not show."
        )
    closer = names[0] if paired["closer"] >= np.float64(0.5) else names[1]
    return (
        f"Undecided: {better} has the lower median error by {size}, and {closer} is "
        f"closer on more homes, but interval and test disagree ({test})."
    )


def title(found: Figures) -> str:
    """Say which sales two models were judged on, and how."""
    how = "as they are"
    if "cut" in found:
        how = f"fitted on sales before {found['cut']}"
    if "paired" not in found:
        how += ", from their manifests"
    count = found["overall"][0]["n"]
    return f"{count:,} sales, {found['from']} to {found['to']}; {how}"


def table(found: Figures) -> Table:
    """Return both models' figures side by side."""
    rows = [
        (name, *(number(key, figures[key]) for figures in found["overall"]))
        for key, name in MEASURES.items()
    ]
    for level in map(str, intervals.LEVELS):
        both = [coverage[level] for coverage in found["coverage"]]
        name = f"In {100 * float(level):.0f} % range"
        rows.append((name, *(percent(x["achieved"]) for x in both)))
    last = str(intervals.LEVELS[-1])
    widths = (
        f"{coverage[last]['relative_width']:.2f}" for coverage in found["coverage"]
    )
    rows.append(("Its width / price", *widths))
    note = ""
    if "paired" in found:
        paired = found["paired"]
        note = (
            f"{found['models'][0]} is closer on {percent(paired['closer'])} of the "
            f"homes (sign test p = {paired['sign_test']:.2g}).\n{found['verdict']}"
        )
    return Table(title(found), ("Measure", *found["models"]), rows, note)
