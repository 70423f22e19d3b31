"""LitServe."""

import os
from typing import Any

import litserve
from valuer import Valuer, answer


class Api(litserve.LitAPI):
    def setup(self, device: str) -> None:
        self.valuer = Valuer()

    def decode_request(self, request: dict[str, Any]) -> dict[str, Any]:
        return request

    def predict(self, payload: dict[str, Any]) -> dict[str, Any]:
        return answer(self.valuer, payload)

    def encode_response(self, output: dict[str, Any]) -> dict[str, Any]:
        return output


if __name__ == "__main__":
    server = litserve.LitServer(
        Api(), accelerator="cpu", workers_per_device=int(os.environ["PEER_WORKERS"])
    )
    server.run(port=int(os.environ["PEER_PORT"]), host="127.0.0.1", log_level="warning")
