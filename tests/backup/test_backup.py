"""A backup holds one moment whole, and comes back equal or not at all."""

import io
import json
import shutil
import tarfile
import threading
import time
import tracemalloc

import filled
import pytest
from object_stores import FULL, MINIMAL
from sqlalchemy import func, insert, inspect, select

from housing_app.backup import (
    Archive,
    BackupError,
    Places,
    create,
    restore,
    tables,
    verify,
)
from housing_app.database import Database, schema
from housing_app.database.tables import outcomes, predictions

EXPECTED = {
    "predictions": 500,
    "outcomes": 50,
    "shadow_valuations": 25,
    "demographics_versions": 1,
    "demographics": 3,
}


def one(database):
    return Places(database, database)


def counts(database):
    return {name: len(lines) for name, lines in filled.contents(database).items()}


@pytest.fixture
def file(tmp_path):
    return tmp_path / "backup.tar"


@pytest.fixture
def made(file, source, models):
    """A backup of a database of each kind, and of the models."""
    create(file, one(source), models, "0.1.0")
    return Archive(file)


@pytest.fixture
def small(file, tmp_path, models):
    """A backup of SQLite."""
    database = Database(f"sqlite:///{tmp_path / 'small.db'}", "source")
    create(file, one(filled.fill(database)), models, "0.1.0")
    return Archive(file)


def test_a_restored_database_equals_the_one_backed_up(
    made, source, empty, models, tmp_path
):
    verify(made)
    done = restore(made, one(empty), tmp_path / "restored")
    assert filled.contents(empty) == filled.contents(source)
    assert {t.table: t.rows for t in done.tables} == EXPECTED
    for table in done.tables:
        assert table.digest == made.meta["tables"][table.table]["digest"]
    assert done.models == {
        FULL: "restored",
        MINIMAL: "restored",
        "serving.json": "restored",
    }
    for path in models.rglob("*"):
        if path.is_file():
            copy = tmp_path / "restored" / path.relative_to(models)
            assert copy.read_bytes() == path.read_bytes()


def test_values_come_back_as_they_were(small, empty):
    restore(small, one(empty), None)
    wanted = filled.prediction(7)
    with empty.engine.connect() as connection:
        query = select(predictions).where(predictions.c.id == wanted["id"])
        found = connection.execute(query).one()._mapping
        assert dict(found) == wanted
        assert list(found["inputs"]) == list(wanted["inputs"])  # in their order
        columns = inspect(connection).get_columns("demographics")
        assert [c["name"] for c in columns] == [name for name, _ in filled.KINDS]
        key = inspect(connection).get_pk_constraint("demographics")
        assert key["constrained_columns"] == ["zipcode"]


def test_a_second_backup_of_what_was_restored_is_the_same(small, empty, tmp_path):
    restore(small, one(empty), None)
    again = create(tmp_path / "again.tar", one(empty), None, "0.1.0")
    assert again["tables"] == small.meta["tables"]


def test_journal_and_demographics_may_live_apart(file, tmp_path, postgres_url):
    journal = Database(f"sqlite:///{tmp_path / 'a.db'}", "journal")
    zipcodes = Database(postgres_url, "demographics")
    filled.fill(journal, with_demographics=False)
    filled.fill(zipcodes, 0)
    create(file, Places(journal, zipcodes), None, "0.1.0")
    target = Places(*(Database(f"sqlite:///{tmp_path / n}", n) for n in ("b", "c")))
    restore(Archive(file), target, None)
    assert filled.contents(target.journal) == filled.contents(journal)
    assert filled.contents(target.demographics) == filled.contents(zipcodes)


def test_a_backup_is_of_one_moment_while_others_write(source, file, tmp_path):
    """Each prediction has its outcome, written in one transaction with it."""
    with source.engine.begin() as connection:
        connection.execute(outcomes.delete())
        connection.execute(predictions.delete())
    stop, written = threading.Event(), []

    def write():
        while not stop.is_set():
            number = len(written)
            with source.engine.begin() as connection:
                connection.execute(insert(predictions), [filled.prediction(number)])
                connection.execute(insert(outcomes), [filled.outcome(number)])
            written.append(number)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for n in range(5):
            deadline = time.monotonic() + 30
            while len(written) < 40 * (n + 1) and time.monotonic() < deadline:
                time.sleep(0.01)
            target = file.with_name(f"{n}.tar")
            meta = create(target, one(source), None, "0.1.0", begin_slowly)
            found = meta["tables"]
            assert found["predictions"]["rows"] == found["outcomes"]["rows"] >= 40
    finally:
        stop.set()
        writer.join()
    assert len(written) >= 200
    restore(Archive(target), one(Database(f"sqlite:///{tmp_path}/n", "n")), None)


