"""What pages are made of: styles, modules, charts; each address changes with them."""

import hashlib
from functools import cache
from pathlib import Path

from flask import Blueprint, Response, send_from_directory, url_for

from housing_app.errors import Problem

STATIC = Path(__file__).with_name("static")
# Told here, not by the machine: browsers run nothing of another type (nosniff).
TYPES = {
    ".css": "text/css",
    ".js": "text/javascript",
    ".json": "application/json",
    ".svg": "image/svg+xml",
}
_FOREVER = "public, max-age=31536000, immutable"


@cache
def version() -> str:
    """Return a name for all files as they are; modules import each other by it."""
    told = hashlib.sha256()
    for name in names():
        told.update(name.encode() + (STATIC / name).read_bytes())
    return told.hexdigest()[:12]


def names() -> list[str]:
    """Return the paths of all files that are served, licences apart."""
    found = (path for path in STATIC.rglob("*") if path.suffix in TYPES)
    return sorted(path.relative_to(STATIC).as_posix() for path in found)


def init_app(blueprint: Blueprint) -> None:
    """Serve the files, and tell templates their addresses."""
    blueprint.add_url_rule("/static/<version>/<path:filename>", "static", static)
    blueprint.add_app_template_global(address, "asset")


def address(filename: str) -> str:
    """Return the path of a file as it is today."""
    return url_for("site.static", version=version(), filename=filename)


def static(version: str, filename: str) -> Response:
    """Serve what the pages are made of."""
    if Path(filename).suffix not in TYPES:
        raise Problem("not-found", "there is no such file")
    kind = TYPES[Path(filename).suffix]
    response = send_from_directory(STATIC, filename, mimetype=kind, max_age=0)
    # A page of another release may ask in the middle of a change: it gets what there
    # is, but nobody keeps it under that name.
    current = version == _version()
    response.headers["Cache-Control"] = _FOREVER if current else "no-store"
    return response


_version = version  # the view's argument has its name
