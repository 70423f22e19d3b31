"""`/docs` and `/problems`: the OpenAPI document and the problem types, readable."""

import json
from typing import Any

from flask import Blueprint, Response, current_app, render_template, request

from housing_app.errors import PROBLEMS, Problem
from housing_app.extensions import limiter
from housing_app.site import assets, front, wording
from housing_app.v1 import openapi

blueprint = Blueprint("site", __name__, template_folder="templates")
limiter.exempt(blueprint)
assets.init_app(blueprint)
front.init_app(blueprint)
blueprint.add_app_template_filter(wording.kind)
blueprint.add_app_template_filter(wording.limits)
blueprint.add_app_template_filter(wording.marked)

_DOCS = "docs_page"


@blueprint.get("/docs")
def docs() -> str:
    """Show every route with its fields, limits, errors and examples."""
    extensions = current_app.extensions
    if _DOCS not in extensions:
        document = json.loads(openapi.encoded(current_app))
        extensions[_DOCS] = render_template("docs.html", document=document)
    page: str = extensions[_DOCS]
    return page


@blueprint.get("/problems")
def problems() -> Any:
    """List all problem types."""
    if _wants_json():
        return _varying({"problems": [_told(name) for name in PROBLEMS]})
    return _varying(render_template("problems.html", problems=PROBLEMS))


@blueprint.get("/problems/<name>")
def problem(name: str) -> Any:
    """Say what a problem type means and what to do about it."""
    kind = PROBLEMS.get(name)
    if kind is None:
        raise Problem("not-found", "there is no such problem type")
    if _wants_json():
        return _varying(_told(name))
    return _varying(render_template("problem.html", name=name, kind=kind))


def _told(name: str) -> dict[str, Any]:
    return {"type": f"/problems/{name}"} | PROBLEMS[name]._asdict()


def _wants_json() -> bool:
    accepted = request.accept_mimetypes
    return accepted.best_match(["text/html", "application/json"]) == "application/json"


def _varying(answer: str | dict[str, Any]) -> Response:
    response = current_app.make_response(answer)
    response.vary.add("Accept")
    return response
