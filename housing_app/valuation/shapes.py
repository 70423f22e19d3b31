"""Check plain JSON against a schema of the few words of JSON Schema that we use.

The library jsonschema would do it, too, and take longer to load than all else: it
loads whatever checker of formats it finds installed.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from typing import Any

Schema = Mapping[str, Any]


def faults(value: Any, schema: Schema, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield where a value is not as the schema says, and why."""
    kind = schema.get("type")
    if kind and not _TYPES[kind](value):
        yield path, f"is no {kind}"
        return
    for word, limit in schema.items():
        if word in _RULES and (why := _RULES[word](value, limit)):
            yield path, why
    if isinstance(value, dict):
        yield from _members(value, schema, path)
    if isinstance(value, list) and (inner := schema.get("items")):
        for index, item in enumerate(value):
            yield from faults(item, inner, f"{path}[{index}]")


def _members(
    value: Mapping[str, Any], schema: Schema, path: str
) -> Iterator[tuple[str, str]]:
    known = schema.get("properties", {})
    others = schema.get("additionalProperties")
    named = schema.get("propertyNames")
    for name, member in value.items():
        inner = known.get(name, others)
        place = f"{path}.{name}" if path else name
        if named:
            yield from faults(name, named, place)
        if inner:
            yield from faults(member, inner, place)


def _is_number(value: Any) -> bool:
    # bool is an int to Python.
    return isinstance(value, int | float) and not isinstance(value, bool)


_TYPES: Mapping[str, Callable[[Any], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "number": _is_number,
    "integer": lambda value: _is_number(value) and value == int(value),
}


def _missing(value: Any, names: list[str]) -> str:
    absent = [name for name in names if name not in value]
    return f"lacks {absent[0]}" if absent else ""


def _not_a_date(value: str, _: str) -> str:
    try:
        date.fromisoformat(value)
    except ValueError:
        return "is no date"
    return ""


_RULES: Mapping[str, Callable[[Any, Any], str]] = {
    "required": _missing,
    "enum": lambda value, allowed: "" if value in allowed else f"is none of {allowed}",
    "minItems": lambda value, least: "" if len(value) >= least else "has too few items",
    "maxItems": lambda value, most: "" if len(value) <= most else "has too many items",
    "pattern": lambda value, rule: (
        "" if isinstance(value, str) and re.search(rule, value) else "is not allowed"
    ),
    "format": _not_a_date,
}
