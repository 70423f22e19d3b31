"""Live accuracy: right, private, cheap, and never asked of a store by a request."""

import time
import uuid
from datetime import date

import numpy as np
import pytest
from outcomes.conftest import ROW, sale
from sqlalchemy import event

from housing_app import metrics
from housing_app.database import Database, StoreDown
from housing_app.journal import store as journal_store
from housing_app.outcomes import Who, store
from housing_app.outcomes import live as module
from housing_app.outcomes.live import LEAST, Live
from housing_app.valuation import ratios

MAY, JUNE = date(2015, 5, 31), date(2015, 6, 1)


@pytest.fixture
def live(database):
    return Live(database)


@pytest.fixture
def sell(database, value):
    """Value homes at prices and report sales of them."""

    def report(prices, days=None, **changes):
        ids = value(len(prices), **changes)
        days = days or [MAY] * len(prices)
        sales = [sale(*one) for one in zip(ids, prices, days, strict=True)]
        assert store.report(database, sales, Who()).stored == len(prices)
        return ids

    return report


def rows(live, **wanted):
    return [row for row in live.rows if wanted.items() <= row.items()]


def test_without_outcomes_there_is_nothing(live):
    live.refresh()
    assert live.rows == []


def test_without_tables_there_is_nothing(tmp_path):
    live = Live(Database(f"sqlite:///{tmp_path / 'new.db'}", "test"))
    live.refresh()
    assert live.rows == []


def test_figures_are_those_of_a_ratio_study(live, sell):
    sold = np.array([5e5, 4e5, 6e5, 5.2e5, 7e5, 3e5, 4.9e5])
    sell(list(sold))
    live.refresh()
    overall, month = live.rows
    price = np.full(7, 5e5)
    assert overall == {
        "model": "catboost-full",
        "version": 1,
        "slot": "full",
        "source": "live",
        "from": "2015-05-31",
        "to": "2015-05-31",
        "segment": "overall",
        "value": None,
        "n": 7,
        "mdape": round(ratios.mdape(sold, price), 4),
        "ppe10": round(ratios.ppe(sold, price, 0.1), 4),
        "ppe20": round(ratios.ppe(sold, price, 0.2), 4),
        "bias": round(ratios.bias(sold, price), 4),
        # 4e5 and 6e5 are the ends, 3e5 and 7e5 beyond them.
        "coverage": {"0.9": {"achieved": round(5 / 7, 4), "relative_width": 0.4}},
    }
    assert month == overall | {"segment": "month", "value": "2015-05"}


def test_fewer_than_five_sales_are_not_told(live, sell):
    sell([5e5] * (LEAST - 1))
    live.refresh()
    assert live.rows == []
    sell([6e5])
    live.refresh()
    assert {row["n"] for row in live.rows} == {5}


def test_a_part_of_fewer_than_five_is_not_told(live, sell):
    sell([5e5] * 9, [MAY] * 5 + [JUNE] * 4)
    sell([5e5] * 4, interval=0.5)
    live.refresh()
    assert [(row["value"], row["n"]) for row in live.rows] == [
        (None, 13),
        ("2015-05", 9),
    ]
    assert set(live.rows[0]["coverage"]) == {"0.9"}


def test_months_are_those_of_the_sale(live, sell):
    days = [MAY] * 5 + [JUNE] * 6
    sell([5e5] * 11, days)
    live.refresh()
    months = {row["value"]: row["n"] for row in rows(live, segment="month")}
    assert months == {"2015-05": 5, "2015-06": 6}
    (june,) = rows(live, value="2015-06")
    assert (june["from"], june["to"]) == ("2015-06-01", "2015-06-01")


