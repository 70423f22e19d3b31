"""Accuracy figures against published and hand-worked numbers."""

import numpy as np
import pytest
from scipy import stats

from housing_app.valuation import ratios

# IAAO, Standard on Ratio Studies (2013): the 36 sales of its worked ratio study.
# Appraised value, sale price; the standard prints COD 29.8, PRD 0.98 and PRB 0.232.
IAAO_STUDY = np.array([
    [48_000, 138_000], [28_800, 59_250], [78_400, 157_500], [39_840, 74_400],
    [68_160, 114_900], [94_400, 159_000], [67_200, 111_900], [56_960, 93_000],
    [87_200, 138_720], [38_240, 59_700], [96_320, 146_400], [67_680, 99_000],
    [32_960, 47_400], [50_560, 70_500], [61_360, 78_000], [47_360, 60_000],
    [58_080, 69_000], [47_040, 55_500], [136_000, 154_500], [103_200, 109_500],
    [59_040, 60_000], [168_000, 168_000], [128_000, 124_500], [132_000, 127_500],
    [160_000, 150_000], [160_000, 141_000], [200_000, 171_900], [184_000, 157_500],
    [160_000, 129_600], [157_200, 126_000], [99_200, 77_700], [200_000, 153_000],
    [64_000, 48_750], [192_000, 144_000], [190_400, 141_000], [65_440, 48_000],
], dtype=float)  # fmt: skip
APPRAISED, SOLD = IAAO_STUDY.T
PRICE = np.array([100_000.0, 200_000.0, 300_000.0, 400_000.0])
PREDICTED = np.array([110_000.0, 190_000.0, 300_000.0, 320_000.0])


@pytest.mark.parametrize(
    ("figure", "published", "places"),
    [(ratios.cod, 29.8, 1), (ratios.prd, 0.98, 2), (ratios.prb, 0.232, 3)],
)
def test_the_iaao_example_gives_the_published_figure(figure, published, places):
    assert round(figure(SOLD, APPRAISED), places) == published


# Ratios 1.1, 0.95, 1, 0.8: median 0.975, mean 0.9625; sums 920,000 and 1,000,000.
@pytest.mark.parametrize(
    ("figure", "worked"),
    [
        # Squared residuals 1, 1, 0 and 64 e8 over a total of 500 e8.
        (ratios.r2, 1 - 66 / 500),
        (ratios.mdape, 0.075),  # the middle of 0, 0.05, 0.1 and 0.2
        (ratios.bias, -0.025),
        (ratios.cod, 100 * (0.125 + 0.025 + 0.025 + 0.175) / 4 / 0.975),
        (ratios.prd, 0.9625 / 0.92),
    ],
)
def test_four_sales_give_the_hand_worked_figure(figure, worked):
    assert figure(PRICE, PREDICTED) == pytest.approx(worked)


@pytest.mark.parametrize(
    ("within", "share"), [(0.0, 0.25), (0.06, 0.5), (0.11, 0.75), (0.2001, 1.0)]
)
def test_ppe_is_the_share_of_homes_within_a_percentage(within, share):
    assert ratios.ppe(PRICE, PREDICTED, within) == share


def test_ppe_counts_a_home_at_exactly_the_limit():
    assert ratios.ppe(np.array([100.0]), np.array([150.0]), 0.5) == 1


def test_prb_is_the_regression_of_the_standard():
    ratio = APPRAISED / SOLD
    median = np.median(ratio)
    value = np.log(0.5 * APPRAISED / median + 0.5 * SOLD) / np.log(2)
    line = stats.linregress(value, (ratio - median) / median)
    assert ratios.prb(SOLD, APPRAISED) == pytest.approx(line.slope)


def test_valuing_dear_homes_too_low_shows_in_prd_and_prb():
    price = np.geomspace(1e5, 2e6, 200)
    regressive = price**0.8
    assert ratios.prd(price, regressive) > ratios.IAAO_LIMITS["prd"][1]
    assert ratios.prb(price, regressive) < ratios.IAAO_LIMITS["prb"][0]


def test_a_perfect_model_has_perfect_figures():
    found = ratios.accuracy(PRICE, PRICE)
    errors = {k: found[k] for k in ("mdape", "bias", "cod", "prb")}
    assert errors == pytest.approx(dict.fromkeys(errors, 0), abs=1e-9)
    assert {found[k] for k in ("r2", "ppe10", "ppe20", "prd")} == {1}


def test_the_figures_do_not_depend_on_the_currency():
    assert ratios.accuracy(7 * SOLD, 7 * APPRAISED) == ratios.accuracy(SOLD, APPRAISED)


def test_the_figures_do_not_depend_on_the_order_of_the_sales():
    shuffled = np.random.default_rng(1).permutation(IAAO_STUDY)
    assert ratios.accuracy(*shuffled.T[::-1]) == ratios.accuracy(SOLD, APPRAISED)


def test_the_mean_price_explains_nothing():
    assert ratios.r2(PRICE, np.full(4, PRICE.mean())) == pytest.approx(0)


def test_accuracy_names_every_figure_and_rounds_it():
    found = ratios.accuracy(SOLD, APPRAISED)
    assert list(found) == [
        "n",
        "r2",
        "mdape",
        "ppe10",
        "ppe20",
        "bias",
        "cod",
        "prd",
        "prb",
    ]
    assert found["n"] == 36
    assert found["prb"] == 0.2323
