"""A start fetches the models; without the store the last copy serves, or nothing."""

import os
import shutil
import subprocess
import sys
import time

import object_stores
import pytest
import stores
from object_stores import FILES

from housing_app import create_app, metrics, model_store, traffic
from housing_app.config import ROOT
from housing_app.model_store import ModelStoreError, publish


@pytest.fixture
def url(tmp_path):
    """A folder: S3 has its own tests below, and in test_fetch.py."""
    return (tmp_path / "store").as_uri()


@pytest.fixture
def settings(url, tmp_path, models):
    return {
        "MODEL_DIR": models,
        "MODEL_STORE_URL": url,
        "INSTANCE_DIR": tmp_path / "instance",
        "REDIS_URL": "",
    }


@pytest.fixture(autouse=True)
def no_trace():
    yield
    model_store._state.clear()
    metrics.store_down.labels("model store").set(0)


def health(settings):
    app = create_app(settings)
    return app.test_client().get("/health").get_json()["checks"]["model store"]


def is_down():
    return metrics.store_down.labels("model store")._value.get() == 1


def fetched(source):
    return metrics.model_objects.labels(source)._value.get()


def test_without_a_store_models_come_from_model_dir(models):
    settings = {"MODEL_STORE_URL": "", "MODEL_DIR": models}
    assert model_store.prepare(settings) == models
    app = create_app({"MODEL_STORE_URL": ""})
    assert "model store" not in app.test_client().get("/health").get_json()["checks"]


def test_a_start_fetches_what_serves(published, settings):
    before = fetched("store")
    root = model_store.prepare(settings)
    assert root == settings["INSTANCE_DIR"] / "models"
    assert (root / "serving.json").is_file()
    assert health(settings) == {"status": "ok", "local": 0, "cache": 0, "store": FILES}
    assert fetched("store") == before + FILES
    assert not is_down()


def test_redis_spares_the_store(published, settings, redis_client, redis_server):
    settings["REDIS_URL"] = redis_server
    model_store.prepare(settings)
    shutil.rmtree(settings["INSTANCE_DIR"])
    model_store.prepare(settings)
    assert health(settings)["cache"] == FILES - 1


def test_poisoned_bytes_in_redis_are_logged_and_counted(
    published, settings, redis_client, redis_server, capsys
):
    settings["REDIS_URL"] = redis_server
    model_store.prepare(settings)
    for key in redis_client.scan_iter("housing:model:*"):
        redis_client.set(key, b"x")
    shutil.rmtree(settings["INSTANCE_DIR"])
    before = metrics.model_cache_poisoned._value.get()
    create_app(settings)
    model_store.prepare(settings)
    assert metrics.model_cache_poisoned._value.get() == before + FILES - 1
    assert f'"poisoned": {FILES - 1}' in capsys.readouterr().out


def test_the_clients_of_the_stores_stay_out_of_this_process(run_python):
    done = run_python(
        "import sys; from pathlib import Path; from housing_app import model_store\n"
        "model_store.prepare({'MODEL_STORE_URL': sys.argv[1], 'REDIS_URL': '',"
        " 'INSTANCE_DIR': Path(sys.argv[2])})\n"
        "print(sorted(m for m in ('fsspec', 's3fs', 'aiobotocore', 'botocore')"
        " if m in sys.modules))"
    )
    assert done == "[]"


@pytest.fixture
def run_python(s3, models, tmp_path):
    address = f"s3://{object_stores.BUCKET}/{tmp_path.name}"
    store = model_store.Remote(address)
    for name in object_stores.FULL, object_stores.MINIMAL:
        publish.push(store, models, name)
    publish.serve(store, models)

    def run(code):
        words = [sys.executable, "-c", code, address, str(tmp_path / "instance")]
        return subprocess.run(
            words,
            cwd=ROOT,
            env=os.environ,
            check=True,
            capture_output=True,
            text=True,
            timeout=120,
        ).stdout.strip()

    return run


# --- the store is away --------------------------------------------------------------


@pytest.fixture
def own_s3(monkeypatch):
    """An S3 of this test's own, to be stopped."""
    with stores.running(object_stores.ObjectStore()) as server:
        for name, text in server.environ.items():
            monkeypatch.setenv(name, text)
        yield server


