"""Each record comes into the database once; nothing bad blocks the rest."""

import json
from math import inf

import pytest
from alembic import command
from prometheus_client import REGISTRY
from sqlalchemy import select, text

from housing_app.database import Database, StoreDown, schema
from housing_app.database.tables import predictions, shadow_valuations
from housing_app.journal import drain as drains
from housing_app.journal import store
from housing_app.journal.drain import Drain, Outdated
from housing_app.journal.spool import Spool
from tests.journal.samples import ARM, ROW, SHADOW_ROW, line, shadow


@pytest.fixture
def drain(spool, database):
    return Drain(spool, database)


def ids(database):
    query = select(predictions.c.id).order_by(predictions.c.id)
    return database.run(lambda connection: connection.scalars(query).all(), 10)


def counted(name):
    return REGISTRY.get_sample_value(f"journal_{name}_total") or 0


def rejected(spool):
    return [json.loads(text) for path in spool.rejected() for text in path.open("rb")]


def put(spool, *lines):
    for one in lines:
        spool.append(one)
    spool.close()


def test_what_waits_is_in_the_database_afterwards_as_it_was(spool, database, drain):
    put(spool, line("a"), line("b", "c", subject=None))
    put(spool, line("d"))
    before = counted("drained")
    drain.run()
    assert ids(database) == ["a", "b", "c", "d"]
    assert spool.segments() == []
    assert counted("drained") == before + 4
    query = select(predictions).where(predictions.c.id == "a")
    row = database.run(lambda connection: connection.execute(query).one())
    assert row._asdict() == ROW


def shadows(database):
    query = select(shadow_valuations).order_by(shadow_valuations.c.prediction_id)
    found = database.run(lambda connection: connection.execute(query).all(), 10)
    return [row._asdict() for row in found]


def test_arms_and_what_shadows_said_are_stored_beside(spool, database, drain):
    """A shadow may be quicker than the answer is recorded, or slower."""
    put(spool, shadow("a"), line("a", arm=ARM), line("b", "c"), shadow("b", "none"))
    before = counted("drained")
    drain.run()
    drain.run()
    assert ids(database) == ["a", "b", "c"]
    assert counted("drained") == before + 3, "predictions are counted, not shadows"
    assert shadows(database) == [
        SHADOW_ROW | {"prediction_id": id_} for id_ in ("a", "b", "none")
    ]
    of_it = (predictions.c[name] for name in ("experiment", "arm", "client"))
    query = select(*of_it).order_by(predictions.c.id)
    found = database.run(lambda connection: connection.execute(query).all(), 10)
    assert [tuple(row) for row in found] == [ARM, (None,) * 3, (None,) * 3]


def test_a_shadow_row_that_is_refused_costs_no_other(spool, database, drain):
    put(spool, line("a"), shadow("a", "b", "c"), line("b"))
    forbid(database, "b", "shadow_valuations", "prediction_id")
    drain.run()
    assert ids(database) == ["a", "b"]
    assert [row["prediction_id"] for row in shadows(database)] == ["a", "c"]
    (found,) = rejected(spool)
    assert json.loads(found["line"])["valuations"][0][-1] == "b"


def test_a_segment_that_is_drained_twice_is_stored_once(spool, database, drain):
    """As after a crash between the commit and the removal."""
    put(spool, line("a", "b"))
    (path,) = spool.segments()
    content = path.read_bytes()
    drain.run()
    path.write_bytes(content + line("c"))
    drain.run()
    assert ids(database) == ["a", "b", "c"]
    assert spool.rejected() == []


def test_what_is_there_is_left_as_it_is(spool, database, drain):
    put(spool, line("a"))
    drain.run()
    put(spool, line("a", subject="mallory"))
    drain.run()
    query = select(predictions.c.subject)
    assert database.run(lambda connection: connection.scalar(query)) == "alice"
    assert spool.rejected() == []


def test_a_segment_in_use_is_left_alone(spool, database, drain):
    spool.append(line("a"))
    drain.run()
    assert ids(database) == []
    spool.append(line("b"))
    spool.close()
    drain.run()
    assert ids(database) == ["a", "b"]


