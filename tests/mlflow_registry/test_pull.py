"""What is pulled is what was pushed, whoever has changed what in between."""

import hashlib
import json

import pytest

from housing_app.mlflow_registry import pull as pulling
from housing_app.mlflow_registry import versions
from housing_app.mlflow_registry.pull import pull
from housing_app.mlflow_registry.server import RegistryError
from housing_app.mlflow_registry.versions import approve, parse
from housing_app.valuation import artifacts, loading
from housing_app.valuation.errors import ArtifactError


@pytest.fixture
def fetch(server, elsewhere, pushed):
    """Pull the version into the empty folder."""

    def run(**options):
        wanted = parse(f"{pushed.name}:{pushed.number}")
        return pull(server, elsewhere, wanted, **options)

    return run


@pytest.fixture
def refused(fetch, elsewhere):
    """Pull it, which must fail; return the reason. Nothing may be left behind."""

    def run(**options):
        with pytest.raises(RegistryError) as caught:
            fetch(**options)
        assert [*elsewhere.iterdir()] == []
        assert str(elsewhere) not in str(caught.value)
        return str(caught.value)

    return run


@pytest.fixture
def sign(server, pushed, stored):
    """Set the tags that fit the manifest in the store, as one may who rules the server."""

    def run():
        text = (stored / "manifest.json").read_bytes()
        manifest = artifacts.Manifest(**json.loads(text))
        said = {
            "manifest_sha256": hashlib.sha256(text).hexdigest(),
            "manifest_digest": manifest.digest,
        }
        for key, value in said.items():
            server.client.set_model_version_tag(pushed.name, pushed.number, key, value)

    return run


def rewrite(path, change):
    """Change a manifest in place."""
    stored = json.loads(path.read_text())
    change(stored)
    path.write_text(json.dumps(stored))


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


# --- as it should be ------------------------------------------------------------------


def test_the_bytes_are_those_that_were_pushed(fetch, artifact, pushed, elsewhere):
    steps = []
    found = fetch(step=lambda *done: steps.append(done))
    assert (found.version, found.is_new) == (pushed, True)
    target = elsewhere / f"{artifact.name}-1"
    assert contents(target) == contents(artifact.directory)
    assert len(contents(target)) == 6
    assert steps == [(n, 5) for n in range(1, 6)]
    assert [*elsewhere.iterdir()] == [target]


def test_what_is_here_already_is_verified_and_left(fetch, elsewhere):
    target = elsewhere / fetch().manifest.id
    before = target.stat()
    assert not fetch().is_new
    assert target.stat() == before
    (target / "points.npy").write_bytes(b"x")
    with pytest.raises(ArtifactError, match=r"points\.npy: SHA-256 differs"):
        fetch()


def test_another_artifact_of_the_name_is_left(fetch, artifact, elsewhere):
    target = elsewhere / f"{artifact.name}-1"
    target.mkdir()
    (target / "manifest.json").write_text("{}")
    with pytest.raises(RegistryError, match=r"another artifact than .*: move it away"):
        fetch()
    assert contents(target) == {"manifest.json": b"{}"}


def test_an_alias_leads_to_its_version(server, elsewhere, pushed):
    wanted = parse(f"{pushed.name}@challenger")
    assert pull(server, elsewhere, wanted).version == pushed
    for text in (pushed.name, f"{pushed.name}:99", f"{pushed.name}@none", "nobody:1"):
        with pytest.raises(RegistryError, match="there is no "):
            pull(server, elsewhere, parse(text))


def test_an_end_in_the_middle_leaves_nothing(fetch, elsewhere):
    def interrupt(number, _):
        if number == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(step=interrupt)
    assert [*elsewhere.iterdir()] == []
    assert fetch().is_new


# --- changed in the artifact store ----------------------------------------------------


@pytest.mark.parametrize("name", ["points.npy", "counts.npy", "center.npy"])
def test_a_changed_byte_is_refused(refused, stored, name):
    content = bytearray((stored / name).read_bytes())
    content[-9] ^= 1
    (stored / name).write_bytes(content)
    assert f"SHA-256 of {name} differs from manifest.json" in refused()


def test_a_file_cut_short_or_lost_is_refused(refused, stored):
    path = stored / "points.npy"
    path.write_bytes(path.read_bytes()[:-1])
    assert "SHA-256 of points.npy differs" in refused()
    path.unlink()
    assert "points.npy: missing" in refused()


def test_a_version_that_is_broken_is_deleted_and_pushed_again(
    server, refused, artifact, pushed, stored, elsewhere
):
    (stored / "points.npy").write_bytes(b"x")
    assert "delete that version in MLflow and push it again" in refused()
    server.client.delete_model_version(pushed.name, pushed.number)
    version, is_new = artifact.push(server)
    assert (is_new, version.number) == (True, "2")
    assert pull(server, elsewhere, parse(f"{pushed.name}@challenger")).is_new


def test_another_manifest_is_refused_also_where_it_fits_its_files(refused, stored):
    prices = stored / "prices.npy"
    content = bytearray(prices.read_bytes())
    content[-1] ^= 1
    prices.write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    rewrite(
        stored / "manifest.json",
        lambda found: found["files"].update({prices.name: digest}),
    )
    assert "SHA-256 of manifest.json differs from the tag" in refused()


