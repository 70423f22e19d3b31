"""A home's fields, and the rows a model sees.

`FEATURES` is the one table of fields. The request schema, the OpenAPI text,
`/v1/info`, the web form and the documents are all made from it.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from housing_app.valuation.surfaces import SURFACES, Surfaces

FloatArray = npt.NDArray[np.float64]


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


def homes(records: Iterable[Mapping[str, Any]], default_date: date | None) -> Homes:
    """Build `Homes` from validated records; absent and null fields are unknown.

    Without a default date the day of a home that names none is NaN.
    """
    rows, zipcodes, days = [], [], []
    unknown = float("nan")
    for record in records:
        found = [record.get(name) for name in NAMES]
        rows.append([unknown if value is None else value for value in found])
        zipcodes.append(record[ZIPCODE])
        day = record.get("valuation_date") or default_date
        days.append(float(day.toordinal()) if day else unknown)
    values = np.array(rows, dtype=np.float64).reshape(len(rows), len(NAMES))
    return Homes(values, zipcodes, np.array(days))


# --- what models are fed --------------------------------------------------------

_EPOCH = date(2014, 1, 1).toordinal()
_DAYS_PER_MONTH = 365.25 / 12
_ORIGIN = (47.55, -122.2)  # degrees; the middle of the county
KM_PER_DEGREE = 111.2  # of latitude
_KM_EAST = 75.1  # per degree of longitude, at the origin
# Where people of this county go to work, degrees.
_CENTRES = {
    "to_seattle": (47.609, -122.335),
    "to_bellevue": (47.615, -122.197),
    "to_redmond": (47.643, -122.130),
}


class Columns(dict[str, Any]):
    """Hold the columns of homes by name; engineered ones are made when asked for."""

    surfaces: Surfaces | None = None

    def __missing__(self, name: str) -> Any:
        made = _MADE[name](self)
        self[name] = made
        return made

    @staticmethod
    def log(value: Any) -> Any:
        """Return logs of numbers, of 1 for smaller ones."""
        return np.log(np.maximum(value, 1.0))

    @staticmethod
    def hypot(x: Any, y: Any) -> Any:
        """Return lengths."""
        return np.hypot(x, y)

    @staticmethod
    def later(built: Any, renovated: Any) -> Any:
        """Return the year of renovation, or the year built where there was none."""
        return np.fmax(built, np.where(renovated > 0, renovated, np.nan))

    def placed(self, surfaces: Surfaces) -> Any:
        """Return a column for each of SURFACES."""
        return surfaces.at(self["east"], self["north"]).T


class OneHome(Columns):
    """Hold the columns of one home as plain numbers.

    The formulas are those of many homes; Python's own arithmetic takes a tenth of the
    time that numpy takes for a single number.
    """

    @staticmethod
    def log(value: float) -> float:
        """Return the log of a number, of 1 for a smaller one."""
        return math.log(max(value, 1.0))

    @staticmethod
    def hypot(x: float, y: float) -> float:
        """Return a length."""
        return math.hypot(x, y)

    @staticmethod
    def later(built: float, renovated: float) -> float:
        """Return the year of renovation, or the year built if there was none."""
        return renovated if renovated > 0 and not built >= renovated else built

    def placed(self, surfaces: Surfaces) -> list[float]:
        """Return the value of each of SURFACES."""
        return surfaces.at_one(self["east"], self["north"])


def by_column(rows: FloatArray) -> Any:
    """Return the columns of rows: of a single row plain numbers, else arrays."""
    return rows[0].tolist() if len(rows) == 1 else rows.T


def columns(
    homes: Homes,
    joined: Mapping[str, FloatArray],
    surfaces: Surfaces | None = None,
) -> Columns:
    """Return the columns of homes.

    joined: (n,) columns from elsewhere: demographics, what is known of the zipcode.
    """
    found = Columns(zip(NAMES, homes.values.T, strict=True))
    return _completed(found, homes.days, joined, surfaces)


def one_home(
    homes: Homes, joined: Mapping[str, float], surfaces: Surfaces | None = None
) -> OneHome:
    """Return the columns of a single home, as plain numbers."""
    found = OneHome(zip(NAMES, homes.values[0].tolist(), strict=True))
    return _completed(found, float(homes.days[0]), joined, surfaces)


C = TypeVar("C", bound=Columns)


def _completed(
    found: C, days: Any, joined: Mapping[str, Any], surfaces: Surfaces | None
) -> C:
    found.update(joined)
    found["months"] = (days - _EPOCH) / _DAYS_PER_MONTH
    found.surfaces = surfaces
    return found


def position_km(lat: Any, long: Any) -> tuple[Any, Any]:
    """Return km to the east and north of the county's middle; NaN if either is."""
    north = (lat - _ORIGIN[0]) * KM_PER_DEGREE
    east = (long - _ORIGIN[1]) * _KM_EAST
    return east + 0 * north, north + 0 * east


