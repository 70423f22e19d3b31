"""Outcomes are stored once: whoever reports, however often and at once."""

import threading
import time
import uuid
from collections import Counter
from datetime import date

import pytest
from outcomes.conftest import ROW, sale
from sqlalchemy import func, select

from housing_app.database import Database, StoreDown, tables
from housing_app.journal import store as journal_store
from housing_app.outcomes import Verdict, Who, store

NOBODY = Who()


@pytest.fixture
def report(database):
    return lambda *sales, who=NOBODY, waiting=None, **more: store.report(
        database, sales, who, waiting, **more
    )


@pytest.fixture
def stored(database):
    def found():
        rows = database.run(lambda c: c.execute(select(tables.outcomes)).all(), 10)
        return {row.prediction_id: (row.sale_price, row.sale_date) for row in rows}

    return found


def test_an_outcome_is_stored_once_and_known_after(report, value, stored):
    (one,) = value()
    assert report(sale(one, 512_000.37)) == Verdict(1, 0, [], {})
    assert report(sale(one, 512_000.37)) == Verdict(0, 1, [], {})
    assert stored() == {one: (512_000.37, date(2015, 5, 2))}


def test_it_is_stored_with_who_reported_and_when(report, value, database):
    (one,) = value()
    report(sale(one), who=Who("anna", None))
    row = database.run(lambda c: c.execute(select(tables.outcomes)).one())
    assert row.subject == "anna"
    assert abs(row.reported_at.timestamp() - time.time()) < 10


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"price": 512_000.01}, ["sale_price"]),
        ({"day": date(2015, 5, 3)}, ["sale_date"]),
        ({"price": 1e6, "day": date(2014, 5, 3)}, ["sale_price", "sale_date"]),
    ],
)
def test_another_value_is_a_conflict_and_the_first_one_stays(
    report, value, stored, changes, fields
):
    (one,) = value()
    report(sale(one))
    before = stored()
    assert report(sale(one, **changes)).conflicts == {0: fields}
    assert stored() == before


def test_a_batch_is_stored_whole_or_not_at_all(report, value, stored):
    ids = value(3)
    report(sale(ids[0]))
    stranger = str(uuid.uuid4())
    conflict = report(sale(ids[1]), sale(ids[0], 1e6), sale(ids[2]))
    assert conflict.conflicts == {1: ["sale_price"]}
    unknown = report(sale(ids[1]), sale(stranger), sale(ids[0], 1e6))
    assert (unknown.unknown, unknown.conflicts) == ([1], {2: ["sale_price"]})
    assert stored().keys() == {ids[0]}
    assert report(*map(sale, ids)) == Verdict(2, 1, [], {})


def test_the_same_twice_in_a_batch_counts_once(report, value):
    (one,) = value()
    assert report(sale(one), sale(one)) == Verdict(1, 0, [], {})


def test_a_batch_may_be_large(report, value, stored):
    ids = value(1_777)
    # A busy machine may take longer than a request has.
    assert report(*map(sale, ids), seconds=10) == Verdict(1_777, 0, [], {})
    assert report(*map(sale, ids), seconds=10) == Verdict(0, 1_777, [], {})
    assert len(stored()) == 1_777


def test_an_owner_knows_its_own_valuations_only(report, value):
    (hers,), (his,), (nobodys,) = value(subject="anna"), value(subject="bob"), value()
    anna = Who("anna", "anna")
    assert report(sale(hers), sale(his), sale(nobodys), who=anna).unknown == [1, 2]
    assert report(sale(hers), who=anna).stored == 1
    everybodys = Who("root", None)
    assert report(sale(his), sale(nobodys), who=everybodys).stored == 2


def test_a_file_without_tables_knows_nothing(tmp_path):
    fresh = Database(f"sqlite:///{tmp_path / 'new.db'}", "test")
    assert store.report(fresh, [sale(str(uuid.uuid4()))], NOBODY).unknown == [0]


def report_in_the_end(worker, sales):
    """Report again while a busy machine takes too long: that is safe."""
    deadline = time.monotonic() + 25
    while True:
        try:
            return store.report(worker, sales, NOBODY, seconds=10)
        except StoreDown:
            assert time.monotonic() < deadline
            time.sleep(0.1)