def test_a_torn_last_line_is_left_out_and_counted(spool, database, drain):
    put(spool, line("a"), line("b")[:-20])
    before = counted("torn")
    drain.run()
    assert ids(database) == ["a"]
    assert counted("torn") == before + 1
    assert spool.segments() == spool.rejected() == []


def test_unreadable_lines_are_kept_aside_with_the_reason(spool, database, drain):
    put(spool, line("a"), b"no record\xff\n", b'{"format": 9}\n', line("b"))
    before = counted("rejected")
    drain.run()
    assert ids(database) == ["a", "b"]
    assert spool.segments() == []
    first, second = rejected(spool)
    assert first["line"] == "no record\udcff"
    assert "format 9" in second["reason"]
    assert counted("rejected") == before + 2


def test_one_row_that_is_refused_costs_no_other(spool, database, drain):
    many = [str(number) for number in range(60)]
    put(spool, line(*many[:30]), line(*many[30:]))
    # SQLite takes any text; a check makes both refuse this one.
    forbid(database, "17")
    drain.run()
    assert ids(database) == sorted({*many} - {"17"})
    (found,) = rejected(spool)
    assert json.loads(found["line"])["predictions"][0][0] == "17"
    assert "17" in found["line"]


def forbid(database, id_, table="predictions", column="id"):
    """Have the database refuse a row as it refuses wrong data."""
    if database.is_sqlite:
        statements = [
            f"CREATE TRIGGER no BEFORE INSERT ON {table} WHEN NEW.{column} = '{id_}' "
            "BEGIN SELECT RAISE(ABORT, 'not this one'); END"
        ]
    else:
        statements = [f"ALTER TABLE {table} ADD CHECK ({column} <> '{id_}')"]
    for statement in statements:
        database.run(lambda c, s=statement: c.execute(text(s)))


def test_text_that_postgresql_does_not_take_is_kept_aside(spool, postgres_url):
    database = Database(postgres_url, "test")
    database.run(schema.upgrade, 30)
    put(
        spool,
        line("a", subject="nul \0"),
        line("b", subject="half \ud800"),
        line("c", subject="x" * 201),
        line("d"),
    )
    Drain(spool, database).run()
    assert ids(database) == ["d"]
    assert len(rejected(spool)) == 3
    assert not database.breaker.is_open


def test_rejected_records_can_be_drained_again(spool, database, drain):
    forbid(database, "b")
    put(spool, line("a", "b", "c"))
    drain.run()
    assert ids(database) == ["a", "c"]
    undo = (
        "DROP TRIGGER no"
        if database.is_sqlite
        else ("ALTER TABLE predictions DROP CONSTRAINT predictions_id_check")
    )
    database.run(lambda connection: connection.execute(text(undo)))
    assert spool.restore_rejected() == 1
    drain.run()
    assert ids(database) == ["a", "b", "c"]
    assert spool.rejected() == spool.segments() == []


def test_a_large_batch_is_stored_in_parts(spool, database, drain, monkeypatch):
    sizes = []

    def insert(connection, rows):
        sizes.append(len(rows))
        store_insert(connection, rows)

    store_insert = store.insert
    monkeypatch.setattr(drains.store, "insert", insert)
    put(spool, *[line(str(n)) for n in range(700)], line(*map(str, range(700, 1_900))))
    drain.run()
    assert len(ids(database)) == 1_900
    assert max(sizes) == drains._ROWS
    assert len(sizes) < 8


def test_the_time_to_drain_can_be_bounded(spool, database, drain):
    put(spool, line("a"))
    drain.run(until=0.0)
    assert ids(database) == []
    drain.run(until=inf)
    assert ids(database) == ["a"]


def test_while_the_database_is_away_records_wait(spool, tmp_path):
    put(spool, line("a"))
    nowhere = Database("postgresql://nobody@127.0.0.1:1/none", "test")
    with pytest.raises(StoreDown):
        Drain(spool, nowhere).run()
    assert len(spool.segments()) == 1
    assert "OperationalError" in spool.measure().trouble