def test_each_model_version_and_slot_has_its_own(live, sell):
    kinds = [
        {},
        {"version": 2},
        {"model": "knn-minimal", "endpoint": "full"},
        {"model": "knn-minimal", "endpoint": "minimal"},
    ]
    for place, kind in enumerate(kinds):
        sell([5e5 + 1e4 * place] * 5, **kind)
    live.refresh()
    found = rows(live, segment="overall")
    assert {(r["model"], r["version"], r["slot"]) for r in found} == {
        ("catboost-full", 1, "full"),
        ("catboost-full", 2, "full"),
        ("knn-minimal", 1, "full"),
        ("knn-minimal", 1, "minimal"),
    }
    assert sorted(r["bias"] for r in found) == sorted(
        round(5e5 / (5e5 + 1e4 * n) - 1, 4) for n in range(4)
    )


def test_ranges_are_judged_at_their_own_level(live, sell):
    sell([5e5] * 5, interval=0.5, low=510_000.0)
    sell([5e5] * 5, interval=0.8)
    live.refresh()
    (overall,) = rows(live, segment="overall")
    achieved = {k: v["achieved"] for k, v in overall["coverage"].items()}
    assert achieved == {"0.5": 0.0, "0.8": 1.0}


def statements(database):
    """Return a list that grows by each statement."""
    found = []
    event.listen(
        database.engine,
        "before_cursor_execute",
        lambda *given: found.append(given[2]),
    )
    return found


def reads(asked):
    return [text for text in asked if "JOIN predictions" in text]


def test_what_has_not_changed_is_not_read_again(live, sell, database):
    sell([5e5] * 5)
    live.refresh()
    asked, before = statements(database), live.rows
    live.refresh()
    assert reads(asked) == []
    assert live.rows is before


def test_of_more_outcomes_only_the_new_ones_are_read(live, sell, database):
    sell([5e5] * 5)
    live.refresh()
    asked = statements(database)
    sell([7e5] * 6)
    live.refresh()
    (read,) = reads(asked)
    assert "WHERE" in read
    assert live.rows[0]["n"] == 11
    whole = Live(database)
    whole.refresh()
    assert live.rows == whole.rows


def test_withdrawn_outcomes_count_no_more(live, sell, database):
    ids = sell([5e5] * 5 + [9e5])
    live.refresh()
    database.run(lambda connection: store.withdraw(connection, ids[5:]))
    live.refresh()
    assert live.rows[0]["n"] == 5
    assert live.rows[0]["bias"] == 0.0


def test_what_takes_long_is_done_less_often(live, sell, database, monkeypatch):
    sell([5e5] * 7)
    monkeypatch.setattr(module, "_SHARE", 1e6)
    live.refresh()
    asked = statements(database)
    live.refresh()
    assert asked == []
    wait = live._rests_until - time.monotonic()
    assert 100 < wait <= 120, "and not for longer than two minutes"


def gauge(of, *labels):
    return of.labels(*labels)._value.get()


def test_metrics_are_those_of_the_rows(live, sell, database):
    sold = [5e5, 4e5, 6e5, 5.2e5, 7e5]
    ids = sell(sold, model="told", version=3)
    live.refresh()
    (row,) = rows(live, segment="overall")
    labels = ("told", "3", "full")
    assert gauge(metrics.live_outcomes, *labels) == 5
    for name in ("mdape", "ppe10", "bias"):
        assert gauge(getattr(metrics, f"live_{name}"), *labels) == row[name]
    covered = row["coverage"]["0.9"]["achieved"]
    assert gauge(metrics.live_coverage, *labels, "0.9") == covered
    database.run(lambda connection: store.withdraw(connection, ids[:1]))
    live.refresh()
    assert np.isnan(gauge(metrics.live_mdape, *labels))


def test_a_database_that_is_away_leaves_what_was_measured(live, sell, database):
    sell([5e5] * 5)
    live.refresh()
    before = live.rows
    database.breaker.failed("gone")
    with pytest.raises(StoreDown):
        live.refresh()
    assert live.rows is before


def test_valuations_without_outcomes_do_not_count(live, sell, database):
    sell([5e5] * 5)
    rows = [ROW | {"id": str(uuid.uuid4())} for _ in range(10)]
    database.run(lambda connection: journal_store.insert(connection, rows))
    live.refresh()
    assert live.rows[0]["n"] == 5
