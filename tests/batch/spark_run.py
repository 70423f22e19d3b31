"""Score homes with a real Spark (examples/score_with_spark.py) and with `flask score`.

    make spark

Run by hand: it needs a Java and half a gigabyte of Spark. Prints how many answers are
the same, and fails if one is not.
"""

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import plausible  # noqa: E402
from pyarrow import parquet  # noqa: E402

NUMBERS = ("price", "low", "high", "fsd")
TEXTS = ("confidence", "valuation_date", "model")
LISTS = ("missing", "warnings")


def write_homes(path, count):
    """Write homes with a key, unknown values, and some that break a rule."""
    homes = plausible.homes(count)
    for i, home in enumerate(homes):
        home["loan"] = f"{i:07}"
        if i % 5 == 0:
            home["yr_renovated"] = ""
        if i % 97 == 0:
            home["grade"] = 99
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(homes[0]))
        writer.writeheader()
        writer.writerows(homes)


def differing(folder, priced, rejected):
    """Yield the keys of homes of which Spark says something else."""
    found = {row["loan"]: row for row in parquet.read_table(folder).to_pylist()}
    for row in priced:
        ours = {name: float(row[name]) for name in NUMBERS}
        ours |= {name: row[name] for name in TEXTS}
        ours |= {name: row[name].split() for name in LISTS} | {"errors": None}
        if ours != {name: found[row["loan"]][name] for name in ours}:
            yield row["loan"]
    for row in rejected:
        theirs = found[row["sent"]["loan"]]
        if json.loads(theirs["errors"]) != row["errors"] or theirs["price"]:
            yield row["sent"]["loan"]
    assert len(found) == len(priced) + len(rejected)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", type=Path, required=True, help="that has pyspark")
    parser.add_argument("--homes", type=int, default=20_000)
    arguments = parser.parse_args()
    environ = os.environ | {
        "FLASK_APP": "housing_app",
        "PYTHONPATH": str(ROOT),
        "PYSPARK_PYTHON": str(arguments.python.absolute()),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "OMP_NUM_THREADS": "1",
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        environ["INSTANCE_DIR"] = str(folder / "instance")
        write_homes(folder / "homes.csv", arguments.homes)
        homes, prices = folder / "homes.csv", folder / "prices.csv"
        submit = arguments.python.absolute().parent / "spark-submit"
        quiet = "spark.ui.enabled=false", "spark.log.level=WARN"
        options = "--master", "local[2]", *(x for one in quiet for x in ("--conf", one))
        program = "examples/score_with_spark.py", homes, folder / "spark"
        for command in (
            [submit, *options, *program, "--key", "loan"],
            [sys.executable, "-m", "flask", "score", homes, prices],
        ):
            subprocess.run(command, cwd=ROOT, env=environ, check=True)
        with prices.open(newline="") as file:
            priced = list(csv.DictReader(file))
        lines = (folder / "prices.csv.rejects.jsonl").read_text().splitlines()
        rejected = [json.loads(line) for line in lines]
        wrong = list(differing(folder / "spark", priced, rejected))
    print(f"{len(priced):,} prices and {len(rejected):,} refusals: {len(wrong)} differ")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
