"""Words for JSON Schemas (2020-12)."""

from collections.abc import Mapping, Sequence
from typing import Any

from housing_app.valuation.serving import ROLES

Shape = dict[str, Any]


def ref(name: str) -> Shape:
    """Return a reference to a component schema."""
    return {"$ref": f"#/components/schemas/{name}"}


def text(description: str = "", **more: Any) -> Shape:
    """Return the schema of a string."""
    return _typed("string", description, more)


def number(description: str = "", *, unit: str = "", **more: Any) -> Shape:
    """Return the schema of a number."""
    return _typed("number", description, ({"x-unit": unit} if unit else {}) | more)


def whole(description: str = "", **more: Any) -> Shape:
    """Return the schema of a whole number."""
    return _typed("integer", description, more)


def flag(description: str = "", **more: Any) -> Shape:
    """Return the schema of a boolean."""
    return _typed("boolean", description, more)


def listed(items: Shape, description: str = "", **more: Any) -> Shape:
    """Return the schema of a list."""
    return _typed("array", description, {"items": items} | more)


def members(
    properties: Mapping[str, Shape],
    description: str = "",
    *,
    optional: Sequence[str] = (),
) -> Shape:
    """Return the schema of an object."""
    needed = [name for name in properties if name not in optional]
    more = {"properties": dict(properties), "required": needed}
    return _typed("object", description, more)


def mapped(values: Shape, description: str = "") -> Shape:
    """Return the schema of an object whose names are data."""
    return _typed("object", description, {"additionalProperties": values})


def nullable(shape: Shape) -> Shape:
    """Return a typed schema that allows null too."""
    return shape | {"type": [shape["type"], "null"]}


def _typed(kind: str, description: str, more: Shape) -> Shape:
    said = {"description": description} if description else {}
    return {"type": kind} | said | more


REQUEST_ID = text("Also in the header X-Request-ID and in the log.")
ROLE = text("Champion, or what stands in for it.", enum=list(ROLES))
VERSION = whole(minimum=1)
