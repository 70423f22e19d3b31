"""Schemas of what is sent, made from the tables that check it."""

from housing_app.v1 import columns, outcomes
from housing_app.v1.openapi.shapes import Shape, ref
from housing_app.valuation import features
from housing_app.valuation.features import ZIPCODE, Feature, Slot

HOMES: dict[Slot, str] = {"full": "Home", "minimal": "MinimalHome"}
LISTS: dict[Slot, str] = {"full": "Homes", "minimal": "MinimalHomes"}

# What a route's body may be: one, or a list.
BODIES: dict[str, tuple[str, str]] = {
    slot: (HOMES[slot], LISTS[slot]) for slot in features.SLOTS
}
BODIES |= {outcomes.LIST: ("Outcome", "Outcomes")}


def field(feature: Feature) -> Shape:
    """Return the schema of one field of a home."""
    shape: Shape = {
        "title": feature.label,
        "description": feature.help,
        "type": ["integer" if feature.step == 1 else "number", "null"],
        "x-unit": feature.unit,
    }
    limits = {"minimum": feature.low, "maximum": feature.high}
    # A null, having no size, is within all limits.
    shape |= {"anyOf": [{"const": 0}, limits]} if feature.zero else limits
    if feature.step not in (None, 1):
        shape["multipleOf"] = feature.step
    return shape


_ZIPCODE: Shape = {
    "title": "Zipcode",
    "description": "U.S. zipcode of the home, as text or number.",
    "x-unit": "five digits",
    "anyOf": [
        {"type": "string", "pattern": "^[0-9]{5}$"},
        {"type": "integer", "minimum": 0, "maximum": 99_999},
    ],
}
_FIRST, _BEYOND = columns.DATES
_CENTURIES = range(_FIRST.year // 100, _BEYOND.year // 100)
_DAY: Shape = {
    "description": "The date to value at, by default the last day the model learned "
    f"from. On or after {_FIRST}, before {_BEYOND}.",
    "type": "string",
    "format": "date",
    "pattern": f"^({'|'.join(map(str, _CENTURIES))})[0-9]{{2}}-[0-9]{{2}}-[0-9]{{2}}$",
}


def home(slot: Slot) -> Shape:
    """Return the schema of a home as a slot's route takes it."""
    fields = {feature.name: field(feature) for feature in features.slot_features(slot)}
    needed = [*fields, ZIPCODE]
    return {
        "description": f"A home by {len(needed)} fields; null is unknown.",
        "type": "object",
        "properties": fields | {ZIPCODE: _ZIPCODE, "valuation_date": _DAY},
        "required": needed,
        "additionalProperties": False,
    }


def homes(slot: Slot, most: int) -> Shape:
    """Return the schema of a list of homes."""
    return {
        "description": "Homes, and the date for those without their own.",
        "type": "object",
        "properties": {
            "records": {
                "type": "array",
                "items": ref(HOMES[slot]),
                "minItems": 1,
                "maxItems": most,
            },
            "valuation_date": _DAY,
        },
        "required": ["records"],
        "additionalProperties": False,
    }


def _outcome() -> Shape:
    fields = {
        "prediction_id": {
            "description": "The `id` of a prediction.",
            "type": "string",
            "pattern": f"^{outcomes.ID}$",
        },
        "sale_price": {
            "description": "What was paid.",
            "type": "number",
            "x-unit": "USD",
            "minimum": outcomes.PRICES[0],
            "maximum": outcomes.PRICES[1],
        },
        "sale_date": _DAY | {"description": "The day of sale; not in the future."},
    }
    return {
        "description": "What a home was sold for.",
        "type": "object",
        "properties": fields,
        "required": list(fields),
        "additionalProperties": False,
    }


def _outcomes(most: int) -> Shape:
    items = {"type": "array", "items": ref("Outcome"), "minItems": 1, "maxItems": most}
    return {
        "description": "Outcomes; those of one prediction must not differ.",
        "type": "object",
        "properties": {outcomes.LIST: items},
        "required": [outcomes.LIST],
        "additionalProperties": False,
    }


def components(most: int) -> dict[str, Shape]:
    """Return the named schemas of requests; `most` homes or outcomes go into one."""
    found = {"Outcome": _outcome(), "Outcomes": _outcomes(most)}
    for slot in features.SLOTS:
        found[HOMES[slot]] = home(slot)
        found[LISTS[slot]] = homes(slot, most)
    return found
