"""Value a table of homes with Spark: CSV or Parquet in, Parquet out.

    spark-submit examples/score_with_spark.py homes.csv prices --key loan

Every executor needs this package and the model's directory, at the same path. One row
comes out for each that goes in: with a price, or with the reasons why there is none.
"""

import argparse
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from housing_app.batch.partition import Task, score_partition, told
from housing_app.batch.rules import fields_of

ROOT = Path(__file__).resolve().parents[1]
NUMBERS = ("price", "low", "high", "fsd")
LISTS = ("missing", "warnings")
ERRORS = "errors"


def columns_told(task: Task, key: str) -> dict[str, str]:
    """Return {name: Spark type} of what comes out for each home."""
    types = dict.fromkeys(told(task), "string")
    types |= dict.fromkeys(NUMBERS, "double") | dict.fromkeys(LISTS, "array<string>")
    return {key: "string"} | types | {ERRORS: "string"}


def valued(
    batches: Iterable[Any], task: Task, key: str, frame: Callable[[Any], Any]
) -> Iterator[Any]:
    """Yield a frame of prices for each frame of homes, as `mapInPandas` wants it.

    key: the column to know a home by; frame: pandas.DataFrame.
    """
    for batch in batches:
        fields = [name for name in fields_of(task.slot) if name in batch]
        homes = {name: plain(batch[name]) for name in fields}
        scored = score_partition(homes, task)
        types = columns_told(task, key)
        made: dict[str, list[Any]] = {name: [None] * len(batch) for name in types}
        made[key] = [str(value) for value in batch[key]]
        for name, column in scored.columns.items():
            for row, value in zip(scored.rows, column, strict=True):
                made[name][row] = as_column(name, value)
        for row, errors in scored.rejected.items():
            made[ERRORS][row] = json.dumps(errors)
        yield frame(made)


def plain(column: Any) -> list[Any]:
    """Return a frame's column as JSON would hold it: what is null is None."""
    # pandas has three kinds of null, and numbers of numpy's.
    return [
        None if is_null else value.item() if hasattr(value, "item") else value
        for value, is_null in zip(column, column.isna(), strict=True)
    ]


def as_column(name: str, value: Any) -> Any:
    """Return a value as its Spark type has it: what is structured is JSON."""
    is_text = name in LISTS or value is None or isinstance(value, str | float)
    return value if is_text else json.dumps(value)


def main() -> None:
    """Run as a Spark application."""
    import pandas as pd  # Spark brings it
    from pyspark.sql import SparkSession
    from pyspark.sql.types import StructType

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", help="CSV with a header, or Parquet")
    parser.add_argument("target", help="folder of Parquet to write")
    parser.add_argument("--key", required=True, help="column to know a home by")
    parser.add_argument("--model", default=str(ROOT / "model" / "catboost-full-1"))
    parser.add_argument("--slot", choices=("full", "minimal"), default="full")
    arguments = parser.parse_args()
    demographics = str(ROOT / "data" / "zipcode_demographics.csv")
    task = Task(arguments.model, demographics, arguments.slot)

    spark = SparkSession.builder.appName("housing").getOrCreate()
    if arguments.source.endswith(".csv"):
        homes = spark.read.csv(arguments.source, header=True, inferSchema=True)
        # Inferred as a number it would have lost its zeros; the key may have some.
        names = ("zipcode", arguments.key)
        texts = spark.read.csv(arguments.source, header=True).schema
        kinds = [texts[x.name] if x.name in names else x for x in homes.schema]
        schema = StructType(kinds)
        homes = spark.read.csv(arguments.source, header=True, schema=schema)
    else:
        homes = spark.read.parquet(arguments.source)
    types = columns_told(task, arguments.key).items()
    prices = homes.mapInPandas(
        lambda batches: valued(batches, task, arguments.key, pd.DataFrame),
        ", ".join(f"`{name}` {kind}" for name, kind in types),
    )
    prices.write.mode("errorifexists").parquet(arguments.target)
    spark.stop()


if __name__ == "__main__":
    main()
