"""The state of the parts: each part adds a check, /health shows what they say."""

from collections.abc import Callable
from typing import Any

from flask import Flask

_KEY = "housing_app.checks"
# A degraded part costs something (a range of its own, a record that waits), no answer.
OK, DEGRADED, FAILED = "ok", "degraded", "failed"

Check = Callable[[], dict[str, Any]]


def add(app: Flask, name: str, check: Check) -> None:
    """Have a check asked by /health: it returns `status` and what else is to be said.

    It answers from memory: no check may ask a store.
    """
    app.extensions.setdefault(_KEY, {})[name] = check


def results(app: Flask) -> dict[str, dict[str, Any]]:
    """Return what every check says, by name."""
    return {name: check() for name, check in app.extensions.get(_KEY, {}).items()}
