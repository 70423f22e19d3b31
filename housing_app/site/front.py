"""`/` and `/accuracy`: clients of /v1 that run in the browser."""

from flask import Blueprint, Response, current_app, make_response, render_template

from housing_app import headers
from housing_app.site import form
from housing_app.valuation import intervals


def init_app(blueprint: Blueprint) -> None:
    """Add the pages; with them comes a script of ours, and no other."""
    blueprint.add_url_rule("/", "valuation_page", valuation_page)
    blueprint.add_url_rule("/accuracy", "accuracy_page", accuracy_page)


def valuation_page() -> Response:
    """Value a home by a form, show why, and what other values would do."""
    settings = current_app.config
    return _scripted(
        "valuation.html",
        groups=form.groups(),
        choices=form.choices,
        examples=form.examples(),
        levels=intervals.LEVELS,
        most=settings["MAX_RECORDS"],
        most_bytes=settings["MAX_CONTENT_LENGTH"],
        needs_token=settings["AUTH"] != "off",
    )


def accuracy_page() -> Response:
    """Show how good the valuations are, on later sales and on reported ones."""
    return _scripted("accuracy.html")


def _scripted(template: str, **values: object) -> Response:
    response = make_response(render_template(template, **values))
    response.headers["Content-Security-Policy"] = headers.SCRIPTED
    return response
