"""Where a request's time goes: `python benchmarks/micro.py`.

Each step by itself, in microseconds and as a multiple of `json.loads` of one home. In
a request the steps cost up to twice as much: each finds the caches full of another's.
"""

import argparse
import json
from collections.abc import Callable
from itertools import cycle
from typing import Any

import inside
import results
from homes import bodies

Steps = dict[str, Callable[[], Any]]


def _valuation(records: int) -> Steps:
    """Return the steps of a valuation of so many homes."""
    from housing_app import demographics
    from housing_app.v1 import columns, schemas
    from housing_app.valuation import features, predictor
    from housing_app.valuation.predictor import Details

    model = predictor.current("full")
    assert model
    trees, told = model.model, model.comparables
    assert told
    (sent,) = bodies(1, records, seed=2)
    payload = json.loads(sent)
    request = schemas.load_request(payload, "full", 10_000)
    homes = request.homes(model.valuation_date)
    people = demographics.current()
    rows = people.join(homes.zipcodes, model.demographics)
    counts = homes.days * 0
    found = model.estimate(homes, rows, counts)
    near = told.near(found.columns, 5)
    no = found.unlike & False
    answers = model.value(homes, rows)

    def made() -> Any:
        return features.matrix(model.columns(homes, rows), model.manifest.features)

    return {
        "json.loads": lambda: json.loads(sent),
        "parse_json": lambda: schemas.parse_json(sent),
        "check": lambda: columns.checked(payload.get("records", [payload]), "full"),
        "check by the schema": lambda: schemas.home_schema("full").load(
            payload.get("records", [payload]), many=True
        ),
        "demographics": lambda: people.join(homes.zipcodes, model.demographics),
        "columns": made,
        "price": lambda: trees.log_prices(found.rows),
        "spread": lambda: trees.spreads(found.rows, found.base_log_prices, counts),
        "comparables, near": lambda: told.near(found.columns, 5),
        "comparables, gap": lambda: told.gaps(near, found.base_log_prices),
        "range": lambda: model.calibration.bounds(
            answers.prices, found.spreads, counts, 0.9
        ),
        "warnings": lambda: model._doubts(homes, no, no, no),
        "the whole valuation": lambda: model.value(homes, rows),
        "… explained": lambda: model.value(homes, rows, Details(explain=True)),
        "… with 5 comparables": lambda: model.value(
            homes, rows, Details(comparables=5)
        ),
    }


def _requests(ask: dict[str, inside.Call], records: int) -> Steps:
    new = cycle(bodies(6_000 if records == 1 else 40, records, seed=3))
    steps: Steps = {"empty view": lambda: ask["empty"](b"{}", "")}
    for name, query in (
        ("request", ""),
        ("request, explained", "explain=true"),
        ("request, 5 comparables", "comparables=5"),
    ):
        steps[name] = lambda query=query: ask["ours"](next(new), query)
    return steps


def main() -> None:
    """Measure one home and a thousand; save."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=40)
    options = parser.parse_args()
    found = {}
    with inside.apps() as ask:
        for records, calls in ((1, 30), (1_000, 1)):
            steps = _valuation(records)
            found[records] = inside.least(steps, options.turns, calls)
            steps = _requests(ask, records)
            turns = options.turns if records == 1 else min(options.turns, 12)
            found[records] |= inside.least(steps, turns, calls)
    unit = found[1]["json.loads"]
    figures = [
        {"homes": n, "step": step, "us": round(us, 2), "loads": round(us / unit, 1)}
        for n, steps in found.items()
        for step, us in steps.items()
    ]
    for row in figures:
        print("{homes:5} {step:26} {us:10.2f} {loads:8.1f}".format(**row))
    results.save("micro", figures)


if __name__ == "__main__":
    main()
