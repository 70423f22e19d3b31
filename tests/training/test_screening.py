"""Screening: every refused row with its line and reason, and files that are wrong."""

import csv
from dataclasses import replace
from datetime import date, timedelta
from io import StringIO

import pytest
from training import synthetic

from housing_app.training import dataset, screening
from housing_app.training.screening import MAX_GAP_DAYS, RULES, Told

TODAY = date(2015, 4, 15)
USUAL = "price per square foot over"


@pytest.fixture
def rows():
    return synthetic.sales(600)


@pytest.fixture
def last(pair):
    """Make the manifest of a last training, on so many sales."""
    made = pair[0].manifest

    def manifest(rows=500, **training):
        return replace(made, training=made.training | {"rows": rows} | training)

    return manifest


@pytest.fixture
def screen(tmp_path, last):
    def screened(rows, trained=500):
        path = synthetic.write(tmp_path / "sales.csv", rows)
        return screening.screen(path, TODAY, last(trained))

    return screened


def told(found):
    return [(line, verdict, reason) for line, verdict, reason in found.told]


def test_good_sales_are_all_kept_and_nothing_is_told(screen, rows):
    found = screen(rows)
    assert len(found.sales) == found.rows == 600
    assert found.faults == []
    assert [x for x in found.told if x.verdict == "refused"] == []


def test_every_refused_row_has_its_line_and_each_of_its_reasons(screen, rows):
    rows[3] |= {"grade": 99, "price": ""}
    rows[10]["date"] = "20150416"
    rows[20] = dict(rows[19])
    rows[30] = rows[29] | {"price": rows[29]["price"] + 1000}
    rows[40]["price"] *= 12
    rows[50]["price"] = max(rows[50]["price"] // 14, 1000)
    rows[60]["date"] = "20091231"
    found = screen(rows)
    refused = [x for x in told(found) if x[1] == "refused"]
    assert [(line, reason) for line, _, reason in refused] == [
        (5, "price is missing or absurd"),
        (5, "grade must be between 1 and 13"),
        (12, "date is in the future"),
        (22, "the same sale as on an earlier line"),
        (31, "sold on the same day at another price on another line"),
        (32, "sold on the same day at another price on another line"),
        (42, "price per square foot over 8 times the usual, or under 1/8 of it"),
        (52, "price per square foot over 8 times the usual, or under 1/8 of it"),
        (62, "5 years or more before the last sale"),
    ]
    assert len(found.sales) == 600 - 8
    assert found.totals["refused: sold on the same day at another price on another "
                        "line"] == 2  # fmt: skip


def test_the_report_has_the_same_lines(screen, rows):
    rows[3]["grade"] = 99
    rows[5]["price"] *= 4
    found = screen(rows)
    lines = list(csv.reader(StringIO(found.csv())))
    assert lines[0] == ["line", "verdict", "reason"]
    assert [tuple(x) for x in lines[1:]] == [
        (str(line), verdict, reason) for line, verdict, reason in found.told
    ]
    assert ("5", "refused", "grade must be between 1 and 13") in map(tuple, lines)


def test_odd_prices_are_noted_and_kept(screen, rows):
    rows[5]["price"] *= 4
    found = screen(rows)
    (odd,) = [x for x in found.told if x.line == 7]
    assert odd.verdict == "noted"
    assert odd.reason.startswith(f"{USUAL} 3 times")
    assert len(found.sales) == 600


def test_a_home_that_sold_again_on_another_day_is_kept(screen, rows):
    again = dict(rows[0], date="20150301T000000", price=rows[0]["price"] * 2)
    assert len(screen([*rows, again]).sales) == 601


def test_a_sale_today_is_not_in_the_future(screen, rows):
    rows[0]["date"] = f"{TODAY:%Y%m%d}"
    assert len(screen(rows).sales) == 600


def test_a_home_of_unknown_space_is_not_judged_by_its_price(screen, rows):
    rows[0]["sqft_living"] = ""
    found = screen(rows)
    assert len(found.sales) == 600


@pytest.mark.parametrize(
    "dear",
    [{"zipcode": "98038"}, {"zipcode": "98038", "grade": 8}],
    ids=["zipcode", "zipcode-and-grade"],
)
def test_the_usual_price_is_that_of_zipcode_and_grade(screen, rows, dear):
    changed = [row for row in rows if dear.items() <= row.items()]
    assert len(changed) >= 20
    for row in changed:
        row["price"] *= 9
    assert [x for x in screen(rows).told if x.verdict == "refused"] == []
    # It is absurd where it is the only one; so much dearer than the usual is no chance.
    for row in changed[1:]:
        row["price"] //= 9
    changed[0]["price"] *= 2
    (told,) = [x for x in screen(rows).told if x.verdict == "refused"]
    assert told.line == rows.index(changed[0]) + 2


# --- the file as a whole --------------------------------------------------------------


@pytest.mark.parametrize(("bad", "stops"), [(12, False), (13, True)])
def test_too_many_refused_rows_stop_it(screen, rows, bad, stops):
    for row in rows[:bad]:
        row["grade"] = 99
    found = screen(rows)
    assert len(found.sales) == 600 - bad
    assert bool(found.faults) is stops
    if stops:
        assert found.faults == ["13 of 600 rows are refused, more than 2 %"]


@pytest.mark.parametrize(("trained", "stops"), [(750, False), (751, True)])
def test_fewer_sales_than_last_time_stop_it(screen, rows, last, trained, stops):
    found = screen(rows, trained)
    assert bool(found.faults) is stops
    if stops:
        text = f"600 sales are less than 80 % of the 751 that {last().id} learned from"
        assert found.faults == [text]


@pytest.mark.parametrize(("days", "stops"), [(0, False), (1, True)])
def test_a_gap_in_the_dates_stops_it(screen, rows, days, stops):
    start = date(2014, 8, 1)
    end = start + timedelta(days=MAX_GAP_DAYS + days)
    for row in rows:
        sold = date(int(row["date"][:4]), int(row["date"][4:6]), int(row["date"][6:8]))
        if start < sold < end:
            row["date"] = f"{start:%Y%m%d}"
    rows[0]["date"], rows[1]["date"] = f"{start:%Y%m%d}", f"{end:%Y%m%d}"
    found = screen(rows)
    assert bool(found.faults) is stops
    if stops:
        assert found.faults[0].startswith(f"no sale between {start} and {end}")


# --- reading the same sales again -----------------------------------------------------


def test_an_artifacts_sales_are_read_as_they_were_trained_on(
    tmp_path, rows, last, screen
):
    rows[20] = dict(rows[19])
    first = screen(rows).sales
    path = tmp_path / "sales.csv"
    assert len(screening.again(path, last())) == len(dataset.read(path)) == 600
    found = screening.again(path, last(screening=RULES))
    assert len(found) == len(first) == 599
    assert found.sha256 == first.sha256


def test_real_sales_are_not_refused(sales_csv, last):
    found = screening.screen(sales_csv, date(2026, 1, 1), last(18_736))
    assert found.rows == len(found.sales) == 18_736
    assert found.faults == []
    assert 0 < len(found.told) < 100
    assert {x.verdict for x in found.told} == {"noted"}
    assert all(isinstance(x, Told) and x.line > 1 for x in found.told)
