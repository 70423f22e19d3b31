"""Screen a file of sales before a model is trained on it without anyone looking.

`dataset` refuses rows that are no sale of a home. This refuses what only the whole file
shows (duplicates, contradictions, absurd prices), and stops where so much is off that
the file itself must be wrong. Every refused row is in the report, with its line.
"""

import csv
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from io import StringIO
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from housing_app.training import dataset
from housing_app.training.dataset import Rows, Sales
from housing_app.valuation import features
from housing_app.valuation.artifacts import Manifest
from housing_app.valuation.features import FloatArray

# The name of this screening in `Manifest.training`; another number for other rules.
RULES = 1
MAX_REFUSED = 0.02  # share of the rows
MIN_ROWS = 0.8  # of those of the last training
MAX_GAP_DAYS = 21
MAX_AGE_DAYS = 5 * 365  # before the file's last sale
# How many times the usual price per square foot, or one part of it.
NOTED_TIMES, REFUSED_TIMES = 3.0, 8.0
_LEAST = 5  # sales that make a price usual


class Told(NamedTuple):
    """Say of one line of the file what is off."""

    line: int
    verdict: str  # refused or noted
    reason: str


@dataclass(frozen=True)
class Screened:
    """Hold what a file's rows and the file as a whole were found to be."""

    sales: Sales
    rows: int
    told: list[Told]
    faults: list[str]  # of the whole file: not to be trained on

    @property
    def totals(self) -> dict[str, int]:
        """Return how many lines have which verdict and reason, most first."""
        found = Counter(f"{told.verdict}: {told.reason}" for told in self.told)
        return dict(found.most_common())

    def csv(self) -> str:
        """Return the report: line, verdict, reason."""
        text = StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerows([Told._fields, *self.told])
        return text.getvalue()


def again(path: Path, manifest: Manifest) -> Sales:
    """Read sales as those an artifact was trained on were read."""
    rows = dataset.rows(path)
    if manifest.training.get("screening"):
        _screen(rows, None)
    return rows.sales


def screen(path: Path, today: date, last: Manifest) -> Screened:
    """Read and screen a file; `last` is what was trained before."""
    rows = dataset.rows(path)
    noted = _screen(rows, today)
    sales = rows.sales
    told = [
        Told(dataset.line_of(row), verdict, reason)
        for row in range(len(rows.table))
        for verdict, reasons in (("refused", rows.reasons), ("noted", noted))
        for reason in reasons[row]
    ]
    faults = list(_faults(rows, sales, last))
    return Screened(sales, len(rows.table), told, faults)


def _screen(rows: Rows, today: date | None) -> list[list[str]]:
    """Refuse rows; return what is to be noted of each of the others."""
    noted: list[list[str]] = [[] for _ in rows.reasons]
    _refuse_dates(rows, today)
    _refuse_repeated(rows)
    times = _times_usual(rows)
    away = np.maximum(times, 1 / times)
    rows.refuse(
        away > REFUSED_TIMES,
        f"price per square foot over {REFUSED_TIMES:g} times the usual, or under "
        f"1/{REFUSED_TIMES:g} of it",
    )
    for row in np.flatnonzero((away > NOTED_TIMES) & ~rows.refused).tolist():
        noted[row].append(
            f"price per square foot over {NOTED_TIMES:g} times the usual, or under "
            f"1/{NOTED_TIMES:g} of it"
        )
    return noted


def _refuse_dates(rows: Rows, today: date | None) -> None:
    days = rows.days
    good = days[~rows.refused]
    if today is not None:
        late = days > pd.Timestamp(today)
        rows.refuse(late, "date is in the future")
        good = good[~late]
    if len(good):
        oldest = good.max() - pd.Timedelta(days=MAX_AGE_DAYS)
        years = MAX_AGE_DAYS // 365
        rows.refuse(days < oldest, f"{years} years or more before the last sale")


def _refuse_repeated(rows: Rows) -> None:
    """Refuse a sale told twice, and all of those that contradict each other."""
    good = ~rows.refused
    table = rows.table.assign(day=rows.days)[good]
    sale = ["id", "day"]
    several = table.groupby(sale)["price"].transform("nunique") > 1
    twice = table.duplicated(sale) & ~several
    for mask, why in (
        (several, "sold on the same day at another price on another line"),
        (twice, "the same sale as on an earlier line"),
    ):
        where = np.zeros(len(rows.table), dtype=bool)
        where[good] = mask
        rows.refuse(where, why)


def _times_usual(rows: Rows) -> FloatArray:
    """Return each price per square foot over that usual in zipcode and grade.

    Of the zipcode where it has few homes of the grade, of the file where it has few
    homes at all. 1 for rows that are refused and where the living space is unknown.
    """
    good = ~rows.refused
    table = rows.table[good]
    level = np.log(table["price"] / table["sqft_living"])
    usual = pd.Series(level.median(), index=level.index)
    for keys in ([features.ZIPCODE], [features.ZIPCODE, "grade"]):
        groups = level.groupby([table[key] for key in keys])
        enough = groups.transform("count") >= _LEAST
        usual = usual.where(~enough, groups.transform("median"))
    times = np.ones(len(rows.table))
    times[good] = np.exp((level - usual).fillna(0.0))
    return times


def _faults(rows: Rows, sales: Sales, last: Manifest) -> Iterator[str]:
    """Yield what is wrong with the file as a whole."""
    count, refused = len(rows.table), int(rows.refused.sum())
    if refused > MAX_REFUSED * count:
        yield (
            f"{refused:,} of {count:,} rows are refused, more than "
            f"{100 * MAX_REFUSED:g} %"
        )
    before = last.training["rows"]
    if len(sales) < MIN_ROWS * before:
        yield (
            f"{len(sales):,} sales are less than {100 * MIN_ROWS:g} % of the "
            f"{before:,} that {last.id} learned from"
        )
    days = np.unique(sales.homes.days)
    gaps = np.diff(days)
    if gaps.size and gaps.max() > MAX_GAP_DAYS:
        start = date.fromordinal(int(days[gaps.argmax()]))
        end = start + timedelta(days=int(gaps.max()))
        yield (
            f"no sale between {start} and {end}, more than {MAX_GAP_DAYS} days: is a "
            "part missing?"
        )
