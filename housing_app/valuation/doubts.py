"""What makes an answer doubtful: warnings, home by home."""

import math
from collections.abc import Mapping, Sequence
from datetime import date
from functools import cached_property
from typing import Any

import numpy as np

from housing_app.valuation import features
from housing_app.valuation.artifacts import Manifest
from housing_app.valuation.features import FloatArray, Homes, by_column

Warnings = list[dict[str, str]]

_FAR_KM = 3.0  # beyond the zipcode's own radius
_STALE_DAYS = 91
_EPOCH = date(1970, 1, 1).toordinal()
# Warnings that the range does not pay for: such answers are graded low.
GRAVE = frozenset(
    (
        "zipcode-outside-training-area",
        "zipcode-without-demographics",
        "valuation-date-outside-training",
        "unlike-training-homes",
    )
)


class Doubts:
    """Compare homes with what a manifest says of the training homes."""

    def __init__(self, manifest: Manifest, asked: Sequence[str]) -> None:
        self._manifest = manifest
        anything = (-np.inf, np.inf)
        self._low, self._high = np.array(
            [
                manifest.ranges[name] if name in asked else anything
                for name in features.NAMES
            ]
        ).T
        trained = manifest.training
        ends = [date.fromisoformat(trained[end]).toordinal() for end in ("from", "to")]
        self._first, self._last = ends[0], ends[1] + _STALE_DAYS

    def __call__(
        self, homes: Homes, unjoined: Any, unlike: Any, apart: Any
    ) -> list[Warnings]:
        """Return the warnings of each home.

        unjoined, unlike, apart: (n,) booleans: without demographics; unlike training
        homes; priced far from its comparables.
        """
        found: list[Warnings] = [[] for _ in homes.zipcodes]

        def warn(where: Any, code: str, detail: str) -> None:
            for row in _rows(where):
                found[row].append({"code": code, "detail": detail})

        area = self._manifest.zipcodes
        warn(
            np.array([zipcode not in area for zipcode in homes.zipcodes]),
            "zipcode-outside-training-area",
            "no sale of this zipcode was learned from",
        )
        warn(
            unjoined,
            "zipcode-without-demographics",
            "not all demographics are known here; typical ones were used",
        )
        fields = dict(zip(features.NAMES, by_column(homes.values), strict=True))
        self._of_fields(fields, homes.days, warn)
        if self._manifest.slot == "full":
            self._of_position(fields, homes.zipcodes, warn)
        self._of_ranges(homes, found)
        trained = self._manifest.training
        warn(
            (homes.days < self._first) | (homes.days > self._last),
            "valuation-date-outside-training",
            f"prices were learned from {trained['from']} to {trained['to']}",
        )
        warn(
            unlike,
            "unlike-training-homes",
            "hardly any home learned from is like this one",
        )
        warn(
            apart,
            "far-from-comparables",
            "the price lies far from those of the most similar homes",
        )
        return found

    def middle(self, zipcode: str) -> tuple[float, float]:
        """Return the latitude and longitude of a zipcode's middle, NaN if unknown."""
        return self._places.get(zipcode, _NOWHERE)[:2]

    @staticmethod
    def _of_fields(fields: Mapping[str, Any], days: FloatArray, warn: Any) -> None:
        """Warn of fields that contradict each other; NaN contradicts nothing."""
        built, renovated = fields["yr_built"], fields["yr_renovated"]
        parts = fields["sqft_above"] + fields["sqft_basement"]
        warn(
            abs(parts - fields["sqft_living"]) > 1,
            "areas-do-not-add-up",
            "sqft_above and sqft_basement do not add up to sqft_living",
        )
        warn(
            (renovated > 0) & (renovated < built),
            "renovated-before-built",
            "yr_renovated lies before yr_built",
        )
        warn(
            built > (days - _EPOCH) / 365.2425 + 1971,
            "built-after-valuation",
            "yr_built lies after the valuation date",
        )

    def _of_position(
        self, fields: Mapping[str, Any], zipcodes: Sequence[str], warn: Any
    ) -> None:
        places = np.array([self._places.get(zipcode, _NOWHERE) for zipcode in zipcodes])
        lat, long, narrow, reach = by_column(places)
        north, east = fields["lat"] - lat, (fields["long"] - long) * narrow
        warn(
            north * north + east * east > reach * reach,
            "position-far-from-zipcode",
            "lat and long lie outside this zipcode",
        )

    @cached_property
    def _places(self) -> Mapping[str, tuple[float, float, float, float]]:
        """Return zipcode -> its middle, degrees of latitude in one of longitude, reach.

        The reach is in degrees of latitude.
        """
        return {
            zipcode: (
                zone["lat"],
                zone["long"],
                math.cos(math.radians(zone["lat"])),
                (zone["radius_km"] + _FAR_KM) / features.KM_PER_DEGREE,
            )
            for zipcode, zone in self._manifest.zipcodes.items()
        }

    def _of_ranges(self, homes: Homes, found: list[Warnings]) -> None:
        beyond = (homes.values < self._low) | (homes.values > self._high)
        for row, column in zip(*map(np.ndarray.tolist, beyond.nonzero()), strict=True):
            ends = f"{self._low[column]:.10g} to {self._high[column]:.10g}"
            detail = (
                f"{features.NAMES[column]} lies outside {ends}, where nearly all homes "
                "learned from lie"
            )
            found[row].append({"code": "outside-training-range", "detail": detail})


def _rows(where: Any) -> Sequence[int]:
    """Return the homes of which something is so: booleans of many, or of one."""
    if isinstance(where, np.ndarray):
        rows: list[int] = where.nonzero()[0].tolist()
        return rows
    return (0,) if where else ()


_NOWHERE = (np.nan, np.nan, np.nan, np.nan)
