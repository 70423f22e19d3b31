"""BentoML."""

import os
from typing import Any

import bentoml
from valuer import Valuer, answer


@bentoml.service(workers=int(os.environ["PEER_WORKERS"]))
class Homes:
    def __init__(self) -> None:
        self.valuer = Valuer()

    @bentoml.api(route="/predict")
    def predict(self, payload: dict[str, Any]) -> dict[str, Any]:
        return answer(self.valuer, payload)
