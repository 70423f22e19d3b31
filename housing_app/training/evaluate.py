"""Measure a model on sales it has not seen."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt

from housing_app.demographics import Demographics
from housing_app.training import significance
from housing_app.training.dataset import Mask, Sales
from housing_app.valuation import explanations, features, intervals, ratios
from housing_app.valuation.features import FloatArray, Homes, Slot
from housing_app.valuation.predictor import Details, Predictor

_MIN_ZIPCODE_SALES, _MIN_SALES = 30, 5
MISSING = (0, 1, 3, 10)  # fields unknown
# What the people of a zipcode are like; errors should not depend on it.
FAIRNESS = ("median_household_income", "pct_white")
_EXPLAINED = 2000  # training homes; more would not change the mean of their reasons

Figures = dict[str, Any]
Tick = Callable[[int], object]


@dataclass(frozen=True)
class Judged:
    """Hold sales, and the prices and ranges a model gave their homes."""

    sales: Sales
    predicted: FloatArray
    ranges: Mapping[float, tuple[FloatArray, FloatArray]]  # by level

    def where(self, mask: Mask) -> "Judged":
        """Return the sales the mask selects."""
        ranges = {k: (low[mask], high[mask]) for k, (low, high) in self.ranges.items()}
        return Judged(self.sales.where(mask), self.predicted[mask], ranges)

    @property
    def accuracy(self) -> Figures:
        """Return every figure of the prices."""
        return ratios.accuracy(self.sales.prices, self.predicted)

    @property
    def coverage(self) -> dict[str, dict[str, float]]:
        """Return for each level the share of prices inside, and the median width."""
        found = {}
        for level, (low, high) in self.ranges.items():
            inside = (low <= self.sales.prices) & (self.sales.prices <= high)
            width = np.median((high - low) / self.predicted)
            found[str(level)] = {
                "achieved": round(float(inside.mean()), 4),
                "relative_width": round(float(width), 4),
            }
        return found

    @property
    def figures(self) -> Figures:
        """Return accuracy, and coverage where there are ranges."""
        return self.accuracy | ({"coverage": self.coverage} if self.ranges else {})

    def by(
        self, labels: npt.NDArray[Any], least: int = _MIN_SALES
    ) -> dict[Any, Figures]:
        """Return the figures of each label that has `least` sales, in order."""
        names, counts = np.unique(labels, return_counts=True)
        kept = names[counts >= least].tolist()
        return {name: self.where(labels == name).figures for name in kept}


def predict(
    predictor: Predictor, sales: Sales, demographics: Demographics, level: float = 0.9
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Value each sale's home at its sale date: prices, lows, highs."""
    joined = demographics.join(sales.homes.zipcodes, predictor.demographics)
    answers = predictor.value(sales.homes, joined, Details(level))
    return answers.prices, answers.lows, answers.highs


def _no_tick(_: int) -> None: ...


def judge(
    predictor: Predictor,
    sales: Sales,
    demographics: Demographics,
    tick: Tick = _no_tick,
) -> Judged:
    """Value each sale's home at its sale date, with ranges of every level."""
    ranges = {}
    for level in intervals.LEVELS:
        prices, low, high = predict(predictor, sales, demographics, level)
        ranges[level] = (low, high)
        tick(len(sales))
    return Judged(sales, prices, ranges)


def report(predictor: Predictor, sales: Sales, demographics: Demographics) -> Figures:
    """Return accuracy and coverage, overall and by all that they may depend on."""
    judged = judge(predictor, sales, demographics)
    return breakdown(judged, demographics) | {
        "by_likeness": by_likeness(predictor, judged, demographics),
        "by_missing": by_missing(predictor, sales, demographics),
    }


def breakdown(judged: Judged, demographics: Demographics) -> Figures:
    """Return what there is to say of valuations once they are made."""
    first, last = judged.sales.window
    return {
        "from": first.isoformat(),
        "to": last.isoformat(),
        "overall": judged.accuracy,
        "bootstrap": significance.intervals(judged.sales.prices, judged.predicted),
        "coverage": judged.coverage,
        "by_decile": by_decile(judged),
        "by_zipcode": by_zipcode(judged),
        "by_month": by_month(judged),
        "fairness": fairness(judged, demographics),
    }


def by_likeness(
    predictor: Predictor, judged: Judged, demographics: Demographics
) -> dict[str, Figures]:
    """Return the figures of homes unlike all that were learned from, and of the rest.

    Empty for a model that does not know.
    """
    if predictor.comparables is None:
        return {}
    homes = judged.sales.homes
    joined = demographics.join(homes.zipcodes, predictor.demographics)
    unlike = predictor.estimate(homes, joined, np.zeros(len(homes.values))).unlike
    return judged.by(np.where(unlike, "unlike-training-homes", "others"))


