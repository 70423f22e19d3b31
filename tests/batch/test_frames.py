"""score_partition as Spark calls it: frames in, frames out (examples/score_with_spark.py).

Without Spark, which `make spark` runs.
"""

import importlib.util
import json
import math

import pandas as pd
import plausible
import pytest
from batch.conftest import written

from housing_app.config import ROOT
from housing_app.valuation.features import slot_features

_spec = importlib.util.spec_from_file_location(
    "score_with_spark", ROOT / "examples" / "score_with_spark.py"
)
spark = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(spark)


def frames(homes, size):
    """Yield frames as mapInPandas does, whose whole numbers may be pandas' own."""
    for first in range(0, len(homes), size):
        frame = pd.DataFrame(homes[first : first + size])
        yield frame.astype({"bedrooms": "Int64", "sqft_lot": "Int64"})


@pytest.mark.parametrize("slot", ["full", "minimal"])
def test_frames_get_the_prices_of_files(score, tasks, slot):
    names = [*(feature.name for feature in slot_features(slot)), "zipcode"]
    homes = [
        {name: home[name] for name in names} | {"loan": f"{i:04}", "note": "x"}
        for i, home in enumerate(plausible.homes(150))
    ]
    homes[3]["bedrooms"] = homes[40]["sqft_lot"] = None
    homes[5]["bathrooms"] = homes[110]["bathrooms"] = 99
    homes[7]["zipcode"] = None
    done = score(written("jsonl", homes), "in.jsonl", "out.jsonl", slot)
    task = tasks[slot]
    given = frames(homes, 64)
    made = [*spark.valued(given, task, "loan", pd.DataFrame)]
    assert [len(frame) for frame in made] == [64, 64, 22]
    types = spark.columns_told(task, "loan")
    assert all(list(frame) == list(types) for frame in made)
    rows = [row for frame in made for row in frame.to_dict("records")]
    assert [row["loan"] for row in rows] == [home["loan"] for home in homes]
    for one in done.rows:
        found = rows[one["row"] - 1]
        assert pd.isna(found.pop("errors"))
        assert found == {name: one[name] for name in found}
    rejected = {bad["row"]: bad["errors"] for bad in done.rejects}
    assert sorted(rejected) == [6, 8, 111]
    for number, errors in rejected.items():
        assert json.loads(rows[number - 1]["errors"]) == errors
        assert math.isnan(rows[number - 1]["price"])


def test_what_is_structured_is_json(tasks):
    task = tasks["full"]._replace(explain=True, comparables=2)
    homes = [home | {"loan": "a"} for home in plausible.homes(2)]
    (frame,) = spark.valued(frames(homes, 9), task, "loan", pd.DataFrame)
    assert [len(json.loads(text)) for text in frame["comparables"]] == [2, 2]
    assert {type(json.loads(text)) for text in frame["explanation"]} <= {dict, list}
    types = spark.columns_told(task, "loan")
    assert types["comparables"] == types["explanation"] == "string"
