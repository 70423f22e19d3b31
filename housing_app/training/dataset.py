"""Read sales and split them honestly."""

import hashlib
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.model_selection import train_test_split

from housing_app.valuation import features
from housing_app.valuation.errors import ValuationError
from housing_app.valuation.features import FloatArray, Homes

Mask = npt.NDArray[np.bool_]
_MIN_TRAINING, _MIN_JUDGED = 200, 100
_PRICES = (1_000, 1_000_000_000)


class SalesError(ValuationError):
    """Refuse a sales file; the text names it, the row and the cure."""


@dataclass(frozen=True)
class Sales:
    """Hold sales in the order of their file; `homes.days` are the sale dates."""

    homes: Homes
    prices: FloatArray
    ids: npt.NDArray[np.str_]
    sha256: str
    rejected: list[str]  # one line a row, with its reasons

    def __len__(self) -> int:
        return len(self.prices)

    def where(self, mask: Mask) -> "Sales":
        """Return the sales the mask selects."""
        zipcodes = np.asarray(self.homes.zipcodes)[mask].tolist()
        homes = Homes(self.homes.values[mask], zipcodes, self.homes.days[mask])
        return Sales(homes, self.prices[mask], self.ids[mask], self.sha256, [])

    @property
    def window(self) -> tuple[date, date]:
        """Return the dates of the first and the last sale."""
        days = self.homes.days
        return date.fromordinal(int(days.min())), date.fromordinal(int(days.max()))


@dataclass(frozen=True)
class Rows:
    """Hold a sales file's rows as they are, and why each is refused, if it is."""

    path: Path
    table: pd.DataFrame
    days: "pd.Series[pd.Timestamp]"
    reasons: list[list[str]]
    sha256: str

    @property
    def refused(self) -> Mask:
        """Return which rows are refused."""
        return np.array([bool(why) for why in self.reasons])

    def refuse(self, where: npt.ArrayLike, why: str) -> None:
        """Add a reason to the rows that a mask selects."""
        for row in np.flatnonzero(where).tolist():
            self.reasons[row].append(why)

    @property
    def sales(self) -> Sales:
        """Return the rows that are not refused as sales, and the others as lines."""
        bad = self.refused
        lines = {
            row: f"row {line_of(row)}: {'; '.join(self.reasons[row])}"
            for row in np.flatnonzero(bad).tolist()
        }
        if bad.all():
            first = lines[0].partition(": ")[2]
            raise SalesError(f"{self.path}: every row is refused; the first: {first}")
        table, days = self.table[~bad], self.days[~bad]
        homes = Homes(
            table[list(features.NAMES)].to_numpy(np.float64),
            table[features.ZIPCODE].tolist(),
            np.array([day.toordinal() for day in days], dtype=np.float64),
        )
        return Sales(
            homes,
            table["price"].to_numpy(np.float64),
            table["id"].to_numpy(str),
            self.sha256,
            list(lines.values()),
        )


def line_of(row: int) -> int:
    """Return the number that an editor gives a row's line."""
    return row + 2


def read(path: Path) -> Sales:
    """Read a CSV of sales: id, date, price and the home fields.

    Rows that break a field's limits are rejected and listed, never dropped silently.
    """
    return rows(path).sales


def rows(path: Path) -> Rows:
    """Read a CSV of sales row by row; values are numbers, NaN where they are not."""
    try:
        content = path.read_bytes()
        words = {"id": str, "zipcode": str, "date": str}
        # Blank lines count, so that a refused row has its line's number.
        table = pd.read_csv(path, dtype=words, skip_blank_lines=False)
    except (OSError, ValueError, pd.errors.ParserError) as error:
        text = " ".join(str(error).split())
        raise SalesError(f"{path}: not readable as CSV ({text})") from None
    needed = ["id", "date", "price", features.ZIPCODE, *features.NAMES]
    if missing := [name for name in needed if name not in table]:
        raise SalesError(f"{path}: column {missing[0]!r} is missing")
    if table.empty:
        raise SalesError(f"{path}: holds no sales")
    found = Rows(
        path,
        table,
        _dates(table),
        [[] for _ in range(len(table))],
        hashlib.sha256(content).hexdigest(),
    )
    _refuse_bad(found)
    return found


def _dates(table: pd.DataFrame) -> "pd.Series[pd.Timestamp]":
    """Return sale dates: YYYYMMDD or YYYY-MM-DD, a time of day after it ignored."""
    digits = table["date"].str.replace("-", "", regex=False).str[:8]
    return pd.to_datetime(digits, format="%Y%m%d", errors="coerce")


def _refuse_bad(found: Rows) -> None:
    """Refuse the rows that are no sale of a home; make all values numbers."""
    table, refuse = found.table, found.refuse
    refuse(table["id"].isna(), "id is missing")
    refuse(found.days.isna(), "date is not YYYYMMDD or YYYY-MM-DD")
    refuse(~table[features.ZIPCODE].str.fullmatch(r"\d{5}", na=False), "bad zipcode")
    table["price"] = pd.to_numeric(table["price"], errors="coerce")
    refuse(~table["price"].between(*_PRICES), "price is missing or absurd")
    for feature in features.FEATURES:
        text = table[feature.name]
        values = pd.to_numeric(text, errors="coerce")
        refuse(values.isna() & text.notna(), f"{feature.name} is not a number")
        table[feature.name] = values
        for row in np.flatnonzero(values.notna()).tolist():
            if why := feature.refuse(values.iloc[row]):
                found.reasons[row].append(f"{feature.name} {why}")


def before(sales: Sales, cut: date) -> Mask:
    """Return which sales were made before a day."""
    return np.asarray(sales.homes.days < cut.toordinal())


def default_cut(sales: Sales) -> date:
    """Return the first day of the last two calendar months of the sales."""
    last = sales.window[1]
    months = last.year * 12 + last.month - 1 - 1
    return date(months // 12, months % 12 + 1, 1)


def check_cut(sales: Sales, cut: date, calibration_days: int) -> None:
    """Refuse a cut that leaves too few sales to learn from, calibrate or judge on."""
    first, last = sales.window
    early = int(before(sales, cut - timedelta(days=calibration_days)).sum())
    known = int(before(sales, cut).sum())
    parts = {
        f"learn from ({calibration_days} days before the cut)": (early, _MIN_TRAINING),
        "calibrate ranges on": (known - early, _MIN_JUDGED),
        "judge on": (len(sales) - known, _MIN_JUDGED),
    }
    for purpose, (found, needed) in parts.items():
        if found < needed:
            raise SalesError(
                f"the cut at {cut} leaves {found} sales to {purpose}; {needed} are "
                f"needed (sales run from {first} to {last})"
            )


def random_holdout(sales: Sales, share: float = 0.25, seed: int = 42) -> Mask:
    """Return a random share of the sales; a home that sold twice is never in both."""
    homes = np.unique(sales.ids)
    chosen = np.random.default_rng(seed).permutation(homes)[: round(len(homes) * share)]
    return np.isin(sales.ids, chosen)


def reference_split(rows: int) -> Mask:
    """Return the rows `train_test_split(random_state=42)` trains on."""
    chosen, _ = train_test_split(np.arange(rows), random_state=42)
    return np.isin(np.arange(rows), chosen)
