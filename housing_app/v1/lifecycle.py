"""Routes that will end: when, and what to use instead.

See "Versions" in docs/api.md. A route is announced here, never changed in place.
"""

from calendar import timegm
from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from flask import Flask, Response, request
from werkzeug.http import http_date


class Notice(NamedTuple):
    """Announce the end of a route, named by its rule; days begin in UTC."""

    rule: str  # such as /v1/predict
    deprecated: date
    sunset: date | None = None
    successor: str | None = None  # address of what to use instead


NOTICES: tuple[Notice, ...] = ()

HEADERS = ("Deprecation", "Sunset", "Link")
POLICY = "/docs#versions"
_KEY = "lifecycle"


def init_app(app: Flask, notices: Sequence[Notice] = NOTICES) -> None:
    """Add the headers to the answers of the routes in `notices`."""
    headers = {notice.rule: _headers(notice) for notice in notices}
    app.extensions[_KEY] = headers
    if not headers:
        return

    @app.after_request
    def announce(response: Response) -> Response:
        rule = request.url_rule.rule if request.url_rule else ""
        for name, value in headers.get(rule, ()):
            response.headers.add(name, value)
        return response


def is_ending(app: Flask, rule: str) -> bool:
    """Say whether the end of a route is announced."""
    return rule in app.extensions.get(_KEY, {})


def _headers(notice: Notice) -> list[tuple[str, str]]:
    if notice.sunset and notice.sunset < notice.deprecated:
        raise ValueError(f"{notice.rule} would end before it is deprecated")
    # RFC 9745, 8594 and 5829.
    found = [
        ("Deprecation", f"@{timegm(notice.deprecated.timetuple())}"),
        ("Link", f'<{POLICY}>; rel="deprecation"; type="text/html"'),
    ]
    if notice.sunset:
        found.append(("Sunset", http_date(notice.sunset)))
    if notice.successor:
        found.append(("Link", f'<{notice.successor}>; rel="successor-version"'))
    return found
