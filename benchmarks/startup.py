"""From the start of the process to the first 200 on /health/ready.

`python benchmarks/startup.py`: cold, with none of our files in the page cache or
compiled, and as usual. Also: how long a worker takes that is born of a master with the
models in place.
"""

import argparse
import os
import shutil
import signal
import statistics
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

import results
import servers


def ready(port: int, began: float, seconds: float = 60) -> float:
    """Return the seconds until /health/ready answers 200."""
    while time.perf_counter() - began < seconds:
        try:
            with urllib.request.urlopen(
                f"http://127.0.0.1:{port}/health/ready", None, 5
            ):
                return time.perf_counter() - began
        except OSError:
            time.sleep(0.005)
    raise RuntimeError("it did not get ready")


def forget() -> None:
    """Drop compiled files, and what the kernel keeps of the code and the models."""
    for cache in (results.ROOT / "housing_app").rglob("__pycache__"):
        shutil.rmtree(cache)
    for folder in ("housing_app", "model", "data", ".venv"):
        for path in (results.ROOT / folder).resolve().rglob("*"):
            if path.is_file():
                file = os.open(path, os.O_RDONLY)
                os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
                os.close(file)


def start() -> dict[str, float]:
    """Start the service once; replace a worker once."""
    folder, port = Path(tempfile.mkdtemp(prefix="bench-")), servers.free_port()
    environ, _ = servers.settings(folder, port, 1)
    command = [sys.executable, "-m", "gunicorn", "--config", "gunicorn.conf.py"]
    began = time.perf_counter()
    with servers.running(command, port, environ) as process:
        first = ready(port, began)
        server = servers.Server(process, port)
        (worker,) = server.processes()[1:]
        began = time.perf_counter()
        os.kill(worker, signal.SIGKILL)
        time.sleep(0.01)
        again = ready(port, began)
    shutil.rmtree(folder, ignore_errors=True)
    return {"ready": first, "worker": again}


def main() -> None:
    """Measure and save."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--no-cold", action="store_true")
    options = parser.parse_args()
    figures: dict[str, Any] = {}
    if not options.no_cold:
        forget()
        figures["cold"] = {"ready_s": round(start()["ready"], 3)}
    found = [start() for _ in range(options.turns)]
    figures["warm"] = {
        "ready_s": round(statistics.median(x["ready"] for x in found), 3),
        "ready_least_s": round(min(x["ready"] for x in found), 3),
        "new_worker_s": round(statistics.median(x["worker"] for x in found), 3),
        "turns": options.turns,
    }
    print(figures)
    results.save("startup", figures)


if __name__ == "__main__":
    main()
