"""Answers to keep, and apps that keep them."""

import pytest
import stores

from housing_app import create_app


@pytest.fixture
def redis():
    with stores.running(stores.Redis()) as server:
        yield server


@pytest.fixture
def answer():
    """Make the valued part of an answer."""

    def make(homes=1, price=1.5):
        return {
            "predictions": [{"price": price, "warnings": []}] * homes,
            "model": {"name": "m", "version": 1, "variant": "champion"},
        }

    return make


@pytest.fixture
def keeping(app, tmp_path):
    """Make a client of an app with a cache; the models are those of `app`.

    What others left in the spool is not its business.
    """

    def make(kind="memory", **settings):
        own = {"RATE_LIMIT": "off", "INSTANCE_DIR": tmp_path / "instance"}
        return create_app(own | {"CACHE": kind} | settings).test_client()

    return make


@pytest.fixture(params=["memory", "redis"])
def kept(request, keeping):
    """The same with each store in turn, empty at first."""

    def make(**settings):
        if request.param == "redis":
            settings["REDIS_URL"] = request.getfixturevalue("redis").url
        return keeping(request.param, **settings)

    return make
