"""Drift: what is injected is found, and where there is none it is quiet."""

import copy
import json
from dataclasses import replace

import numpy as np
import pytest
from served import FULL, MODEL, SHIPPED

from housing_app.training import dataset, drift, drift_reference, significance
from housing_app.training.drift import Asked
from housing_app.training.drift_checks import Sold
from housing_app.training.drift_thresholds import (
    ALARM,
    FALSE_ALARMS,
    LEAST_HOMES,
    LEAST_OUTCOMES,
    THRESHOLDS,
    WARNING,
)
from housing_app.valuation import features, loading, ratios
from housing_app.valuation.errors import ArtifactError

HOMES, OUTCOMES = 800, 400
ERRORS = np.random.default_rng(5).standard_t(4, 3_000) * 0.085
# Ends of ranges that hold 90 % of such errors.
LOW, HIGH = np.exp(np.quantile(ERRORS, [0.05, 0.95]))


def sold(errors, level=0.9):
    """Return sales whose valuations were off by so much (log)."""
    prices = np.full(len(errors), 500_000.0)
    paid = prices * np.exp(-np.asarray(errors))
    return Sold(paid, prices, prices / HIGH, prices / LOW, np.full(len(errors), level))


NOTHING = sold([])


def with_accuracy(manifest):
    """Return a manifest whose later sales erred as ERRORS do."""
    whole = sold(ERRORS)
    inside = (whole.lows <= whole.sold) & (whole.sold <= whole.highs)
    later = {
        "overall": ratios.accuracy(whole.sold, whole.prices),
        "coverage": {"0.9": {"achieved": float(inside.mean())}},
    }
    return replace(manifest, metrics=manifest.metrics | {"out_of_time": later})


@pytest.fixture(scope="module")
def manifest(pair):
    return with_accuracy(pair[0].manifest)


@pytest.fixture(scope="module")
def answered(pair, sales, shipped_demographics):
    """The training homes, as the model answers."""
    return drift_reference.answers(pair[0], sales, shipped_demographics)


def taken(whole, rows):
    return Asked(
        whole.values[rows],
        [whole.zipcodes[i] for i in rows],
        whole.prices[rows],
        [whole.warnings[i] for i in rows],
    )


def drawn(whole, n, rng, positions=None):
    """Return random homes of all, or of those at some positions."""
    every = np.arange(len(whole.prices)) if positions is None else positions
    return taken(whole, rng.choice(every, n))


@pytest.fixture
def asked(answered):
    return drawn(answered, HOMES, np.random.default_rng(11))


def loud(report):
    """Return the level of each check that is not quiet, by check and field."""
    return {
        (one["check"], one["field"]): one["level"]
        for one in report["checks"]
        if one["level"] in (WARNING, ALARM)
    }


def report(manifest, asked, outcomes=NOTHING):
    found = drift.report(manifest, "full", asked, outcomes)
    json.dumps(found, allow_nan=False)
    return found


# --- quiet ----------------------------------------------------------------------------


def test_homes_of_training_are_quiet(manifest, asked):
    found = report(manifest, asked, sold(ERRORS[:OUTCOMES]))
    assert loud(found) == {}
    assert found["verdict"] == "quiet"
    assert (found["homes"], found["outcomes"]) == (HOMES, OUTCOMES)
    assert {one["check"] for one in found["checks"]} == set(THRESHOLDS)


def test_too_few_homes_are_not_quiet(manifest, answered):
    rng = np.random.default_rng(1)
    few = drawn(answered, LEAST_HOMES - 1, rng)
    found = report(manifest, few)
    assert found["verdict"] == "too few"
    assert {one["level"] for one in found["checks"]} == {"too few"}
    assert report(manifest, drawn(answered, 0, rng))["verdict"] == "too few"
    enough = drawn(answered, LEAST_HOMES, rng)
    assert report(manifest, enough)["verdict"] == "quiet"


def test_a_rise_that_does_not_matter_is_quiet_however_sure(manifest, answered):
    many = drawn(answered, 40_000, np.random.default_rng(2))
    many.values[:1_200, features.POSITION["sqft_lot15"]] = np.nan
    found = report(manifest, many)
    moved = {(one["check"], one["field"]): one for one in found["checks"]}
    assert moved["missing", "sqft_lot15"]["p"] < 1e-10
    assert found["verdict"] == "quiet"


def test_what_few_homes_may_do_by_chance_is_quiet(manifest, answered):
    few = drawn(answered, 220, np.random.default_rng(3))
    few.values[:13, features.POSITION["sqft_lot15"]] = np.nan
    (missing,) = (
        one
        for one in report(manifest, few)["checks"]
        if (one["check"], one["field"]) == ("missing", "sqft_lot15")
    )
    assert missing["moved"] > THRESHOLDS["missing"].warning
    assert missing["level"] == "warning", "6 % of homes are no chance where none lacked"
    few.values[:6, features.POSITION["sqft_lot15"]] = 7_000
    assert ("missing", "sqft_lot15") not in loud(report(manifest, few))


