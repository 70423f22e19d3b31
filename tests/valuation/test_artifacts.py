"""Artifacts on disk: written whole, and read only when nothing is off."""

import hashlib
import json
from dataclasses import replace

import pytest
from served import BASELINE, FULL, MODEL

from housing_app.valuation import artifacts
from housing_app.valuation.artifacts import Manifest

SHIPPED = MODEL / FULL
MEMBERS = sorted(json.loads((SHIPPED / "manifest.json").read_text()))
OPTIONAL = {"reference"}
FILES = {"a.npy": b"one", "b.txt": b"two"}


@pytest.fixture
def manifest() -> Manifest:
    return artifacts.read_manifest(SHIPPED)


def test_a_written_artifact_reads_back_the_same(tmp_path, manifest):
    directory = artifacts.write(tmp_path, manifest, FILES)
    assert directory == tmp_path / FULL
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in FILES.items()}
    found = artifacts.read_manifest(directory)
    assert found == replace(manifest, files=hashes)
    artifacts.verify_files(directory, found)
    assert {p.name for p in directory.iterdir()} == {*FILES, "manifest.json"}


def test_the_same_content_is_written_as_the_same_bytes(tmp_path, manifest):
    texts = {
        (
            artifacts.write(tmp_path / root, manifest, FILES) / "manifest.json"
        ).read_bytes()
        for root in ("first", "second")
    }
    assert len(texts) == 1


def test_an_existing_artifact_is_never_overwritten(tmp_path, manifest, refusal):
    directory = artifacts.write(tmp_path, manifest, FILES)
    before = {p.name: p.read_bytes() for p in directory.iterdir()}
    text = refusal(artifacts.write, tmp_path, manifest, {"a.npy": b"other"})
    assert str(directory) in text
    assert {p.name: p.read_bytes() for p in directory.iterdir()} == before


def test_a_write_that_fails_leaves_nothing_and_can_be_tried_again(tmp_path, manifest):
    broken = replace(manifest, metrics={"mdape": float("nan")})
    with pytest.raises(ValueError, match="not JSON compliant"):
        artifacts.write(tmp_path, broken, FILES)
    assert list(tmp_path.iterdir()) == []
    assert artifacts.write(tmp_path, manifest, FILES).is_dir()


@pytest.mark.parametrize(
    "name", ["", "Upper", "../up", "a/b", "1st", ".hidden", "a b", "a" * 62, "naïve"]
)
def test_a_name_that_is_no_directory_name_is_refused(tmp_path, manifest, refusal, name):
    refusal(artifacts.write, tmp_path, replace(manifest, name=name), FILES)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("member", sorted(set(MEMBERS) - OPTIONAL))
def test_a_manifest_without_a_member_is_refused(copy, refusal, member):
    directory = copy.artifact(BASELINE)
    copy.edit(directory, **{member: ...})
    text = refusal(artifacts.read_manifest, directory)
    assert f"{directory}/manifest.json" in text
    assert member in text


def test_a_manifest_from_before_drift_references_is_taken(copy):
    directory = copy.artifact(BASELINE)
    assert artifacts.read_manifest(directory).reference
    copy.edit(directory, reference=...)
    assert artifacts.read_manifest(directory).reference == {}


@pytest.mark.parametrize(
    "columns",
    [
        {"grade": {"edges": ["7"], "counts": [5, 5], "missing": 0}},
        {"grade": {"edges": [7], "counts": [5, 5]}},
        {"grade": []},
    ],
)
def test_a_reference_of_another_form_is_refused(copy, refusal, columns):
    directory = copy.artifact(BASELINE)
    copy.edit(directory, reference={"columns": columns})
    text = refusal(artifacts.read_manifest, directory)
    assert "reference.columns.grade" in text


@pytest.mark.parametrize("member", MEMBERS)
def test_a_member_of_the_wrong_type_is_refused(copy, refusal, member):
    directory = copy.artifact(BASELINE)
    copy.edit(directory, **{member: None})
    text = refusal(artifacts.read_manifest, directory)
    assert f"{directory}/manifest.json" in text
    assert member in text


@pytest.mark.parametrize("number", [0, 2, 99, "1"])
def test_a_format_of_another_release_is_refused(copy, refusal, number):
    directory = copy.artifact(BASELINE)
    copy.edit(directory, format=number)
    assert f"format {number}" in refusal(artifacts.read_manifest, directory)


NO_MANIFESTS = {
    "empty": b"",
    "cut short": (SHIPPED / "manifest.json").read_bytes()[:3_000],
    "a list": b"[]",
    "text": b"hello",
    "not Unicode": b"\xff\xfe\x00",
    "nested without end": b"[" * 100_000,
}


@pytest.mark.parametrize("content", NO_MANIFESTS.values(), ids=NO_MANIFESTS)
def test_a_manifest_that_is_no_json_object_is_refused(copy, refusal, content):
    directory = copy.artifact(BASELINE)
    (directory / "manifest.json").write_bytes(content)
    assert f"{directory}/manifest.json" in refusal(artifacts.read_manifest, directory)


def test_a_directory_without_manifest_is_refused(tmp_path, refusal):
    assert "manifest.json: missing" in refusal(artifacts.read_manifest, tmp_path)
