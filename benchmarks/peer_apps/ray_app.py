"""Ray Serve."""

import os
import time
from typing import Any

import ray
from ray import serve
from starlette.requests import Request
from valuer import Valuer, answer

WORKERS = int(os.environ["PEER_WORKERS"])


@serve.deployment(num_replicas=WORKERS, ray_actor_options={"num_cpus": 0.5})
class Homes:
    def __init__(self) -> None:
        self.valuer = Valuer()

    async def __call__(self, request: Request) -> dict[str, Any]:
        return answer(self.valuer, await request.json())


if __name__ == "__main__":
    ray.init(include_dashboard=False, log_to_driver=False)
    options = {"host": "127.0.0.1", "port": int(os.environ["PEER_PORT"])}
    serve.start(http_options=options)
    serve.run(Homes.bind(), route_prefix="/predict")
    while True:
        time.sleep(60)
