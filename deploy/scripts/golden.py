"""Golden requests: what a release answers over HTTP, beside what it should.

A server checks its models by their own golden rows before it is ready. These rows come
from the operator's copy of the models and take a client's way: JSON, the demographics'
join, rounding. A release that brings another model under the same name is found here.
"""

import json
from datetime import date
from pathlib import Path
from typing import Any

from asking import Failed, ask

CORE = (
    *("bedrooms", "bathrooms", "sqft_living", "sqft_lot", "floors"),
    *("sqft_above", "sqft_basement", "zipcode"),
)
PATHS = {"full": "/v1/predict", "minimal": "/v1/predict/minimal"}
CENT = 0.011  # answers are rounded to it
_TRIES = 20  # a challenger may answer some


def verify(url: str, models: Path, tolerance: float = 1e-6) -> int:
    """Compare an instance's prices with the champions' golden rows; return how many.

    Raises Failed with the first price that is off.
    """
    serving = json.loads((models / "serving.json").read_text("utf-8"))
    return sum(
        _verify(url, slot, models / serving[slot]["champion"], tolerance)
        for slot in PATHS
    )


def _verify(url: str, slot: str, directory: Path, tolerance: float) -> int:
    manifest = json.loads((directory / "manifest.json").read_text("utf-8"))
    rows = manifest["golden"]
    if not rows:
        raise Failed(f"{directory.name} has no golden rows")
    answer = _champion(url + PATHS[slot], [_home(row, slot) for row in rows])
    name = f"{answer['model']['name']}-{answer['model']['version']}"
    if name != directory.name:
        raise Failed(f"{url}: slot {slot} is served by {name}, not {directory.name}")
    for i, (row, found) in enumerate(zip(rows, answer["predictions"], strict=True)):
        for key, wanted in zip(("price", "low", "high"), row["expected"], strict=True):
            if abs(found[key] - wanted) > max(CENT, tolerance * wanted):
                raise Failed(
                    f"{url}: golden row {i} of {name} has {key} {found[key]:,.2f}, "
                    f"not {wanted:,.2f}"
                )
    return len(rows)


def _home(row: dict[str, Any], slot: str) -> dict[str, Any]:
    names = CORE if slot == "minimal" else tuple(row["home"])
    day = date.fromordinal(int(row["day"])).isoformat()
    return {name: row["home"][name] for name in names} | {"valuation_date": day}


def _champion(url: str, homes: list[dict[str, Any]]) -> dict[str, Any]:
    for _ in range(_TRIES):
        status, body = ask(url, {"records": homes})
        if status != 200:
            raise Failed(f"{url}: {status} for golden rows: {body[:200]!r}")
        answer: dict[str, Any] = json.loads(body)
        if answer["model"]["variant"] != "challenger":
            return answer
    raise Failed(f"{url}: the champion answered none of {_TRIES} requests")
