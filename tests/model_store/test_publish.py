"""Artifacts go into a store whole, once, and never over another one."""

import json

import pytest
from object_stores import FILES, FULL, MINIMAL, SERVING

from housing_app.model_store import ModelStoreError, Remote, publish
from housing_app.valuation.errors import ArtifactError


def test_a_store_looks_like_a_model_directory(published, models):
    sizes = {
        str(path.relative_to(models)): path.stat().st_size
        for path in models.rglob("*")
        if path.is_file()
    }
    found = published.sizes()
    assert len(found) == FILES
    del sizes["serving.json"], found["serving.json"]
    assert found == sizes
    serving = json.loads(published.read("serving.json"))
    assert {k: v for k, v in serving.items() if k != "manifests"} == SERVING
    assert set(serving["manifests"]) == {FULL, MINIMAL}


def test_what_is_there_is_not_published_again(published, models):
    steps = []
    assert not publish.push(published, models, FULL, steps.append)
    assert not publish.serve(published, models)
    assert steps == []


def test_an_artifact_is_never_replaced_by_another(published, models):
    path = models / MINIMAL / "manifest.json"
    before = published.read(f"{MINIMAL}/manifest.json")
    path.write_text(path.read_text() + "\n")
    with pytest.raises(ModelStoreError, match="another version"):
        publish.push(published, models, MINIMAL)
    assert published.read(f"{MINIMAL}/manifest.json") == before


def test_of_two_that_publish_at_once_one_is_told(url, models):
    class Late(Remote):
        """Let another push finish between the look and the last write."""

        def write(self, name, content, *, new=False):
            super().write(name, b"another", new=False)
            super().write(name, content, new=new)

    with pytest.raises(ModelStoreError, match="another version"):
        publish.push(Late(url), models, MINIMAL)
    assert Remote(url).read(f"{MINIMAL}/manifest.json") == b"another"


def test_a_push_that_was_cut_short_is_finished_by_the_next(url, models):
    store = Remote(url)
    store.write(f"{MINIMAL}/points.npy", b"half")
    assert publish.push(store, models, MINIMAL)
    assert publish.push(store, models, FULL)
    publish.serve(store, models)
    assert publish.check(store) == (FILES, [])


def test_a_broken_artifact_is_not_published(url, models):
    (models / MINIMAL / "points.npy").write_bytes(b"x")
    with pytest.raises(ArtifactError, match="SHA-256"):
        publish.push(Remote(url), models, MINIMAL)
    assert Remote(url).sizes() == {}


def test_a_check_finds_whatever_is_off(published):
    assert publish.check(published) == (FILES, [])
    content = published.read(f"{FULL}/price.txt")
    published.write(f"{FULL}/price.txt", content[:-1])
    published._files.rm_file(published._path(f"{MINIMAL}/counts.npy"))
    published.write(f"{MINIMAL}/more.npy", b"x")
    published.write("knn-minimal-7/manifest.json", b"{}")
    serving = json.loads(published.read("serving.json"))
    serving["manifests"][FULL] = "0" * 64
    published.write("serving.json", json.dumps(serving).encode())
    count, faults = publish.check(published)
    assert count == FILES + 1
    shown = "\n".join(faults)
    for name, what in (
        (f"{FULL}/price.txt", "SHA-256"),
        (f"{MINIMAL}/counts.npy", "missing"),
        (f"{MINIMAL}/more.npy", "in no manifest"),
        ("knn-minimal-7/manifest.json", "missing"),
        (f"{FULL}/manifest.json", "SHA-256"),
    ):
        assert any(name in f and what in f for f in faults), shown
    assert len(faults) == 5, shown


def test_a_list_says_what_is_held_and_what_it_serves(published):
    by_name = {one.name: one for one in publish.held(published)}
    assert set(by_name) == {FULL, MINIMAL}
    one = by_name[MINIMAL]
    assert (one.slot, one.kind, one.files) == ("minimal", "knn", 6)
    assert one.roles == ["minimal champion"]
    assert one.bytes == sum(
        size for name, size in published.sizes().items() if name.startswith(MINIMAL)
    )


def test_an_empty_store_is_said_to_be_one(url):
    assert publish.held(Remote(url)) == []
    count, (fault,) = publish.check(Remote(url))
    assert count == 0
    assert "serving.json: missing" in fault
