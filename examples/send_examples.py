"""Post a CSV of homes to a running server and print what they are worth.

    python examples/send_examples.py data/example_homes.csv

Needs nothing but Python: it is meant to be read and copied.
"""

import argparse
import csv
import json
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

BATCH = 500
CORE = "bedrooms bathrooms sqft_living sqft_lot floors sqft_above sqft_basement zipcode"
SECONDS = 30


def read_homes(path: Path) -> list[dict[str, Any]]:
    """Return the file's homes; an empty cell is an unknown value."""

    def cell(name: str, text: str) -> Any:
        if not text:
            return None
        return text if name == "zipcode" else float(text)

    with path.open(newline="", encoding="utf-8-sig") as file:
        return [{k: cell(k, v) for k, v in row.items()} for row in csv.DictReader(file)]


def post(url: str, homes: list[dict[str, Any]]) -> dict[str, Any]:
    """Send homes and return the answer; exit with the server's words if it refuses."""
    body = json.dumps({"records": homes}).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, body, headers)
    try:
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:  # nosec B310
            return json.load(answer)
    except urllib.error.HTTPError as error:
        problem = json.load(error)
        for found in problem.get("errors", []):
            print(f"{found.get('pointer')}: {found['detail']}", file=sys.stderr)
        sys.exit(f"{error.code}: {problem['detail']}")
    except OSError as error:
        sys.exit(f"{url} does not answer ({error}): is the server up? (make run)")


def main() -> None:
    """Read, send in batches, print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path, help="CSV with the 18 fields of each home")
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--minimal", action="store_true", help="the 8 core fields only")
    parser.add_argument("--interval", default="0.9", choices=["0.5", "0.8", "0.9"])
    options = parser.parse_args()
    try:
        homes = read_homes(options.file)
    except (OSError, ValueError) as error:
        sys.exit(f"{options.file}: {error}")
    path = "/v1/predict"
    if options.minimal:
        path += "/minimal"
        homes = [{name: home[name] for name in CORE.split()} for home in homes]
    url = f"{options.url.rstrip('/')}{path}?interval={options.interval}"
    print(f"{'ZIPCODE':<8}{'SQFT':>7}{'PRICE':>13}{'LOW':>13}{'HIGH':>13}  CONFIDENCE")
    for start in range(0, len(homes), BATCH):
        batch = homes[start : start + BATCH]
        for home, found in zip(batch, post(url, batch)["predictions"], strict=True):
            prices = (f"{found[key]:>13,.0f}" for key in ("price", "low", "high"))
            size = home["sqft_living"]
            print(
                f"{home['zipcode']:<8}{'-' if size is None else f'{size:.0f}':>7}",
                *prices,
                "  ",
                found["confidence"],
                sep="",
            )
    print(f"{len(homes)} homes valued")


if __name__ == "__main__":
    main()
