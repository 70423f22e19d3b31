"""Looks at the store while the service runs."""

import json
import os
import time

import pytest
from object_stores import FULL, MINIMAL, models

from housing_app.model_store import Remote, poll, publish
from housing_app.valuation import serving


@pytest.fixture
def published(tmp_path, monkeypatch):
    """A folder as the store, with the models of another; commands find it."""
    root, url = models(tmp_path / "here"), f"file://{tmp_path / 'store'}"
    store = Remote(url)
    for name in (FULL, MINIMAL):
        publish.push(store, root, name)
    publish.serve(store, root)
    monkeypatch.setenv("MODEL_STORE_URL", url)
    monkeypatch.setenv("INSTANCE_DIR", str(tmp_path / "instance"))
    folder = tmp_path / "instance" / "models"
    folder.mkdir(parents=True)
    return store, root, folder


def aged(folder):
    """Let the last look be long ago."""
    old = time.time() - 3_600
    (folder / ".poll").touch()
    os.utime(folder / ".poll", (old, old))


def test_what_the_store_serves_comes_here_and_then_what_it_serves_later(published):
    store, root, folder = published
    state = {}
    aged(folder)
    poll.look(folder, 60, state)
    assert state == {"status": "ok"}
    assert serving.read(folder).roles["full"] == {"champion": FULL}
    said = json.loads((root / "serving.json").read_text())
    said["full"]["fallback"] = MINIMAL
    (root / "serving.json").write_text(json.dumps(said))
    publish.serve(store, root)
    poll.look(folder, 60, state)
    assert "fallback" not in serving.read(folder).roles["full"], "it was just looked"
    aged(folder)
    poll.look(folder, 60, state)
    assert serving.read(folder).roles["full"]["fallback"] == MINIMAL


def test_a_store_that_fails_changes_nothing_and_is_told(published):
    store, _, folder = published
    state = {}
    aged(folder)
    poll.look(folder, 60, state)
    before = (folder / "serving.json").read_bytes()
    store.write("serving.json", b"{}")
    aged(folder)
    poll.look(folder, 60, state)
    assert state["status"] == "degraded"
    assert "serving.json" in state["detail"]
    assert (folder / "serving.json").read_bytes() == before


def test_all_workers_say_what_the_one_that_looked_has_found(published):
    store, _, folder = published
    first, second = {}, {"status": "ok"}
    served = store.read("serving.json")
    aged(folder)
    store.write("serving.json", b"{}")
    poll.look(folder, 60, first)
    poll.look(folder, 60, second)
    assert first == second
    assert second["status"] == "degraded"
    store.write("serving.json", served)
    aged(folder)
    poll.look(folder, 60, first)
    poll.look(folder, 60, second)
    assert first == second == {"status": "ok"}


def test_a_start_is_a_look_too(published):
    _, _, folder = published
    state = {"status": "ok", "store": 9}
    poll.note(folder, None)
    poll.look(folder, 60, state)
    assert state == {"status": "ok", "store": 9}, "what the start counted stays"
    poll.note(folder, "away")
    poll.look(folder, 60, state)
    assert state == {"status": "degraded", "detail": "away"}
