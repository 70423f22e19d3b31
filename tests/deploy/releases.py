"""Releases to roll out: folders like the image's /app, some with a fault."""

import json
import shutil
from pathlib import Path

from housing_app.config import ROOT
from housing_app.valuation import artifacts, golden, loading, serving

PARTS = ("wsgi.py", "gunicorn.conf.py", "data", "model", "housing_app")
FAULT = """
import itertools, time
from flask import request
_count = itertools.count()

@app.before_request
def fault():
    if request.method == "POST" and next(_count) >= {requests}:
        {do}
"""


def good(folder: Path) -> Path:
    """Copy what the image holds."""
    folder.mkdir(parents=True)
    for name in PARTS:
        source, copy = ROOT / name, folder / name
        if source.is_dir():
            shutil.copytree(source, copy)
        else:
            shutil.copy(source, copy)
    return folder


def failing(folder: Path, requests: int = 150) -> Path:
    """Make a release whose workers fail after so many requests each."""
    return _with_fault(good(folder), requests, 'raise RuntimeError("a bug")')


def slow(folder: Path, requests: int = 100, seconds: float = 0.03) -> Path:
    """Make a release whose workers grow slow after so many requests each."""
    return _with_fault(good(folder), requests, f"time.sleep({seconds})")


def _with_fault(folder: Path, requests: int, do: str) -> Path:
    with (folder / "wsgi.py").open("a", encoding="utf-8") as file:
        file.write(FAULT.format(requests=requests, do=do))
    return folder


def wrong(folder: Path) -> Path:
    """Make a release whose champion values too high, and is in order by itself.

    Its files, hashes and golden rows agree, so it starts and says that it is ready.
    """
    root = good(folder) / "model"
    directory = root / serving.read(root).roles["full"]["champion"]
    path = directory / "manifest.json"
    made = json.loads(path.read_text("utf-8"))
    made["model"]["index"]["level"] += 0.05
    path.write_text(json.dumps(made), "utf-8")
    manifest = artifacts.read_manifest(directory)
    predictor = loading.assemble(directory, manifest)
    made["golden"] = golden.rows(predictor.answers, *golden.inputs(manifest))
    path.write_text(json.dumps(made), "utf-8")
    loading.load(directory)  # nothing is off by its own account
    return folder
