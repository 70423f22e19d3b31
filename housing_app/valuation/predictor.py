"""Value homes: rows in, prices with ranges, grades and warnings out.

`install` puts a model into its slot, `current` hands it out. Swapping is one reference
assignment, so a request sees the old model or the new one and never a mixture.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from housing_app.valuation import (
    explanations,
    features,
    intervals,
    market,
)
from housing_app.valuation.artifacts import Manifest
from housing_app.valuation.comparables import JUDGED, Comparables, Near
from housing_app.valuation.doubts import GRAVE, Doubts, Warnings
from housing_app.valuation.features import Columns, FloatArray, Homes, Slot, by_column
from housing_app.valuation.kinds import PriceModel
from housing_app.valuation.surfaces import Surfaces

Flags = npt.NDArray[np.bool_]
# On later sales, errors of homes unlike all others were so much wider than foreseen.
_UNLIKE_SPREAD = 1.4
_YEAR = 365
_MOST_LOG = 700.0  # greater ones have no exponential
_PLACE = slice(features.POSITION["lat"], features.POSITION["long"] + 1)


class Valuations(NamedTuple):
    """Hold the answers, in the order of the homes; dollars except `fsd`."""

    prices: FloatArray
    lows: FloatArray
    highs: FloatArray
    fsds: FloatArray
    confidences: list[str]
    missing: list[list[str]]
    warnings: list[Warnings]
    explanations: list[dict[str, Any]] | None = None
    comparables: list[list[dict[str, Any]]] | None = None


class Estimates(NamedTuple):
    """Hold log prices and the errors to expect, (n,); columns and rows they are of.

    near: the most similar comparables, None for a model without them.
    unlike, apart: (n,) homes unlike all comparables; prices far from theirs.
    """

    log_prices: FloatArray
    base_log_prices: FloatArray  # without the index
    spreads: FloatArray
    columns: Columns
    rows: FloatArray
    near: Near | None
    unlike: Flags
    apart: Flags


class Details(NamedTuple):
    """Say what an answer shall hold beside prices."""

    level: float = intervals.DEFAULT_LEVEL
    explain: bool = False
    comparables: int = 0


@dataclass(frozen=True)
class Predictor:
    """Value homes with one artifact."""

    manifest: Manifest
    model: PriceModel
    calibration: intervals.Calibration
    surfaces: Surfaces | None = None
    comparables: Comparables | None = None

    @property
    def demographics(self) -> list[str]:
        """Return the demographic columns the model needs, in its order."""
        return self.manifest.demographics

    @property
    def valuation_date(self) -> date:
        """Return the date homes are valued at unless a request names another."""
        return date.fromisoformat(self.manifest.valuation_date)

    def columns(self, homes: Homes, demographics: FloatArray) -> Columns:
        """Return the columns that the model and the comparables draw on.

        demographics: (n, d) in the order of `self.demographics`, NaN where unknown.
        """
        values = features.complete_areas(homes.values)
        typical_home, typical_place = self._typical
        if not self.model.takes_unknown:
            # Filled before anything is computed from them, so that an unknown year
            # gives the age of a typical home. LightGBM would take NaN for 0.
            values = _filled(values, typical_home)
        place = _filled(demographics, typical_place)
        joined = dict(zip(self.demographics, by_column(place), strict=True))
        names, zones, elsewhere = self._zones
        zone = np.array([zones.get(zipcode, elsewhere) for zipcode in homes.zipcodes])
        joined.update(zip(names, by_column(zone), strict=True))
        made = features.one_home if len(values) == 1 else features.columns
        return made(homes._replace(values=values), joined, self.surfaces)

    def estimate(
        self,
        homes: Homes,
        demographics: FloatArray,
        missing: FloatArray,
        comparables: int = 0,
    ) -> Estimates:
        """Return log prices and spreads at the homes' valuation dates.

        missing: (n,) how many fields of each home are unknown.
        """
        columns = self.columns(homes, demographics)
        rows = features.matrix(columns, self.manifest.features)
        at_base = self.model.log_prices(rows)
        spreads = self.model.spreads(rows, at_base, missing)
        spreads = spreads * self._bands.factors_at(at_base)
        market = self.market(homes.days)
        unlike = apart = np.zeros(len(rows), dtype=bool)
        near = None
        if self.comparables is not None:
            placed = self._placed(homes, demographics, columns)
            near = self.comparables.near(placed, max(comparables, JUDGED))
            unlike = near.away[:, 0] > self.comparables.far
            apart = self.comparables.gaps(near, at_base) > self.comparables.apart
            spreads = np.where(unlike, spreads * _UNLIKE_SPREAD, spreads)
        return Estimates(
            at_base + market, at_base, spreads, columns, rows, near, unlike, apart
        )

    def _placed(
        self, homes: Homes, demographics: FloatArray, columns: Columns
    ) -> Columns:
        """Return columns in which a home of unknown place is in its zipcode's middle.

        For comparables only: the price keeps to what is known.
        """
        if self.manifest.slot == "minimal":
            return columns
        if not np.isnan(homes.values[:, _PLACE]).any():
            return columns
        return self.columns(homes._replace(values=self._middles(homes)), demographics)

    def _middles(self, homes: Homes) -> FloatArray:
        """Return the homes' values, the place that of the zipcode where unknown."""
        values = homes.values.copy()
        middles = np.array([self._doubts.middle(z) for z in homes.zipcodes])
        unknown = np.isnan(values[:, _PLACE]).any(axis=1, keepdims=True)
        values[:, _PLACE] = np.where(unknown, middles, values[:, _PLACE])
        return values

    def market(self, days: FloatArray) -> FloatArray:
        """Return what the dates add to log prices; 0 for models without an index."""
        if "index" not in self.manifest.model:
            return np.zeros(len(days))
        return np.array([self._market_on(day) for day in days.tolist()])

    def _market_on(self, day: float) -> float:
        """Return the index on a day.

        It stands still a year before and after the sales learned from: nobody knows
        more. So few days have a value of their own, and it is kept.
        """
        first, last = self._window
        held = min(max(day, first - _YEAR), last + _YEAR)
        known = self._index.get(held)
        if known is None:
            found = self.manifest.model["index"]
            (moved,) = market.index(np.array([held]), found["trend"], found["season"])
            known = self._index[held] = found["level"] + float(moved)
        return known

    def value(
        self,
        homes: Homes,
        demographics: FloatArray,
        details: Details = Details(),  # noqa: B008 - it cannot be changed
        slot: Slot | None = None,
    ) -> Valuations:
        """Value homes, each with a range, a grade and warnings.

        slot: whose fields were asked for, where that is not the model's own slot.
        """
        missing = self._missing(homes, slot)
        counts = np.array([len(names) for names in missing], dtype=np.float64)
        found = self.estimate(homes, demographics, counts, details.comparables)
        if not (found.log_prices < _MOST_LOG).all():  # or it is NaN
            raise ArithmeticError(f"{self.manifest.id} gave a price that is no number")
        prices = np.exp(found.log_prices)
        lows, highs = self.calibration.bounds(
            prices, found.spreads, counts, details.level
        )
        fsds = self.calibration.fsds(found.spreads, counts)
        if len(fsds) == 1:
            confidences = [intervals.grade(fsds.item())]
        else:
            confidences = intervals.grades(fsds)
        unjoined = np.isnan(demographics).any(axis=1)
        warnings = self._doubts(homes, unjoined, found.unlike, found.apart)
        for i, doubts in enumerate(warnings):
            if doubts and any(warning["code"] in GRAVE for warning in doubts):
                confidences[i] = "low"
        answers = Valuations(prices, lows, highs, fsds, confidences, missing, warnings)
        if details.explain:
            answers = answers._replace(explanations=self._explain(found, homes.days))
        if details.comparables:
            answers = answers._replace(
                comparables=self._compare(found, homes, details.comparables)
            )
        return answers

    def _explain(
        self, found: Estimates, days: FloatArray
    ) -> list[dict[str, Any]] | None:
        """Return explanations, None for a kind of model that has no reasons."""
        contributions = self.model.contributions(found.rows)
        if contributions is None:
            return None
        names, shares = self._folding
        reasons = contributions[:, :-1] @ shares
        if "index" in self.manifest.model:
            names = [*names, explanations.MARKET]
            reasons = np.column_stack([reasons, self.market(days)])
        # To the cent that is answered, so that the dollars add up to it.
        prices = np.asarray(np.round(np.exp(found.log_prices), 2), dtype=np.float64)
        return explanations.explain(names, reasons, contributions[:, -1], prices)

    def _compare(
        self, found: Estimates, homes: Homes, count: int
    ) -> list[list[dict[str, Any]]] | None:
        """Return the most similar comparables, None for a model without them."""
        if self.comparables is None or found.near is None:
            return None
        near = Near(found.near.groups[:, :count], found.near.away[:, :count])
        lat, long = self._middles(homes)[:, _PLACE].T
        return self.comparables.described(near, lat, long)

    def outside_area(self, zipcodes: Sequence[str]) -> list[int]:
        """Return the positions of zipcodes that no training home was in."""
        area = self.manifest.zipcodes
        return [i for i, zipcode in enumerate(zipcodes) if zipcode not in area]

    def answers(
        self, homes: Homes, demographics: FloatArray
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return prices, lows and highs alone, as golden rows hold them."""
        answers = self.value(homes, demographics)
        return answers.prices, answers.lows, answers.highs

    # What follows from the manifest is computed once, not for each request.

    @cached_property
    def _window(self) -> tuple[int, int]:
        """Return the ordinals of the first and the last day learned from."""
        trained = self.manifest.training
        first, last = (date.fromisoformat(trained[end]) for end in ("from", "to"))
        return first.toordinal(), last.toordinal()

    @cached_property
    def _index(self) -> dict[float, float]:
        return {}

    @cached_property
    def _bands(self) -> intervals.Bands:
        stored = self.manifest.model.get("bands")
        return intervals.Bands.from_json(stored) if stored else intervals.EVEN

    @cached_property
    def _typical(self) -> tuple[FloatArray, FloatArray]:
        fill = self.manifest.fill
        home = np.array([fill[name] for name in features.NAMES])
        return home, np.array([fill[name] for name in self.demographics])

    @cached_property
    def _zones(self) -> tuple[list[str], dict[str, FloatArray], FloatArray]:
        """Return zipcode columns, their values by zipcode, and those of all others."""
        area, fill = self.manifest.zipcodes, self.manifest.fill
        joined = set(self.demographics)
        names = [
            name
            for name in self.manifest.features
            if name.startswith("zip_") and name not in joined
        ]
        zones = {z: np.array([zone[n] for n in names]) for z, zone in area.items()}
        return names, zones, np.array([fill[name] for name in names])

    @cached_property
    def _folding(self) -> tuple[list[str], FloatArray]:
        return explanations.folding(self.manifest.features, self.demographics)

    @cached_property
    def _asked(self) -> dict[str, Flags]:
        """Return which fields of a home each slot asks for."""
        return {
            slot: np.isin(
                features.NAMES, [f.name for f in features.slot_features(slot)]
            )
            for slot in features.SLOTS
        }

    @cached_property
    def _doubts(self) -> Doubts:
        slot: Slot = "minimal" if self.manifest.slot == "minimal" else "full"
        return Doubts(self.manifest, [f.name for f in features.slot_features(slot)])

    def _missing(self, homes: Homes, slot: Slot | None) -> list[list[str]]:
        asked = self._asked[slot or self.manifest.slot]
        missing: list[list[str]] = [[] for _ in homes.zipcodes]
        rows, columns = (np.isnan(homes.values) & asked).nonzero()
        for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
            missing[row].append(features.NAMES[column])
        return missing


def _filled(values: FloatArray, typical: FloatArray) -> FloatArray:
    return np.where(np.isnan(values), typical, values)


# --- the slots --------------------------------------------------------------------


class Installed(NamedTuple):
    """Hold a slot's models by role, and the share of clients with the challenger."""

    roles: Mapping[str, Predictor]
    share: float = 0.0


_NONE = Installed({})
_installed: dict[str, Installed] = {}


def install(slot: str, roles: Mapping[str, Predictor], share: float = 0.0) -> None:
    """Put models into a slot, all at once: role (of serving.ROLES) -> predictor."""
    _installed[slot] = Installed(dict(roles), share)


def installed(slot: str) -> Installed:
    """Return all that is in a slot; it does not change in the caller's hands."""
    return _installed.get(slot, _NONE)


def current(slot: str, role: str = "champion") -> Predictor | None:
    """Return the model that plays a role in a slot, or None."""
    return installed(slot).roles.get(role)
