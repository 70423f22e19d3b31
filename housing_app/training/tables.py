"""Figures as tables: plain text for a terminal, Markdown, HTML."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from housing_app.training.evaluate import Figures
from housing_app.valuation import intervals
from housing_app.valuation.ratios import IAAO_LIMITS

Row = tuple[str, ...]
_LEVEL = str(intervals.DEFAULT_LEVEL)
_DASH = "–"


@dataclass(frozen=True)
class Table:
    """Hold a table; the first `words` columns are words, the others numbers."""

    title: str
    head: Row
    rows: Sequence[Row]
    note: str = ""
    words: int = 1
    plot: str = ""  # the name of the plot that shows it

    def text(self) -> str:
        """Return it for a terminal."""
        lines = [self.head, *self.rows]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        shown = [
            "  ".join(
                cell.ljust(width) if i < self.words else cell.rjust(width)
                for i, (cell, width) in enumerate(zip(line, widths, strict=True))
            ).rstrip()
            for line in lines
        ]
        return "\n".join([self.title, *shown, *([self.note] if self.note else [])])

    def markdown(self) -> str:
        """Return it without its title, the note below it."""
        rule = tuple("---" if i < self.words else "---:" for i in range(len(self.head)))
        lines = [f"| {' | '.join(line)} |" for line in (self.head, rule, *self.rows)]
        return "\n".join([*lines, *(["", self.note] if self.note else [])])

    def html(self) -> str:
        """Return it with its title as caption."""

        def cells(tag: str, line: Row) -> str:
            kinds = ["" if i < self.words else ' class="n"' for i in range(len(line))]
            pairs = zip(kinds, line, strict=True)
            inner = (f"<{tag}{kind}>{escape(cell)}</{tag}>" for kind, cell in pairs)
            return f"<tr>{''.join(inner)}</tr>"

        body = "\n".join(cells("td", row) for row in self.rows)
        note = f"<p>{escape(self.note)}</p>" if self.note else ""
        return (
            f"<table>\n<caption>{escape(self.title)}</caption>\n"
            f"<thead>{cells('th', self.head)}</thead>\n<tbody>\n{body}\n</tbody>\n"
            f"</table>{note}"
        )


# --- cells --------------------------------------------------------------------------


def percent(share: float, sign: str = "") -> str:
    """Return a share as percent, with a true minus, and 0 without one."""
    return f"{round(100 * share, 1) or 0.0:{sign}.1f} %".replace("-", "−")


def number(name: str, value: float) -> str:
    """Return a figure of `ratios.accuracy` as it is usually written."""
    if name in ("mdape", "ppe10", "ppe20", "bias"):
        return percent(value, "+" if name == "bias" else "")
    form = {"cod": ".1f", "prb": "+.3f", "n": ","}.get(name, ".3f")
    return f"{value:{form}}".replace("-", "−")


MEASURES = {
    "r2": "R²",
    "mdape": "MdAPE",
    "ppe10": "PPE10",
    "ppe20": "PPE20",
    "bias": "Bias",
    "cod": "COD",
    "prd": "PRD",
    "prb": "PRB",
}
_SHORT = ("n", "mdape", "ppe10", "bias", "cod")


def _short(figures: Figures) -> Row:
    covered = figures.get("coverage", {}).get(_LEVEL)
    inside = percent(covered["achieved"]) if covered else _DASH
    return (*(number(name, figures[name]) for name in _SHORT), inside)


_SHORT_HEAD = ("n", "MdAPE", "PPE10", "Bias", "COD", "In 90 % range")


def _groups(
    title: str, first: str, pairs: Iterable[tuple[str, Figures]], plot: str = ""
) -> Table:
    rows = [(label, *_short(figures)) for label, figures in pairs]
    return Table(title, (first, *_SHORT_HEAD), rows, plot=plot)


# --- tables of a report -------------------------------------------------------------


def overall(report: Figures) -> Table:
    """Return the figures of all sales, with bootstrap intervals and limits."""
    rows = []
    for key, name in MEASURES.items():
        value = report["overall"][key]
        ends = report.get("bootstrap", {}).get(key)
        between = f"{number(key, ends[0])} to {number(key, ends[1])}" if ends else _DASH
        limits = IAAO_LIMITS.get(key)
        kept, limit = _DASH, _DASH
        if limits:
            limit = f"{number(key, limits[0])} to {number(key, limits[1])}"
            kept = "yes" if limits[0] <= value <= limits[1] else "no"
        rows.append((name, number(key, value), between, limit, kept))
    head = ("Measure", "Value", "95 % interval", "IAAO limit", "Kept")
    count = f"{report['overall']['n']:,} sales, {report['from']} to {report['to']}"
    return Table(f"Overall ({count})", head, rows, plot="prices")


def coverage(report: Figures) -> Table:
    """Return how many prices were inside the ranges."""
    rows = [
        (
            f"{100 * float(level):.0f} %",
            percent(found["achieved"]),
            f"{found['relative_width']:.2f}",
        )
        for level, found in report["coverage"].items()
    ]
    head = ("Range", "Prices inside", "Median width / price")
    return Table("Ranges", head, rows, plot="coverage")


def deciles(report: Figures) -> Table:
    """Return the figures by decile of the predicted price."""
    pairs = ((str(row["decile"]), row) for row in report["by_decile"])
    title = "By decile of the valuation (1 is the cheapest)"
    return _groups(title, "Decile", pairs, "deciles")


def months(report: Figures) -> Table:
    """Return the figures by month of sale."""
    return _groups("By month of sale", "Month", report["by_month"].items(), "months")


def zipcodes(report: Figures, ends: int | None = None) -> Table:
    """Return the figures by zipcode, best first, or only so many at both ends."""
    found = sorted(report["by_zipcode"].items(), key=lambda x: (x[1]["mdape"], x[0]))
    title = f"By zipcode (the {len(found)} with 30 sales or more, best first)"
    if ends and len(found) > 2 * ends:
        title = f"By zipcode (best and worst {ends} of {len(found)} with 30 sales)"
        found = found[:ends] + found[-ends:]
    return _groups(title, "Zipcode", found, "zipcodes")


def likeness(report: Figures) -> Table:
    """Return the figures of homes unlike all that were learned from, and the rest."""
    names = {"others": "like some", "unlike-training-homes": "unlike all"}
    found = report.get("by_likeness", {})
    pairs = [(names[key], found[key]) for key in names if key in found]
    return _groups("By likeness to training homes", "Home", pairs)


def missing(report: Figures) -> Table:
    """Return the figures by how many random fields were made unknown."""
    found = sorted(report["by_missing"].items(), key=lambda pair: int(pair[0]))
    return _groups("With random fields made unknown", "Unknown", found)


PEOPLE = {
    "median_household_income": ("median household income", "{:,.0f} USD", 1),
    "pct_white": ("share of white residents", "{:.0f} %", 100),
}


def fairness(
    report: Figures, beside: Mapping[str, list[Figures]] | None = None
) -> list[Table]:
    """Return figures by quartile of what a zipcode's people are like.

    beside: the same figures of the model without demographics.
    """
    tables = []
    for name, rows in report["fairness"].items():
        label, form, unit = PEOPLE[name]
        others = {row["quartile"]: row for row in (beside or {}).get(name, [])}
        cells = []
        for row in rows:
            span = " to ".join(form.format(unit * row[end]) for end in ("from", "to"))
            other = others.get(row["quartile"])
            own = (str(row["quartile"]), span, *_short(row))
            pair = [number(k, other[k]) for k in ("mdape", "bias")] if other else []
            cells.append((*own, *pair))
        more = ("MdAPE without", "Bias without") if others else ()
        head = ("Quartile", "Zipcodes with", *_SHORT_HEAD, *more)
        tables.append(Table(f"By {label} of the zipcode", head, cells, words=2))
    return tables


def of_report(report: Figures) -> list[Table]:
    """Return every table of a report."""
    return [
        overall(report),
        coverage(report),
        deciles(report),
        months(report),
        zipcodes(report),
        missing(report),
        *([likeness(report)] if report.get("by_likeness") else []),
        *fairness(report),
    ]
