"""Which metrics and labels a PromQL expression names; enough for ours, no parser."""

import re
from typing import NamedTuple

_WORDS = {"and", "or", "unless", "bool"}


class Named(NamedTuple):
    """What an expression names."""

    metrics: dict[str, set[str]]  # the labels each is asked for by
    groups: set[str]  # labels it is grouped or joined by
    values: set[tuple[str, str, str]]  # label, =, !=, =~ or !~, and what to


def named(expression: str) -> Named:
    """Return the metrics of an expression, with the labels it asks them for."""
    strings: list[str] = []

    def put_away(match: re.Match[str]) -> str:
        strings.append(match[1])
        return f'"{len(strings) - 1}"'

    groups: set[str] = set()

    def group(match: re.Match[str]) -> str:
        groups.update(re.findall(r"\w+", match[1]))
        return " "

    text = re.sub(r'"((?:[^"\\]|\\.)*)"', put_away, expression)
    text = re.sub(r"\[[^\]]*\]|\boffset\s+[\w$]+", " ", text)
    text = re.sub(
        r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)",
        group,
        text,
    )
    metrics: dict[str, set[str]] = {}
    values = set()
    # A name before a bracket is a function.
    pattern = r"(?<![\w:.$\"])([a-zA-Z_:][\w:]*)\b(?!\s*\()\s*(?:\{([^}]*)\})?"
    for name, asked in re.findall(pattern, text):
        if name not in _WORDS:
            found = re.findall(r'(\w+)\s*(=~|!~|!=|=)\s*"(\d+)"', asked)
            metrics.setdefault(name, set()).update(label for label, _, _ in found)
            values |= {(label, how, strings[int(to)]) for label, how, to in found}
    return Named(metrics, groups, values)
