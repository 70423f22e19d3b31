"""Train a model, judge it on later sales, and describe it in a manifest."""

import os
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import date, timedelta
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from housing_app.demographics import Demographics
from housing_app.training import dataset, drift_reference, evaluate, significance
from housing_app.training.dataset import Mask, Sales
from housing_app.training.evaluate import Figures, Judged
from housing_app.training.fit import fit, ticks
from housing_app.training.recipes import SEED, Fitted, Recipe, Tick
from housing_app.valuation import (
    features,
    intervals,
    loading,
    ratios,
)
from housing_app.valuation.artifacts import Manifest
from housing_app.valuation.features import Homes
from housing_app.valuation.intervals import Calibration
from housing_app.valuation.predictor import Predictor

_LIBRARIES = ("numpy", "scipy", "scikit-learn", "lightgbm", "catboost", "pandas")
CALIBRATION_DAYS = 61
# Homes with that many random fields unknown stand for those with at least so many.
_MISSING_GROUPS = {0: 0, 1: 1, 3: 2, 10: 6}
# The index and the level of the latest sales may see the same rise twice.
_MAX_LEVEL = 0.0075
# For models that are only asked for prices.
_NO_RANGE = Calibration(
    [intervals.Group(0, dict.fromkeys(intervals.LEVELS, (0.0, 0.0)), 0.0)]
)


class Trained(NamedTuple):
    """Hold a new artifact, and the model it is judged by.

    judged: the same recipe fitted on the sales before the cut, as the figures are of.
    """

    manifest: Manifest
    files: dict[str, bytes]
    judged: Predictor


class Ranges(NamedTuple):
    """Hold what recent sales say of a model's errors."""

    calibration: Calibration
    bands: intervals.Bands
    level: float


@dataclass(frozen=True)
class Trainer:
    """Fit one recipe on one file of sales, as often as judging it takes."""

    recipe: Recipe
    name: str
    version: int
    sales: Sales
    demographics: Demographics
    tick: Tick

    def fit(self, mask: Mask) -> tuple[Predictor, dict[str, bytes]]:
        """Return a model of the masked sales, without ranges."""
        sales = self.sales.where(mask)
        fitted = fit(self.recipe, sales, self.demographics, self.tick)
        manifest = describe(
            self.recipe, sales, fitted, name=self.name, version=self.version,
            demographics=self.demographics.digest,
        )  # fmt: skip
        return load_fitted(manifest, fitted.files), fitted.files

    def calibrate(self, model: Predictor, mask: Mask) -> Ranges:
        """Return ranges, and the market's level, from sales the model has not seen.

        The level is the recent median error, where the model has a price index.
        """
        sales = self.sales.where(mask)
        joined = self.demographics.join(sales.homes.zipcodes, model.demographics)
        level, groups = 0.0, []
        bands = intervals.EVEN
        for missing, homes in evaluate.with_unknown(sales.homes, self.recipe.slot):
            counts = np.full(len(sales), float(missing))
            found = model.estimate(homes, joined, counts)
            errors = np.log(sales.prices) - found.log_prices
            if missing == 0:
                if "index" in model.manifest.model:
                    level = float(np.clip(np.median(errors), -_MAX_LEVEL, _MAX_LEVEL))
                bands = intervals.bands(
                    errors - level, found.spreads, found.base_log_prices
                )
            spreads = found.spreads * bands.factors_at(found.base_log_prices)
            start = _MISSING_GROUPS[missing]
            groups.append(intervals.calibrate(errors - level, spreads, start))
        return Ranges(Calibration(intervals.widening(groups)), bands, level)

    def accuracy(self, model: Predictor, mask: Mask) -> Figures:
        """Return the model's overall figures on the masked sales."""
        sales = self.sales.where(mask)
        prices, _, _ = evaluate.predict(model, sales, self.demographics)
        return ratios.accuracy(sales.prices, prices)

    @property
    def plain(self) -> "Trainer":
        """Return the trainer of the same recipe without demographics."""
        return replace(self, recipe=replace(self.recipe, without_demographics=True))

    def beside(self, model: Predictor, plain: Predictor, mask: Mask) -> Figures:
        """Return the plain model's figures beside the model's, on the masked sales."""
        sales = self.sales.where(mask)
        ours, theirs = (
            evaluate.predict(m, sales, self.demographics)[0] for m in (model, plain)
        )
        judged = Judged(sales, theirs, {})
        return {
            "overall": judged.accuracy,
            "fairness": evaluate.fairness(judged, self.demographics),
            "paired": significance.paired(sales.prices, ours, theirs),
        }


def calibrated(model: Predictor, ranges: Ranges) -> Predictor:
    """Return a model with ranges and the level of the market."""
    options = model.manifest.model | {"bands": ranges.bands.to_json()}
    if "index" in options:
        options = options | {"index": options["index"] | {"level": ranges.level}}
    interval = ranges.calibration.to_json()
    manifest = replace(model.manifest, interval=interval, model=options)
    return replace(model, manifest=manifest, calibration=ranges.calibration)


