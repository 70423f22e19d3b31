"""`flask store`: what an operator sees."""

import json

import object_stores
import pytest
from object_stores import FILES, FULL, MINIMAL


@pytest.fixture
def models(tmp_path):
    return object_stores.models(tmp_path / "model")


@pytest.fixture
def store(run_with, models, tmp_path):
    """Run commands against an empty store in a folder."""
    return run_with(
        MODEL_DIR=models,
        MODEL_STORE_URL=(tmp_path / "store").as_uri(),
        INSTANCE_DIR=tmp_path / "instance",
    )


def test_models_are_published_once(store):
    assert store.ok("store", "push").splitlines()[:3] == [
        f"{FULL}: published",
        f"{MINIMAL}: published",
        "serving.json: published",
    ]
    again = store.ok("store", "push")
    assert again.count("there already") == 3
    assert again.splitlines()[-1].endswith("store: 0 of 2 new")


def test_a_named_model_is_published_and_nothing_else_served(store, tmp_path):
    store.ok("store", "push", MINIMAL)
    assert not (tmp_path / "store" / "serving.json").exists()
    assert (tmp_path / "store" / MINIMAL / "manifest.json").exists()


def test_models_are_fetched_and_listed(store, tmp_path):
    store.ok("store", "push")
    assert "no    full champion" in store.ok("store", "list")
    text = store.ok("store", "pull")
    assert f"0 files were here, 0 came from Redis, {FILES} from the store" in text
    assert (tmp_path / "instance" / "models" / FULL / "price.txt").exists()
    assert "yes   full champion" in store.ok("store", "list")
    assert "from the store" in store.ok("store", "pull")


def test_a_check_names_what_is_off_and_fails(store, tmp_path):
    store.ok("store", "push")
    assert f"{FILES} objects are as they were published" in store.ok("store", "check")
    (tmp_path / "store" / MINIMAL / "points.npy").write_bytes(b"x")
    found, last = store.fails("store", "check")
    assert f"{MINIMAL}/points.npy: SHA-256 differs" in found
    assert last.endswith("1 found")


def test_another_model_of_the_same_name_is_refused(store, models):
    store.ok("store", "push")
    path = models / MINIMAL / "manifest.json"
    path.write_text(path.read_text() + "\n")
    assert "another version" in store.refuses("store", "push")


@pytest.mark.parametrize("command", ["push", "pull", "check", "list"])
def test_without_a_store_the_setting_is_named(run_with, command):
    assert "MODEL_STORE_URL is not set" in run_with().refuses("store", command)


@pytest.mark.parametrize("command", ["push", "pull", "list", "check"])
def test_a_store_that_is_away_is_one_line(run_with, models, monkeypatch, command):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush")
    run = run_with(MODEL_DIR=models, MODEL_STORE_URL="s3://models/x")
    line = run.refuses("store", command)
    assert "s3://models/x" in line
    assert "hush" not in line


def test_a_model_that_is_not_here_is_named(store):
    assert "nothing-1" in store.refuses("store", "push", "nothing-1")


def test_what_serves_is_what_was_published_last(store, models, tmp_path):
    store.ok("store", "push")
    serving = {slot: {"champion": MINIMAL} for slot in ("minimal",)}
    serving["full"] = {"champion": FULL, "fallback": MINIMAL}
    (models / "serving.json").write_text(json.dumps(serving))
    assert "serving.json: published" in store.ok("store", "push")
    store.ok("store", "pull")
    found = json.loads((tmp_path / "instance" / "models" / "serving.json").read_text())
    assert found == serving
