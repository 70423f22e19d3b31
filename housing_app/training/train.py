"""Train a model, judge it on later sales, and describe it in a manifest."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from housing_app.demographics import Demographics
from housing_app.training import dataset, evaluate
from housing_app.training.dataset import Mask, Sales
from housing_app.training.fit import SEED, Fitted, Recipe, Tick, fit, ticks
from housing_app.valuation import features, intervals, predictor, ratios
from housing_app.valuation.artifacts import Manifest
from housing_app.valuation.features import FloatArray, Homes
from housing_app.valuation.intervals import Calibration
from housing_app.valuation.predictor import Predictor

_LIBRARIES = ("numpy", "scipy", "scikit-learn", "lightgbm", "pandas")
_CALIBRATION_DAYS = 60
# For models that are only asked for prices.
_NO_RANGE = Calibration(dict.fromkeys(intervals.LEVELS, (0.0, 0.0)), 0.0)


@dataclass(frozen=True)
class Trainer:
    """Fit one recipe on one file of sales, as often as judging it takes."""

    recipe: Recipe
    name: str
    version: int
    sales: Sales
    demographics: Demographics
    tick: Tick

    def fit(
        self, mask: Mask, calibration: Calibration = _NO_RANGE
    ) -> tuple[Predictor, dict[str, bytes]]:
        """Return a model of the masked sales, loaded as a server would load it."""
        sales = self.sales.where(mask)
        fitted = fit(self.recipe, sales, self.demographics, self.tick)
        manifest = describe(
            self.recipe,
            sales,
            fitted,
            calibration,
            name=self.name,
            version=self.version,
        )
        return load_fitted(manifest, fitted.files), fitted.files

    def log_errors(self, model: Predictor, mask: Mask) -> FloatArray:
        """Return log(sale price / valuation) of the masked sales."""
        sales = self.sales.where(mask)
        prices, _, _ = evaluate.predict(model, sales, self.demographics)
        return np.asarray(np.log(sales.prices / prices))

    def accuracy(self, model: Predictor, mask: Mask) -> dict[str, Any]:
        """Return the model's overall figures on the masked sales."""
        sales = self.sales.where(mask)
        prices, _, _ = evaluate.predict(model, sales, self.demographics)
        return ratios.accuracy(sales.prices, prices)

    def judge(self, cut: date) -> tuple[dict[str, Any], Calibration]:
        """Report on the sales after the cut; return ranges calibrated on them too.

        The ranges reported on come from the two months before the cut, as an honest
        forecaster would have had to make them.
        """
        known = dataset.before(self.sales, cut)
        early = dataset.before(self.sales, cut - timedelta(days=_CALIBRATION_DAYS))
        calibrating, _ = self.fit(early)
        errors = self.log_errors(calibrating, known & ~early)
        calibration = intervals.calibrate(errors, np.ones(len(errors)))
        judged, _ = self.fit(known, calibration)
        report = evaluate.report(judged, self.sales.where(~known), self.demographics)
        latest = self.log_errors(judged, ~known)
        figures = {"cut": cut.isoformat(), "train_rows": int(known.sum())} | report
        return figures, intervals.calibrate(latest, np.ones(len(latest)))


def load_fitted(manifest: Manifest, files: Mapping[str, bytes]) -> Predictor:
    """Return a fitted model loaded as a server would load it, golden rows apart."""
    with tempfile.TemporaryDirectory() as root:
        for name, content in files.items():
            (Path(root) / name).write_bytes(content)
        return predictor.assemble(Path(root), manifest)


def describe(
    recipe: Recipe,
    sales: Sales,
    fitted: Fitted,
    calibration: Calibration = _NO_RANGE,
    *,
    name: str,
    version: int,
) -> Manifest:
    """Return the manifest of a fitted model, without metrics and golden rows."""
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
        },
        valuation_date=last.isoformat(),
        model=fitted.model,
        fill=fitted.fill,
        ranges=_ranges(sales),
        zipcodes=fitted.area,
        interval=calibration.to_json(),
        metrics={},
        libraries={name: metadata.version(name) for name in _LIBRARIES},
    )


def with_golden(
    model: Predictor, examples: Homes, demographics: Demographics
) -> list[dict[str, Any]]:
    """Return golden rows for a manifest: the example homes and their answers."""
    joined = demographics.join(examples.zipcodes, model.demographics)
    return predictor.golden_rows(model, examples, joined)


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
) -> tuple[Manifest, dict[str, bytes]]:
    """Fit on all sales; report what the same recipe did on sales after `cut`.

    Four fits: one to calibrate ranges before the cut, one to judge at the cut, one on
    a random split, one to ship, whose ranges are calibrated on the sales after the
    cut. With `reference_split` the shipped fit sees three quarters of the sales, chosen
    as scikit-learn's `train_test_split(random_state=42)` does.
    """
    dataset.check_cut(sales, cut, _CALIBRATION_DAYS)
    steps = 4 * ticks(recipe, sales)
    with tqdm(total=steps, desc=f"train {name}", unit="step", disable=None) as bar:
        trainer = Trainer(recipe, name, version, sales, demographics, bar.update)
        out_of_time, calibration = trainer.judge(cut)
        held = dataset.random_holdout(sales)
        at_random, _ = trainer.fit(~held)
        used = np.full(len(sales), True)
        if reference_split:
            used = dataset.reference_split(len(sales))
        final, files = trainer.fit(used, calibration)
    metrics = {
        "out_of_time": out_of_time,
        "random_split": trainer.accuracy(at_random, held),
    }
    if reference_split:
        metrics["reference_split"] = trainer.accuracy(final, ~used)
    golden = with_golden(final, examples, demographics)
    return replace(final.manifest, metrics=metrics, golden=golden), files


def _ranges(sales: Sales) -> dict[str, list[float]]:
    """Return where all but 0.1 % of the homes lie at each end, per field."""
    ends = np.nanquantile(sales.homes.values, [0.001, 0.999], axis=0)
    return {
        name: [round(float(end), 3) for end in ends[:, i]]
        for i, name in enumerate(features.NAMES)
    }