def with_unknown(
    homes: Homes, slot: Slot, seed: int = 3
) -> Iterator[tuple[int, Homes]]:
    """Yield the homes as they are, then with 1, 3 and 10 random fields unknown."""
    asked = [features.POSITION[f.name] for f in features.slot_features(slot)]
    rng = np.random.default_rng(seed)
    for count in MISSING:
        if count < len(asked):
            counts = np.full(len(homes.values), count)
            yield count, homes._replace(values=mask(homes.values, counts, asked, rng))


def by_missing(
    predictor: Predictor,
    sales: Sales,
    demographics: Demographics,
    tick: Tick = _no_tick,
) -> dict[str, Figures]:
    """Return accuracy and coverage with so many random fields unknown."""
    found = {}
    for count, homes in with_unknown(sales.homes, slot_of(predictor)):
        lacking = replace(sales, homes=homes)
        found[str(count)] = judge(predictor, lacking, demographics, tick).figures
    return found


def slot_of(predictor: Predictor) -> Slot:
    """Return the slot whose fields a model asks for."""
    return "minimal" if predictor.manifest.slot == "minimal" else "full"


def mask(
    values: FloatArray,
    counts: npt.NDArray[np.int64],
    columns: list[int],
    rng: np.random.Generator,
) -> FloatArray:
    """Return homes of which `counts` random fields, of the columns, are unknown."""
    rank = rng.random((len(values), len(columns))).argsort(axis=1).argsort(axis=1)
    masked = values.copy()
    part = masked[:, columns]
    part[rank < counts[:, None]] = np.nan
    masked[:, columns] = part
    return masked


def by_decile(judged: Judged) -> list[Figures]:
    """Return the figures by decile of the predicted price."""
    edges = np.quantile(judged.predicted, np.linspace(0.1, 0.9, 9))
    decile = np.searchsorted(edges, judged.predicted, side="right") + 1
    return [{"decile": d} | figures for d, figures in judged.by(decile).items()]


def by_zipcode(judged: Judged) -> dict[str, Figures]:
    """Return the figures of each zipcode with enough sales to say anything."""
    return judged.by(np.asarray(judged.sales.homes.zipcodes), _MIN_ZIPCODE_SALES)


def by_month(judged: Judged) -> dict[str, Figures]:
    """Return the figures by month of sale."""
    days = judged.sales.homes.days.astype(int)
    return judged.by(np.array([f"{date.fromordinal(day):%Y-%m}" for day in days]))


def fairness(judged: Judged, demographics: Demographics) -> dict[str, list[Figures]]:
    """Return the figures by quartile of what the people of a zipcode are like.

    from, to: the values in the quartile. Sales of zipcodes without are left out.
    """
    found = {}
    for name in FAIRNESS:
        if name not in demographics.columns:
            continue
        values = demographics.join(judged.sales.homes.zipcodes, [name])[:, 0]
        known = judged.where(~np.isnan(values))
        values = values[~np.isnan(values)]
        if len(values) < _MIN_SALES:
            continue
        edges = np.quantile(values, [0.25, 0.5, 0.75])
        quartile = np.searchsorted(edges, values, side="right") + 1
        found[name] = [
            {
                "quartile": q,
                "from": float(values[quartile == q].min()),
                "to": float(values[quartile == q].max()),
            }
            | figures
            for q, figures in known.by(quartile).items()
        ]
    return found


def importance(
    predictor: Predictor, sales: Sales, demographics: Demographics
) -> dict[str, float]:
    """Return the mean size of each reason (log price) over homes, as answers name them.

    Homes are evenly spaced in the file. Empty for a model without reasons.
    """
    chosen = np.zeros(len(sales), dtype=bool)
    chosen[:: -(-len(sales) // _EXPLAINED)] = True
    homes = sales.where(chosen).homes
    joined = demographics.join(homes.zipcodes, predictor.demographics)
    rows = predictor.estimate(homes, joined, np.zeros(len(joined))).rows
    contributions = predictor.model.contributions(rows)
    if contributions is None:
        return {}
    names, shares = explanations.folding(
        predictor.manifest.features, predictor.demographics
    )
    sizes = np.abs(contributions[:, :-1] @ shares).mean(axis=0)
    found = dict(zip(names, sizes.tolist(), strict=True))
    moved = float(np.abs(predictor.market(homes.days)).mean())
    found[explanations.MARKET] = found.get(explanations.MARKET, 0.0) + moved
    return {name: round(size, 4) for name, size in found.items()}