@pytest.mark.parametrize("prices", [(5e5, 5e5), (5e5, 6e5)], ids=["same", "differing"])
def test_two_at_once_store_one(database_url, database, value, stored, prices):
    """Workers are processes: each has connections of its own."""
    ids = value(40)
    workers = [Database(database_url, "test") for _ in prices]
    gate = threading.Barrier(2)
    found: list[list[Verdict]] = [[], []]

    def work(n):
        for one in ids:
            gate.wait(30)
            found[n].append(report_in_the_end(workers[n], [sale(one, prices[n])]))

    threads = [threading.Thread(target=work, args=(n,)) for n in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    pairs = list(zip(*found, strict=True))
    assert len(pairs) == 40
    for pair in pairs:
        kinds = Counter(
            "stored" if v.stored else "known" if v.known else "conflict" for v in pair
        )
        other = "known" if prices[0] == prices[1] else "conflict"
        assert kinds == {"stored": 1, other: 1}
    assert len(stored()) == 40
    for worker in workers:
        worker.engine.dispose()


def test_batches_in_opposite_order_do_not_wait_for_each_other(database_url, value):
    ids = value(300)
    workers = [Database(database_url, "test") for _ in range(2)]
    verdicts = []

    def work(n):
        sales = [sale(one) for one in (ids if n else reversed(ids))]
        verdicts.append(report_in_the_end(workers[n], sales))

    threads = [threading.Thread(target=work, args=(n,)) for n in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sum(verdict.stored for verdict in verdicts) == 300
    assert sum(verdict.known for verdict in verdicts) == 300


def test_withdrawn_outcomes_can_be_reported_anew(report, value, database, stored):
    one, other = value(2)
    report(sale(one), sale(other))
    gone = database.run(lambda c: store.withdraw(c, [one, str(uuid.uuid4())]))
    assert gone == {one}
    assert stored().keys() == {other}
    assert report(sale(one, 1e6)).stored == 1


# --- valuations that are on their way -------------------------------------------------


class Waiting:
    """A spool whose record gets into the database when `arrive` has been tried often.

    Given as an argument, as the journal is.
    """

    def __init__(self, database, ids, tries):
        self.database, self.ids, self.tries = database, set(ids), tries
        self.asked = self.hurried = 0

    def holds(self, ids):
        self.asked += 1
        return bool(self.ids & ids)

    def hurry(self, seconds):
        assert 0 < seconds < 1
        self.hurried += 1
        if self.hurried == self.tries:
            rows = [ROW | {"id": one} for one in self.ids]
            self.database.run(lambda c: journal_store.insert(c, rows))
            self.ids = set()


@pytest.mark.parametrize("tries", [1, 3])
def test_a_valuation_that_waits_in_the_spool_is_fetched(report, database, tries):
    one = str(uuid.uuid4())
    waiting = Waiting(database, [one], tries)
    assert report(sale(one), waiting=waiting).stored == 1
    assert waiting.hurried == tries


def test_one_that_waits_on_is_not_said_to_be_unknown(report, database):
    one = str(uuid.uuid4())
    started = time.monotonic()
    with pytest.raises(StoreDown, match="waits"):
        report(sale(one), waiting=Waiting(database, [one], 10_000))
    assert time.monotonic() - started < 1


def test_for_one_that_does_not_wait_the_spool_is_left_alone(report, database):
    waiting = Waiting(database, [], 1)
    assert report(sale(str(uuid.uuid4())), waiting=waiting).unknown == [0]
    assert (waiting.asked, waiting.hurried) == (1, 0)


def test_a_known_one_does_not_look_into_the_spool(report, database, value):
    waiting = Waiting(database, [], 1)
    report(sale(*value()), waiting=waiting)
    assert waiting.asked == 0


def test_nothing_is_left_open(report, value, database):
    one, other = value(2)
    report(sale(one))
    report(sale(one, 1e6), sale(other))
    count = select(func.count()).select_from(tables.outcomes)
    assert database.run(lambda connection: connection.scalar(count)) == 1
