"""What homes were sold for: stored once, compared ever after, withdrawn by hand."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from time import monotonic, sleep
from typing import Any, NamedTuple, Protocol, TypeVar

from sqlalchemy import Connection, delete, inspect, select
from sqlalchemy.exc import IntegrityError

from housing_app.database import Database, StoreDown
from housing_app.database.engine import SECONDS
from housing_app.database.tables import insert_new, outcomes, predictions

_IDS = 500  # in one statement
_LEAST_SECONDS = 0.05
_PAUSE_SECONDS = 0.05
Step = Callable[[int], Any]
Item = TypeVar("Item")


class Report(NamedTuple):
    """Tell what a home was sold for; the id is that of its valuation."""

    prediction_id: str
    sale_price: float
    sale_date: date


class Verdict(NamedTuple):
    """Say what became of reports; what is wrong, by their positions."""

    stored: int
    known: int
    unknown: list[int]
    conflicts: dict[int, list[str]]  # the fields that differ

    @property
    def is_good(self) -> bool:
        """Say whether every report was stored or known."""
        return not self.unknown and not self.conflicts


class Who(NamedTuple):
    """Name who reports, and whose valuations that may be about; None: everybody's."""

    subject: str | None = None
    owner: str | None = None


class Waiting(Protocol):
    """Hold predictions that are not in the database yet, as the journal does."""

    def holds(self, ids: Collection[str]) -> bool:
        """Say whether one of them waits, or may."""

    def hurry(self, seconds: float) -> object:
        """Bring what waits into the database, if that is quickly done."""


def _batched(things: Iterable[Item]) -> Iterator[list[Item]]:
    every = list(things)
    for start in range(0, len(every), _IDS):
        yield every[start : start + _IDS]


def has_tables(connection: Connection) -> bool:
    """Say whether the database was ever brought to our schema."""
    return inspect(connection).has_table(outcomes.name)


def report(
    database: Database,
    reports: Sequence[Report],
    who: Who,
    waiting: Waiting | None = None,
    *,
    seconds: float = SECONDS,
    step: Step = lambda count: None,
) -> Verdict:
    """Store all of the reports, or none of them if one is unknown or in conflict.

    Takes about so many seconds at most. Raises StoreDown; to repeat is then safe.
    """
    deadline = monotonic() + seconds

    def work(connection: Connection) -> Verdict:
        verdict = settle(connection, reports, who, step)
        if not verdict.is_good:
            connection.rollback()
        return verdict

    def left() -> float:
        return max(_LEAST_SECONDS, deadline - monotonic())

    verdict = _attempt(database, work, left())
    while verdict.unknown and waiting:
        ids = {reports[position].prediction_id for position in verdict.unknown}
        # Asked before the database is, or it would be missed on its way.
        if is_waiting := waiting.holds(ids):
            waiting.hurry(left())
        verdict = _attempt(database, work, left())
        if not is_waiting:
            break
        if verdict.unknown:
            if monotonic() > deadline:
                raise StoreDown("the valuation waits to be stored")
            sleep(_PAUSE_SECONDS)  # another worker has it, and drains it soon
    return verdict


def _attempt(
    database: Database, work: Callable[[Connection], Verdict], seconds: float
) -> Verdict:
    try:
        return database.run(work, seconds)
    except IntegrityError:
        # A valuation was pruned just now: the second time it is not there.
        return database.run(work, seconds)


def settle(
    connection: Connection,
    reports: Sequence[Report],
    who: Who,
    step: Step,
) -> Verdict:
    """Store the reports in the caller's transaction, which is to be undone if not good.

    They do not contradict each other. `step` is told how many more are dealt with.
    """
    if connection.dialect.name == "sqlite" and not has_tables(connection):
        return Verdict(0, 0, list(range(len(reports))), {})
    known = _predictions(connection, [one.prediction_id for one in reports], who.owner)
    unknown = [n for n, one in enumerate(reports) if one.prediction_id not in known]
    new: set[str] = set()
    if not unknown:
        # In one order for all, so that two batches wait for each other, not both.
        first = {one.prediction_id: one for one in reports}
        for some in _batched(sorted(first.values())):
            new |= _insert(connection, some, who.subject)
            step(len(some))
    held = _outcomes(connection, known - new)
    conflicts = {
        position: fields
        for position, one in enumerate(reports)
        if (fields := _differences(one, held.get(one.prediction_id, one)))
    }
    same = known - new - {reports[position].prediction_id for position in conflicts}
    return Verdict(len(new), len(same), unknown, conflicts)


def _predictions(
    connection: Connection, ids: Iterable[str], owner: str | None
) -> set[str]:
    found: set[str] = set()
    for some in _batched(ids):
        query = select(predictions.c.id).where(predictions.c.id.in_(some))
        if owner is not None:
            query = query.where(predictions.c.subject == owner)
        found.update(connection.scalars(query))
    return found


def _insert(
    connection: Connection, reports: Sequence[Report], subject: str | None
) -> set[str]:
    """Store what has no outcome yet; return the ids that are new."""
    more = {"reported_at": datetime.now(UTC), "subject": subject}
    rows = [one._asdict() | more for one in reports]
    statement = insert_new(connection, outcomes).returning(outcomes.c.prediction_id)
    return set(connection.scalars(statement, rows))


def _outcomes(connection: Connection, ids: Iterable[str]) -> dict[str, Report]:
    columns = outcomes.c.prediction_id, outcomes.c.sale_price, outcomes.c.sale_date
    found: dict[str, Report] = {}
    for some in _batched(ids):
        query = select(*columns).where(outcomes.c.prediction_id.in_(some))
        found |= {row.prediction_id: Report(*row) for row in connection.execute(query)}
    return found


def _differences(one: Report, other: Report) -> list[str]:
    return [
        name
        for name, mine, theirs in zip(Report._fields, one, other, strict=True)
        if mine != theirs
    ]


def withdraw(connection: Connection, ids: Collection[str]) -> set[str]:
    """Drop the outcomes of these valuations; return the ids that had one."""
    found: set[str] = set()
    for some in _batched(ids):
        statement = delete(outcomes).where(outcomes.c.prediction_id.in_(some))
        returning = statement.returning(outcomes.c.prediction_id)
        found.update(connection.scalars(returning))
    return found
