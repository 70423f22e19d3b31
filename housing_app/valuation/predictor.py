"""Value homes: rows in, prices with ranges, grades and warnings out.

`install` puts a model into its slot, `current` hands it out. Swapping is one reference
assignment, so a request sees the old model or the new one and never a mixture.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from housing_app.valuation import artifacts, features, intervals
from housing_app.valuation.artifacts import Manifest
from housing_app.valuation.errors import ArtifactError
from housing_app.valuation.features import FloatArray, Homes, Slot
from housing_app.valuation.kinds import PriceModel, knn, lightgbm, sklearn

KINDS = {"knn": knn, "lightgbm": lightgbm, "sklearn": sklearn}
_GOLDEN_TOLERANCE = 1e-6  # relative; other processors round sums differently
_FAR_KM = 3.0  # beyond the zipcode's own radius
_STALE_MONTHS = 3.0

Warnings = list[dict[str, str]]


class Valuations(NamedTuple):
    """Hold the answers, in the order of the homes; dollars except `fsd`."""

    prices: FloatArray
    lows: FloatArray
    highs: FloatArray
    fsds: FloatArray
    confidences: list[str]
    missing: list[list[str]]
    warnings: list[Warnings]


@dataclass(frozen=True)
class Predictor:
    """Value homes with one artifact."""

    manifest: Manifest
    model: PriceModel
    calibration: intervals.Calibration

    @property
    def demographics(self) -> list[str]:
        """Return the demographic columns the model needs, in its order."""
        return self.manifest.demographics

    @property
    def valuation_date(self) -> date:
        """Return the date homes are valued at unless a request names another."""
        return date.fromisoformat(self.manifest.valuation_date)

    def rows(self, homes: Homes, demographics: FloatArray) -> FloatArray:
        """Return the model's feature rows.

        demographics: (n, d) in the order of `self.demographics`, NaN where unknown.
        """
        # Filled before anything is computed from them, so that an unknown year gives
        # the age of a typical home. LightGBM would take NaN for 0 otherwise: no sale
        # it learned from lacked a field.
        home, joined = self._typical
        homes = homes._replace(values=_filled(homes.values, home))
        columns = features.columns(
            homes,
            _filled(demographics, joined),
            self.demographics,
            self.manifest.zipcodes,
        )
        rows = features.matrix(columns, self.manifest.features)
        return _filled(rows, self._typical_row)

    def value(
        self,
        homes: Homes,
        demographics: FloatArray,
        level: float = intervals.DEFAULT_LEVEL,
        slot: Slot | None = None,
    ) -> Valuations:
        """Value homes with ranges that hold `level` of later sale prices.

        slot: whose fields were asked for, where that is not the model's own slot.
        """
        prices = np.exp(self.model.log_prices(self.rows(homes, demographics)))
        if not np.isfinite(prices).all():
            raise ArithmeticError(f"{self.manifest.id} gave a price that is no number")
        scale = np.ones(len(prices))
        lows, highs = self.calibration.bounds(prices, scale, level)
        fsds = scale * self.calibration.fsd
        confidences = [intervals.grade(fsd) for fsd in fsds.tolist()]
        warnings = self._warnings(homes, np.isnan(demographics).any(axis=1))
        missing = self._missing(homes, slot)
        for i, found in enumerate(warnings):
            if missing[i] or any(warning["code"] in _DOUBTFUL for warning in found):
                confidences[i] = "low"
        return Valuations(prices, lows, highs, fsds, confidences, missing, warnings)

    def outside_area(self, zipcodes: Sequence[str]) -> list[int]:
        """Return the positions of zipcodes that no training home was in."""
        area = self.manifest.zipcodes
        return [i for i, zipcode in enumerate(zipcodes) if zipcode not in area]

    # What follows from the manifest is computed once, not for each request.

    @cached_property
    def _typical(self) -> tuple[FloatArray, FloatArray]:
        fill = self.manifest.fill
        home = np.array([fill[name] for name in features.NAMES])
        return home, np.array([fill[name] for name in self.demographics])

    @cached_property
    def _typical_row(self) -> FloatArray:
        return np.array([self.manifest.fill[name] for name in self.manifest.features])

    @cached_property
    def _asked(self) -> tuple[str, ...]:
        slot: Slot = "minimal" if self.manifest.slot == "minimal" else "full"
        return tuple(f.name for f in features.slot_features(slot))

    @cached_property
    def _positions(self) -> list[int]:
        return [features.POSITION[name] for name in self._asked]

    @cached_property
    def _ranges(self) -> FloatArray:
        return np.array([self.manifest.ranges[name] for name in self._asked]).T

    def _missing(self, homes: Homes, slot: Slot | None) -> list[list[str]]:
        asked, positions = self._asked, self._positions
        if slot and slot != self.manifest.slot:
            asked = tuple(f.name for f in features.slot_features(slot))
            positions = [features.POSITION[name] for name in asked]
        unknown = np.isnan(homes.values[:, positions])
        missing: list[list[str]] = [[] for _ in homes.zipcodes]
        for row, column in np.argwhere(unknown).tolist():
            missing[row].append(asked[column])
        return missing

    def _warnings(self, homes: Homes, unjoined: Any) -> list[Warnings]:
        """Name what makes each answer doubtful."""
        found: list[Warnings] = [[] for _ in homes.zipcodes]

        def warn(where: Any, code: str, detail: str) -> None:
            for row in np.flatnonzero(where).tolist():
                found[row].append({"code": code, "detail": detail})

        for row in self.outside_area(homes.zipcodes):
            found[row].append(
                {
                    "code": "zipcode-outside-training-area",
                    "detail": "no sale of this zipcode was learned from",
                }
            )
        warn(
            unjoined,
            "zipcode-without-demographics",
            "not all demographics are known here; typical ones were used",
        )
        # Comparisons with NaN are false: what is unknown raises no warning.
        home = {name: homes.values[:, i] for name, i in features.POSITION.items()}
        gap = home["sqft_above"] + home["sqft_basement"] - home["sqft_living"]
        warn(
            np.abs(gap) > 1,
            "areas-do-not-add-up",
            "sqft_above and sqft_basement do not add up to sqft_living",
        )
        year = 1970 + (homes.days - date(1970, 1, 1).toordinal()) / 365.2425
        warn(
            (home["yr_renovated"] > 0) & (home["yr_renovated"] < home["yr_built"]),
            "renovated-before-built",
            "yr_renovated lies before yr_built",
        )
        warn(
            home["yr_built"] > year + 1,
            "built-after-valuation",
            "yr_built lies after the valuation date",
        )
        self._warn_of_position(homes, home, warn)
        self._warn_of_ranges(homes, found)
        trained = self.manifest.training
        window = [
            date.fromisoformat(trained[end]).toordinal() for end in ("from", "to")
        ]
        warn(
            (homes.days < window[0]) | (homes.days > window[1] + 30.4 * _STALE_MONTHS),
            "valuation-date-outside-training",
            f"prices were learned from {trained['from']} to {trained['to']}",
        )
        return found

    def _warn_of_ranges(self, homes: Homes, found: list[Warnings]) -> None:
        asked = self._asked
        low, high = self._ranges
        values = homes.values[:, self._positions]
        for row, column in np.argwhere((values < low) | (values > high)).tolist():
            ends = f"{low[column]:.10g} to {high[column]:.10g}"
            text = (
                f"{asked[column]} lies outside {ends}, where nearly all homes learned "
                "from lie"
            )
            found[row].append({"code": "outside-training-range", "detail": text})

    def _warn_of_position(
        self, homes: Homes, home: features.Columns, warn: Any
    ) -> None:
        if self.manifest.slot == "minimal":
            return
        area = self.manifest.zipcodes
        nowhere = {"lat": np.nan, "long": np.nan, "radius_km": np.nan}
        places = [area.get(zipcode, nowhere) for zipcode in homes.zipcodes]
        lat, long, radius = (
            np.array([place[key] for place in places])
            for key in ("lat", "long", "radius_km")
        )
        away = features.distance_km(home["lat"], home["long"], lat, long)
        warn(
            away > radius + _FAR_KM,
            "position-far-from-zipcode",
            "lat and long lie outside this zipcode",
        )


# What the range, one width for all, does not pay for.
_DOUBTFUL = {
    "zipcode-outside-training-area",
    "zipcode-without-demographics",
    "valuation-date-outside-training",
}


def _filled(values: FloatArray, typical: FloatArray) -> FloatArray:
    return np.where(np.isnan(values), typical, values)


def load(directory: Path) -> Predictor:
    """Verify an artifact and make it ready; raise ArtifactError for anything off."""
    manifest = artifacts.read_manifest(directory)
    artifacts.verify_files(directory, manifest)
    predictor = assemble(directory, manifest)
    check_golden(predictor, str(directory))
    return predictor


def assemble(directory: Path, manifest: Manifest) -> Predictor:
    """Load the model of a manifest whose files are already trusted."""
    kind = KINDS.get(manifest.kind)
    if kind is None:
        raise ArtifactError(f"{directory}: unknown kind {manifest.kind!r}")
    try:
        calibration = intervals.Calibration.from_json(manifest.interval)
        model = kind.load(directory, vars(manifest))
    except FileNotFoundError as error:
        raise ArtifactError(f"{error.filename}: missing; {artifacts.CURE}") from None
    except (KeyError, TypeError, ValueError) as error:
        text = f"{directory}: does not fit its manifest ({error!r}); {artifacts.CURE}"
        raise ArtifactError(text) from error
    return Predictor(manifest, model, calibration)


def golden_rows(
    predictor: Predictor, homes: Homes, demographics: FloatArray
) -> list[dict[str, Any]]:
    """Return inputs and answers for the manifest."""
    answers = predictor.value(homes, demographics)
    return [
        {
            "home": dict(
                zip(features.NAMES, _nullable(homes.values[i]), strict=True),
                zipcode=homes.zipcodes[i],
            ),
            "day": homes.days[i],
            "demographics": _nullable(demographics[i]),
            "expected": [answers.prices[i], answers.lows[i], answers.highs[i]],
        }
        for i in range(len(homes.zipcodes))
    ]


def golden_input(manifest: Manifest) -> tuple[Homes, FloatArray]:
    """Return the golden rows' homes and their demographics."""
    golden = manifest.golden
    homes = features.homes((row["home"] for row in golden), date.min)
    homes = homes._replace(days=np.array([float(row["day"]) for row in golden]))
    rows = [[np.nan if v is None else v for v in row["demographics"]] for row in golden]
    shape = (len(golden), len(manifest.demographics))
    return homes, np.array(rows, dtype=np.float64).reshape(shape)


