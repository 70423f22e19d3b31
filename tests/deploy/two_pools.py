"""Two pools of gunicorn behind nginx, as deploy/scripts runs them, for tests."""

import json
import shutil
import sqlite3
import time
from contextlib import closing, contextmanager
from pathlib import Path

import requests
from rollout_scripts import pools
from served import BASELINE, FULL, MINIMAL, MODEL, manifest

from housing_app.config import ROOT
from tests.system.conftest import clean_environ, free_port

REQUESTS = 2_000  # of each test under load, at least
OTHER = "lightgbm-full-2"
HOME = json.loads((ROOT / "examples" / "home.json").read_text("utf-8"))


class TwoPools:
    """Blue with all the traffic, green beside it, and what they recorded."""

    golden = len(manifest(FULL)["golden"]) + len(manifest(MINIMAL)["golden"])

    def __init__(self, folder: Path) -> None:
        self.folder, self.models = folder / "run", folder / "models"
        for name in (FULL, MINIMAL, BASELINE, OTHER):
            shutil.copytree(MODEL / name, self.models / name)
        shutil.copy(MODEL / "serving.json", self.models)
        self.port = free_port()
        self._ports = {"blue": free_port(), "green": free_port()}
        self._settings = {
            "AUTH": "off",
            "RATE_LIMIT": "off",
            "WORKERS": "2",
            "MODEL_DIR": str(self.models),
            "HTTP_LISTEN": f"127.0.0.1:{self.port}",
            "ACCESS_LOG": str(folder / "access.log"),
            "RATE": "100000r/s",
            "CONNECTIONS": "10000",
        }
        self.place = self.with_settings()
        self._before: set[str] = set()

    def with_settings(self, **settings: str) -> pools.Pools:
        """Return the same place, whose next pools get other settings."""
        environ = clean_environ(**(self._settings | settings))
        return pools.Pools(self.folder, self._ports, environ)

    def reset(self) -> None:
        """Have blue alone, with the release under test."""
        if not self.place.urls("blue"):
            self.place.deploy("blue", str(ROOT))
        if self.place.weights()["blue"] != 100:
            self.place.shift({"blue": 100})
        self.place.retire("green")
        self._before = set(self._recorded())

    def share(self) -> dict[str, int]:
        """Give both pools half of the traffic."""
        self.place.deploy("green", str(ROOT))
        even = {"blue": 50, "green": 50}
        self.place.shift(even)
        return even

    def master(self, colour: str) -> int:
        """Return the process id of a pool's master."""
        return int((self.folder / colour / "pid").read_text())

    def recorded_since(self) -> set[str]:
        """Return the predictions that were recorded since the test began."""
        return set(self._recorded()) - self._before

    def _recorded(self) -> list[str]:
        self._wait_until_drained()
        with closing(sqlite3.connect(self.folder / "instance" / "housing.db")) as found:
            return [row[0] for row in found.execute("SELECT id FROM predictions")]

    def _wait_until_drained(self) -> None:
        time.sleep(1.2)  # what /health says of the spool is half a second old
        deadline = time.monotonic() + 30
        (url, *_) = [u for c in self._ports for u in self.place.urls(c)]
        while True:
            checks = requests.get(f"{url}/health", timeout=5).json()["checks"]
            if not checks["journal"]["waiting_bytes"]:
                return
            assert time.monotonic() < deadline, checks["journal"]
            time.sleep(0.1)


@contextmanager
def started(folder: Path):
    """Serve the release under test from a folder."""
    running = TwoPools(folder)
    try:
        running.place.start(str(ROOT))
        yield running
    finally:
        running.place.stop()
