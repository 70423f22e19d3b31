"""Reports on artifacts: figures, text, Markdown and the page."""

import base64
import copy
import html
import json
import re
import sys
from html.parser import HTMLParser
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
import pytest

from housing_app.training import evaluate, plots, report, tables
from housing_app.training.dataset import SalesError
from housing_app.training.evaluate import Judged


@pytest.fixture(scope="module")
def ticks():
    return []


@pytest.fixture(scope="module")
def found(pair, newer, shipped_demographics, ticks):
    """The report on the full model."""
    return report.examine(pair[0], newer, shipped_demographics, ticks.append)


@pytest.fixture(scope="module")
def seen(pair, sales, shipped_demographics):
    """A report on sales that the model learned from."""
    return report.examine(pair[1], sales, shipped_demographics, lambda _: None)


def test_a_report_has_the_figures_of_evaluate(pair, newer, shipped_demographics, found):
    expected = evaluate.report(pair[0], newer, shipped_demographics)
    assert {name: found[name] for name in expected} == expected


def test_a_report_is_json_and_comes_back_the_same(found):
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_the_progress_ends_at_the_announced_steps(pair, newer, ticks, found):
    assert sum(ticks) == report.steps(pair[0], newer)
    assert len(ticks) > 5


def test_sales_after_the_training_window_bring_no_warning(found):
    assert found["in_training_window"] == 0
    assert report.warning(found) is None
    assert "Not out of sample" not in report.markdown(found) + report.html(found)


def test_sales_in_the_training_window_are_warned_of_everywhere(seen, sales):
    assert seen["in_training_window"] == len(sales)
    assert "1,200 of the 1,200 sales lie in the window" in report.warning(seen)
    for page in (report.markdown(seen), report.html(seen)):
        assert "Not out of sample" in page


def test_the_first_and_the_last_day_of_training_are_in_the_window(pair, sales):
    inside = report.seen(pair[0].manifest, sales)
    assert inside.all()
    moved = sales.homes._replace(days=sales.homes.days + 1)
    later = report.seen(pair[0].manifest, type(sales)(
        moved, sales.prices, sales.ids, sales.sha256, [],
    ))  # fmt: skip
    assert later.sum() == (sales.homes.days < sales.homes.days.max()).sum()


def test_too_few_sales_are_refused(pair, newer, shipped_demographics):
    few = newer.where(np.arange(len(newer)) < report.MIN_SALES - 1)
    with pytest.raises(SalesError, match="29 sales are too few"):
        report.examine(pair[0], few, shipped_demographics, lambda _: None)


# --- nothing tells of a single sale --------------------------------------------------


def test_a_cell_stands_for_five_sales_or_more_and_the_rest_is_counted(found, newer):
    cells = found["cells"]
    counts = [count for _, _, count in cells["cells"]]
    assert min(counts) >= 5
    assert sum(counts) + cells["left_out"] == len(newer)


def test_a_cell_lies_where_its_sales_are(newer):
    prices = np.full(len(newer), 250_000.0)
    judged = Judged(newer, prices * 1.5, {})
    sold = type(newer)(newer.homes, prices, newer.ids, newer.sha256, [])
    ((x, y, count),) = report.cells(Judged(sold, judged.predicted, {}))["cells"]
    step = report.cells(judged)["step"]
    assert count == len(newer)
    assert 10 ** (x * step) <= 250_000 < 10 ** ((x + 1) * step)
    assert 10 ** (y * step) <= 375_000 < 10 ** ((y + 1) * step)


def test_no_group_of_a_report_stands_for_fewer_than_five_sales(found):
    def counts(part):
        if isinstance(part, dict):
            yield from [part["n"]] if "n" in part else []
            for value in part.values():
                yield from counts(value)
        elif isinstance(part, list):
            for value in part:
                yield from counts(value)

    assert min(counts(found)) >= 5


# --- text and Markdown ----------------------------------------------------------------


def test_the_text_has_every_table_aligned(found):
    text = report.text(found)
    for table in tables.of_report(found):
        block = text.split(table.title)[1].split("\n\n")[0].splitlines()[1:]
        assert len(block) == 1 + len(table.rows)
        assert all(len(line) <= max(map(len, block)) for line in block)
        for cells, line in zip(table.rows, block[1:], strict=True):
            assert all(cell in line for cell in cells)


def test_the_text_names_the_figures(found):
    text = report.text(found)
    assert text.startswith("lightgbm-full-1, trained on 1,200 sales")
    overall = found["overall"]
    assert re.search(rf"^MdAPE +{100 * overall['mdape']:.1f} %", text, re.M)
    assert re.search(rf"^COD +{overall['cod']:.1f} ", text, re.M)
    low, high = found["bootstrap"]["cod"]
    assert f"{low:.1f} to {high:.1f}" in text
    for zipcode in found["by_zipcode"]:
        assert zipcode in text


def test_the_markdown_has_a_section_for_each_table(found):
    page = report.markdown(found)
    heads = re.findall("^## (.*)$", page, re.M)
    assert heads == [table.title for table in tables.of_report(found)]
    assert page.startswith("# lightgbm-full-1: evaluation\n")


