"""`flask backup`: what an operator sees."""

import stat

import filled
import object_stores
import pytest

from housing_app.database import Database


@pytest.fixture
def run(run_with, tmp_path):
    """Run commands on a database with rows, and few models."""
    url = f"sqlite:///{tmp_path / 'housing.db'}"
    filled.fill(Database(url, "source"))
    models = object_stores.models(tmp_path / "model")
    return run_with(
        DATABASE_URL=url, MODEL_DIR=models, INSTANCE_DIR=tmp_path / "instance"
    )


@pytest.fixture
def new(run_with, tmp_path):
    """Run commands where there is nothing yet."""
    return run_with(
        DATABASE_URL=f"sqlite:///{tmp_path / 'new.db'}",
        MODEL_DIR=tmp_path / "new-models",
        INSTANCE_DIR=tmp_path / "new-instance",
    )


def test_a_backup_is_made_verified_and_restored(run, new, tmp_path):
    path = tmp_path / "deep" / "backup.tar"
    made = run.ok("backup", "create", path).splitlines()
    assert any(line.startswith("predictions: 500 rows, digest ") for line in made)
    assert made[-1].startswith(f"{path}: ")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [p.name for p in path.parent.iterdir()] == ["backup.tar"]
    verified = new.ok("backup", "verify", path)
    restored = new.ok("backup", "restore", path)
    for line in made:
        if "digest" in line:
            assert line in verified
            assert f"{line}, as in the backup" in restored
    assert "knn-minimal-1: restored" in restored
    assert restored.splitlines()[-1] == f"{path}: restored and compared"
    assert "is not empty" in new.refuses("backup", "restore", path)


def test_a_folder_gets_a_name_with_the_time(run, tmp_path):
    run.ok("backup", "create", f"{tmp_path}/backups/", "--without-models")
    (path,) = (tmp_path / "backups").iterdir()
    assert path.name.startswith("housing-2")
    assert path.name.endswith("Z.tar")


def test_nothing_is_overwritten(run, tmp_path):
    path = tmp_path / "backup.tar"
    path.write_bytes(b"x")
    assert "exists" in run.refuses("backup", "create", path)
    assert path.read_bytes() == b"x"


def test_a_backup_goes_to_an_object_store_and_back(run, new, s3, tmp_path):
    url = f"s3://{object_stores.BUCKET}/{tmp_path.name}/backup.tar"
    assert run.ok("backup", "create", url).splitlines()[-1].startswith(url)
    assert "exists" in run.refuses("backup", "create", url)
    assert "whole" in new.ok("backup", "verify", url)
    restored = new.ok("backup", "restore", url, "--models", tmp_path / "elsewhere")
    assert "restored and compared" in restored
    assert (tmp_path / "elsewhere" / "serving.json").exists()


def test_a_broken_backup_is_one_line(run, new, tmp_path):
    path = tmp_path / "backup.tar"
    run.ok("backup", "create", path)
    path.write_bytes(path.read_bytes()[:100_000])
    for command in ("verify", "restore"):
        assert str(path) in new.refuses("backup", command, path)
    assert not (tmp_path / "new.db").exists()


def test_nothing_to_back_up_is_said_so(new, tmp_path):
    line = new.refuses("backup", "create", tmp_path / "backup.tar")
    assert "no such file" in line


def test_a_backup_that_is_not_there_is_named(new, tmp_path):
    assert "missing" in new.refuses("backup", "verify", tmp_path / "none.tar")
    url = (tmp_path / "none.tar").as_uri()
    assert "missing" in new.refuses("backup", "verify", url)
