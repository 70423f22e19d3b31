"""Model artifacts: a directory of plain files that a manifest vouches for.

Nothing in an artifact is executed or unpickled. Loading checks the manifest's fields,
the SHA-256 of every file and the golden rows; anything off refuses the whole artifact.
"""

import hashlib
import io
import json
import re
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from housing_app.valuation import shapes
from housing_app.valuation.errors import ArtifactError
from housing_app.valuation.features import SLOTS, FloatArray

FORMAT = 1
MANIFEST = "manifest.json"
CURE = "restore the directory from version control or train the model again"
# A name is also a directory name and a metric label.
ID = re.compile(r"[a-z][a-z0-9-]{0,60}-[0-9]+")
_NAME = re.compile(r"[a-z][a-z0-9-]{0,60}")


@dataclass(frozen=True)
class Manifest:
    """Say what an artifact is, how it was made and how good it is."""

    name: str
    version: int
    kind: str
    slot: str
    features: list[str]
    demographics: list[str]
    training: dict[str, Any]  # from, to, rows, sha256, seed: what it learned from
    valuation_date: str
    model: dict[str, Any]  # the kind's own options
    fill: dict[str, float]  # training medians, for what is unknown
    ranges: dict[str, list[float]]  # per field, where training homes lie
    zipcodes: dict[str, dict[str, float]]  # training area: count, lat, long, radius_km
    interval: list[dict[str, Any]]
    metrics: dict[str, Any]
    libraries: dict[str, str]
    golden: list[dict[str, Any]] = field(default_factory=list)
    # What training homes are like, to tell drift from; {} where that is not known.
    reference: dict[str, Any] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    format: int = FORMAT

    @property
    def id(self) -> str:
        """Return the artifact's directory name."""
        return f"{self.name}-{self.version}"

    @cached_property
    def digest(self) -> str:
        """Return the SHA-256 of all it says, the other files' hashes included."""
        text = json.dumps(asdict(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


def write(root: Path, manifest: Manifest, files: Mapping[str, bytes]) -> Path:
    """Write an artifact under `root` and return its directory.

    The directory appears complete or not at all; an existing one is never changed.
    """
    if not _NAME.fullmatch(manifest.name):
        raise ArtifactError(f"{manifest.name!r} is not a model name")
    target = root / manifest.id
    if target.exists():
        raise ArtifactError(f"{target} exists already: choose another --version")
    hashes = {name: hashlib.sha256(files[name]).hexdigest() for name in sorted(files)}
    stored = asdict(manifest) | {"files": hashes}
    text = json.dumps(stored, indent=1, sort_keys=True, allow_nan=False)
    root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{manifest.id}.", dir=root) as scratch:
        draft = Path(scratch) / manifest.id
        draft.mkdir()
        for name, content in files.items():
            (draft / name).write_bytes(content)
        (draft / MANIFEST).write_text(text + "\n", "utf-8")
        draft.rename(target)
    return target


def npy_files(arrays: Mapping[str, FloatArray]) -> dict[str, bytes]:
    """Return arrays as the bytes of .npy files, by name."""
    files = {}
    for name, array in arrays.items():
        buffer = io.BytesIO()
        plain = np.ascontiguousarray(array, dtype=np.float64)
        np.save(buffer, plain, allow_pickle=False)
        files[name] = buffer.getvalue()
    return files


def npz(arrays: Mapping[str, npt.NDArray[Any]]) -> bytes:
    """Return arrays as the bytes of one .npz file, the same bytes every time."""
    buffer = io.BytesIO()
    # Stored, not packed: other zlibs pack to other bytes.
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, array in sorted(arrays.items()):
            part = io.BytesIO()
            np.save(part, array, allow_pickle=False)
            # numpy's own savez would store the time of day.
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), part.getvalue())
    return buffer.getvalue()


