"""What makes an answer doubtful: warnings, home by home."""

from collections.abc import Mapping, Sequence
from datetime import date
from functools import cached_property
from typing import Any

import numpy as np

from housing_app.valuation import features
from housing_app.valuation.artifacts import Manifest
from housing_app.valuation.features import Homes

Warnings = list[dict[str, str]]

_FAR_KM = 3.0  # beyond the zipcode's own radius
_STALE_DAYS = 91
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
        self._asked = asked
        self._positions = [features.POSITION[name] for name in asked]
        self._low, self._high = np.array([manifest.ranges[name] for name in asked]).T
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
            if where.any():
                for row in np.flatnonzero(where).tolist():
                    found[row].append({"code": code, "detail": detail})

        area = self._manifest.zipcodes
        outside = np.array([zipcode not in area for zipcode in homes.zipcodes])
        warn(
            outside,
            "zipcode-outside-training-area",
            "no sale of this zipcode was learned from",
        )
        warn(
            unjoined,
            "zipcode-without-demographics",
            "not all demographics are known here; typical ones were used",
        )
        self._of_fields(homes, warn)
        if self._manifest.slot == "full":
            self._of_position(homes, warn)
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
    def _of_fields(homes: Homes, warn: Any) -> None:
        """Warn of fields that contradict each other; NaN contradicts nothing."""
        values, at = homes.values, features.POSITION
        built, renovated = values[:, at["yr_built"]], values[:, at["yr_renovated"]]
        parts = values[:, at["sqft_above"]] + values[:, at["sqft_basement"]]
        year = 1970 + (homes.days - date(1970, 1, 1).toordinal()) / 365.2425
        warn(
            np.abs(parts - values[:, at["sqft_living"]]) > 1,
            "areas-do-not-add-up",
            "sqft_above and sqft_basement do not add up to sqft_living",
        )
        warn(
            (renovated > 0) & (renovated < built),
            "renovated-before-built",
            "yr_renovated lies before yr_built",
        )
        warn(
            built > year + 1,
            "built-after-valuation",
            "yr_built lies after the valuation date",
        )

    def _of_position(self, homes: Homes, warn: Any) -> None:
        lat, long, radius = np.array(
            [self._places.get(zipcode, _NOWHERE) for zipcode in homes.zipcodes]
        ).T
        values, at = homes.values, features.POSITION
        away = features.distance_km(
            values[:, at["lat"]], values[:, at["long"]], lat, long
        )
        warn(
            away > radius + _FAR_KM,
            "position-far-from-zipcode",
            "lat and long lie outside this zipcode",
        )

    @cached_property
    def _places(self) -> Mapping[str, tuple[float, float, float]]:
        return {
            zipcode: (zone["lat"], zone["long"], zone["radius_km"])
            for zipcode, zone in self._manifest.zipcodes.items()
        }

    def _of_ranges(self, homes: Homes, found: list[Warnings]) -> None:
        values = homes.values[:, self._positions]
        beyond = (values < self._low) | (values > self._high)
        if not beyond.any():
            return
        for row, column in np.argwhere(beyond).tolist():
            ends = f"{self._low[column]:.10g} to {self._high[column]:.10g}"
            detail = (
                f"{self._asked[column]} lies outside {ends}, where nearly all homes "
                "learned from lie"
            )
            found[row].append({"code": "outside-training-range", "detail": detail})


_NOWHERE = (np.nan, np.nan, np.nan)
