"""How far valuations were from what was paid: measured beside requests, in memory."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from time import monotonic
from typing import Any, NamedTuple

import numpy as np
from prometheus_client import Gauge
from sqlalchemy import Connection, func, select
from sqlalchemy.sql import Select

from housing_app import metrics
from housing_app.database import Database
from housing_app.database.tables import outcomes, predictions
from housing_app.outcomes.store import has_tables
from housing_app.valuation import ratios
from housing_app.valuation.features import FloatArray

LEAST = 5  # sales a figure stands for: docs/decisions/003
_ROWS = 5_000  # fetched at once
_READ_SECONDS = 120.0
_COUNT_SECONDS = 10.0  # a large table is counted slowly, and is not down for that
# What takes long is done less often, up to a point.
_SHARE, _MOST_SECONDS = 20, 120.0
_LEAST_SECONDS = 10.0  # the job comes round no sooner

_COLUMNS = (
    outcomes.c.sale_price,
    predictions.c.price,
    predictions.c.low,
    predictions.c.high,
    predictions.c.interval,
    outcomes.c.sale_date,
    predictions.c.model,
    predictions.c.version,
    predictions.c.endpoint,
)

Row = dict[str, Any]
Labelled = tuple[Gauge, tuple[str, ...]]


class Group(NamedTuple):
    """Name what figures are told of."""

    model: str
    version: int
    slot: str


class Sales(NamedTuple):
    """Hold sales and their valuations, a column each."""

    sold: FloatArray
    price: FloatArray
    low: FloatArray
    high: FloatArray
    interval: FloatArray
    day: Any  # of sale, as an ordinal
    group: Any  # position in the list of groups

    def where(self, chosen: Any) -> "Sales":
        """Return some of the sales."""
        return Sales(*(column[chosen] for column in self))

    def __add__(self, more: Any) -> "Sales":
        pairs = zip(self, more, strict=True)
        return Sales(*(np.concatenate(pair) for pair in pairs))


_TYPES = (*["f8"] * 5, "i4", "i4")
_NONE = Sales(*(np.zeros(0, kind) for kind in _TYPES))


class _Mark(NamedTuple):
    """Tell one state of the table from another."""

    size: int = 0
    latest: datetime = datetime.min.replace(tzinfo=UTC)


class Live:
    """Keep the figures of one process up to date."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._groups: list[Group] = []
        self._sales = _NONE
        self._mark = _Mark()
        self._rests_until = 0.0
        self.rows: list[Row] = []  # replaced, never changed

    def refresh(self) -> None:
        """Measure again if outcomes came or went, unless it is too early."""
        started = monotonic()
        if started < self._rests_until:
            return
        mark = self._database.run(_state, _COUNT_SECONDS, reads_only=True)
        if mark != self._mark:
            self._update(mark)
        rest = min(_SHARE * (monotonic() - started), _MOST_SECONDS)
        self._rests_until = monotonic() + rest if rest > _LEAST_SECONDS else 0.0

    def _update(self, mark: _Mark) -> None:
        more = mark.size - self._mark.size
        sales = _NONE
        if more > 0 and mark.latest > self._mark.latest:
            # As a rule they only get more.
            sales = self._read(self._mark.latest)
        if sales.sold.size == more > 0:
            self._take(self._sales + sales, mark)
        else:
            self._groups = []
            self._take(self._read(None), mark)

    def _read(self, after: datetime | None) -> Sales:
        query = select(*_COLUMNS).join_from(outcomes, predictions)
        if after is not None:
            query = query.where(outcomes.c.reported_at > after)
        return self._database.run(
            lambda connection: self._fetch(connection, query),
            _READ_SECONDS,
            reads_only=True,
        )

    def _fetch(self, connection: Connection, query: Select[Any]) -> Sales:
        places = {group: place for place, group in enumerate(self._groups)}
        found = [_NONE]
        streamed = connection.execution_options(yield_per=_ROWS).execute(query)
        for rows in streamed.partitions():
            *numbers, days, models, versions, slots = zip(*rows, strict=True)
            groups = [
                places.setdefault(Group(*one), len(places))
                for one in zip(models, versions, slots, strict=True)
            ]
            columns = (*numbers, list(map(date.toordinal, days)), groups)
            typed = zip(columns, _TYPES, strict=True)
            found.append(Sales(*(np.array(column, kind) for column, kind in typed)))
        self._groups = list(places)
        return Sales(*(np.concatenate(parts) for parts in zip(*found, strict=True)))

    def _take(self, sales: Sales, mark: _Mark) -> None:
        # What came in while they were read is counted by the next mark.
        self._sales = sales
        self._mark = mark._replace(size=int(sales.sold.size))
        self.rows = [
            row
            for place, group in enumerate(self._groups)
            for row in _measured(group, sales.where(sales.group == place))
        ]
        _told.tell({key: one for row in self.rows for key, one in _gauged(row)})