def test_fewer_than_a_hundred_sales_say_nothing_of_accuracy(manifest, asked):
    awful = np.full(LEAST_OUTCOMES - 1, 2.0)
    found = report(manifest, asked, sold(awful))
    levels = {one["check"]: one["level"] for one in found["checks"] if not one["field"]}
    assert levels == dict.fromkeys(
        ("mdape", "ppe10", "bias", "coverage"), "too few"
    ) | {"warnings": "quiet"}
    assert found["verdict"] == "quiet"


# --- injected -------------------------------------------------------------------------


def scaled(name, factor, share=1.0):
    def change(asked):
        values = asked.values.copy()
        column = features.POSITION[name]
        values[: int(share * HOMES), column] *= factor
        return asked._replace(values=values)

    return change


def added(name, amount):
    def change(asked):
        values = asked.values.copy()
        values[:, features.POSITION[name]] += amount
        return asked._replace(values=values)

    return change


def unknown(name, share):
    def change(asked):
        values = asked.values.copy()
        values[: int(share * HOMES), features.POSITION[name]] = np.nan
        return asked._replace(values=values)

    return change


def elsewhere(share):
    def change(asked):
        count = int(share * HOMES)
        return asked._replace(zipcodes=["10001"] * count + asked.zipcodes[count:])

    return change


def warned(share):
    def change(asked):
        count = int(share * HOMES)
        codes = [["areas-do-not-add-up"]] * count + list(asked.warnings[count:])
        return asked._replace(warnings=codes)

    return change


DRIFTS = {
    "a field shifted": (added("grade", 1), ("psi", "grade"), "alarm"),
    "square metres for square feet": (
        scaled("sqft_living", 0.0929),
        ("ks", "sqft_living"),
        "alarm",
    ),
    "square metres from one client of four": (
        scaled("sqft_lot", 0.0929, 0.25),
        ("psi", "sqft_lot"),
        "alarm",
    ),
    "one field unknown": (
        unknown("sqft_lot15", 0.2),
        ("missing", "sqft_lot15"),
        "alarm",
    ),
    "one field unknown now and then": (
        unknown("yr_built", 0.08),
        ("missing", "yr_built"),
        "warning",
    ),
    "homes of elsewhere": (elsewhere(0.12), ("unseen", "zipcode"), "alarm"),
    "prices a twentieth higher": (
        lambda asked: asked._replace(prices=asked.prices * 1.05),
        ("ks", "price"),
        "warning",
    ),
    "prices a quarter higher": (
        lambda asked: asked._replace(prices=asked.prices * 1.25),
        ("ks", "price"),
        "alarm",
    ),
    "warnings up": (warned(0.3), ("warnings", ""), "alarm"),
}


@pytest.mark.parametrize(
    ("change", "check", "level"), DRIFTS.values(), ids=DRIFTS.keys()
)
def test_an_injected_drift_is_found_and_named(manifest, asked, change, check, level):
    found = report(manifest, change(asked))
    assert loud(found)[check] == level
    assert found["verdict"] == level
    assert {field for _, field in loud(found)} == {check[1]}, "and nothing else"


def test_another_mix_of_zipcodes_is_found(manifest, answered):
    weights = {"98103": 4, "98038": 1, "98006": 1}
    positions = np.repeat(
        np.arange(len(answered.prices)), [weights[z] for z in answered.zipcodes]
    )
    mixed = drawn(answered, HOMES, np.random.default_rng(4), positions)
    found = report(manifest, mixed)
    assert loud(found)["psi", "zipcode"] == "alarm"
    assert ("unseen", "zipcode") not in loud(found)


WORSE = {
    "errors half as large again": (
        1.6 * ERRORS[:OUTCOMES],
        {"mdape", "ppe10", "coverage"},
    ),
    "all too high": (ERRORS[:OUTCOMES] + 0.08, {"bias", "ppe10", "mdape"}),
    "all too low": (ERRORS[:OUTCOMES] - 0.08, {"bias", "ppe10", "mdape"}),
}


@pytest.mark.parametrize(("errors", "names"), WORSE.values(), ids=WORSE.keys())
def test_worse_accuracy_is_found(manifest, asked, errors, names):
    found = report(manifest, asked, sold(errors))
    assert {check for check, _ in loud(found)} == names
    for one in found["checks"]:
        if one["check"] in names:
            low, high = one["ends"]
            assert low <= one["value"] <= high
            assert not low <= one["usual"] <= high


