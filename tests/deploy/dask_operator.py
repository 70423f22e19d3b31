"""What the Dask operator's definition of a DaskJob says, in short.

After the definitions of dask-kubernetes 2026.3.0, which are no package of their own: its
keys are here, and the pods and the Service in it are checked by their own schemas. Those
it has are of Kubernetes 1.21; a key that is newer would be dropped.
"""

from collections.abc import Callable, Iterator
from typing import Any

import jsonschema

Document = dict[str, Any]


def _of(required: list[str], **properties: Any) -> Document:
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


_TEXTS = {"type": "object", "additionalProperties": {"type": "string"}}
_METADATA = _of([], annotations=_TEXTS, labels=_TEXTS)
_ANY = {"type": "object"}
_POD = {"metadata": _METADATA, "spec": _ANY}
_CLUSTER = _of(
    ["scheduler", "worker"],
    idleTimeout={"type": "integer"},
    scheduler=_of(["spec", "service"], **_POD, service=_ANY),
    worker=_of(["spec"], **_POD, replicas={"type": "integer"}),
)
JOB = _of(
    ["apiVersion", "kind", "metadata", "spec"],
    apiVersion={"const": "kubernetes.dask.org/v1"},
    kind={"const": "DaskJob"},
    metadata=_ANY,
    spec=_of(
        ["cluster", "job"], job=_of([], **_POD), cluster=_of(["spec"], spec=_CLUSTER)
    ),
)


def templates(document: Document) -> Iterator[tuple[str, Document]]:
    """Yield the name and the pod template of everything that makes pods."""
    if document["kind"] == "DaskJob":
        name, spec = document["metadata"]["name"], document["spec"]
        yield name, spec["job"]
        yield f"{name}-scheduler", spec["cluster"]["spec"]["scheduler"]
        yield f"{name}-worker", spec["cluster"]["spec"]["worker"]


def check(document: Document, as_kubernetes: Callable[[Document], None]) -> None:
    """Raise for a DaskJob that its API would not take; as_kubernetes: for what is in it."""
    jsonschema.validate(document, JOB)
    for name, template in templates(document):
        about = {"metadata": {"name": name}, "apiVersion": "v1"}
        as_kubernetes(about | {"kind": "Pod", "spec": template["spec"]})
        if "service" in template:
            as_kubernetes(about | {"kind": "Service", "spec": template["service"]})