def _state(connection: Connection) -> _Mark:
    if not has_tables(connection):
        return _Mark()
    query = select(func.count(), func.max(outcomes.c.reported_at)).select_from(outcomes)
    count, latest = connection.execute(query).one()
    return _Mark(count, latest) if count else _Mark()


def _measured(group: Group, sales: Sales) -> Iterator[Row]:
    """Yield the figures of a group, overall and of each month of sale."""
    head = group._asdict() | {"source": "live"}
    if sales.sold.size >= LEAST:
        yield head | _period(sales) | _figures(sales, "overall", None)
    months = _months(sales.day)
    for month in np.unique(months):
        part = sales.where(months == month)
        if part.sold.size >= LEAST:
            yield head | _period(part) | _figures(part, "month", str(month))


def _months(days: Any) -> Any:
    epoch = date(1970, 1, 1).toordinal()
    return (days - epoch).astype("datetime64[D]").astype("datetime64[M]")


def _period(sales: Sales) -> Row:
    first, last = int(sales.day.min()), int(sales.day.max())
    return {
        "from": date.fromordinal(first).isoformat(),
        "to": date.fromordinal(last).isoformat(),
    }


def _figures(sales: Sales, segment: str, value: str | None) -> Row:
    sold, price = sales.sold, sales.price
    figures = {
        "mdape": ratios.mdape(sold, price),
        "ppe10": ratios.ppe(sold, price, 0.10),
        "ppe20": ratios.ppe(sold, price, 0.20),
        "bias": ratios.bias(sold, price),
    }
    rounded = {name: round(figure, 4) for name, figure in figures.items()}
    found = {"segment": segment, "value": value, "n": int(sold.size)} | rounded
    coverage = _coverage(sales)
    return found | ({"coverage": coverage} if coverage else {})


def _coverage(sales: Sales) -> Row:
    """Return how often ranges held the price, by the level they were asked for at."""
    found = {}
    for level in np.unique(sales.interval):
        part = sales.where(sales.interval == level)
        if part.sold.size < LEAST:
            continue
        inside = (part.low <= part.sold) & (part.sold <= part.high)
        width = np.median((part.high - part.low) / part.price)
        found[f"{level:g}"] = {
            "achieved": round(float(inside.mean()), 4),
            "relative_width": round(float(width), 4),
        }
    return found


_told = metrics.Told()


def _gauged(row: Row) -> Iterator[tuple[Labelled, float]]:
    if row["segment"] != "overall":
        return
    labels = row["model"], str(row["version"]), row["slot"]
    yield (metrics.live_outcomes, labels), row["n"]
    yield (metrics.live_mdape, labels), row["mdape"]
    yield (metrics.live_ppe10, labels), row["ppe10"]
    yield (metrics.live_bias, labels), row["bias"]
    for level, found in row.get("coverage", {}).items():
        yield (metrics.live_coverage, (*labels, level)), found["achieved"]
