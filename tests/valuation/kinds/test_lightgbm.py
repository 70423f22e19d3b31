"""Trees evaluated by LightGBM's library: its answers to the last bit."""

import subprocess
import sys

import lightgbm
import numpy as np
import pytest
from served import MODEL, of_kind

from housing_app.config import ROOT
from housing_app.valuation import features
from housing_app.valuation.kinds.lightgbm import Trees


@pytest.fixture(scope="module", params=of_kind("lightgbm"))
def case(request, shipped, example_homes, shipped_demographics):
    """A shipped model, LightGBM's own reading of it, and the example homes' rows."""
    predictor = shipped[request.param]
    homes = features.homes(example_homes, predictor.valuation_date)
    joined = shipped_demographics.join(homes.zipcodes, predictor.demographics)
    booster = lightgbm.Booster(model_file=MODEL / request.param / "price.txt")
    columns = predictor.columns(homes, joined)
    rows = features.matrix(columns, predictor.manifest.features)
    return predictor.model, booster, rows


def test_prices_are_lightgbms_to_the_last_bit(case):
    trees, booster, rows = case
    assert len(rows) == 20
    assert (
        trees.log_prices(rows).tolist() == booster.predict(rows, num_threads=1).tolist()
    )


def test_one_row_gets_the_bits_it_gets_in_a_batch(case):
    trees, _, rows = case
    alone = [trees.log_prices(row[None])[0] for row in rows]
    assert alone == trees.log_prices(rows).tolist()


def test_an_earlier_answer_is_not_overwritten_by_a_later_one(case):
    trees, _, rows = case
    first = trees.log_prices(rows[:1])
    kept = first.copy()
    trees.log_prices(rows[5:6])
    assert first == kept


def test_unknown_values_are_handled_as_lightgbm_handles_them(case):
    trees, booster, rows = case
    holes = rows.copy()
    holes[np.random.default_rng(2).random(rows.shape) < 0.3] = np.nan
    expected = booster.predict(holes, num_threads=1)
    assert trees.log_prices(holes).tolist() == expected.tolist()
    assert trees.log_prices(holes[:1])[0] == expected[0]


LAYOUTS = {
    "by column": np.asfortranarray,
    "strided": lambda x: np.repeat(x, 2, 1)[:, ::2],
}


@pytest.mark.parametrize("take", LAYOUTS.values(), ids=LAYOUTS)
def test_the_layout_of_the_rows_in_memory_does_not_matter(case, take):
    trees, _, rows = case
    assert trees.log_prices(take(rows)).tolist() == trees.log_prices(rows).tolist()
    assert trees.log_prices(take(rows[:1]))[0] == trees.log_prices(rows)[0]


def test_contributions_are_lightgbms_and_add_up_to_the_prediction(case):
    trees, booster, rows = case
    found = trees.contributions(rows)
    expected = booster.predict(rows, pred_contrib=True, num_threads=1)
    assert found.tolist() == expected.tolist()
    assert found.shape == (20, rows.shape[1] + 1)
    np.testing.assert_allclose(found.sum(axis=1), trees.log_prices(rows), rtol=1e-12)


@pytest.fixture(scope="module")
def small_text():
    rng = np.random.default_rng(4)
    rows = rng.normal(size=(300, 3))
    data = lightgbm.Dataset(rows, rows[:, 0] + 12)
    options = {"verbosity": -1, "num_threads": 1, "seed": 1}
    return lightgbm.train(options, data, 5).model_to_string()


def test_the_trees_are_counted(small_text):
    assert Trees(small_text, 3).trees == 5


@pytest.mark.parametrize("width", [0, 2, 4])
def test_another_number_of_features_is_refused(refusal, small_text, width):
    assert refusal(Trees, small_text, width) == (
        f"the trees take 3 features, the manifest names {width}"
    )


@pytest.mark.parametrize("text", ["", "house prices\n", "tree\nversion=v4\n"])
def test_text_that_is_no_model_is_refused(refusal, text):
    assert refusal(Trees, text, 3)


# In a process of its own: LightGBM's parser ends the whole process over some cuts.
CUT = """
import sys
from housing_app.valuation.errors import ArtifactError
from housing_app.valuation.kinds.lightgbm import Trees
text = sys.stdin.read()
trees = text.index("end of trees")
try:
    Trees(text[: int(trees * float(sys.argv[1]))], 3)
except ArtifactError as error:
    print("refused")
"""


@pytest.mark.parametrize("share", [0.5, 1.0])
def test_a_truncated_model_is_refused_and_does_not_end_the_process(small_text, share):
    found = subprocess.run(
        [sys.executable, "-c", CUT, str(share)],
        input=small_text,
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert (found.returncode, found.stdout.splitlines()[-1:]) == (0, ["refused"])