def test_iaao_limits_are_judged(found):
    good = copy.deepcopy(found)
    good["overall"] |= {"cod": 12.0, "prd": 1.04, "prb": 0.01}
    kept = {row[0]: row[-1] for row in tables.overall(good).rows}
    assert (kept["COD"], kept["PRD"], kept["PRB"]) == ("yes", "no", "yes")
    assert kept["MdAPE"] == "–"


@pytest.mark.parametrize(
    ("share", "sign", "written"),
    [
        (0.0785, "", "7.8 %"),
        (-0.012, "+", "−1.2 %"),
        (0.012, "+", "+1.2 %"),
        (-0.0001, "+", "+0.0 %"),
        (1.0, "", "100.0 %"),
    ],
)
def test_shares_are_written_as_percent(share, sign, written):
    assert tables.percent(share, sign) == written


def test_homes_unlike_all_others_have_a_table_where_a_model_knows_them(found):
    assert found["by_likeness"] == {}
    rows = {"unlike-training-homes": found["overall"], "others": found["overall"]}
    table = tables.likeness(found | {"by_likeness": rows})
    assert [row[0] for row in table.rows] == ["like some", "unlike all"]
    assert table.title in report.text(found | {"by_likeness": rows})
    assert table.title not in report.text(found)


def test_the_fields_made_unknown_are_in_their_order(found):
    shuffled = copy.deepcopy(found)
    rows = dict(sorted(found["by_missing"].items(), reverse=True))
    shuffled["by_missing"] = rows
    assert [row[0] for row in tables.missing(shuffled).rows] == ["0", "1", "3", "10"]


# --- the page -------------------------------------------------------------------------


class Parsed(HTMLParser):
    """Collect tags, and check that they are closed in their order."""

    def __init__(self, page):
        super().__init__()
        self.found, self.open = [], []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        if tag not in {"meta", "img"}:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def page(found):
    return report.html(found)


@pytest.fixture(scope="module")
def drawn(found):
    return plots.of_report(found)


def test_the_page_needs_no_other_file_and_runs_nothing(page):
    tags = Parsed(page).found
    assert {tag for tag, _ in tags}.isdisjoint({"script", "link", "iframe", "object"})
    sources = [attrs["src"] for tag, attrs in tags if tag == "img"]
    assert sources
    assert all(source.startswith("data:image/svg+xml;base64,") for source in sources)
    assert not re.search(r"https?://", re.sub('base64,[^"]*', "", page))


def test_every_plot_is_on_the_page_and_has_words(page, drawn):
    images = [attrs for tag, attrs in Parsed(page).found if tag == "img"]
    assert [image["alt"] for image in images] == [words for _, words in drawn.values()]
    shown = [base64.b64decode(i["src"].split(",")[1]).decode() for i in images]
    assert shown == [svg for svg, _ in drawn.values()]


def test_every_figure_of_the_tables_is_on_the_page(page, found):
    for table in tables.of_report(found):
        assert html.escape(table.title) in page
        for row in table.rows:
            assert all(f">{html.escape(cell)}</td>" in page for cell in row)


def test_names_are_escaped(found):
    evil = copy.deepcopy(found) | {"model": '<script>alert("1")</script>'}
    evil["by_zipcode"] = {"<b>98103": found["by_zipcode"]["98103"]}
    page = report.html(evil)
    assert "<script" not in page
    assert "<b>98103" not in page
    Parsed(page)


def test_plots_are_well_formed_and_the_same_every_time(found, drawn):
    assert set(drawn) == {"prices", "coverage", "deciles", "months", "zipcodes"}
    for svg, _ in drawn.values():
        assert ElementTree.fromstring(svg).tag.endswith("svg")
        assert "<dc:date>" not in svg
    assert plots.of_report(found) == drawn


def test_the_plot_says_how_many_sales_it_does_not_show(found, drawn):
    svg, _ = drawn["prices"]
    assert f"{found['cells']['left_out']} sales in cells of fewer than five" in svg


def test_without_cells_only_the_plot_of_them_is_left_out(found, drawn):
    bare = {name: part for name, part in found.items() if name != "cells"}
    kept = {name: plot for name, plot in drawn.items() if name != "prices"}
    assert plots.of_report(bare) == kept


def test_drawing_leaves_the_settings_of_matplotlib_alone(found):
    before = dict(mpl.rcParams)
    plots.of_report(found)
    assert dict(mpl.rcParams) == before


def test_the_map_is_left_out_where_no_zipcode_has_enough_sales(found):
    assert "zipcodes" not in plots.of_report(found | {"by_zipcode": {}})
    assert report.html(found | {"by_zipcode": {}})


def test_a_report_without_any_cell_is_drawn(found):
    empty = found["cells"] | {"cells": []}
    assert "prices" in plots.of_report(found | {"cells": empty})


def test_without_matplotlib_the_cure_is_named(found, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(SalesError, match="pip install matplotlib"):
        report.html(found)