def begin_slowly(rows):
    """Give the writer time between one table and the next."""
    return lambda rows: time.sleep(0.1)


def test_memory_stays_flat(tmp_path, file):
    database = Database(f"sqlite:///{tmp_path / 'large.db'}", "source")
    filled.fill(database, 8_000)
    peaks = []
    tracemalloc.start()
    create(file, one(database), None, "0.1.0")
    peaks.append(tracemalloc.get_traced_memory()[1])
    tracemalloc.reset_peak()
    verify(Archive(file))
    restore(Archive(file), one(Database(f"sqlite:///{tmp_path}/n", "n")), None)
    peaks.append(tracemalloc.get_traced_memory()[1])
    tracemalloc.stop()
    # All rows at once would be three times as much as the batch that is held.
    assert max(peaks) < 14e6, peaks


# --- what is off is refused ---------------------------------------------------------


def members(path):
    with tarfile.open(path) as tar:
        return [(m, tar.extractfile(m).read() if m.isreg() else b"") for m in tar]


def rewrite(path, change):
    """Write an archive anew; `change` gives what becomes of each member."""
    found = members(path)
    with tarfile.open(path, "w") as tar:
        for member, content in found:
            for m, c in change(member, content):
                m.size = len(c)
                tar.addfile(m, io.BytesIO(c))


def refused(file, small=None):
    with pytest.raises(BackupError) as caught:
        verify(Archive(file))
    text = str(caught.value)
    assert text.startswith(str(file))
    assert "\n" not in text
    return text


def test_every_part_is_guarded(small, file, tmp_path):
    whole = file.read_bytes()
    names = [m.name for m, _ in members(file)]
    assert len(names) == 1 + 5 + 1 + 2 + 6
    for name in names:
        file.write_bytes(whole)

        def flip(member, content, name=name):
            if member.name == name:
                changed = bytearray(content)
                changed[len(content) // 2] ^= 1
                content = bytes(changed)
            return [(member, content)]

        rewrite(file, flip)
        if name == "meta.json" and file.read_bytes() == whole:
            continue
        refused(file)
        file.write_bytes(whole)
        rewrite(file, lambda m, c, name=name: [] if m.name == name else [(m, c)])
        refused(file)
    file.write_bytes(whole)
    verify(Archive(file))


def test_an_archive_cut_short_is_refused(small, file):
    content = file.read_bytes()
    # In each part, and beyond the last there is nothing but zeros.
    with tarfile.open(file) as tar:
        places = [m.offset_data + m.size // 2 for m in tar]
    for place in [0, 1, 511, 512, *places]:
        file.write_bytes(content[:place])
        refused(file)


@pytest.mark.parametrize("content", [b"", b"no tar", b"\x1f\x8b" + b"x" * 600])
def test_what_is_no_archive_is_refused(file, content):
    file.write_bytes(content)
    refused(file)


def test_a_missing_archive_is_said_to_be_missing(file):
    assert "missing" in refused(file)


@pytest.mark.parametrize(
    "name", ["../away", "/tmp/away", "models/../away", "models/x-1/../../away", "x"]
)
def test_no_member_can_leave_its_folder(small, file, tmp_path, name):
    def rename(member, content):
        if member.name == f"models/{MINIMAL}/points.npy":
            member.name = name
        if member.name == "meta.json":
            content = content.replace(
                f"models/{MINIMAL}/points.npy".encode(), name.encode()
            )
        return [(member, content)]

    rewrite(file, rename)
    refused(file)
    empty = Database(f"sqlite:///{tmp_path / 'n.db'}", "n")
    with pytest.raises(BackupError):
        restore(Archive(file), one(empty), tmp_path / "deep" / "models")
    assert not list(tmp_path.rglob("away"))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE])
def test_links_and_folders_are_refused(small, file, kind):
    def link(member, content):
        if member.name == "models/serving.json":
            member.type, member.linkname, content = kind, "/etc/passwd", b""
        return [(member, content)]

    rewrite(file, link)
    refused(file)


def test_a_member_too_many_is_refused(small, file):
    def add(member, content):
        extra = tarfile.TarInfo("more")
        return [(member, content)] + (
            [(extra, b"x")] if "points" in member.name else []
        )

    rewrite(file, add)
    refused(file)


