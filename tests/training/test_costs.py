"""What a model costs, beside another."""

import json

import pytest
from training.spoiled import renamed, spoiled

from housing_app.config import ROOT
from housing_app.training import costs
from housing_app.training.criteria import BY_KEY


def test_a_model_takes_as_long_as_itself(pair, shipped_demographics):
    found = costs.latencies((renamed(pair[0]), pair[0]), shipped_demographics)
    assert set(found) == {"one.p50", "one.p99", "thousand.p50", "thousand.p99"}
    assert all(BY_KEY[name].passes(ratio, None) for name, ratio in found.items()), found


def test_a_slow_model_is_found_slow(pair, shipped_demographics):
    slow = spoiled(pair[0], seconds=0.001)
    found = costs.latencies((slow, pair[0]), shipped_demographics)
    assert not BY_KEY["one.p50"].passes(found["one.p50"], None), found
    # A millisecond more is little for a thousand homes.
    assert found["thousand.p50"] < found["one.p50"]


def test_models_of_other_columns_are_timed_beside_each_other(
    pair, shipped_demographics
):
    found = costs.latencies(pair, shipped_demographics)
    assert all(0 < ratio < 1000 for ratio in found.values())


def test_memory_is_that_of_loading_the_artifact():
    found = costs.memory(ROOT / "model" / "catboost-full-1")
    files = json.loads((ROOT / "model/catboost-full-1/manifest.json").read_text())
    size = sum(
        (ROOT / "model/catboost-full-1" / name).stat().st_size
        for name in files["files"]
    )
    assert size / 2**20 / 4 < found < 100


def test_memory_of_what_cannot_be_loaded_is_unknown(tmp_path):
    assert costs.memory(tmp_path) is None


@pytest.mark.parametrize("size", [1, 1000])
def test_requests_hold_golden_homes(pair, size):
    asked = costs._requests(pair[0], size)
    assert {len(homes.zipcodes) for homes in asked} == {size}
    assert len(asked) == (len(pair[0].manifest.golden) if size == 1 else 1)
