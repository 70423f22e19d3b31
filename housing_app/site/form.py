"""The form of a home, made from FEATURES."""

import csv
import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from housing_app.valuation.features import FEATURES, ZIPCODE, Feature

_HOMES = Path(__file__).parents[2] / "data" / "example_homes.csv"
_CHOICES = 13  # so few values, and one is chosen, not typed
# How the fields are grouped; those that are named nowhere come last.
_GROUPS = (
    ("Size", ("sqft_living", "sqft_lot", "sqft_above", "sqft_basement")),
    ("Rooms", ("bedrooms", "bathrooms", "floors")),
    ("Build", ("grade", "condition", "yr_built", "yr_renovated")),
    ("Outlook", ("waterfront", "view")),
    ("Position", ("lat", "long")),
    ("Neighbours", ("sqft_living15", "sqft_lot15")),
)
_OTHER = "More"


class Group(NamedTuple):
    """Name some of the fields."""

    name: str
    fields: tuple[Feature, ...]

    @property
    def core(self) -> bool:
        """Whether the minimal form has any of them."""
        return any(field.core for field in self.fields)


class Example(NamedTuple):
    """A home to begin with."""

    label: str
    home: dict[str, Any]


def groups(fields: Iterable[Feature] = FEATURES) -> list[Group]:
    """Return all fields but the zipcode, each once."""
    left = {field.name: field for field in fields}
    found = [
        Group(title, tuple(left.pop(name) for name in names if name in left))
        for title, names in _GROUPS
    ]
    found.append(Group(_OTHER, tuple(left.values())))
    return [group for group in found if group.fields]


def choices(field: Feature) -> list[tuple[str, str]]:
    """Return the values a field can have and how they are called, if they are few."""
    if field.step != 1 or field.high - field.low >= _CHOICES or field.zero:
        return []
    if (field.low, field.high) == (0, 1):
        return [("0", "no"), ("1", "yes")]
    values = range(int(field.low), int(field.high) + 1)
    return [(str(value), str(value)) for value in values]


@cache
def examples() -> list[Example]:
    """Return the example homes that come with the service."""
    with _HOMES.open(newline="", encoding="utf-8") as file:
        homes = [
            {k: v if k == ZIPCODE else json.loads(v) for k, v in row.items()}
            for row in csv.DictReader(file)
        ]
    return [Example(_label(home), home) for home in homes]


def _label(home: dict[str, Any]) -> str:
    water = ", on the water" if home["waterfront"] else ""
    return (
        f"{home[ZIPCODE]}: {home['sqft_living']:,} sqft, built {home['yr_built']}, "
        f"grade {home['grade']}{water}"
    )
