"""Drift reports in the database, and the newest of them as metrics."""

from datetime import timedelta
from math import isnan

import pytest
from drift.conftest import AT, REPORT, check
from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import event

from housing_app import create_app
from housing_app.database import Database, StoreDown
from housing_app.drift import gauges, store
from housing_app.drift.gauges import LEVELS, Newest
from housing_app.training.drift_thresholds import ALARM, QUIET, TOO_FEW, WARNING

LATER = AT + timedelta(days=1)


@pytest.fixture
def newest(database):
    yield Newest(database)
    gauges.tell([])


def value(name, **labels):
    return REGISTRY.get_sample_value(name, labels)


def test_the_newest_report_of_each_slot_is_found(database, save):
    save(LATER, version=2)
    save(AT, version=1)
    save(AT, slot="minimal", model="catboost-minimal")
    found = {one["slot"]: one for one in database.run(store.newest)}
    assert found["full"] == REPORT | {"version": 2, "at": LATER}
    assert found["minimal"]["model"] == "catboost-minimal"
    assert database.run(store.marks) == {"full": LATER, "minimal": AT}


def test_without_reports_or_tables_there_is_nothing(database, newest, tmp_path):
    newest.refresh()
    assert database.run(store.newest) == []
    empty = Database(f"sqlite:///{tmp_path / 'new.db'}", "test")
    assert empty.run(store.marks) == {}
    Newest(empty).refresh()


def test_the_gauges_are_those_of_the_newest_report(save, newest):
    save(AT)
    newest.refresh()
    full = {"slot": "full"}
    assert value("drift_psi", **full, field="grade") == 0.12
    assert value("drift_ks", **full, field="grade") == 0.08
    assert value("drift_missing", **full, field="grade") == 0.02
    assert value("drift_unseen_zipcodes", **full) == 0.01
    assert value("drift_warnings", **full) == 0.04
    assert value("drift_homes", **full) == 321
    assert value("drift_level", **full, model="catboost-full", version="1") == 1
    assert value("drift_report_timestamp_seconds", **full) == AT.timestamp()
    untold = value("drift_psi", **full, field="price")
    assert untold is None or isnan(untold), "another test may have told it once"


def test_what_the_next_report_does_not_tell_becomes_nan(save, newest):
    save(AT)
    newest.refresh()
    save(LATER, version=2, checks=[check("psi", "grade", 0.3)], verdict="alarm")
    newest.refresh()
    full = {"slot": "full", "model": "catboost-full"}
    assert value("drift_psi", slot="full", field="grade") == 0.3
    assert isnan(value("drift_ks", slot="full", field="grade"))
    assert isnan(value("drift_level", **full, version="1"))
    assert value("drift_level", **full, version="2") == 2


def test_every_verdict_has_a_number():
    verdicts = {QUIET, WARNING, ALARM, TOO_FEW}
    assert set(LEVELS) == verdicts
    assert len(set(LEVELS.values())) == len(verdicts)


def test_what_has_not_changed_is_not_read_again(database, save, newest):
    save(AT)
    newest.refresh()
    asked = []
    event.listen(
        database.engine, "before_cursor_execute", lambda *given: asked.append(given[2])
    )
    newest.refresh()
    assert asked
    assert not any("drift_reports.report" in text for text in asked)
    save(LATER)
    newest.refresh()
    assert any("drift_reports.report" in text for text in asked)


def test_a_database_that_is_away_leaves_what_was_told(database, save, newest):
    save(AT)
    newest.refresh()
    database.breaker.failed("gone")
    with pytest.raises(StoreDown):
        newest.refresh()
    assert value("drift_psi", slot="full", field="grade") == 0.12


def test_the_job_of_a_worker_survives_that(tmp_path):
    url = "postgresql://nobody@127.0.0.1:1/none"
    app = create_app({"INSTANCE_DIR": tmp_path, "DATABASE_URL": url})
    (job,) = (one for one in app.extensions["housing_app.background"].jobs
              if one.name == "drift")  # fmt: skip
    job.work()
    assert job.seconds >= 10


def test_a_file_of_metrics_is_read_as_prometheus_does(tmp_path):
    path = tmp_path / "drift.prom"
    gauges.write(path, REPORT | {"at": AT})
    found = {
        (sample.name, sample.labels.get("field", "")): sample.value
        for family in text_string_to_metric_families(path.read_text())
        for sample in family.samples
        if not isnan(sample.value)
    }
    assert {name for name, _ in found} == {
        "drift_psi", "drift_ks", "drift_missing", "drift_unseen_zipcodes",
        "drift_warnings", "drift_level", "drift_homes",
        "drift_report_timestamp_seconds",
    }  # fmt: skip
    assert found["drift_psi", "grade"] == 0.12
    gauges.tell([])
