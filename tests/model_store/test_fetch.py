"""What the store serves comes to this machine, checked, and complete or not at all."""

import json
import multiprocessing
import shutil
import time

import pytest
import stores
from object_stores import FILES, FULL, MINIMAL, SERVING

from housing_app.model_store import ByteCache, ModelStoreError, Remote, byte_cache
from housing_app.model_store.fetch import fetch
from housing_app.model_store.pins import sha256
from housing_app.valuation import artifacts


def contents(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name not in {"serving.json", ".lock"}
    }


def counts(report):
    return report.local, report.cache, report.store


@pytest.fixture
def root(tmp_path):
    return tmp_path / "instance" / "models"


def test_all_that_serves_is_fetched_as_it_is(published, models, root):
    steps = []
    report = fetch(published, None, root, lambda n, of: steps.append((n, of)))
    assert counts(report) == (0, 0, FILES)
    assert contents(root) == contents(models)
    assert json.loads((root / "serving.json").read_text()) == SERVING
    assert steps == [(n, FILES - 3) for n in range(1, FILES - 2)]


def test_what_is_here_is_not_fetched_again(published, root):
    fetch(published, None, root)
    assert counts(fetch(published, None, root)) == (FILES - 1, 0, 1)


@pytest.mark.parametrize("spoil", ["change", "cut", "remove", "add"])
def test_a_broken_local_copy_is_replaced(published, models, root, spoil):
    fetch(published, None, root)
    path = root / MINIMAL / "points.npy"
    {
        "change": lambda: path.write_bytes(b"x" + path.read_bytes()[1:]),
        "cut": lambda: path.write_bytes(path.read_bytes()[:-1]),
        "remove": path.unlink,
        "add": lambda: (root / MINIMAL / "more").write_bytes(b""),
    }[spoil]()
    fetch(published, None, root)
    assert contents(root) == contents(models)


@pytest.mark.parametrize(
    "name",
    [f"{FULL}/price.txt", f"{MINIMAL}/points.npy", f"{MINIMAL}/manifest.json"],
)
@pytest.mark.parametrize("spoil", ["tampered", "truncated", "missing"])
def test_an_object_that_is_not_as_published_is_refused(
    published, root, redis_client, redis_server, name, spoil
):
    content = published.read(name)
    changed = bytearray(content)
    changed[len(content) // 2] ^= 1
    if spoil == "missing":
        published._files.rm_file(published._path(name))
    else:
        published.write(name, bytes(changed) if spoil == "tampered" else content[:-9])
    with pytest.raises(ModelStoreError, match=f"{name}: ") as caught:
        fetch(published, ByteCache(redis_server), root)
    assert "flask store push" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert contents(root) == {}
    assert not (root / "serving.json").exists()
    if spoil != "missing":  # nor may it reach other machines
        kept = {redis_client.get(key) for key in redis_client.scan_iter("housing:*")}
        assert published.read(name) not in kept


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"{",
        json.dumps(SERVING).encode(),  # without pins
        json.dumps(SERVING | {"manifests": {FULL: "0" * 64}}).encode(),
        json.dumps({"full": {}, "manifests": {}}).encode(),
        json.dumps(
            {"full": {"champion": "../x-1"}, "minimal": {}, "manifests": {}}
        ).encode(),
    ],
)
def test_a_serving_json_that_is_none_is_refused(published, root, text):
    published.write("serving.json", text)
    with pytest.raises(ModelStoreError, match=r"serving\.json: ") as caught:
        fetch(published, None, root)
    assert "\n" not in str(caught.value)


def test_a_manifest_cannot_name_files_elsewhere(published, models, root):
    for name in ("../../away", "/etc/away", ".hidden", "a/b", "manifest.json/x"):
        manifest = json.loads((models / MINIMAL / "manifest.json").read_text())
        manifest["files"][name] = "0" * 64
        content = json.dumps(manifest).encode()
        published.write(f"{MINIMAL}/manifest.json", content)
        pinned = json.loads(published.read("serving.json"))
        pinned["manifests"][MINIMAL] = sha256(content)
        published.write("serving.json", json.dumps(pinned).encode())
        with pytest.raises(ModelStoreError, match="files"):
            fetch(published, None, root)
    assert not (root.parent.parent / "away").exists()


