"""What the journal costs in the request path: `python benchmarks/journal.py`.

The answers to the example home, and to a batch of 1,000 of them, are recorded again and
again in a spool on this disk while a worker's background job drains it into SQLite: the
time from the answer to the end of `record`, in microseconds.
"""

import csv
import json
import statistics
import sys
import tempfile
from functools import partial
from pathlib import Path
from time import perf_counter, sleep
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from flask import Flask, g  # noqa: E402
from werkzeug.datastructures import MultiDict  # noqa: E402

from housing_app import background, create_app, journal, traffic  # noqa: E402
from housing_app.v1 import answers, schemas  # noqa: E402
from housing_app.valuation.features import ZIPCODE  # noqa: E402

PLAN = ((1, 5_000), (20, 2_000), (1_000, 100))  # homes, calls


def homes() -> list[dict[str, Any]]:
    """Return the example homes as a client sends them."""

    def value(name: str, text: str) -> Any:
        return text if name == ZIPCODE else json.loads(text)

    with (ROOT / "data" / "example_homes.csv").open(newline="") as file:
        return [{k: value(k, v) for k, v in x.items()} for x in csv.DictReader(file)]


def answered(app: Flask, count: int) -> tuple[Any, Any]:
    """Return so many homes as they were checked, and the answer to them."""
    found: list[Any] = []
    records = (homes() * 50)[:count]
    answers.value_payload(
        {"records": records},
        "full",
        schemas.load_details(MultiDict()),
        app.config,
        record=lambda *pair: found.append(pair),
    )
    pair: tuple[Any, Any] = found[0]
    return pair


def times(call: Any, calls: int) -> list[float]:
    """Return the microseconds of each call, with a pause as between requests."""
    found = []
    for _ in range(calls):
        began = perf_counter()
        call()
        found.append(1e6 * (perf_counter() - began))
        sleep(0.0002)
    return sorted(found)


def main() -> None:
    """Print a Markdown table."""
    with tempfile.TemporaryDirectory(dir=ROOT) as folder:
        settings = {"INSTANCE_DIR": Path(folder), "RATE_LIMIT": "off"}
        app = create_app(settings | {"DATABASE_URL": "", "JOURNAL": "on"})
        traffic.install(app.config)
        background.start(app)
        print("| Homes | median µs | 99th percentile µs | per home µs |")
        print("| ---: | ---: | ---: | ---: |")
        with app.test_request_context():
            g.request_id, g.subject, g.arrived = "0" * 32, None, perf_counter()
            for count, calls in PLAN:
                call = partial(journal.record, "full", *answered(app, count))
                times(call, calls // 10)
                found = times(call, calls)
                middle = statistics.median(found)
                late = found[int(0.99 * calls)]
                print(
                    f"| {count:,} | {middle:.1f} | {late:.0f} | {middle / count:.1f} |"
                )
        background.stop(app)


if __name__ == "__main__":
    main()
