"""What the database holds of experiments and of shadows, for the commands."""

from array import array
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
from sqlalchemy import Connection, case, func, select
from sqlalchemy.sql import ColumnElement, Select

from housing_app.database.tables import outcomes, predictions, shadow_valuations
from housing_app.training.experiment import ARMS, Arm, Clients, Pairs
from housing_app.valuation.features import FloatArray

_ROWS = 5_000  # fetched at once
_p, _s = predictions.c, shadow_valuations.c
_KNOWN = func.coalesce(_p.client, _p.subject)
# Whose homes stand and fall together: the request's, where no client is known.
_CLIENT = func.coalesce(_KNOWN, _p.request_id)
_IS_FALLBACK = case((_p.variant == "fallback", 1), else_=0)


class Experiment(NamedTuple):
    """Tell experiments apart, and how far they are."""

    id: str  # <champion>/<challenger>
    slot: str
    first: datetime
    last: datetime
    answers: tuple[int, ...]  # of each arm
    outcomes: tuple[int, ...]


class Between(NamedTuple):
    """Hold what a model answered and a shadow would have, a place for each home."""

    slot: str
    model: str
    shadow: str
    price: FloatArray
    shadow_price: FloatArray


def experiments(connection: Connection) -> list[Experiment]:
    """Return every experiment that predictions are of, the latest first."""
    query = (
        select(
            *(_p.experiment, _p.endpoint, _p.arm, func.count()),
            func.count(outcomes.c.prediction_id),
            *(func.min(_p.answered_at), func.max(_p.answered_at)),
        )
        .outerjoin_from(predictions, outcomes)
        .where(_p.experiment.is_not(None))
        .group_by(_p.experiment, _p.endpoint, _p.arm)
    )
    parts: dict[tuple[str, str], dict[str, Any]] = {}
    for id_, slot, arm, *counts in connection.execute(query):
        parts.setdefault((id_, slot), {})[arm] = counts
    found = []
    for (id_, slot), arms in parts.items():
        sizes = [arms.get(arm, (0, 0)) for arm in ARMS]
        first = min(counts[2] for counts in arms.values())
        last = max(counts[3] for counts in arms.values())
        answers, sold = (tuple(size[place] for size in sizes) for place in (0, 1))
        found.append(Experiment(id_, slot, first, last, answers, sold))
    return sorted(found, key=lambda one: one.last, reverse=True)


def arms(
    connection: Connection, experiment: str, slot: str, start: datetime | None
) -> dict[str, Arm]:
    """Return what is known of both arms, of answers from a time on."""
    which = _which(experiment, slot, start)
    counted = select(_p.arm, func.count(), func.sum(_IS_FALLBACK)).where(*which)
    counts = {
        arm: (answers, int(fallbacks))
        for arm, answers, fallbacks in connection.execute(counted.group_by(_p.arm))
    }
    found = {}
    for arm in ARMS:
        sales = (
            select(outcomes.c.sale_price, _p.price, _CLIENT)
            .join_from(outcomes, predictions)
            .where(*which, _p.arm == arm)
        )
        found[arm] = Arm(*counts.get(arm, (0, 0)), *_columns(connection, sales, 2))
    return found


def clients(
    connection: Connection, experiment: str, slot: str, start: datetime | None
) -> Clients:
    """Count the clients of each arm; one of both is of that of its latest answer."""
    query = (
        select(_KNOWN, _p.arm)
        .where(*_which(experiment, slot, start), _KNOWN.is_not(None))
        .group_by(_KNOWN, _p.arm)
        .order_by(func.max(_p.answered_at))
    )
    rows = connection.execute(query).all()
    latest = Counter(dict(map(tuple, rows)).values())
    moved = len(rows) - latest.total()
    return Clients(latest["champion"], latest["challenger"], moved)


def pairs(
    connection: Connection, experiment: str, slot: str, start: datetime | None
) -> Pairs:
    """Return the sales that the champion valued while the challenger looked on."""
    champion, challenger = experiment.split("/")
    query = (
        select(outcomes.c.sale_price, _p.price, _s.price, _CLIENT)
        .join_from(outcomes, predictions)
        .join(shadow_valuations, _s.prediction_id == _p.id)
        .where(_p.endpoint == slot, *_since(start))
        .where(*_is(_p, champion), *_is(_s, challenger))
    )
    return Pairs(*_columns(connection, query, 3))


def shadows(connection: Connection, slot: str | None) -> list[Between]:
    """Return what shadows said beside what was answered, by slot and models."""
    query = (
        select(
            *(_p.endpoint, _p.model, _p.version, _s.model, _s.version),
            *(_p.price, _s.price),
        )
        .join_from(shadow_valuations, predictions, _s.prediction_id == _p.id)
        .where(_p.variant != "fallback")
    )
    if slot:
        query = query.where(_p.endpoint == slot)
    found: dict[tuple[str, str, str], array[float]] = {}
    for where, model, version, shadow, its, *prices in _rows(connection, query):
        key = (where, f"{model}-{version}", f"{shadow}-{its}")
        found.setdefault(key, array("d")).extend(prices)
    return [
        Between(*key, *np.array(prices).reshape(-1, 2).T)
        for key, prices in sorted(found.items())
    ]


def _which(
    experiment: str, slot: str, start: datetime | None
) -> list[ColumnElement[bool]]:
    return [_p.experiment == experiment, _p.endpoint == slot, *_since(start)]


def _since(start: datetime | None) -> list[ColumnElement[bool]]:
    return [_p.answered_at >= start] if start else []


def _is(columns: Any, id_: str) -> list[ColumnElement[bool]]:
    name, _, version = id_.rpartition("-")
    return [columns.model == name, columns.version == int(version)]


def _columns(connection: Connection, query: Select[Any], numbers: int) -> Iterator[Any]:
    """Yield columns of numbers, and then a whole number for each client."""
    values, owners = array("d"), array("q")
    places: dict[str, int] = {}
    for *found, client in _rows(connection, query):
        values.extend(found)
        owners.append(places.setdefault(client, len(places)))
    yield from np.array(values).reshape(-1, numbers).T
    yield np.array(owners)


def _rows(connection: Connection, query: Select[Any]) -> Iterator[Any]:
    """Yield rows, holding few at a time."""
    yield from connection.execution_options(yield_per=_ROWS).execute(query)
