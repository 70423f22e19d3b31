"""What a drift report is made of: the right answers, each home once."""

import uuid
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from served import FULL, MODEL

from housing_app.drift import live
from housing_app.journal import store as journal_store
from housing_app.outcomes import Report, Who
from housing_app.outcomes import store as outcome_store
from housing_app.training.drift import Period
from housing_app.valuation import artifacts, features
from tests.journal import samples

NOON = datetime(2026, 11, 10, 12, tzinfo=UTC)
PERIOD = Period(NOON - timedelta(days=1), NOON + timedelta(days=1))
MANIFEST = artifacts.read_manifest(MODEL / FULL)
ROW = samples.ROW | {
    "answered_at": NOON,
    "model": MANIFEST.name,
    "version": MANIFEST.version,
    "endpoint": "full",
}


@pytest.fixture
def put(database):
    def record(**changes):
        row = ROW | {"id": str(uuid.uuid4())} | changes
        database.run(lambda connection: journal_store.insert(connection, [row]), 10)
        return row["id"]

    return record


def asked(database, period=PERIOD):
    return live.asked(database, MANIFEST, "full", period, lambda count: None)


def test_homes_come_with_their_answers(database, put):
    put(zipcode="98103", inputs={"bedrooms": 3.0, "yr_built": None}, price=5e5,
        warnings=["a", "b"])  # fmt: skip
    found = asked(database)
    assert found.zipcodes == ["98103"]
    assert found.prices.tolist() == [5e5]
    assert found.warnings == [["a", "b"]]
    values = dict(zip(features.NAMES, found.values[0], strict=True))
    assert values.pop("bedrooms") == 3
    assert np.isnan(list(values.values())).all()


def test_a_home_that_is_asked_about_again_counts_once_with_the_newest_answer(
    database, put
):
    home = {"bedrooms": 3.0}
    for hour, price in ((1, 3e5), (3, 5e5), (2, 4e5)):
        put(inputs=home, price=price, answered_at=NOON + timedelta(hours=hour))
    put(inputs=home, zipcode="98038", price=1e5)
    put(inputs={"bedrooms": 4.0}, price=2e5)
    assert sorted(asked(database).prices.tolist()) == [1e5, 2e5, 5e5]
    assert live.count(database, MANIFEST, "full", PERIOD) == 5


def test_only_answers_of_the_model_the_slot_and_the_time_count(database, put):
    put(price=1.0, inputs={"bedrooms": 1.0}, answered_at=PERIOD.start)
    put(price=2.0, inputs={"bedrooms": 2.0}, model="knn-minimal")
    put(price=3.0, inputs={"bedrooms": 3.0}, version=99)
    put(price=4.0, inputs={"bedrooms": 4.0}, endpoint="minimal")
    put(price=5.0, inputs={"bedrooms": 5.0}, answered_at=PERIOD.end)
    early = PERIOD.start - timedelta(seconds=1)
    put(price=6.0, inputs={"bedrooms": 6.0}, answered_at=early)
    assert asked(database).prices.tolist() == [1.0]
    assert live.count(database, MANIFEST, "full", PERIOD) == 1


def test_no_answers_are_no_homes(database):
    found = asked(database)
    assert found.values.shape == (0, len(features.NAMES))
    assert live.sold(database, MANIFEST, "full", PERIOD).sold.size == 0


def test_sales_are_those_reported_in_the_time_whenever_they_were_valued(database, put):
    long_ago = NOON - timedelta(days=200)
    mine = put(answered_at=long_ago, price=5e5, low=4e5, high=6e5, interval=0.8)
    other = put(answered_at=long_ago, version=99)
    sales = [Report(one, 512_000.0, date(2026, 11, 1)) for one in (mine, other)]
    outcome_store.report(database, sales, Who())
    now = datetime.now(UTC)
    period = Period(now - timedelta(hours=1), now + timedelta(hours=1))
    found = live.sold(database, MANIFEST, "full", period)
    assert [column.tolist() for column in found] == [
        [512_000.0], [5e5], [4e5], [6e5], [0.8]
    ]  # fmt: skip
    assert live.sold(database, MANIFEST, "full", PERIOD).sold.size == 0


def test_more_rows_than_are_fetched_at_once_are_all_read(database, put, monkeypatch):
    monkeypatch.setattr(live, "_ROWS", 3)
    for number in range(8):
        put(inputs={"sqft_lot": 1_000.0 + number})
    steps = []
    found = live.asked(database, MANIFEST, "full", PERIOD, steps.append)
    lots = found.values[:, features.POSITION["sqft_lot"]]
    assert sorted(lots) == [1_000 + number for number in range(8)]
    assert sum(steps) == 8
