"""A real MLflow server for tests (SQLite, its own artifacts), to be killed and hung."""

import os
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import stores

from housing_app.config import ROOT

INSTALL = "make mlflow"  # 850 MB that a plain `make test` should not need
PROGRAM = ROOT / "build" / "mlflow" / "bin" / "mlflow"
PINS = ROOT / "requirements-mlflow-server.txt"


def is_installed() -> bool:
    """Say whether the pinned server is installed."""
    copy = PROGRAM.parent.parent / PINS.name
    return copy.is_file() and copy.read_bytes() == PINS.read_bytes()


class MlflowServer(stores._Server):
    """An MLflow server that keeps what it was told, whatever happens to it."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def files(self) -> Path:
        """The folder of its artifact store, to which anyone might write."""
        return self.folder / "artifacts"

    def _begin(self) -> None:
        words = ["--backend-store-uri", f"sqlite:///{self.folder / 'mlflow.db'}"]
        words += ["--serve-artifacts", "--artifacts-destination", str(self.files)]
        words += ["--host", "127.0.0.1", "--port", str(self.port), "--workers", "1"]
        # Nothing of a test calls home, and no jobs are run beside it.
        environ = {
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "GIT_PYTHON_REFRESH": "quiet",
            "PATH": f"{PROGRAM.parent}:{os.environ['PATH']}",
        }
        kept = {k: x for k, x in os.environ.items() if not k.startswith("MLFLOW_")}
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [PROGRAM, "server", *words],
                cwd=self.folder,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=kept | environ,
            )

    def is_up(self) -> bool:
        try:
            urllib.request.urlopen(f"{self.url}/health", timeout=5).close()
        except (urllib.error.URLError, OSError):
            return False
        return True
