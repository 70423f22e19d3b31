"""What a push leaves in the registry: a run, its files, one version."""

import json
from xml.etree import ElementTree

import pytest

from housing_app.mlflow_registry import push as pushing
from housing_app.mlflow_registry.server import RegistryError
from housing_app.mlflow_registry.versions import approve, parse
from housing_app.valuation import artifacts
from housing_app.valuation.errors import ArtifactError

FOLDER = pushing.FOLDER


@pytest.fixture(scope="module")
def run(whole, server):
    """The run of the artifact that has all its figures."""
    version, _ = whole.push(server)
    found = server.client.get_model_version(version.name, version.number)
    return server.client.get_run(found.run_id)


def runs(server, artifact):
    (experiment,) = (
        found.experiment_id
        for found in server.client.search_experiments()
        if found.name == "tests"
    )
    words = f"tags.artifact = '{artifact.name}-1'"
    return server.client.search_runs([experiment], words)


def held(server, artifact):
    return server.client.search_model_versions(f"name = '{artifact.name}'")


def test_a_run_has_the_parameters_and_figures_of_the_manifest(whole, run):
    manifest = artifacts.read_manifest(whole.directory)
    told = run.data.params
    assert told["kind"] == "knn"
    assert told["training/rows"] == str(manifest.training["rows"])
    assert told["training/from"] == manifest.training["from"]
    assert told["model/k"] == str(manifest.model["k"])
    assert told["features"].split(", ") == manifest.features
    assert told["libraries/numpy"] == manifest.libraries["numpy"]
    found, later = run.data.metrics, manifest.metrics["out_of_time"]
    assert found["out_of_time/overall/mdape"] == later["overall"]["mdape"]
    coverage = later["coverage"]["0.9"]["achieved"]
    assert found["out_of_time/coverage/0.9/achieved"] == coverage
    assert found["random_split/r2"] == manifest.metrics["random_split"]["r2"]
    assert len(found) > 25
    assert run.info.status == "FINISHED"
    assert run.info.run_name == f"{whole.name}-1"


def test_no_part_of_the_sales_becomes_a_metric(run):
    assert [key for key in run.data.metrics if "by_" in key or "981" in key] == []


def test_a_run_has_the_files_and_the_plots(whole, server, run):
    client, run_id = server.client, run.info.run_id
    files = {info.path for info in client.list_artifacts(run_id, FOLDER)}
    assert files == {f"{FOLDER}/{path.name}" for path in whole.directory.iterdir()}
    plots = {info.path: info for info in client.list_artifacts(run_id, "plots")}
    names = {"coverage", "deciles", "months", "zipcodes"}
    assert set(plots) == {f"plots/{name}.svg" for name in names}


def test_plots_are_drawn_from_the_manifest_alone(whole, artifact):
    drawn = pushing._plots(artifacts.read_manifest(whole.directory))
    assert len(drawn) == 4
    for svg, _ in drawn.values():
        assert ElementTree.fromstring(svg).tag.endswith("svg")
    # One that was imported from elsewhere may not have the figures.
    assert pushing._plots(artifacts.read_manifest(artifact.directory)) == {}


def test_a_version_says_which_artifact_it_is(artifact, server, pushed):
    manifest = artifacts.read_manifest(artifact.directory)
    (found,) = held(server, artifact)
    assert found.tags == {
        "artifact": manifest.id,
        "kind": "knn",
        "slot": "minimal",
        "manifest_digest": manifest.digest,
        "manifest_sha256": artifacts.sha256_of(artifact.directory / "manifest.json"),
        "housing_app": "0",
    }
    client = server.client
    alias = client.get_model_version_by_alias(artifact.name, "challenger")
    assert str(alias.version) == pushed.number == "1"


def test_the_same_again_changes_nothing(artifact, server, pushed):
    assert artifact.push(server) == (pushed, False)
    assert len(held(server, artifact)) == 1
    assert len(runs(server, artifact)) == 1


def test_another_artifact_of_the_name_is_refused(artifact, server, pushed):
    artifact.change(valuation_date="2015-03-30")
    with pytest.raises(RegistryError, match="another artifact of the same name"):
        artifact.push(server)
    assert len(held(server, artifact)) == 1


def test_the_next_artifact_is_the_next_version(artifact, server, pushed):
    artifact.directory = artifact.directory.rename(artifact.root / f"{artifact.name}-5")
    artifact.change(version=5)
    version, is_new = artifact.push(server)
    assert is_new
    assert str(version) == (
        f"{artifact.name}-5 (version 2 of {artifact.name} in MLflow)"
    )


def test_only_an_approved_version_becomes_champion(artifact, server):
    with pytest.raises(RegistryError, match="is not there yet"):
        artifact.push(server, alias="champion")
    assert held(server, artifact) == []
    artifact.push(server)
    with pytest.raises(RegistryError, match="is not approved"):
        artifact.push(server, alias="champion")
    with pytest.raises(RegistryError, match="there is no"):
        approve(server, parse(f"{artifact.name}@champion"), "Ann", "judged")
    approve(server, parse(f"{artifact.name}:1"), "Ann", "judged")
    artifact.push(server, alias="champion")
    found = server.client.get_registered_model(artifact.name).aliases
    assert {name: str(number) for name, number in found.items()} == {
        "challenger": "1",
        "champion": "1",
    }


def test_what_does_not_verify_is_not_pushed(artifact, server):
    path = artifact.directory / "points.npy"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ArtifactError, match="SHA-256 differs"):
        artifact.push(server)
    assert runs(server, artifact) == []


def test_a_push_that_ends_in_the_middle_leaves_no_version(artifact, server):
    def interrupt(number, _):
        if number == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        artifact.push(server, step=interrupt)
    assert held(server, artifact) == []
    assert [run.info.status for run in runs(server, artifact)] == ["FAILED"]
    assert artifact.push(server)[1]
    assert {run.info.status for run in runs(server, artifact)} == {"FAILED", "FINISHED"}


def test_parameters_are_no_more_than_mlflow_takes(artifact):
    artifact.change(model={f"option{n}": n for n in range(200)})
    manifest = artifacts.read_manifest(artifact.directory)
    assert len(pushing.settings(manifest)) == 100
    assert json.loads(json.dumps(pushing.figures(manifest)))
