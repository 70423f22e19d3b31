"""Stores with a few small models in them, as a folder and over S3."""

from pathlib import Path

import object_stores
import pytest
import redis
from object_stores import FULL, MINIMAL

from housing_app.model_store import Remote, publish


@pytest.fixture
def models(tmp_path) -> Path:
    """A MODEL_DIR with few models."""
    return object_stores.models(tmp_path / "model")


@pytest.fixture(params=["file", "s3"])
def url(request, tmp_path):
    """The URL of an empty store of each kind."""
    if request.param == "file":
        return (tmp_path / "store").as_uri()
    request.getfixturevalue("s3")
    return f"s3://{object_stores.BUCKET}/{tmp_path.name}"


@pytest.fixture
def published(url, models):
    """A store that serves the models."""
    store = Remote(url)
    for name in (FULL, MINIMAL):
        assert publish.push(store, models, name)
    assert publish.serve(store, models)
    return store


@pytest.fixture
def redis_client(redis_server):
    """The shared Redis, without models' bytes."""
    with redis.Redis.from_url(redis_server, socket_timeout=5) as client:
        for key in client.scan_iter("housing:model:*"):
            client.delete(key)
        yield client
