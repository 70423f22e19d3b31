"""Put the document together, once for each app."""

import csv
import json
import re
from inspect import cleandoc
from itertools import islice
from pathlib import Path
from typing import Any, Literal, cast

from flask import Flask
from werkzeug.routing import Rule

from housing_app import auth
from housing_app.errors import PROBLEMS
from housing_app.v1 import lifecycle
from housing_app.v1 import outcomes as v1_outcomes
from housing_app.v1.openapi import about, parts, requests, valuations
from housing_app.v1.openapi.operations import OPERATIONS, TAGS, Operation
from housing_app.v1.openapi.shapes import Shape, ref
from housing_app.valuation import features
from housing_app.valuation.features import ZIPCODE, Slot

_HOMES = Path(__file__).parents[3] / "data" / "example_homes.csv"
_VARIABLE = re.compile(r"<(?:\w+:)?(\w+)>")
_KEY = "openapi"
_OUTCOMES = [
    {
        "prediction_id": "7f6c2a1e-3b0d-4d7e-9a54-0c1b2d3e4f50",
        "sale_price": 512_000,
        "sale_date": "2015-05-02",
    },
    {
        "prediction_id": "0e9d8c7b-6a5f-4e3d-8c2b-1a0f9e8d7c6b",
        "sale_price": 389_500,
        "sale_date": "2015-05-19",
    },
]
_ANSWERS = valuations.SCHEMAS | about.SCHEMAS


def encoded(app: Flask) -> bytes:
    """Return the document as JSON; the same bytes for the life of the app."""
    if _KEY not in app.extensions:
        app.extensions[_KEY] = json.dumps(build(app)).encode()
    found: bytes = app.extensions[_KEY]
    return found


def build(app: Flask) -> dict[str, Any]:
    """Return the document of an app's routes and settings."""
    paths: dict[str, Any] = {}
    rules = {
        f"{m} {rule.rule}": rule
        for rule in app.url_map.iter_rules()
        for m in rule.methods or ()
    }
    for route, operation in OPERATIONS.items():
        # Flask's debugger, for one, goes without /metrics.
        if rule := rules.get(route):
            method, path = _VARIABLE.sub(r"{\1}", route).split(" ")
            found = _operation(app, rule, operation)
            paths.setdefault(path, {})[method.lower()] = found
    shapes = requests.components(app.config["MAX_RECORDS"]) | _ANSWERS
    return {
        "openapi": "3.1.1",
        "info": parts.info(app.config["VERSION"]),
        "servers": [{"url": "/"}],
        "tags": [{"name": name, "description": said} for name, said in TAGS.items()],
        "paths": paths,
        "components": {
            "schemas": shapes,
            "parameters": parts.parameters(),
            "headers": parts.HEADERS,
            "securitySchemes": parts.SECURITY,
        },
    }


def _operation(app: Flask, rule: Rule, operation: Operation) -> dict[str, Any]:
    view = app.view_functions[rule.endpoint]
    said = operation.summary or cleandoc(view.__doc__ or "")
    ending = lifecycle.is_ending(app, rule.rule)
    scope = auth.ROUTES.get(rule.endpoint, auth.PUBLIC)
    summary, _, more = said.partition("\n\n")
    found: dict[str, Any] = {
        "operationId": operation.name or rule.endpoint.rpartition(".")[2],
        "tags": [operation.tag],
        "summary": summary.rstrip("."),
        "parameters": [
            {"$ref": f"#/components/parameters/{name}"}
            for name in (*operation.parameters, "X-Request-ID", "traceparent")
        ],
    }
    if more:
        found["description"] = more
    if operation.body:
        found["requestBody"] = _body(operation.body)
    found["responses"] = _responses(operation, scope, ending=ending)
    if scope != auth.PUBLIC:
        found["security"] = _security(scope, app.config["AUTH"])
    if ending:
        found["deprecated"] = True
    return found


def _security(scope: str, auth: str) -> list[dict[str, list[str]]]:
    needed = {"bearerAuth": [scope]}
    return [{}, needed] if auth == "off" else [needed]


def _body(kind: Slot | Literal["outcomes"]) -> dict[str, Any]:
    is_home = kind != v1_outcomes.LIST
    found = _homes(kind) if is_home else _OUTCOMES
    things, name = ("home", "records") if is_home else ("outcome", v1_outcomes.LIST)
    one = {"summary": f"One {things}", "value": found[0]}
    several = {"summary": f"Several {things}s", "value": {name: found}}
    shape = {"oneOf": [ref(name) for name in requests.BODIES[kind]]}
    examples = {"one": one, "several": several}
    content = {"application/json": {"schema": shape, "examples": examples}}
    return {"required": True, "content": content}


def _homes(slot: str) -> list[dict[str, Any]]:
    """Return the first of the example homes that come with the service."""
    asked = {*(f.name for f in features.slot_features(cast(Slot, slot))), ZIPCODE}

    def value(name: str, text: str) -> Any:
        return text if name == ZIPCODE else json.loads(text)

    with _HOMES.open(newline="", encoding="utf-8") as file:
        rows = list(islice(csv.DictReader(file), 3))
    return [{k: value(k, v) for k, v in row.items() if k in asked} for row in rows]


def _responses(operation: Operation, scope: str, *, ending: bool) -> dict[str, Any]:
    headers = ["X-Request-ID", *(lifecycle.HEADERS if ending else ())]
    names = [*operation.problems, "internal-error"]
    if scope != auth.PUBLIC:
        names += ["unauthorized", "forbidden"]
    if operation.limited:
        headers += ["RateLimit", "RateLimit-Policy"]
        names.append("rate-limited")
    content: dict[str, Shape] = {kind: {} for kind in operation.media}
    if operation.schema:
        content["application/json"] = {"schema": ref(operation.schema)}
    own = [*headers, *operation.headers, *(["Cache-Status"] if operation.body else [])]
    found = {"200": parts.response("The answer.", own, content)}
    if operation.creates:
        found["201"] = parts.response("Something new was stored.", own, content)
    found |= {str(status): parts.other(status, headers) for status in operation.also}
    for status in sorted({PROBLEMS[name].status for name in names}):
        these = [name for name in names if PROBLEMS[name].status == status]
        found[str(status)] = parts.problem(these, headers)
    return found