# --- changed with the tags that fit ---------------------------------------------------


@pytest.mark.parametrize(
    "name", ["../evil", "/etc/evil", "a/../../evil", "..", ".hidden", "a\x00b", "a b"]
)
def test_a_name_that_leads_elsewhere_is_refused(refused, stored, sign, name):
    rewrite(
        stored / "manifest.json", lambda found: found["files"].update({name: "0" * 64})
    )
    sign()
    assert "manifest.json: files" in refused()


def test_a_manifest_that_lists_itself_is_refused(refused, stored, sign):
    rewrite(
        stored / "manifest.json",
        lambda found: found.update(files={"manifest.json": "0" * 64}),
    )
    sign()
    assert "SHA-256 of manifest.json differs from manifest.json" in refused()


def test_prices_other_than_the_golden_ones_are_refused(refused, stored, sign):
    def change(found):
        found["golden"][0]["expected"][0] += 1000

    rewrite(stored / "manifest.json", change)
    sign()
    assert "golden" in refused()


def test_a_manifest_of_another_artifact_is_refused(refused, stored, sign):
    rewrite(stored / "manifest.json", lambda found: found.update(version=7))
    sign()
    assert "describes " in refused()


def test_a_manifest_without_an_end_is_refused(refused, stored, monkeypatch):
    monkeypatch.setattr(pulling, "MOST_MANIFEST", 1000)
    assert "manifest.json: larger than 1,000 bytes" in refused()


def test_files_without_an_end_are_refused(refused, stored, monkeypatch):
    monkeypatch.setattr(pulling, "MOST_BYTES", 12_000)  # the first two fit
    assert "larger than" in refused()


def test_files_without_number_are_refused(refused, stored, monkeypatch):
    monkeypatch.setattr(pulling, "MOST_FILES", 4)
    assert "has 5 files, more than 4" in refused()


@pytest.mark.parametrize(
    ("key", "text", "why"),
    [
        ("manifest_sha256", "", "not one of `flask model push`"),
        ("manifest_sha256", "0" * 64, "differs from the tag"),
        ("manifest_digest", "0" * 64, "manifest_digest"),
        ("artifact", "../evil-1", "not one of `flask model push`"),
        ("artifact", "other-1", "not one of `flask model push`"),
    ],
)
def test_other_tags_are_refused(server, refused, pushed, key, text, why):
    server.client.set_model_version_tag(pushed.name, pushed.number, key, text)
    assert why in refused()


def test_files_that_are_elsewhere_are_not_asked_for(server, elsewhere, pushed, stored):
    stored_version = server.client.get_model_version(pushed.name, pushed.number)
    made = server.client.create_model_version(
        pushed.name, "s3://bucket/model", tags=stored_version.tags
    )
    with pytest.raises(RegistryError, match="only those that the server itself serves"):
        pull(server, elsewhere, parse(f"{pushed.name}:{made.version}"))
    assert [*elsewhere.iterdir()] == []


def test_nothing_is_unpickled_and_no_model_loaded_by_mlflow(
    fetch, stored, sign, elsewhere, tmp_path
):
    """An MLmodel file, with which MLflow would run what it names, is of no interest."""
    (stored / "MLmodel").write_text("flavors: {python_function: {loader_module: os}}")
    assert not (elsewhere / fetch().manifest.id / "MLmodel").exists()


# --- approval -------------------------------------------------------------------------


def test_without_approval_nothing_is_pulled_where_one_is_required(
    server, refused, fetch, pushed
):
    assert f"flask model approve {pushed.name} 1" in refused(require_approval=True)
    wanted = parse(f"{pushed.name}:1")
    assert approve(server, wanted, "Ann", "judged").approved_by == "Ann"
    found = fetch(require_approval=True).version
    assert (found.approved_by, found.approved_why) == ("Ann", "judged")
    with pytest.raises(RegistryError, match="approved already, by Ann"):
        approve(server, wanted, "Bob", "me too")


def test_an_approval_is_of_one_manifest(server, refused, pushed, stored, sign):
    approve(server, parse(f"{pushed.name}:1"), "Ann", "judged")
    rewrite(stored / "manifest.json", lambda found: found["training"].update(seed=1))
    sign()
    assert "is not approved" in refused(require_approval=True)


def test_a_tag_that_says_approved_alone_is_no_approval(server, refused, pushed):
    server.client.set_model_version_tag(pushed.name, "1", "approved_by", "Mallory")
    assert "is not approved" in refused(require_approval=True)


# --- names ----------------------------------------------------------------------------


def test_a_name_alone_means_the_champion():
    assert str(parse("catboost-full")) == "catboost-full@champion"
    assert parse("a:12") == versions.Wanted("a", "champion", "12")
    assert str(parse("a:12")) == "a:12"


@pytest.mark.parametrize(
    "text", ["", "A", "a/b", "a:", "a@", "a:x", "a:1@b", "a' or '"]
)
def test_other_names_are_refused(text):
    with pytest.raises(RegistryError, match="is not NAME, NAME@alias or NAME:version"):
        parse(text)


def test_a_pulled_model_values_homes(fetch, elsewhere):
    assert loading.load(elsewhere / fetch().manifest.id).manifest.kind == "knn"
