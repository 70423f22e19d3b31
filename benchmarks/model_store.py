"""Time how soon models are there: from an object store, from Redis, from this machine.

`PYTHONPATH=.:tests python benchmarks/model_store.py --delay 30`

The store is moto's S3 server behind a proxy that holds every byte back for a while, as
distance does; Redis is on this machine.
"""

import argparse
import os
import queue
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from statistics import median

import object_stores
import stores

from housing_app import create_app, model_store, traffic
from housing_app.config import ROOT
from housing_app.model_store import Remote, publish

Pieces = queue.SimpleQueue[tuple[float, bytes]]


def main() -> None:
    """Print a table: one row for each place the models' files come from."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--delay", type=float, default=30.0, help="ms each way")
    parser.add_argument("--turns", type=int, default=3)
    given = parser.parse_args()
    with (
        stores.running(object_stores.ObjectStore()) as s3,
        stores.running(stores.Redis()) as redis,
        tempfile.TemporaryDirectory() as folder,
    ):
        os.environ.update(s3.environ)
        address = f"s3://{object_stores.BUCKET}/bench"
        publish_shipped(Remote(address))
        far = delayed(s3.port, given.delay / 1000)
        os.environ["AWS_ENDPOINT_URL"] = f"http://127.0.0.1:{far}"
        settings = create_app({"RATE_LIMIT": "off", "LOG_LEVEL": "error"}).config
        settings |= {
            "INSTANCE_DIR": Path(folder) / "instance",
            "MODEL_STORE_URL": address,
        }
        print("| Files from | fetched in | models ready in | objects of the store |")
        print("| --- | ---: | ---: | ---: |")
        measure("the store", settings | {"REDIS_URL": ""}, s3, given.turns)
        settings["REDIS_URL"] = redis.url
        model_store.prepare(settings)  # fills Redis
        measure("Redis", settings, s3, given.turns)
        measure("INSTANCE_DIR", settings, s3, given.turns, keep=True)


def publish_shipped(store: Remote) -> None:
    """Publish what the repository serves."""
    for name in publish.served(ROOT / "model"):
        publish.push(store, ROOT / "model", name)
    publish.serve(store, ROOT / "model")


def measure(
    source: str,
    settings: dict[str, object],
    s3: object_stores.ObjectStore,
    turns: int,
    *,
    keep: bool = False,
) -> None:
    """Print the medians of some starts."""
    fetched, ready, asked = [], [], 0
    for _ in range(turns):
        if not keep:
            shutil.rmtree(str(settings["INSTANCE_DIR"]), ignore_errors=True)
        before, started = len(s3.asked()), time.perf_counter()
        model_store.prepare(settings)
        fetched.append(time.perf_counter() - started)
        asked = len(s3.asked()) - before
        started = time.perf_counter()
        traffic.install(settings | {"MODEL_STORE_URL": "", "MODEL_DIR": here(settings)})
        ready.append(fetched[-1] + time.perf_counter() - started)
    print(
        f"| {source} | {median(fetched):.2f} s | {median(ready):.2f} s | {asked} |",
        flush=True,
    )


def here(settings: dict[str, object]) -> Path:
    """Return the folder the models were fetched into."""
    return model_store.folder(settings)


def delayed(port: int, seconds: float) -> int:
    """Return the port of a proxy to another that is some distance away."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            near, _ = listener.accept()
            far = socket.create_connection(("127.0.0.1", port))
            for source, target in ((near, far), (far, near)):
                pieces: Pieces = queue.SimpleQueue()
                start(take, source, pieces, seconds)
                start(give, target, pieces)

    start(serve)
    return int(listener.getsockname()[1])


def start(work: Callable[..., None], *arguments: object) -> None:
    """Run something beside the rest."""
    threading.Thread(target=work, args=arguments, daemon=True).start()


def take(source: socket.socket, pieces: Pieces, seconds: float) -> None:
    """Note when each piece is to arrive: far away, but not slow."""
    with suppress(OSError):
        while piece := source.recv(1 << 20):
            pieces.put((time.monotonic() + seconds, piece))
    pieces.put((0.0, b""))


def give(target: socket.socket, pieces: Pieces) -> None:
    """Hand on the pieces at their times."""
    with suppress(OSError), target:
        while (found := pieces.get())[1]:
            time.sleep(max(0.0, found[0] - time.monotonic()))
            target.sendall(found[1])


if __name__ == "__main__":
    main()
