"""What came of each model that a serving.json named, for all workers of a machine.

A verdict is a file in a folder they share: the first worker tries a model, the others
read what came of it. It holds for one serving.json: a later one that names the model
again has it tried again. A worker that finds a model bad in service says so here, too.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from housing_app import files
from housing_app.registry import trial
from housing_app.registry.trial import Limits

_KEPT = 100  # files; a serving.json leaves one or two
Verdict = dict[str, Any]  # ok, ms and mb; or why not


class Verdicts:
    """Keep verdicts in a folder."""

    def __init__(self, folder: Path, limits: Limits) -> None:
        self._folder = folder
        self._limits = limits

    def verdict(self, key: str, directory: Path) -> Verdict:
        """Return what came of an artifact; the first to ask has it tried.

        key: of the serving.json that names it.
        """
        try:
            return self._shared(self._path(key, directory.name), directory)
        except OSError:
            # Nothing can be written here: each worker tries it for itself.
            return trial.run(directory, self._limits)

    def _shared(self, path: Path, directory: Path) -> Verdict:
        with self._alone():
            if (found := _read(path)) is None:
                found = trial.run(directory, self._limits)
                files.replace(path, json.dumps(found))
                self._prune()
        return found

    def refuse(self, key: str, artifact: str, why: str) -> None:
        """Have all workers leave a model that one found bad in service."""
        with suppress(OSError), self._alone():
            refusal = json.dumps({"ok": False, "why": why})
            files.replace(self._path(key, artifact), refusal)

    def refused(self, key: str, artifact: str) -> str | None:
        """Return why a model was refused, None if it was not, or not yet."""
        found = _read(self._path(key, artifact))
        return None if found is None or found["ok"] else str(found["why"])

    def _path(self, key: str, artifact: str) -> Path:
        return self._folder / f"{key}-{artifact}.json"

    @contextmanager
    def _alone(self) -> Iterator[None]:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with files.alone(self._folder):
            yield

    def _prune(self) -> None:
        by_age: Callable[[Path], float] = lambda path: path.stat().st_mtime  # noqa: E731
        for path in sorted(self._folder.glob("*.json"), key=by_age)[:-_KEPT]:
            path.unlink(missing_ok=True)


def _read(path: Path) -> Verdict | None:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    is_one = isinstance(found, dict) and isinstance(found.get("ok"), bool)
    return found if is_one and (found["ok"] or "why" in found) else None
