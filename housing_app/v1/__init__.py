"""Version 1 of the HTTP API."""

from housing_app.v1 import lifecycle
from housing_app.v1.views import blueprint

__all__ = ["blueprint", "lifecycle"]
