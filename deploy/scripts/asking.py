"""HTTP to one instance of the service, and the word for what did not go well."""

import json
import os
import urllib.error
import urllib.request
from typing import Any

SECONDS = 10.0


class Failed(Exception):  # noqa: N818 - said to an operator as it is
    """Say why a release must not have the traffic."""


def ask(url: str, payload: Any = None) -> tuple[int, bytes]:
    """GET a URL, or POST JSON; return status and body. Raises Failed if none comes."""
    headers = {"Content-Type": "application/json"}
    if token := os.environ.get("ROLLOUT_TOKEN"):
        headers["Authorization"] = f"Bearer {token}"
    body = None if payload is None else json.dumps(payload).encode()
    request = urllib.request.Request(url, body, headers)  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:  # noqa: S310  # nosec B310
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()
    except OSError as error:
        raise Failed(f"{url}: no answer ({error})") from error