def load_fitted(manifest: Manifest, files: Mapping[str, bytes]) -> Predictor:
    """Return a fitted model loaded as a server would load it, golden rows apart."""
    with tempfile.TemporaryDirectory() as root:
        for name, content in files.items():
            (Path(root) / name).write_bytes(content)
        return loading.assemble(Path(root), manifest)


def describe(
    recipe: Recipe,
    sales: Sales,
    fitted: Fitted,
    *,
    name: str,
    version: int,
    demographics: str,
) -> Manifest:
    """Return the manifest of a fitted model, without metrics and golden rows.

    demographics: the SHA-256 of what was joined.
    """
    first, last = sales.window
    return Manifest(
        name=name,
        version=version,
        kind=recipe.kind,
        slot=recipe.slot,
        features=recipe.features,
        demographics=fitted.demographics,
        training={
            "from": first.isoformat(),
            "to": last.isoformat(),
            "rows": len(sales),
            "sha256": sales.sha256,
            "seed": SEED,
            "demographics_sha256": demographics,
            "recipe": recipe.to_json(),
        },
        valuation_date=last.isoformat(),
        model=fitted.model,
        fill=fitted.fill,
        ranges=_ranges(sales),
        zipcodes=fitted.area,
        interval=_NO_RANGE.to_json(),
        metrics={},
        libraries=_versions(),
    )


def with_golden(
    model: Predictor, examples: Homes, demographics: Demographics
) -> list[dict[str, Any]]:
    """Return golden rows for a manifest: the example homes and their answers.

    The last is a home of which nothing but its zipcode is known.
    """
    unknown = np.full((1, len(features.NAMES)), np.nan)
    examples = Homes(
        np.vstack([examples.values, unknown]),
        [*examples.zipcodes, examples.zipcodes[0]],
        np.append(examples.days, examples.days[-1]),
    )
    joined = demographics.join(examples.zipcodes, model.demographics)
    return loading.golden_rows(model, examples, joined)


def train(
    recipe: Recipe,
    sales: Sales,
    demographics: Demographics,
    examples: Homes,
    *,
    name: str,
    version: int,
    cut: date,
    reference_split: bool = False,
) -> Trained:
    """Fit on all sales; report what the same recipe did on sales after `cut`.

    Four fits: one to calibrate ranges before the cut, one to judge at the cut, one on
    a random split, one to ship, whose ranges are calibrated on the sales after the
    cut. A fifth, unless the recipe names its columns, shows what the figures would be
    without demographics. With `reference_split` the shipped fit sees three quarters of
    the sales, chosen as scikit-learn's `train_test_split(random_state=42)` does.
    """
    dataset.check_cut(sales, cut, CALIBRATION_DAYS)
    known = dataset.before(sales, cut)
    early = dataset.before(sales, cut - timedelta(days=CALIBRATION_DAYS))
    held = dataset.random_holdout(sales)
    shipped = np.full(len(sales), True)
    if reference_split:
        shipped = dataset.reference_split(len(sales))
    challenged = recipe.columns is None and not recipe.without_demographics
    steps = (4 + challenged) * ticks(recipe, sales)
    with (
        tqdm(total=steps, desc=f"train {name}", unit="tree", disable=None) as bar,
        # Threads: the fits run in compiled code, one core each.
        ThreadPoolExecutor(os.cpu_count()) as pool,
    ):
        trainer = Trainer(recipe, name, version, sales, demographics, bar.update)
        fits = pool.map(trainer.fit, (shipped, known, early, ~held))
        plain = pool.submit(trainer.plain.fit, known) if challenged else None
        (final, files), (judged, _), (calibrating, _), (at_random, _) = fits
    # Ranges that are judged come from before the cut, as a forecaster's must.
    ranges = trainer.calibrate(calibrating, known & ~early)
    latest = trainer.calibrate(judged, ~known)
    judged = calibrated(judged, ranges)
    report = evaluate.report(judged, sales.where(~known), demographics)
    metrics = {
        "out_of_time": {"cut": cut.isoformat(), "train_rows": int(known.sum())}
        | report,
        "random_split": trainer.accuracy(at_random, held),
        "importance": evaluate.importance(final, sales.where(shipped), demographics),
    }
    if plain:
        # The market's level is not the demographics' doing: both get the same.
        rival = calibrated(plain.result()[0], ranges)
        metrics["without_demographics"] = trainer.beside(judged, rival, ~known)
    if reference_split:
        metrics["reference_split"] = trainer.accuracy(final, ~shipped)
    final = calibrated(final, latest)
    golden = with_golden(final, examples, demographics)
    reference = drift_reference.of(final, sales.where(shipped), demographics)
    told: dict[str, Any] = {
        "metrics": metrics,
        "golden": golden,
        "reference": reference,
    }
    return Trained(replace(final.manifest, **told), files, judged)


def _ranges(sales: Sales) -> dict[str, list[float]]:
    """Return where all but 0.1 % of the homes lie at each end, per field."""
    ends = np.nanquantile(sales.homes.values, [0.001, 0.999], axis=0)
    return {
        name: [round(float(end), 3) for end in ends[:, i]]
        for i, name in enumerate(features.NAMES)
    }


def _versions() -> dict[str, str]:
    installed = {dist.name.lower(): dist.version for dist in metadata.distributions()}
    return {name: installed[name] for name in _LIBRARIES if name in installed}
