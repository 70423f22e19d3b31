"""An MLflow server: found within seconds or given up, its answers held to a size."""

import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from housing_app.valuation.errors import ValuationError

_FILES = "/api/2.0/mlflow-artifacts/artifacts"
_PIECE = 1 << 20
# MLflow's client takes these from the environment alone, at each call.
_ALWAYS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_CONFIGURE_LOGGING": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    # A server may ask us to come back in an hour.
    "MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER": "false",
}
# The first call finds out whether there is a server; later ones may be slow.
_FIRST = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "3", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1"}
_LATER = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "30", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2"}


class RegistryError(ValuationError):
    """Refuse what a registry holds or says; the text is one line to act on."""


@dataclass(frozen=True)
class Server:
    """Hold the client of a server, and its URL without credentials."""

    url: str
    client: Any

    def download(self, source: str, name: str, target: Path, most: int) -> int:
        """Write a file of a version to `target`; return its size, at most `most`."""
        from mlflow.utils.credentials import get_default_host_creds
        from mlflow.utils.rest_utils import http_request

        # Not MLflow's own download: that writes whatever names and sizes it is told.
        endpoint = f"{_FILES}/{_folder(source)}/{name}"
        known = get_default_host_creds(self.url)
        size = 0
        with (
            http_request(known, endpoint, "GET", stream=True) as answer,
            target.open("wb") as file,
        ):
            if answer.status_code != 200:
                text = "missing" if answer.status_code == 404 else answer.status_code
                raise RegistryError(f"{self.url}: {name}: {text}")
            for piece in answer.iter_content(_PIECE):
                size += len(piece)
                if size > most:
                    raise RegistryError(
                        f"{self.url}: {name}: larger than {most:,} bytes, which is all "
                        "that is taken"
                    )
                file.write(piece)
        return size


@contextmanager
def connected(url: str) -> Iterator[Server]:
    """Hand out a server that answers; what it or MLflow objects is a RegistryError."""
    clean, credentials = _split(url)
    variables = _ALWAYS | _FIRST | credentials | {"MLFLOW_TRACKING_URI": clean}
    with _environ(variables), _quiet("urllib3.connectionpool"):
        try:
            # Deferred: 2 s that no other command should wait for, and an extra.
            from google.protobuf.json_format import ParseError
            from mlflow.exceptions import MlflowException
            from mlflow.tracking import MlflowClient
            from requests import RequestException
        except ImportError as error:
            raise RegistryError(
                f"MLflow's client is not installed ({error.name or error}): "
                'pip install "housing_app[mlflow]"'
            ) from None
        try:
            client = MlflowClient(tracking_uri=clean, registry_uri=clean)
            client.search_registered_models(max_results=1)
            os.environ.update(_LATER)
            yield Server(clean, client)
        except (MlflowException, RequestException, ParseError) as error:
            raise RegistryError(f"{clean}: {_reason(error)}") from None


def _split(url: str) -> tuple[str, dict[str, str]]:
    """Return a URL without credentials, and those as MLflow's client takes them."""
    try:
        parts = urlsplit(url)
        given = (parts.username, parts.password)
        is_plain = not parts.query and not parts.fragment and parts.port != 0
    except ValueError:
        is_plain = False
    # The URL is not repeated: it may hold a secret, also where it is wrong.
    if not is_plain or parts.scheme not in ("http", "https") or not parts.hostname:
        raise RegistryError(
            "the registry's URL is not one of an MLflow server, such as "
            "http://127.0.0.1:5000"
        )
    host = parts.netloc.rpartition("@")[2]
    clean = f"{parts.scheme}://{host}{parts.path}".rstrip("/")
    names = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD")
    found = zip(names, given, strict=True)
    return clean, {name: unquote(text) for name, text in found if text is not None}


def _folder(source: str) -> str:
    """Return where a version's files are, below the server's own artifacts.

    Others are not asked: the client would send our credentials to any host.
    """
    part = r"[A-Za-z0-9_][A-Za-z0-9_.-]*"
    found = re.fullmatch(rf"mlflow-artifacts:/({part}(?:/{part})*)", source)
    if not found:
        raise RegistryError(
            f"the files of this version are at {source[:200]!r}: only those that the "
            "server itself serves are taken (mlflow server --serve-artifacts)"
        )
    return found[1]


@contextmanager
def _environ(variables: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, text in before.items():
            if text is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = text


@contextmanager
def _quiet(name: str) -> Iterator[None]:
    """Keep a library from telling of every retry."""
    logger = logging.getLogger(name)
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


def _reason(error: Exception) -> str:
    from requests import ConnectionError as Unreachable
    from requests import Timeout

    cause = error.__cause__ or error.__context__ or error
    for found in (error, cause):
        if isinstance(found, (Unreachable, Timeout)):
            return f"no MLflow server answers there ({type(found).__name__})"
    return " ".join(str(error).split())[:300]