def check_golden(predictor: Predictor, where: str) -> None:
    """Refuse a model that does not give its own recorded answers."""
    manifest = predictor.manifest
    try:
        answers = predictor.value(*golden_input(manifest))
        found = np.array([answers.prices, answers.lows, answers.highs]).T
        expected = np.array([row["expected"] for row in manifest.golden])
        wrong = ~np.isclose(found, expected, rtol=_GOLDEN_TOLERANCE, atol=0).all(axis=1)
    except Exception as error:  # whatever a foreign manifest makes it raise
        text = f"{where}: golden rows cannot be valued ({error!r}); {artifacts.CURE}"
        raise ArtifactError(text) from error
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise ArtifactError(
            f"{where}: golden row {row} gives {found[row, 0]:.2f}, not "
            f"{expected[row, 0]:.2f}; {artifacts.CURE}"
        )


def _nullable(values: FloatArray) -> list[float | None]:
    return [None if np.isnan(value) else float(value) for value in values]


# --- the slots --------------------------------------------------------------------

_installed: dict[str, Mapping[str, Predictor]] = {}


def install(slot: str, roles: Mapping[str, Predictor]) -> None:
    """Put models into a slot: role (champion, fallback) -> predictor."""
    _installed[slot] = dict(roles)


def current(slot: str, role: str = "champion") -> Predictor | None:
    """Return the model that plays a role in a slot, or None."""
    return _installed.get(slot, {}).get(role)


def load_serving(root: Path) -> dict[str, dict[str, Predictor]]:
    """Load what serving.json names; champions must be of their slot."""
    serving = artifacts.read_serving(root)
    loaded: dict[str, Predictor] = {}
    for roles in serving.values():
        for name in roles.values():
            if name not in loaded:
                loaded[name] = load(root / name)
    for slot, roles in serving.items():
        for role, name in roles.items():
            # A fallback may ask for less than its slot, never for more.
            fits = {slot, "minimal"} if role == "fallback" else {slot}
            if loaded[name].manifest.slot not in fits:
                path = root / artifacts.SERVING
                raise ArtifactError(
                    f"{path}: {name} cannot be {role} of slot {slot}; {artifacts.CURE}"
                )
    return {
        slot: {role: loaded[name] for role, name in roles.items()}
        for slot, roles in serving.items()
    }
