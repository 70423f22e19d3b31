"""The OpenAPI 3.1 document, made from the tables that the service itself runs on.

A plain builder: apispec could not read our field tables without as much code as this,
and would have nothing to read the answers from.
"""

from housing_app.v1.openapi.document import build, encoded

__all__ = ["build", "encoded"]
