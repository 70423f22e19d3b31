"""Versions of a registered model: which artifact each is, who approved it, its alias.

MLflow counts its versions itself; the tag `artifact` says which of ours one is.
"""

import re
from datetime import UTC, datetime
from typing import Any, NamedTuple

from housing_app.mlflow_registry.server import RegistryError, Server
from housing_app.valuation.artifacts import Manifest

CHAMPION, CHALLENGER = "champion", "challenger"
ALIASES = (CHALLENGER, CHAMPION)
_WANTED = re.compile(
    r"(?P<name>[a-z][a-z0-9-]{0,60})(?:@(?P<alias>[\w.-]{1,100})|:(?P<number>\d{1,9}))?"
)
_SHA256 = re.compile(r"[0-9a-f]{64}")
# MLflow answers so, and not always with the first, where something is not there.
_ABSENT = {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE", "NOT_FOUND"}


class Wanted(NamedTuple):
    """Name a version: by alias, or by MLflow's number where there is one."""

    name: str
    alias: str
    number: str

    def __str__(self) -> str:
        """Return it as it was asked for."""
        end = f":{self.number}" if self.number else f"@{self.alias}"
        return self.name + end


class Version(NamedTuple):
    """Hold what we put into a version of MLflow's, checked for its form alone."""

    name: str
    number: str
    source: str
    artifact: str
    manifest_sha256: str
    digest: str
    approved_by: str  # empty where nobody did
    approved_why: str

    def __str__(self) -> str:
        """Return both numbers: ours, and MLflow's."""
        return f"{self.artifact} (version {self.number} of {self.name} in MLflow)"


def parse(text: str) -> Wanted:
    """Read NAME, NAME@alias or NAME:version; without either, the champion is meant."""
    found = _WANTED.fullmatch(text)
    if not found:
        raise RegistryError(f"{text[:200]!r} is not NAME, NAME@alias or NAME:version")
    return Wanted(found["name"], found["alias"] or CHAMPION, found["number"] or "")


def find(server: Server, wanted: Wanted) -> Version:
    """Return a version; raise RegistryError where there is none, or none of ours."""
    from mlflow.exceptions import MlflowException

    try:
        if wanted.number:
            stored = server.client.get_model_version(wanted.name, wanted.number)
        else:
            stored = server.client.get_model_version_by_alias(wanted.name, wanted.alias)
    except MlflowException as error:
        if error.error_code in _ABSENT:
            text = f"{server.url}: there is no {wanted}"
            raise RegistryError(text) from None
        raise
    return _read(server, stored)


def of_artifact(server: Server, manifest: Manifest) -> Version | None:
    """Return the version that is an artifact of this name and number, if any is."""
    stored = server.client.search_model_versions(
        f"name = '{manifest.name}' and tags.artifact = '{manifest.id}'"
    )
    return _read(server, stored[0]) if stored else None


def tags(manifest: Manifest, manifest_sha256: str, release: str) -> dict[str, str]:
    """Return the tags of a new version."""
    return {
        "artifact": manifest.id,
        "kind": manifest.kind,
        "slot": manifest.slot,
        "manifest_digest": manifest.digest,
        "manifest_sha256": manifest_sha256,
        "housing_app": release,
    }


def approve(server: Server, wanted: Wanted, who: str, why: str) -> Version:
    """Say in a version's tags who approved it and why; once, and for this manifest."""
    version = find(server, wanted)
    if version.approved_by:
        text = f"{version} was approved already, by {version.approved_by}"
        raise RegistryError(f"{server.url}: {text}")
    said = {
        "approved_why": why,
        "approved_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "approved_manifest": version.manifest_sha256,
        "approved_by": who,  # the last one: without it nothing is approved
    }
    for key, text in said.items():
        server.client.set_model_version_tag(version.name, version.number, key, text)
    return version._replace(approved_by=who, approved_why=why)


def check_approved(server: Server, version: Version) -> None:
    """Raise RegistryError for a version that nobody approved."""
    if not version.approved_by:
        raise RegistryError(
            f"{server.url}: {version} is not approved: "
            f"flask model approve {version.name} {version.number} --who … --why …"
        )


def set_alias(server: Server, version: Version, alias: str) -> None:
    """Give a version an alias; `champion` only to an approved one."""
    if alias == CHAMPION:
        check_approved(server, version)
    server.client.set_registered_model_alias(version.name, alias, version.number)


def _read(server: Server, stored: Any) -> Version:
    found = {str(key): str(text) for key, text in stored.tags.items()}
    artifact, pin = (found.get(k, "") for k in ("artifact", "manifest_sha256"))
    # It becomes the name of a directory.
    is_ours = re.fullmatch(rf"{re.escape(stored.name)}-[0-9]{{1,9}}", artifact)
    if not is_ours or not _SHA256.fullmatch(pin):
        raise RegistryError(
            f"{server.url}: version {stored.version} of {stored.name} is not one of "
            "`flask model push`, or its tags were changed"
        )
    # An approval is of a manifest, and of no other that takes its place.
    is_approved = found.get("approved_manifest") == pin
    return Version(
        name=stored.name,
        number=str(stored.version),
        source=str(stored.source),
        artifact=artifact,
        manifest_sha256=pin,
        digest=found.get("manifest_digest", ""),
        approved_by=found.get("approved_by", "") if is_approved else "",
        approved_why=found.get("approved_why", "") if is_approved else "",
    )