@pytest.fixture
def of_s3(own_s3, models, tmp_path):
    """Settings of a store on it that serves the models."""
    store = model_store.Remote(f"s3://{object_stores.BUCKET}/here")
    for name in object_stores.FULL, object_stores.MINIMAL:
        publish.push(store, models, name)
    publish.serve(store, models)
    return {
        "MODEL_STORE_URL": store.url,
        "INSTANCE_DIR": tmp_path / "instance",
        "REDIS_URL": "",
    }


@pytest.mark.parametrize("fault", ["killed", "hung"])
def test_the_last_copy_serves_while_the_store_is_away(own_s3, of_s3, fault, capsys):
    root = model_store.prepare(of_s3)
    own_s3.kill() if fault == "killed" else own_s3.hang()
    app = create_app(of_s3)
    started = time.monotonic()
    seconds = 20 if fault == "killed" else 3
    assert model_store.prepare(of_s3, seconds) == root
    assert time.monotonic() - started < seconds + 2
    assert is_down()
    found = app.test_client().get("/health").get_json()
    assert found["checks"]["model store"] == {
        "status": "degraded",
        "detail": "the last copy serves",
    }
    line = capsys.readouterr().out
    assert '"level": "warning"' in line
    assert of_s3["MODEL_STORE_URL"] in line


@pytest.mark.parametrize("fault", ["killed", "hung"])
def test_a_start_without_store_and_copy_says_what_to_do(own_s3, of_s3, fault):
    own_s3.kill() if fault == "killed" else own_s3.hang()
    with pytest.raises(ModelStoreError) as caught:
        model_store.prepare(of_s3, 20 if fault == "killed" else 3)
    text = str(caught.value)
    assert text.startswith(f"MODEL_STORE_URL: {of_s3['MODEL_STORE_URL']}")
    assert "flask store push" in text
    assert "MODEL_DIR" in text
    assert "\n" not in text


def test_it_is_whole_again_once_the_store_is_back(own_s3, of_s3):
    model_store.prepare(of_s3)
    own_s3.hang()
    model_store.prepare(of_s3, seconds=1)
    assert is_down()
    own_s3.resume()
    model_store.prepare(of_s3)
    assert not is_down()
    assert health(of_s3)["status"] == "ok"


def test_a_store_that_holds_something_broken_leaves_the_last_copy(published, settings):
    root = model_store.prepare(settings)
    before = (root / "serving.json").read_bytes()
    published.write("serving.json", b"{}")
    assert model_store.prepare(settings) == root
    assert (root / "serving.json").read_bytes() == before
    assert health(settings)["status"] == "degraded"


def test_an_instance_dir_that_takes_no_files_is_named(published, settings):
    settings["INSTANCE_DIR"] = settings["MODEL_DIR"] / "serving.json"
    with pytest.raises(ModelStoreError, match=r"serving\.json/models: Not a directory"):
        model_store.prepare(settings)


def test_wrong_credentials_are_said_as_such_and_not_shown(monkeypatch, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    settings = {"MODEL_STORE_URL": "s3://models/x", "REDIS_URL": ""}
    with pytest.raises(ModelStoreError, match="NoCredentials"):
        model_store.prepare(settings | {"INSTANCE_DIR": tmp_path})


@pytest.mark.parametrize(
    "url",
    [
        "s3://me:secret@models/x",  # pragma: allowlist secret
        "gs://models/x",
    ],
)
def test_a_store_that_cannot_be_used_is_one_line_without_secrets(url, tmp_path):
    settings = {"MODEL_STORE_URL": url, "INSTANCE_DIR": tmp_path, "REDIS_URL": ""}
    with pytest.raises(ModelStoreError) as caught:
        model_store.prepare(settings)
    assert "secret@" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_models_of_the_store_value_homes(published, settings, slots, app, home):
    traffic.install(app.config | settings)
    answer = create_app(settings).test_client().post("/v1/predict", json=home)
    assert answer.get_json()["model"]["name"] == "lightgbm-full"