def test_a_fetch_that_fails_leaves_the_copy_as_it_was(published, models, root):
    fetch(published, None, root)
    before = contents(root), (root / "serving.json").read_bytes()
    renamed = models / "knn-minimal-9"
    shutil.copytree(models / MINIMAL, renamed)
    text = (renamed / "manifest.json").read_text()
    content = text.replace('"version": 1', '"version": 9').encode()
    published.write("knn-minimal-9/manifest.json", content)  # its files are not there
    serving = SERVING | {"minimal": {"champion": "knn-minimal-9"}}
    pins = {
        FULL: artifacts.sha256_of(models / FULL / "manifest.json"),
        "knn-minimal-9": sha256(content),
    }
    published.write("serving.json", json.dumps(serving | {"manifests": pins}).encode())
    with pytest.raises(ModelStoreError, match="knn-minimal-9/"):
        fetch(published, None, root)
    assert (contents(root), (root / "serving.json").read_bytes()) == before


# --- Redis in between ---------------------------------------------------------------


def test_a_second_machine_asks_the_store_for_one_object(
    published, models, tmp_path, redis_client, redis_server
):
    first, second = tmp_path / "first", tmp_path / "second"
    assert counts(fetch(published, ByteCache(redis_server), first)) == (0, 0, FILES)
    report = fetch(published, ByteCache(redis_server), second)
    assert counts(report) == (0, FILES - 1, 1)
    assert contents(first) == contents(second) == contents(models)
    ttl = redis_client.ttl(next(redis_client.scan_iter("housing:model:*")))
    assert 6 * 86_400 < ttl <= 7 * 86_400


@pytest.mark.parametrize("poison", [b"", b"x" * 1000, "shorter", "other"])
def test_poisoned_bytes_are_replaced_and_counted(
    published, models, tmp_path, redis_client, redis_server, poison
):
    fetch(published, ByteCache(redis_server), tmp_path / "first")
    for key in redis_client.scan_iter("housing:model:*"):
        value = redis_client.get(key)
        bad = {"shorter": value[:-1], "other": value + b"x"}.get(poison, poison)
        redis_client.set(key, bad)
    for folder, expected in (("second", FILES - 1), ("third", 0)):
        report = fetch(published, ByteCache(redis_server), tmp_path / folder)
        assert report.poisoned == expected
        assert contents(tmp_path / folder) == contents(models)
        assert report.cache == FILES - 1 - expected


def test_a_key_of_another_type_is_as_good_as_none(
    published, models, root, redis_client, redis_server
):
    digest = artifacts.sha256_of(models / FULL / "price.txt")
    redis_client.rpush(f"housing:model:{digest}", "x")
    report = fetch(published, ByteCache(redis_server), root)
    assert contents(root) == contents(models)
    assert report.store > 1


@pytest.mark.parametrize("fault", ["killed", "hung", "full"])
def test_a_redis_that_fails_costs_little_and_no_model(published, models, root, fault):
    options = {"maxmemory": "2mb"} if fault == "full" else {}
    with stores.running(stores.Redis(**options)) as server:
        url = server.url
        if fault == "killed":
            server.kill()
        elif fault == "hung":
            server.hang()
        cache, started = ByteCache(url), time.monotonic()
        assert cache.get("0" * 64) is None
        assert time.monotonic() - started < 2
        report = fetch(published, cache, root)
        assert counts(report) == (0, 0, FILES)
        assert contents(root) == contents(models)
        assert bool(report.cache_failure) == (fault != "full")


def test_what_is_too_large_for_redis_comes_from_the_store(
    published, tmp_path, redis_client, redis_server, monkeypatch
):
    monkeypatch.setattr(byte_cache, "MOST_BYTES", 100_000)
    fetch(published, ByteCache(redis_server), tmp_path / "first")
    report = fetch(published, ByteCache(redis_server), tmp_path / "second")
    assert report.store == 3  # serving.json, price.txt, points.npy
    sizes = [redis_client.strlen(k) for k in redis_client.scan_iter("housing:model:*")]
    assert max(sizes) <= 100_000


# --- several at once ----------------------------------------------------------------


def test_many_starts_on_one_folder_fetch_once(published, models, root):
    context = multiprocessing.get_context("fork")  # as a start does
    box = context.Queue()
    starts = [
        context.Process(target=start, args=(box, published.url, root)) for _ in range(4)
    ]
    for process in starts:
        process.start()
    found = [box.get(timeout=60) for _ in starts]
    for process in starts:
        process.join()
    assert sorted(found) == sorted([(0, 0, FILES)] + [(FILES - 1, 0, 1)] * 3)
    assert contents(root) == contents(models)
    assert [p.name for p in root.glob(".*")] == [".lock"]


def start(box, url, root):
    box.put(counts(fetch(Remote(url), None, root)))


def test_what_a_killed_fetch_left_is_cleared(published, root):
    left = root / ".fetch-dead" / "knn-minimal-1"
    left.mkdir(parents=True)
    fetch(published, None, root)
    assert not left.exists()
