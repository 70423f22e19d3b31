"""Report on an artifact: judge it on sales, and write down what was found.

A report is a dict that JSON can hold; text, Markdown and the page are made from it
alone. It holds groups of sales only, so that it can be shown to anyone.
"""

import base64
from datetime import date
from html import escape

import numpy as np

from housing_app.demographics import Demographics
from housing_app.training import evaluate, plots, tables
from housing_app.training.dataset import Mask, Sales, SalesError
from housing_app.training.evaluate import Figures, Judged, Tick
from housing_app.valuation import intervals
from housing_app.valuation.artifacts import Manifest
from housing_app.valuation.predictor import Predictor

MIN_SALES = 30
_MIN_CELL = 5  # sales; a cell of the plot with fewer is left out
_STEP = 0.05  # cells of a twentieth of a power of ten: 12 % of the price


def seen(manifest: Manifest, sales: Sales) -> Mask:
    """Return which sales lie in the window an artifact learned from."""
    first, last = (
        date.fromisoformat(manifest.training[end]).toordinal() for end in ("from", "to")
    )
    return np.asarray((sales.homes.days >= first) & (sales.homes.days <= last))


def steps(model: Predictor, sales: Sales) -> int:
    """Return how far `examine` ticks in all."""
    counts = list(evaluate.with_unknown(sales.homes, evaluate.slot_of(model)))
    return len(sales) * len(intervals.LEVELS) * (1 + len(counts))


def examine(
    model: Predictor, sales: Sales, demographics: Demographics, tick: Tick
) -> Figures:
    """Value the sales, each at its own date, and return the report."""
    if len(sales) < MIN_SALES:
        text = f"{len(sales)} sales are too few to judge a model on; {MIN_SALES} needed"
        raise SalesError(text)
    manifest = model.manifest
    judged = evaluate.judge(model, sales, demographics, tick)
    return {
        "model": manifest.id,
        "trained": {key: manifest.training[key] for key in ("from", "to", "rows")},
        "sales_sha256": sales.sha256,
        "in_training_window": int(seen(manifest, sales).sum()),
        **evaluate.breakdown(judged, demographics),
        "by_likeness": evaluate.by_likeness(model, judged, demographics),
        "by_missing": evaluate.by_missing(model, sales, demographics, tick),
        "cells": cells(judged),
        "middles": {
            zipcode: [area["lat"], area["long"]]
            for zipcode, area in manifest.zipcodes.items()
        },
    }


def cells(judged: Judged) -> Figures:
    """Return how many sales have which price and valuation, in cells of five or more.

    A cell is (place on the price's axis, on the valuation's, sales); place k holds
    what lies between 10 ** (k * step) and 10 ** ((k + 1) * step) dollars.
    """
    both = np.log10(np.column_stack([judged.sales.prices, judged.predicted]))
    places, counts = np.unique(
        np.floor(both / _STEP).astype(int), axis=0, return_counts=True
    )
    shown = counts >= _MIN_CELL
    return {
        "step": _STEP,
        "cells": np.column_stack([places, counts])[shown].tolist(),
        "left_out": int(counts[~shown].sum()),
    }


def warning(report: Figures) -> str | None:
    """Return what to be told before reading the figures, None if nothing."""
    count, whole = report["in_training_window"], report["overall"]["n"]
    if not count:
        return None
    first, last = (report["trained"][end] for end in ("from", "to"))
    return (
        f"{count:,} of the {whole:,} sales lie in the window the model learned from "
        f"({first} to {last}). It may have learned from these very sales: the figures "
        "are not those of later sales and look better than it is."
    )


def text(report: Figures) -> str:
    """Return the report for a terminal."""
    found = "\n\n".join(table.text() for table in tables.of_report(report))
    return f"{report['model']}, {_subject(report)}\n\n{found}"


def markdown(report: Figures) -> str:
    """Return the report as a Markdown document."""
    parts = [f"# {report['model']}: evaluation", f"{_subject(report)}."]
    if told := warning(report):
        parts.append(f"**Not out of sample.** {told}")
    for table in tables.of_report(report):
        parts += [f"## {table.title}", table.markdown()]
    return "\n\n".join(parts) + "\n"


def html(report: Figures) -> str:
    """Return the report as one page that needs no other file."""
    banner = ""
    if told := warning(report):
        banner = f'<p class="warning"><b>Not out of sample.</b> {escape(told)}</p>'
    drawn = plots.of_report(report)
    sections = "\n".join(
        f"<section>\n{image(drawn.get(table.plot))}{table.html()}\n</section>"
        for table in tables.of_report(report)
    )
    return page(f"{report['model']}: evaluation", _subject(report), banner, sections)


def page(title: str, subject: str, banner: str, sections: str) -> str:
    """Return a page that needs no other file; banner and sections are HTML."""
    return _PAGE.format(
        title=escape(title),
        subject=escape(subject),
        banner=banner,
        sections=sections,
    )


def _subject(report: Figures) -> str:
    trained = report["trained"]
    return (
        f"trained on {trained['rows']:,} sales of {trained['from']} to {trained['to']}"
        f"; judged on {report['overall']['n']:,} sales of {report['from']} to "
        f"{report['to']} (file SHA-256 {report['sales_sha256'][:12]}…), each valued at "
        "its own date"
    )


def image(drawn: tuple[str, str] | None) -> str:
    """Return a plot as part of a page."""
    if drawn is None:
        return ""
    svg, words = drawn
    # As an image, a plot can neither clash with the page's names nor run anything.
    data = base64.b64encode(svg.encode()).decode()
    return f'<img src="data:image/svg+xml;base64,{data}" alt="{escape(words)}">\n'


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; color: #1b1f24; background: #fff;
  max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }}
section {{ margin: 2.5rem 0; overflow-x: auto; }}
img {{ display: block; max-width: 100%; height: auto; }}
table {{ border-collapse: collapse; font-variant-numeric: tabular-nums; }}
caption {{ text-align: left; font-weight: 600; padding: .5rem 0; }}
th, td {{ padding: .2rem .8rem .2rem 0; text-align: left; white-space: nowrap; }}
th {{ border-bottom: 1px solid #8c959f; font-weight: 600; }}
td {{ border-bottom: 1px solid #d8dee4; }}
.n {{ text-align: right; }}
.warning {{ border-left: 4px solid #9a6700; background: #fff8c5; padding: .6rem 1rem; }}
</style>
</head>
<body>
<h1>{title}</h1>
<p>{subject}</p>
{banner}
{sections}
</body>
</html>
"""
