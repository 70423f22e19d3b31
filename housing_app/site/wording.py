"""JSON Schemas in words."""

from typing import Any

from markupsafe import Markup, escape

_NAMES: dict[str, str] = {"integer": "whole number"}


def kind(shape: dict[str, Any]) -> str:
    """Return what kind of value a schema asks for."""
    if "$ref" in shape:
        return str(shape["$ref"].rpartition("/")[2])
    if "type" not in shape:
        choices = shape.get("anyOf") or shape.get("oneOf") or [{"type": "anything"}]
        return " or ".join(kind(choice) for choice in choices)
    types = shape["type"] if isinstance(shape["type"], list) else [shape["type"]]
    words: list[str] = [_NAMES.get(str(word), str(word)) for word in types]
    if "items" in shape:
        words[0] = f"list of {kind(shape['items'])}"
    return " or ".join(words)


def limits(shape: dict[str, Any]) -> str:
    """Return a schema's limits, in words."""
    low, high = shape.get("minimum"), shape.get("maximum")
    said = []
    if "const" in shape:
        said.append(str(shape["const"]))
    if "enum" in shape:
        said.append(", ".join(str(choice) for choice in shape["enum"]))
    if low is not None or high is not None:
        ends = {"from": low, "to": high}
        found = (f"{k} {_told(v)}" for k, v in ends.items() if v is not None)
        said.append(" ".join(found))
    said += [text for choice in shape.get("anyOf", []) if (text := limits(choice))]
    for name, word in _WORDS.items():
        if name in shape:
            said.append(word.format(shape[name]))
    return "; ".join(said)


def _told(number: float) -> str:
    return f"{number:,}" if abs(number) >= _LONG else str(number)


_LONG = 10_000  # less, such as a year, is read without commas
_WORDS = {
    "multipleOf": "steps of {}",
    "minItems": "at least {}",
    "maxItems": "at most {}",
    "pattern": "as {}",
    "format": "{}",
    "default": "{} by default",
}


def marked(text: str) -> Markup:
    """Return text whose `quoted` words are shown as code."""
    pieces = str(escape(text)).split("`")
    return Markup(  # noqa: S704  # nosec B704 # escaped above
        "".join(f"<code>{p}</code>" if i % 2 else p for i, p in enumerate(pieces))
    )
