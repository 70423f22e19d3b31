"""Send homes in process; what real sockets change is in tests/system."""

from collections.abc import Callable
from typing import Any

import pytest
from werkzeug.test import TestResponse

from housing_app.valuation.features import ZIPCODE, slot_features


@pytest.fixture
def predict(client) -> Callable[..., TestResponse]:
    """POST a payload as JSON."""

    def send(payload: Any, path: str = "/v1/predict", **query: Any) -> TestResponse:
        return client.post(path, json=payload, query_string=query)

    return send


@pytest.fixture
def first(predict) -> Callable[..., dict[str, Any]]:
    """POST a payload and return its first prediction."""

    def send(*args: Any, **query: Any) -> dict[str, Any]:
        answer = predict(*args, **query)
        assert answer.status_code == 200, answer.text
        return answer.json["predictions"][0]

    return send


@pytest.fixture
def refused(predict) -> Callable[..., dict[str, str]]:
    """POST a payload that must be refused and return pointer -> detail."""

    def send(*args: Any, **query: Any) -> dict[str, str]:
        answer = predict(*args, **query)
        assert answer.status_code == 422, answer.text
        assert answer.json["type"] == "/problems/invalid-request"
        errors = answer.json["errors"]
        found = {error["pointer"]: error["detail"] for error in errors}
        assert len(found) == len(errors), "the same place is named twice"
        return found

    return send


@pytest.fixture
def minimal_home(home) -> dict[str, Any]:
    """README's example home with the core fields only."""
    core = {feature.name for feature in slot_features("minimal")} | {ZIPCODE}
    return {name: value for name, value in home.items() if name in core}
