"""Migrations: they make the tables that the code has, once."""

import threading

import filled
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import func, inspect, select, update

from housing_app import create_app
from housing_app import database as databases
from housing_app.database import Database, schema
from housing_app.database.tables import metadata


@pytest.fixture
def database(database_url):
    return Database(database_url, "test")


def tables(database):
    return set(database.run(lambda c: inspect(c).get_table_names()))


def test_the_migrations_make_the_tables_of_the_code(database):
    assert database.run(schema.revision) is None
    assert database.run(schema.upgrade, 30) == (None, schema.head())
    assert tables(database) == {*metadata.tables, "alembic_version"}
    differences = database.run(
        lambda c: compare_metadata(MigrationContext.configure(c), metadata)
    )
    assert differences == []


def test_a_later_releases_schema_is_left_as_it_is(database):
    database.run(schema.upgrade, 30)
    later = update(schema._VERSIONS).values(version_num="9999")
    database.run(lambda connection: connection.execute(later))
    assert database.run(schema.upgrade, 30) == ("9999", "9999")
    schema.prepare(database)
    assert database.run(schema.revision) == "9999"


def test_upgrading_again_changes_nothing(database):
    database.run(schema.upgrade, 30)
    assert database.run(schema.upgrade, 30) == (schema.head(), schema.head())


def test_the_head_is_the_one_that_alembic_finds():
    found = ScriptDirectory.from_config(schema.config())
    assert found.get_current_head() == schema.head()


def test_a_migration_can_be_taken_back(database):
    database.run(schema.upgrade, 30)
    database.run(lambda c: command.downgrade(schema.config(c), "base"), 30)
    assert tables(database) == {"alembic_version"}
    assert database.run(schema.revision) is None


def test_the_newest_migration_can_be_taken_back_with_rows_in_the_tables(database):
    filled.fill(database, 20, with_demographics=False)
    database.run(lambda c: command.downgrade(schema.config(c), "0001"), 30)
    assert "shadow_valuations" not in tables(database)
    columns = database.run(lambda c: inspect(c).get_columns("predictions"))
    assert {"arm", "client", "experiment"}.isdisjoint(
        column["name"] for column in columns
    )
    assert database.run(schema.upgrade, 30) == ("0001", schema.head())
    count = select(func.count()).select_from(metadata.tables["outcomes"])
    assert database.run(lambda connection: connection.scalar(count)) == 2


def test_two_that_upgrade_at_once_take_turns(postgres_url):
    found = []

    def upgrade():
        found.append(Database(postgres_url, "test").run(schema.upgrade, 30))

    threads = [threading.Thread(target=upgrade) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    head = schema.head()
    assert sorted(found, key=str) == [(head, head), (None, head)]


def test_an_sqlite_file_is_made_ready_before_the_start_and_postgresql_is_not(
    tmp_path, postgres_url
):
    app = create_app({"INSTANCE_DIR": tmp_path / "i", "DEMOGRAPHICS_URL": postgres_url})
    databases.prepare(app)
    found = databases.databases(app)
    assert found["DATABASE_URL"].run(schema.revision) == schema.head()
    assert found["DEMOGRAPHICS_URL"].run(schema.revision) is None


def test_without_a_journal_no_file_is_made(tmp_path):
    app = create_app({"INSTANCE_DIR": tmp_path / "i", "JOURNAL": "off"})
    databases.prepare(app)
    assert not (tmp_path / "i").exists()