def test_better_accuracy_is_no_drift(manifest, asked):
    found = report(manifest, asked, sold(0.4 * ERRORS[:OUTCOMES]))
    assert loud(found) == {}


def test_ranges_are_judged_at_the_level_they_were_asked_for(manifest, asked):
    found = report(manifest, asked, sold(ERRORS[:OUTCOMES], level=0.5))
    levels = {one["check"]: one["level"] for one in found["checks"] if not one["field"]}
    assert levels["coverage"] == "too few"
    assert levels["mdape"] == "quiet"


# --- what a report is made from, and what it may tell ------------------------------------


def test_a_manifest_without_a_reference_is_refused_with_the_cure(manifest, asked):
    with pytest.raises(ArtifactError, match="has no drift reference: train it again"):
        report(replace(manifest, reference={}), asked)


def test_a_broken_reference_is_refused(manifest, asked):
    columns = {"grade": {"edges": [1.0, 2.0], "counts": [1], "missing": 0}}
    broken = replace(manifest, reference=manifest.reference | {"columns": columns})
    with pytest.raises(ArtifactError, match="reference is broken"):
        report(broken, asked)


def test_a_report_tells_of_no_bin_or_warning_of_fewer_than_five_homes(manifest, asked):
    codes = [["rare"]] * 4 + [["common"]] * 5 + [[]] * (HOMES - 9)
    shifted = added("grade", 3.5)(asked)._replace(warnings=codes)
    found = report(manifest, shifted)
    assert found["warnings"] == {"common": round(5 / HOMES, 4)}
    shares = [x for one in found["distributions"].values() for x in one["now"]]
    assert None in shares, "of the lowest grades there are next to none"
    assert min(x for x in shares if x is not None) >= 5 / HOMES - 1e-4


def test_unknown_fields_are_left_out_of_a_distribution(manifest, asked):
    found = report(manifest, unknown("grade", 0.8)(asked))
    levels = {(one["check"], one["field"]): one["level"] for one in found["checks"]}
    assert levels["missing", "grade"] == "alarm"
    assert levels["psi", "grade"] == levels["ks", "grade"] == "too few"


# --- how often it is wrong ----------------------------------------------------------------

REPORTS = 240


@pytest.fixture(scope="module")
def county(sales_csv):
    return dataset.read(sales_csv)


def test_without_drift_hardly_any_report_warns(
    county, shipped_demographics, monkeypatch
):
    """Half of the county's sales are the reference; homes are drawn from the others.

    Errors are drawn, too. The chance that 6 or more of 240 warn is 4 % where 1 % do.
    """
    monkeypatch.setattr(significance, "DRAWS", 200)  # no verdict rests on them
    model = loading.load(MODEL / FULL)
    whole = drift_reference.answers(model, county, shipped_demographics)
    rng = np.random.default_rng(2026)
    shuffled = rng.permutation(len(whole.prices))
    known, others = np.array_split(shuffled, 2)
    assert min(len(known), len(others)) > 9_000
    learned = taken(whole, known)
    area = model.manifest.zipcodes
    reference = drift_reference.of_answers(learned, features.NAMES, area)
    manifest = replace(with_accuracy(model.manifest), reference=reference)
    verdicts, chances = [], []
    for number in range(REPORTS):
        # Without replacement, as two samples of one county would be.
        n = (200, 500, 2_000)[number % 3]
        homes = taken(whole, rng.choice(others, n, replace=False))
        outcomes = sold(rng.choice(ERRORS, LEAST_OUTCOMES))
        found = drift.report(manifest, "full", homes, outcomes)
        made = [one["p"] for one in found["checks"] if one["value"] is not None]
        assert len(made) > 50
        verdicts.append(found["verdict"])
        chances.append(min(made) * len(made))
    assert len(verdicts) == REPORTS == 240
    assert verdicts.count("quiet") >= REPORTS - 2
    # By chance alone, whether or not the move would matter.
    unlikely = sum(chance <= FALSE_ALARMS for chance in chances)
    assert unlikely <= 6


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_reference_is_that_of_the_sales(county, shipped_demographics, name):
    model = loading.load(MODEL / name)
    stored = copy.deepcopy(model.manifest.reference)
    assert model.manifest.training["sha256"] == county.sha256
    found = drift_reference.of(model, county, shipped_demographics)
    prices = found["columns"].pop("price"), stored["columns"].pop("price")
    warnings = found.pop("warnings"), stored.pop("warnings")
    assert found == stored
    # Another processor may round a valuation to the other side of an edge.
    for key in ("edges", "counts"):
        assert np.allclose(prices[0][key], prices[1][key], rtol=1e-3, atol=2)
    assert warnings[0] == pytest.approx(warnings[1], abs=2)
