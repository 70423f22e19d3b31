"""A real S3 API for tests (moto's server), to be killed, hung and brought back."""

import json
import os
import re
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import stores

from housing_app.config import ROOT

BUCKET = "models"
FULL, MINIMAL = "lightgbm-full-2", "knn-minimal-1"
SERVING = {"full": {"champion": FULL}, "minimal": {"champion": MINIMAL}}
FILES = 1 + 2 + 5 + 1  # manifests and files of both, serving.json


def models(root: Path) -> Path:
    """Make a MODEL_DIR of the smallest shipped models."""
    for name in (FULL, MINIMAL):
        shutil.copytree(ROOT / "model" / name, root / name)
    (root / "serving.json").write_text(json.dumps(SERVING))
    return root


class ObjectStore(stores._Server):
    """An S3 server with one bucket, which forgets everything when it ends."""

    @property
    def environ(self) -> dict[str, str]:
        """Return the variables with which clients find it."""
        return {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",  # pragma: allowlist secret
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    def start(self) -> None:
        super().start()
        bucket = f"http://127.0.0.1:{self.port}/{BUCKET}"
        request = urllib.request.Request(bucket, method="PUT")
        urllib.request.urlopen(request, timeout=5).close()

    def asked(self) -> list[str]:
        """Return the objects that were read since the start, as often as they were."""
        lines = (self.folder / "log").read_text()
        return re.findall(rf'"GET /{BUCKET}/([^ ?]+)[^"]*" 20', lines)

    def _begin(self) -> None:
        code = "from moto.server import main; main()"
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", code, "-p", str(self.port)],
                stdout=log,
                stderr=subprocess.STDOUT,
                env=os.environ | {"MOTO_PORT": str(self.port)},
            )

    def is_up(self) -> bool:
        try:
            urllib.request.urlopen(
                f"http://127.0.0.1:{self.port}/moto-api/data.json", timeout=5
            ).close()
        except (urllib.error.URLError, OSError):
            return False
        return True
