"""What kustomize makes of deploy/, and what the APIs' schemas say of it."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from housing_app.config import ROOT
from tests.deploy import dask_operator
from tests.deploy.conftest import module, program

DEPLOY = ROOT / "deploy"
KUBERNETES = DEPLOY / "kubernetes"
COLOURS = ("blue", "green", "canary")
# The oldest release that knows all we ask for, and the newest that the tool knows.
RELEASES = ("1.31", None)
Document = dict[str, Any]


def kustomizations() -> list[Path]:
    return sorted(path.parent for path in DEPLOY.rglob("kustomization.yaml"))


def built(folder: Path) -> list[Document]:
    """Return the documents of one kustomization."""
    # Beside the Python that runs this first: PATH may have an older one.
    done = subprocess.run(
        [program("kubectl", first=Path(sys.executable).parent), "kustomize", folder],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [one for one in yaml.safe_load_all(done.stdout) if one]


def check(document: Document) -> None:
    """Raise for a document that its API would not take as it is.

    A kind that nothing here knows raises, too: what is not checked is not right.
    """
    group = document["apiVersion"].partition("/")[0]
    if group in _MODELS:
        _check_custom(document, *_MODELS[group])
    elif group == "kubernetes.dask.org":
        dask_operator.check(document, _check_own)
    else:
        _check_own(document)


def _check_own(document: Document) -> None:
    validator = module("kubernetes_validate", "kubernetes-validate")
    for release in RELEASES:
        validator.validate(document, release or validator.latest_version(), strict=True)


# Custom resources: models made from their definitions. These models ignore what they do
# not know, so what they keep is compared with what they were given.
_MODELS = {
    "networking.istio.io": ("cloudcoil.models.istio.networking", "istio"),
    "monitoring.coreos.com": (
        "cloudcoil.models.prometheus_operator",
        "prometheus-operator",
    ),
}


def _check_custom(document: Document, package: str, name: str) -> None:
    version = document["apiVersion"].partition("/")[2]
    models = module(f"{package}.{version}", f"cloudcoil-models-{name}")
    model = getattr(models, document["kind"])
    kept = model.model_validate(document).model_dump(
        mode="json", by_alias=True, exclude_unset=True
    )
    if unknown := list(_lost(document, kept, "")):
        raise ValueError(f"{document['kind']}: unknown {', '.join(unknown)}")


def _lost(given: Any, kept: Any, path: str) -> Iterator[str]:
    if isinstance(given, dict):
        for key, value in given.items():
            if not isinstance(kept, dict) or key not in kept:
                yield f"{path}/{key}"
            else:
                yield from _lost(value, kept[key], f"{path}/{key}")
    elif isinstance(given, list):
        if not isinstance(kept, list) or len(kept) != len(given):
            yield path
        else:
            for index, value in enumerate(given):
                yield from _lost(value, kept[index], f"{path}/{index}")


def pods(documents: list[Document]) -> Iterator[tuple[str, Document]]:
    """Yield the name and the pod template of everything that makes pods."""
    for document in documents:
        yield from dask_operator.templates(document)
        spec = document.get("spec", {})
        spec = spec.get("jobTemplate", {}).get("spec", spec)
        if "containers" in spec.get("template", {}).get("spec", {}):
            yield document["metadata"]["name"], spec["template"]


def one(documents: list[Document], kind: str, name: str | None = None) -> Document:
    found = [
        document
        for document in documents
        if document["kind"] == kind and name in (None, document["metadata"]["name"])
    ]
    assert len(found) == 1, (kind, name, len(found))
    return found[0]


def mebibytes(text: str) -> float:
    number, unit = re.fullmatch(r"(\d+)(Mi|Gi)", text).groups()
    return int(number) * {"Mi": 1, "Gi": 1024}[unit]
