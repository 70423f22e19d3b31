"""What is read of experiments: the right rows, in both kinds of database."""

from datetime import UTC, datetime, timedelta

import pytest
from outcomes.conftest import sale

from housing_app.journal import records
from housing_app.journal import store as journal_store
from housing_app.outcomes import Who, arms, store
from housing_app.training.experiment import Clients

ID, SLOT = "catboost-full-1/lightgbm-full-2", "full"
START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def answer(value):
    """Record answers of an arm on a day."""

    def record(arm, count=1, day=0, **changes):
        made = {"experiment": ID, "arm": arm} if arm else {}
        at = START + timedelta(days=day)
        return value(count, **made | {"answered_at": at} | changes)

    return record


@pytest.fixture
def sell(database):
    def report(ids, price=500_000.0):
        found = store.report(database, [sale(one, price) for one in ids], Who())
        assert found.is_good

    return report


@pytest.fixture
def look_on(database):
    def record(ids, price, model="lightgbm-full", version=2):
        said = [(id_, price, 1.0, 2e6) for id_ in ids]
        rows = records.rows(records.shadow_line(model, version, 0.0, said))
        database.run(lambda connection: journal_store.insert(connection, rows), 10)

    return record


@pytest.fixture
def ask(database):
    return lambda work, *words: database.run(
        lambda connection: work(connection, *words), 10, reads_only=True
    )


def test_experiments_are_listed_the_latest_first(ask, answer, sell, value):
    value(3)  # of no experiment
    sell(answer("champion", 3))
    sell(answer("challenger", 2, day=2)[:1])
    answer("champion", day=9, endpoint="minimal")
    first, second = ask(arms.experiments)
    assert (first.id, first.slot, first.answers) == (ID, "minimal", (1, 0))
    assert (second.slot, second.answers, second.outcomes) == ("full", (3, 2), (3, 1))
    assert (second.first, second.last) == (START, START + timedelta(days=2))


def test_there_may_be_none(ask, value):
    value(2)
    assert ask(arms.experiments) == []
    found = ask(arms.arms, ID, SLOT, None)
    assert [(arm.answers, len(arm.sold)) for arm in found.values()] == [(0, 0), (0, 0)]
    assert ask(arms.clients, ID, SLOT, None) == Clients()
    assert len(ask(arms.pairs, ID, SLOT, None).sold) == 0
    assert ask(arms.shadows, None) == []


def test_an_arm_has_its_own_sales_alone(ask, answer, sell):
    sell(answer("champion", 3, price=510_000.0), 480_000.0)
    sell(answer("challenger", 2, price=490_000.0), 470_000.0)
    answer("challenger", price=1.0)  # not sold
    sell(answer("challenger", price=2.0, endpoint="minimal"))
    sell(answer("challenger", price=3.0, experiment="a-1/b-1"))
    sell(answer(None, price=4.0))
    found = ask(arms.arms, ID, SLOT, None)
    assert found["champion"].price.tolist() == [510_000.0] * 3
    assert found["champion"].sold.tolist() == [480_000.0] * 3
    assert found["challenger"].price.tolist() == [490_000.0] * 2
    assert (found["champion"].answers, found["challenger"].answers) == (3, 3)


def test_answers_of_the_fallback_are_of_the_arm_and_counted(ask, answer, sell):
    sell(answer("challenger", 2, variant="fallback", model="knn-minimal"))
    sell(answer("challenger", 3, variant="challenger"))
    found = ask(arms.arms, ID, SLOT, None)["challenger"]
    assert (found.answers, found.fallbacks, len(found.sold)) == (5, 2, 5)


def test_answers_before_a_day_are_left_out(ask, answer, sell):
    sell(answer("champion", 2, subject="anna"))
    sell(answer("champion", 3, day=5, subject="bob"))
    since = START + timedelta(days=5)
    found = ask(arms.arms, ID, SLOT, since)["champion"]
    assert (found.answers, len(found.sold)) == (3, 3)
    assert ask(arms.clients, ID, SLOT, since) == Clients(1, 0, 0)
    assert ask(arms.clients, ID, SLOT, None) == Clients(2, 0, 0)


def test_homes_of_one_subject_or_one_request_are_one_client(ask, answer, sell):
    sell(answer("champion", 2, subject="anna", request_id="r-1"))
    sell(answer("champion", subject="anna", request_id="r-2"))
    sell(answer("champion", 2, request_id="r-3"))
    sell(answer("champion", request_id="r-4"))
    found = ask(arms.arms, ID, SLOT, None)["champion"].clients.tolist()
    assert sorted(map(found.count, set(found))) == [1, 2, 3]


def test_a_client_that_the_journal_knows_by_a_hash_is_one(ask, answer, sell):
    sell(answer("champion", 2, client="a" * 16, request_id="r-1"))
    sell(answer("champion", 3, client="a" * 16, request_id="r-2"))
    sell(answer("champion", 1, client="b" * 16, request_id="r-3"))
    found = ask(arms.arms, ID, SLOT, None)["champion"].clients.tolist()
    assert sorted(map(found.count, set(found))) == [1, 5]
    assert ask(arms.clients, ID, SLOT, None) == Clients(2, 0, 0)


def test_a_client_of_both_arms_is_of_its_latest(ask, answer):
    answer("champion", 9, subject="anna")
    answer("challenger", 1, day=1, subject="anna")
    answer("champion", 1, subject="bob")
    answer("champion", 4)  # nobody that is known
    assert ask(arms.clients, ID, SLOT, None) == Clients(1, 1, 1)


def test_pairs_are_of_the_champions_answers_and_the_challenger_that_looked_on(
    ask, answer, sell, look_on
):
    champion = {"model": "catboost-full", "version": 1}
    ids = answer(None, 3, price=520_000.0, subject="anna", **champion)
    unsold = answer(None, 1, **champion)
    other = answer("challenger", 1, model="lightgbm-full", version=2)
    sell([*ids, *other], 500_000.0)
    look_on([*ids, *unsold, *other], 505_000.0)
    look_on(ids, 1.0, version=3)
    look_on(["nowhere"], 2.0)
    found = ask(arms.pairs, ID, SLOT, None)
    assert found.sold.tolist() == [500_000.0] * 3
    assert found.champion.tolist() == [520_000.0] * 3
    assert found.challenger.tolist() == [505_000.0] * 3
    assert len(set(found.clients.tolist())) == 1
    assert len(ask(arms.pairs, ID, "minimal", None).sold) == 0


def test_shadows_are_beside_what_was_answered_sold_or_not(ask, answer, look_on):
    champion = {"model": "catboost-full", "version": 1}
    ids = answer(None, 2, price=400_000.0, **champion)
    look_on([*ids, "nowhere"], 410_000.0)
    look_on(ids[:1], 390_000.0, version=3)
    look_on(answer(None, 1, variant="fallback", model="knn-minimal"), 1.0)
    look_on(answer(None, 1, endpoint="minimal", **champion), 420_000.0)
    found = ask(arms.shadows, None)
    assert [(one.slot, one.model, one.shadow, one.price.tolist()) for one in found] == [
        ("full", "catboost-full-1", "lightgbm-full-2", [400_000.0] * 2),
        ("full", "catboost-full-1", "lightgbm-full-3", [400_000.0]),
        ("minimal", "catboost-full-1", "lightgbm-full-2", [500_000.0]),
    ]
    assert found[0].shadow_price.tolist() == [410_000.0] * 2
    (only,) = ask(arms.shadows, "minimal")
    assert only.slot == "minimal"