def _surface(index: int) -> Callable[[Columns], Any]:
    def look_up(c: Columns) -> Any:
        if c.surfaces is None:
            raise KeyError(SURFACES[index])
        if "surfaces" not in c:
            c["surfaces"] = c.placed(c.surfaces)
        return c["surfaces"][index]

    return look_up


def _to(name: str) -> Callable[[Columns], Any]:
    east, north = position_km(*_CENTRES[name])
    return lambda c: c.hypot(c["east"] - east, c["north"] - north)


def _log(name: str) -> Callable[[Columns], Any]:
    return lambda c: c.log(c[name])


# Every column that living space or grade enters rises with them and is held to be
# rising by the models (RISING): that is how more space never lowers a price.
_MADE: dict[str, Callable[[Columns], Any]] = {
    "east": lambda c: position_km(c["lat"], c["long"])[0],
    "north": lambda c: position_km(c["lat"], c["long"])[1],
    **{name: _to(name) for name in _CENTRES},
    **{name: _surface(index) for index, name in enumerate(SURFACES)},
    "log_living": _log("sqft_living"),
    "log_lot": _log("sqft_lot"),
    "log_living15": _log("sqft_living15"),
    "log_lot15": _log("sqft_lot15"),
    # 0 renovations is no year: where the year built is unknown, so is this one.
    "effective_year": lambda c: c.later(c["yr_built"], c["yr_renovated"]),
    "lot_relative": lambda c: c["log_lot"] - c["log_lot15"],
    "lot_floors": lambda c: c["sqft_lot"] * c["floors"],
    "living_per_bedroom": lambda c: c["sqft_living"] / (c["bedrooms"] + 1),
    "living_relative": lambda c: c["log_living"] - c["log_living15"],
    "grade_living": lambda c: c["grade"] * c["log_living"],
    # Columns of the first LightGBM models.
    "age": lambda c: 2014 + c["months"] / 12 - c["yr_built"],
    "years_since_work": lambda c: 2014 + c["months"] / 12 - c["effective_year"],
    "north_east": lambda c: c["lat"] * 1.48 + c["long"],
    "north_west": lambda c: c["lat"] * 1.48 - c["long"],
    "lot_to_neighbours": lambda c: c["sqft_lot"] / c["sqft_lot15"],
}
RISING = frozenset(
    (
        "sqft_living",
        "sqft_above",
        "sqft_basement",
        "grade",
        "living_per_bedroom",
        "living_relative",
        "grade_living",
    )
)
OWN = frozenset((*NAMES, "months", *_MADE))  # columns that need no join


def matrix(columns: Columns, names: Sequence[str]) -> FloatArray:
    """Stack the named columns into the (n, len(names)) rows a model takes."""
    return np.array([columns[name] for name in names]).T.reshape(-1, len(names))


def complete_areas(values: FloatArray) -> FloatArray:
    """Return homes whose one unknown area follows from living = above + basement."""
    living, above, basement = (
        values[:, POSITION[name]]
        for name in ("sqft_living", "sqft_above", "sqft_basement")
    )
    if not np.isnan(living + above + basement).any():
        return values
    values = values.copy()
    for name, found in (
        ("sqft_living", above + basement),
        ("sqft_above", np.maximum(living - basement, 0)),
        ("sqft_basement", np.maximum(living - above, 0)),
    ):
        column = values[:, POSITION[name]]
        unknown = np.isnan(column)
        column[unknown] = found[unknown]
    return values


def distance_km(
    lat: FloatArray, long: FloatArray, lat0: FloatArray, long0: FloatArray
) -> FloatArray:
    """Return the distance between positions, flat-earth: right to 1 % in a county."""
    east = (long - long0) * np.cos(np.radians(lat0))
    return np.asarray(KM_PER_DEGREE * np.hypot(lat - lat0, east))
