"""A home's fields, and the rows a model sees.

`FEATURES` is the one table of fields. The request schema, the OpenAPI text,
`/v1/info`, the web form and the documents are all made from it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
Columns = dict[str, FloatArray]


@dataclass(frozen=True)
class Feature:
    """Describe one field of a home: its limits are inclusive, in `unit`."""

    name: str
    label: str
    unit: str
    low: float
    high: float
    step: float | None  # values are multiples of it; None: any number
    core: bool
    help: str
    zero: bool = False  # 0 is allowed too, with a meaning of its own

    def refuse(self, number: float) -> str | None:
        """Return why `number` cannot be this field's value, or None if it can."""
        if not self.low <= number <= self.high and not (self.zero and number == 0):
            also = "0 or " if self.zero else ""
            return f"must be {also}between {self.low:.10g} and {self.high:.10g}"
        if self.step and number % self.step:
            kind = "a whole number" if self.step == 1 else f"a multiple of {self.step}"
            return f"must be {kind}"
        return None


# Limits say what a home can be at all; what the models have seen is narrower and
# only warned about.
FEATURES: tuple[Feature, ...] = (
    Feature("bedrooms", "Bedrooms", "rooms", 0, 50, 1, True, "Number of bedrooms."),
    Feature("bathrooms", "Bathrooms", "rooms", 0, 30, 0.25, True,
            "Number of bathrooms, in quarters: a toilet without a shower is 0.5."),
    Feature("sqft_living", "Living space", "sqft", 100, 50_000, None, True,
            "Interior living space, above ground and basement together."),
    Feature("sqft_lot", "Lot", "sqft", 100, 20_000_000, None, True,
            "Area of the land."),
    Feature("floors", "Floors", "floors", 1, 10, 0.5, True,
            "Levels above ground, in halves."),
    Feature("waterfront", "Waterfront", "0 or 1", 0, 1, 1, False,
            "1 if the home lies on the water, else 0."),
    Feature("view", "View", "grade 0-4", 0, 4, 1, False,
            "How good the view is: 0 none, 4 excellent."),
    Feature("condition", "Condition", "grade 1-5", 1, 5, 1, False,
            "State of repair: 1 poor, 3 average, 5 very good."),
    Feature("grade", "Grade", "grade 1-13", 1, 13, 1, False,
            "The county's building grade: 7 average, 11 and up custom design."),
    Feature("sqft_above", "Living space above ground", "sqft", 0, 50_000, None, True,
            "Living space without the basement."),
    Feature("sqft_basement", "Basement", "sqft", 0, 25_000, None, True,
            "Living space of the basement, 0 for none."),
    Feature("yr_built", "Year built", "year", 1700, 2100, 1, False,
            "Year of construction."),
    Feature("yr_renovated", "Year renovated", "year", 1700, 2100, 1, False,
            "Year of the last renovation, 0 for never.", zero=True),
    Feature("lat", "Latitude", "degrees", 17, 72, None, False,
            "Latitude, north positive."),
    Feature("long", "Longitude", "degrees", -180, -64, None, False,
            "Longitude, west negative."),
    Feature("sqft_living15", "Neighbours' living space", "sqft", 100, 50_000, None,
            False, "Mean living space of the 15 nearest homes."),
    Feature("sqft_lot15", "Neighbours' lots", "sqft", 100, 20_000_000, None, False,
            "Mean lot of the 15 nearest homes."),
)  # fmt: skip

NAMES: tuple[str, ...] = tuple(feature.name for feature in FEATURES)
POSITION = {name: index for index, name in enumerate(NAMES)}
ZIPCODE = "zipcode"

Slot = Literal["full", "minimal"]
SLOTS: tuple[Slot, ...] = ("full", "minimal")


def slot_features(slot: Slot) -> tuple[Feature, ...]:
    """Return the fields, zipcode apart, that a request to `slot` must carry."""
    return tuple(f for f in FEATURES if f.core or slot == "full")


class Homes(NamedTuple):
    """Hold homes by column, in the order of the request.

    values: (n, 17) floats in the order of `NAMES`, NaN where unknown.
    zipcodes: n strings of five digits.
    days: (n,) proleptic ordinals of the valuation dates.
    """

    values: FloatArray
    zipcodes: Sequence[str]
    days: FloatArray


def homes(records: Iterable[Mapping[str, Any]], default_date: date) -> Homes:
    """Build `Homes` from validated records; absent and null fields are unknown."""
    rows, zipcodes, days = [], [], []
    unknown = float("nan")
    for record in records:
        found = [record.get(name) for name in NAMES]
        rows.append([unknown if value is None else value for value in found])
        zipcodes.append(record[ZIPCODE])
        days.append(float((record.get("valuation_date") or default_date).toordinal()))
    values = np.array(rows, dtype=np.float64).reshape(len(rows), len(NAMES))
    return Homes(values, zipcodes, np.array(days))


# --- what models are fed --------------------------------------------------------

_EPOCH = date(2014, 1, 1).toordinal()
_DAYS_PER_MONTH = 365.25 / 12
_KM_PER_DEGREE = 111.2


def columns(
    homes: Homes,
    demographics: FloatArray,
    demographic_names: Sequence[str],
    area: Mapping[str, Mapping[str, float]],
) -> Columns:
    """Return the named columns of the homes, engineered ones included.

    demographics: (n, d) in the order of `demographic_names`.
    area: what training learned of each zipcode; unknown zipcodes give NaN.
    """
    found: Columns = {name: homes.values[:, i] for name, i in POSITION.items()}
    for i, name in enumerate(demographic_names):
        found[name] = demographics[:, i]
    levels = [area[z]["level"] if z in area else np.nan for z in homes.zipcodes]
    found["zipcode_level"] = np.array(levels)
    found["months"] = (homes.days - _EPOCH) / _DAYS_PER_MONTH
    _engineer(found)
    return found


def _engineer(c: Columns) -> None:
    """Add the columns that are computed from a home's own fields.

    Ratios of the living areas are left out on purpose: prices must never fall when
    living space grows, and a monotone model can promise that only for the areas
    themselves.
    """
    year = 2014 + c["months"] / 12
    renovated = np.where(c["yr_renovated"] > 0, c["yr_renovated"], c["yr_built"])
    c["age"] = year - c["yr_built"]
    c["years_since_work"] = year - np.fmax(renovated, c["yr_built"])
    # Diagonals, because shores and highways here run at an angle to the grid.
    c["north_east"] = c["lat"] * 1.48 + c["long"]
    c["north_west"] = c["lat"] * 1.48 - c["long"]
    c["lot_to_neighbours"] = c["sqft_lot"] / c["sqft_lot15"]


def matrix(columns: Columns, names: Sequence[str]) -> FloatArray:
    """Stack the named columns into the (n, len(names)) rows a model takes."""
    return np.column_stack([columns[name] for name in names])


def distance_km(
    lat: FloatArray, long: FloatArray, lat0: FloatArray, long0: FloatArray
) -> FloatArray:
    """Return the distance between positions, flat-earth: right to 1 % in a county."""
    east = (long - long0) * np.cos(np.radians(lat0))
    return np.asarray(_KM_PER_DEGREE * np.hypot(lat - lat0, east))