def test_a_database_that_is_back_is_noticed_without_a_record(
    spool, database, drain, monkeypatch
):
    spool.prepare()
    database.breaker.failed("it was away")
    spool.note("it was away")
    with pytest.raises(StoreDown):
        drain.run()
    assert spool.measure().trouble == "it was away"
    monkeypatch.setattr(database.breaker, "allows", lambda: True)
    drain.run()
    assert not database.breaker.is_open
    assert spool.measure().trouble == ""


def test_an_empty_postgresql_is_upgraded_by_its_operator(spool, postgres_url):
    put(spool, line("a"))
    database = Database(postgres_url, "test")
    drain = Drain(spool, database)
    with pytest.raises(Outdated, match="flask db upgrade"):
        drain.run()
    assert "flask db upgrade" in spool.measure().trouble
    assert len(spool.segments()) == 1
    database.run(schema.upgrade, 30)
    drain.run()
    assert ids(database) == ["a"]
    assert spool.measure().trouble == ""


OLD_ROW = """INSERT INTO predictions (id, request_id, answered_at, endpoint, model,
    version, variant, valuation_date, zipcode, inputs, price, low, high, "interval",
    fsd, confidence, warnings, duration_ms) VALUES ('old', 'r', '2026-01-01', 'full',
    'm', 1, 'champion', '2015-03-31', '98103', '{}', 1, 1, 1, 0.9, 0.1, 'high', '[]', 1)
"""


def first_release(url):
    """Return a database with the schema of the first release, and a row."""
    database = Database(url, "test")
    database.run(lambda c: command.upgrade(schema.config(c), "0001"), 30)
    database.run(lambda connection: connection.exec_driver_sql(OLD_ROW))
    return database


def test_an_sqlite_file_of_an_earlier_release_is_upgraded_with_its_rows(
    spool, tmp_path
):
    database = first_release(f"sqlite:///{tmp_path}/old.db")
    assert not database.run(store.fits)
    put(spool, line("a", arm=ARM), shadow("a"))
    Drain(spool, database).run()
    assert database.run(schema.revision) == schema.head()
    assert ids(database) == ["a", "old"]
    assert len(shadows(database)) == 1


def test_a_postgresql_of_an_earlier_release_is_waited_for(spool, postgres_url):
    database = first_release(postgres_url)
    put(spool, line("a", arm=ARM), shadow("a"))
    drain = Drain(spool, database)
    with pytest.raises(Outdated, match="flask db upgrade"):
        drain.run()
    assert "flask db upgrade" in spool.measure().trouble
    assert database.run(schema.revision) == "0001"
    assert database.run(schema.upgrade, 30) == ("0001", schema.head())
    drain.run()
    assert ids(database) == ["a", "old"]
    assert len(shadows(database)) == 1
    assert spool.measure().trouble == ""


def test_a_database_without_the_table_of_shadows_does_not_fit(database):
    drop = text("DROP TABLE shadow_valuations")
    database.run(lambda connection: connection.execute(drop))
    assert not database.run(store.fits)


def test_a_new_sqlite_file_is_made_ready(spool, tmp_path):
    put(spool, line("a"))
    database = Database(f"sqlite:///{tmp_path}/new.db", "test")
    Drain(spool, database).run()
    assert ids(database) == ["a"]


def test_a_table_of_another_release_is_not_written_to(spool, database, drain):
    put(spool, line("a"))
    alter = "ALTER TABLE predictions RENAME COLUMN fsd TO other"
    database.run(lambda connection: connection.execute(text(alter)))
    assert not database.run(store.fits)


def test_two_who_drain_store_every_record_once(spool, database):
    other = Spool(spool.folder, 1_000_000)
    for number in range(20):
        put(spool, line(f"a{number}"))
        put(other, line(f"b{number}"))
    for one in (spool, other):
        Drain(one, database).run()
    assert len(ids(database)) == 40
    assert spool.segments() == []
