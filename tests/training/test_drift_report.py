"""Drift reports in words: the tables, the verdict, the page."""

import copy
import re
from datetime import UTC, datetime

import numpy as np
import pytest

from housing_app.training import drift, drift_report, evaluate, plots
from housing_app.training.drift import Asked
from housing_app.training.drift_checks import Sold
from housing_app.training.drift_thresholds import THRESHOLDS
from housing_app.valuation import features


def made(model, sales, demographics, grade=0.0, n=400, outcomes=400):
    """Return a report on homes of the sales, their grade so much higher."""
    values = sales.homes.values[:n].copy()
    values[:, features.POSITION["grade"]] += grade
    rng = np.random.default_rng(3)
    prices, _, _ = evaluate.predict(
        model, sales.where(np.arange(len(sales)) < n), demographics
    )
    asked = Asked(values, sales.homes.zipcodes[:n], prices, [["twice"]] * 5 + [[]] * n)
    asked = asked._replace(warnings=asked.warnings[:n])
    columns = (
        prices,
        prices * np.exp(rng.normal(0, 0.1, n)),
        0.8 * prices,
        1.2 * prices,
        np.full(n, 0.9),
    )
    sold = Sold(*(column[:outcomes] for column in columns))
    found = drift.report(model.manifest, "full", asked, sold)
    day = datetime(2026, 11, 1, tzinfo=UTC)
    times = {"at": day, "from": day, "to": datetime(2026, 12, 1, tzinfo=UTC)}
    return found | times | {"answers": n + 50}


@pytest.fixture(scope="module")
def quiet(pair, sales, shipped_demographics):
    """A report of a model that no sales were reported for."""
    return made(pair[0], sales, shipped_demographics, outcomes=0)


@pytest.fixture(scope="module")
def moved(pair, sales, shipped_demographics):
    return made(pair[0], sales, shipped_demographics, grade=2)


def test_the_text_says_what_was_looked_at(quiet):
    text = drift_report.text(quiet)
    assert text.startswith(
        "lightgbm-full-1, slot full: 400 homes in 450 answers, 0 reported sales, "
        "2026-11-01 to 2026-11-30 (UTC). Without drift, at most 1 report in 100"
    )


def test_the_last_line_is_the_verdict(moved):
    last = drift_report.text(moved).splitlines()[-1]
    assert re.fullmatch(r"alarm: \d of \d\d checks: .*psi grade.*", last)
    assert last == drift_report.verdict(moved)


def test_what_moved_comes_first(moved):
    table, *_ = drift_report.of_report(moved)
    assert table.rows[0][:2] == ("grade", "alarm")
    names = [row[0] for row in table.rows]
    assert sorted(names) == sorted([*features.NAMES, "zipcode", "price"])


def test_figures_of_a_table_are_those_of_the_report(moved):
    (psi,) = (
        one
        for one in moved["checks"]
        if (one["check"], one["field"]) == ("psi", "grade")
    )
    table, shares, _ = drift_report.of_report(moved)
    assert f"{psi['value']:.3f}" == table.rows[0][3]
    (mdape,) = (one for one in moved["checks"] if one["check"] == "mdape")
    (row,) = (row for row in shares.rows if row[0] == "MdAPE")
    assert row[3] == f"{100 * mdape['value']:.1f} %"


def test_too_few_homes_are_said_to_be(pair, sales, shipped_demographics):
    few = made(pair[0], sales, shipped_demographics, n=90)
    assert drift_report.verdict(few) == (
        "too few: 90 homes, 200 needed to say anything"
    )
    assert "too few" in drift_report.text(few)
    assert plots.of_drift(few) == {}
    assert "<img" not in drift_report.html(few)


def test_quiet_is_said_of_how_many_checks(quiet):
    looked_at = sum(one["value"] is not None for one in quiet["checks"])
    assert looked_at > 50
    assert drift_report.verdict(quiet) == f"quiet: none of {looked_at} checks"


def test_the_page_has_tables_and_a_plot_and_escapes_names(moved):
    evil = copy.deepcopy(moved) | {"warnings": {"<b>": 0.5}}
    page = drift_report.html(evil)
    assert page.count("<table>") == 3
    assert page.count('<img src="data:image/svg+xml;base64,') == 1
    assert "<b>&lt;b&gt;" not in page
    assert "&lt;b&gt;" in page
    assert "<script" not in page


def test_the_plot_has_a_panel_for_each_distribution_and_is_the_same_again(moved):
    (svg, words), *_ = plots.of_drift(moved).values()
    assert "usually and now" in words
    assert all(f">{name}</text>" in svg for name in moved["distributions"])
    assert plots.of_drift(moved)["distributions"][0] == svg


def test_every_check_has_a_threshold_with_a_reason():
    for one in THRESHOLDS.values():
        assert 0 < one.warning < one.alarm
        assert len(one.why) > 20
    assert len(drift_report.thresholds().rows) == len(THRESHOLDS)
