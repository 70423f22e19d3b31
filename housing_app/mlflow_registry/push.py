"""From MODEL_DIR into the registry: a run with figures, plots and files; a version."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from housing_app.mlflow_registry import versions
from housing_app.mlflow_registry.server import RegistryError, Server
from housing_app.mlflow_registry.versions import Version, Wanted
from housing_app.valuation import artifacts, loading
from housing_app.valuation.artifacts import MANIFEST, Manifest

FOLDER = "model"  # of the files, among a run's artifacts
_MOST_PARAMETERS = 100  # that MLflow takes in one call
_PARTS = ("by_decile", "by_missing", "by_month", "by_zipcode")  # what plots are made of

Step = Callable[[int, int], Any]  # files that are there, of so many


def push(
    server: Server,
    directory: Path,
    *,
    experiment: str,
    alias: str,
    release: str,
    step: Step = lambda n, of: None,
) -> tuple[Version, bool]:
    """Register an artifact and give it an alias; say whether it was not there yet.

    Raises RegistryError over another artifact of this name, and where `champion` is
    asked for what nobody approved: then nothing was changed.
    """
    manifest = loading.load(directory).manifest
    pin = artifacts.sha256_of(directory / MANIFEST)
    versions.parse(manifest.name)  # it becomes part of a query
    found = versions.of_artifact(server, manifest)
    if found and found.manifest_sha256 != pin:
        raise RegistryError(
            f"{server.url}: {found} is another artifact of the same name: give yours "
            "another version"
        )
    if not found and alias == versions.CHAMPION:
        raise RegistryError(
            f"{server.url}: {manifest.id} is not there yet: push it as challenger, and "
            "as champion once it is approved"
        )
    version = found
    if not version:
        number = _register(
            server.client,
            directory,
            manifest,
            experiment=experiment,
            tags=versions.tags(manifest, pin, release),
            step=step,
        )
        version = versions.find(server, Wanted(manifest.name, "", number))
    versions.set_alias(server, version, alias)
    return version, found is None


def _register(
    client: Any,
    directory: Path,
    manifest: Manifest,
    *,
    experiment: str,
    tags: dict[str, str],
    step: Step,
) -> str:
    """Make a run and a version of it; return MLflow's number."""
    run = client.create_run(
        _experiment(client, experiment), run_name=manifest.id, tags=tags
    )
    try:
        _describe(client, run.info.run_id, manifest)
        names = [*manifest.files, MANIFEST]
        for number, name in enumerate(names, 1):
            client.log_artifact(run.info.run_id, str(directory / name), FOLDER)
            step(number, len(names))
        _ensure_model(client, manifest.name)
        made = client.create_model_version(
            manifest.name,
            f"{run.info.artifact_uri}/{FOLDER}",
            run.info.run_id,
            tags,
            await_creation_for=0,
        )
        client.set_terminated(run.info.run_id)
        return str(made.version)
    except BaseException:
        # Whatever it was, Ctrl-C too, is told; that the run failed only if possible.
        with suppress(Exception):
            client.set_terminated(run.info.run_id, "FAILED")
        raise


def _experiment(client: Any, name: str) -> str:
    found = client.get_experiment_by_name(name)
    return str(found.experiment_id if found else client.create_experiment(name))


def _ensure_model(client: Any, name: str) -> None:
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def _describe(client: Any, run_id: str, manifest: Manifest) -> None:
    from mlflow.entities import Metric, Param

    now = int(time.time() * 1000)
    parameters = [Param(key, text) for key, text in settings(manifest).items()]
    measured = [Metric(key, x, now, 0) for key, x in figures(manifest).items()]
    client.log_batch(run_id, metrics=measured, params=parameters)
    for name, (svg, _) in _plots(manifest).items():
        client.log_text(run_id, svg, f"plots/{name}.svg")


def settings(manifest: Manifest) -> dict[str, str]:
    """Return how a model was made, as a run's parameters."""
    made = {
        "artifact": manifest.id,
        "kind": manifest.kind,
        "slot": manifest.slot,
        "valuation_date": manifest.valuation_date,
        "features": ", ".join(manifest.features),
        "demographics": ", ".join(manifest.demographics),
        "training": manifest.training,
        "model": manifest.model,
        "libraries": manifest.libraries,
    }
    found = [
        (key, str(x)) for key, x in _leaves(made) if isinstance(x, str | int | float)
    ]
    return dict(found[:_MOST_PARAMETERS])


def figures(manifest: Manifest) -> dict[str, float]:
    """Return how good a model is, as a run's metrics; parts of the sales are left out.

    Those are in the manifest, which is among the run's files.
    """
    return {
        key: float(x)
        for key, x in _leaves(manifest.metrics)
        if isinstance(x, int | float) and "/by_" not in key
    }


def _leaves(value: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Yield what is no mapping, by the names that lead to it."""
    for key, inner in value.items():
        if isinstance(inner, Mapping):
            yield from _leaves(inner, f"{above}{key}/")
        else:
            yield f"{above}{key}", inner


def _plots(manifest: Manifest) -> dict[str, tuple[str, str]]:
    """Return the plots that a manifest's figures of later sales are enough for."""
    # Deferred: pandas, scikit-learn and matplotlib, 3 s.
    from housing_app.training import plots

    later = manifest.metrics["out_of_time"]
    if not all(part in later for part in _PARTS):
        return {}
    places = manifest.zipcodes.items()
    middles = {zipcode: [area["lat"], area["long"]] for zipcode, area in places}
    return plots.of_report(later | {"middles": middles})