def test_rows_that_are_not_those_counted_are_refused(small, file):
    """Even where every SHA-256 was made to fit."""

    def change(member, content):
        if member.name == "meta.json":
            meta = json.loads(content)
            meta["tables"]["outcomes"]["rows"] += 1
            content = json.dumps(meta).encode()
        return [(member, content)]

    rewrite(file, change)
    assert "outcomes" in refused(file)


# --- nothing is restored over anything, or half -------------------------------------


@pytest.mark.parametrize("table", ["predictions", "demographics_versions"])
def test_a_database_with_rows_is_refused_and_left_alone(small, empty, table):
    filled.fill(empty, 3 if table == "predictions" else 0, with_demographics=True)
    before = filled.contents(empty)
    with pytest.raises(BackupError, match=f"{table} is not empty") as caught:
        restore(small, one(empty), None)
    assert "new database" in str(caught.value)
    assert filled.contents(empty) == before


def test_a_restore_that_fails_leaves_the_database_empty(small, file, empty, tmp_path):
    def swap(member, content):
        if member.name == "meta.json":
            meta = json.loads(content)
            meta["tables"]["demographics"]["digest"] = "0" * 64
            content = json.dumps(meta).encode()
        return [(member, content)]

    rewrite(file, swap)
    with pytest.raises(BackupError, match="nothing was restored"):
        restore(Archive(file), one(empty), tmp_path / "models")
    with empty.engine.connect() as connection:
        assert inspect(connection).get_table_names() == []
    assert list((tmp_path / "models").iterdir()) == []
    assert small.path == file


def test_a_database_with_this_schema_and_no_rows_will_do(small, empty):
    filled.fill(empty, 0, with_demographics=False)
    restore(small, one(empty), None)
    assert counts(empty) == EXPECTED


def test_a_backup_of_another_schema_names_its_release(small, file, empty):

    def change(member, content):
        found = f'"revision": "{schema.head()}"'.encode()
        assert member.name != "meta.json" or found in content
        return [(member, content.replace(found, b'"revision": "0999"'))]

    rewrite(file, change)
    with pytest.raises(BackupError, match=r"release 0\.1\.0"):
        restore(Archive(file), one(empty), None)


def test_models_that_are_there_are_left_and_others_refused(small, models, tmp_path):
    target = tmp_path / "target"
    shutil.copytree(models / MINIMAL, target / MINIMAL)
    (target / "serving.json").write_text("{}")
    first, second = (
        Database(f"sqlite:///{tmp_path / name}", name) for name in ("one", "two")
    )
    assert restore(small, one(first), target).models == {
        FULL: "restored",
        MINIMAL: "there already",
        "serving.json": "kept as it was",
    }
    (target / MINIMAL / "points.npy").write_bytes(b"x")
    with pytest.raises(BackupError, match="--models"):
        restore(small, one(second), target)
    with second.engine.connect() as connection:
        assert inspect(connection).get_table_names() == []


# --- nothing is backed up that is not there -----------------------------------------


def test_a_database_without_tables_is_no_backup(empty, file, tmp_path):
    with pytest.raises(BackupError, match=r"no such file|no tables"):
        create(file, one(empty), None, "0.1.0")
    assert not file.exists()
    assert list(tmp_path.glob(".backup-*")) == []


def test_a_dead_database_is_one_line_without_its_password(dead_database, file):
    with pytest.raises(BackupError) as caught:
        create(file, one(dead_database), None, "0.1.0")
    assert "hush" not in str(caught.value)
    assert "127.0.0.1" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.fixture
def dead_database():
    url = "postgresql://me:hush@127.0.0.1:1/none"  # pragma: allowlist secret
    return Database(url, "dead")


def test_a_broken_model_is_not_backed_up(source, models, file):
    (models / MINIMAL / "points.npy").write_bytes(b"x")
    with pytest.raises(Exception, match="SHA-256"):
        create(file, one(source), models, "0.1.0")
    assert not file.exists()


def test_a_digest_counts_rows_in_any_order():
    first, second, third = tables.Digest(), tables.Digest(), tables.Digest()
    for digest, order in ((first, "abb"), (second, "bab"), (third, "aab")):
        for letter in order:
            digest.add(letter.encode())
    assert first.text == second.text != third.text


def test_counting_in_a_database_needs_no_rows_here(source):
    with source.engine.connect() as connection:
        assert tables.count(connection, predictions) == 500
        assert connection.scalar(select(func.count()).select_from(outcomes)) == 50