def read_manifest(directory: Path) -> Manifest:
    """Read a manifest and check that it is one."""
    path = directory / MANIFEST
    stored = {"reference": {}} | read_json(path)  # older ones have none
    expected = {f.name for f in fields(Manifest)}
    if missing := expected - stored.keys():
        raise ArtifactError(f"{path}: {', '.join(sorted(missing))} missing; {CURE}")
    if stored["format"] != FORMAT:
        raise ArtifactError(
            f"{path}: format {stored['format']} is not {FORMAT}, which this release "
            "reads: train the model again or install the matching release"
        )
    for place, why in shapes.faults(stored, _SCHEMA):
        raise ArtifactError(f"{path}: {place[:200]} {why}; {CURE}")
    manifest = Manifest(**{name: stored[name] for name in expected})
    if directory.name != manifest.id:
        raise ArtifactError(
            f"{path}: describes {manifest.id}, not {directory.name}; {CURE}"
        )
    return manifest


def _object(**members: Any) -> dict[str, Any]:
    return {"type": "object", "required": list(members), "properties": members}


def _each(item: Any) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": item}


_TEXT, _NUMBER, _COUNT = {"type": "string"}, {"type": "number"}, {"type": "integer"}
_DATE = {"type": "string", "format": "date"}
_PAIR = {"type": "array", "items": _NUMBER, "minItems": 2, "maxItems": 2}
_LIST = {"type": "array"}
_NUMBERS = _LIST | {"items": _NUMBER}
# What the rest of the program counts on.
_SCHEMA = _object(
    name=_TEXT,
    version=_COUNT,
    kind=_TEXT,
    slot={"enum": list(SLOTS)},
    features={"type": "array", "items": _TEXT, "minItems": 1},
    demographics={"type": "array", "items": _TEXT},
    training=_object(**{"from": _DATE, "to": _DATE, "rows": _COUNT, "sha256": _TEXT}),
    valuation_date=_DATE,
    model={"type": "object"},
    fill=_each(_NUMBER),
    ranges=_each(_PAIR),
    zipcodes=_each(
        _object(count=_NUMBER, lat=_NUMBER, long=_NUMBER, radius_km=_NUMBER)
    ),
    interval={
        "type": "array",
        "minItems": 1,
        "items": _object(missing=_COUNT, fsd=_NUMBER, multipliers=_each(_PAIR)),
    },
    metrics=_object(
        out_of_time=_object(
            **{"from": _DATE, "to": _DATE, "train_rows": _COUNT},
            overall=_object(n=_COUNT, mdape=_NUMBER),
            coverage={"type": "object"},
        )
    ),
    libraries=_each(_TEXT),
    golden={
        "type": "array",
        "minItems": 1,
        "items": _object(
            home={"type": "object"}, day=_NUMBER, demographics=_LIST, expected=_LIST
        ),
    },
    reference={
        "type": "object",
        "properties": {
            "rows": _COUNT,
            "columns": _each(_object(edges=_NUMBERS, counts=_NUMBERS, missing=_COUNT)),
            "warnings": _each(_COUNT),
        },
    },
    files={
        "type": "object",
        # Names of files in the directory, never a way out of it.
        "propertyNames": {"pattern": r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,99}$"},
        "additionalProperties": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
    },
)


def verify_files(directory: Path, manifest: Manifest) -> None:
    """Check every file's SHA-256; refuse missing, changed and unlisted files."""
    present = {p.name for p in directory.iterdir() if p.name != MANIFEST}
    if extra := present - manifest.files.keys():
        raise ArtifactError(f"{directory / min(extra)}: not in the manifest; {CURE}")
    for name, digest in manifest.files.items():
        path = directory / name
        if name not in present or not path.is_file():
            raise ArtifactError(f"{path}: missing; {CURE}")
        if sha256_of(path) != digest:
            raise ArtifactError(f"{path}: SHA-256 differs from the manifest; {CURE}")


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no number")


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object; raise ArtifactError that names the file."""
    return json_of(read(path), path)


def read(path: Path) -> bytes:
    """Read a file; raise ArtifactError that names it."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise ArtifactError(f"{path}: missing; {CURE}") from None
    except OSError as error:
        raise ArtifactError(f"{path}: not readable as JSON ({error}); {CURE}") from None


def json_of(content: bytes, path: Path) -> dict[str, Any]:
    """Return the JSON object of a file's content; errors name `path`."""
    try:
        stored = json.loads(content, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise ArtifactError(f"{path}: not readable as JSON ({error}); {CURE}") from None
    if not isinstance(stored, dict):
        raise ArtifactError(f"{path}: not a JSON object; {CURE}")
    return stored
