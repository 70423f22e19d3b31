"""A backup's file: a tar of meta.json first, then parts that it vouches for.

Nothing is extracted by its path: members are read in turn, and only those that
meta.json names, in its order, are taken.
"""

import gzip
import hashlib
import io
import json
import re
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from housing_app.valuation.errors import ValuationError

META = "meta.json"
FORMAT = 1
_MOST_META = 10_000_000
_PIECE = 1 << 20
_NAME = re.compile(
    r"(?:predictions|outcomes|shadow_valuations)\.jsonl\.gz"
    r"|(?:demographics_versions|demographics)\.jsonl\.gz"
    r"|models/serving\.json"
    r"|models/[a-z][a-z0-9-]{0,60}-[0-9]{1,9}/[A-Za-z0-9_][A-Za-z0-9._-]{0,99}"
)
_BROKEN = (tarfile.TarError, EOFError, OSError, gzip.BadGzipFile)


class BackupError(ValuationError):
    """Refuse a backup, or to make one; the text is one line with the cure."""


def write(target: Path, meta: dict[str, Any], parts: dict[str, Path]) -> dict[str, Any]:
    """Write an archive of files, by their names in it; return its meta.json."""
    meta = {"format": FORMAT} | meta
    meta["parts"] = {
        name: {"bytes": path.stat().st_size, "sha256": _sha256(path)}
        for name, path in parts.items()
    }
    content = (json.dumps(meta, indent=1) + "\n").encode()
    with tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as tar:
        head = tarfile.TarInfo(META)
        head.size, head.mode = len(content), 0o600
        tar.addfile(head, io.BytesIO(content))
        for name, path in parts.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = meta["parts"][name]["bytes"], 0o600
            with path.open("rb") as file:
                tar.addfile(member, file)
    return meta


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Archive:
    """Read an archive in one pass, as often as is needed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._opened() as tar:
            self.meta = self._meta(tar)

    def parts(self) -> Iterator[tuple[str, IO[bytes]]]:
        """Yield each part and its bytes, which are checked as they are read to the end.

        What was not read is read before the next; raises BackupError.
        """
        with self._opened() as tar:
            self._meta(tar)
            for name, wanted in self.meta["parts"].items():
                member = tar.next()
                file = self._file(tar, member, name)
                if member is None or member.size != wanted["bytes"]:
                    raise self.refusal(f"{name} is cut short")
                checked = _Checked(file, self.refusal)
                yield name, io.BufferedReader(checked, _PIECE)
                if checked.finish() != wanted["sha256"]:
                    raise self.refusal(f"{name}: SHA-256 differs from {META}")
            if tar.next() is not None:
                raise self.refusal("more members than it names")

    @contextmanager
    def _opened(self) -> Iterator[tarfile.TarFile]:
        try:
            with tarfile.open(self.path, "r|") as tar:
                yield tar
        except FileNotFoundError:
            raise BackupError(f"{self.path}: missing") from None
        except _BROKEN as error:
            raise self.refusal(f"{type(error).__name__}: {error}") from None

    def _meta(self, tar: tarfile.TarFile) -> dict[str, Any]:
        member = tar.next()
        file = self._file(tar, member, META)
        try:
            meta: dict[str, Any] = json.loads(file.read(_MOST_META))
            if meta["format"] != FORMAT:
                raise self.refusal(f"format {meta['format']} is not {FORMAT}")
            for name in meta["parts"]:
                if not _NAME.fullmatch(name):
                    raise self.refusal(f"no backup has a part {name[:80]!r}")
        except (ValueError, LookupError, TypeError, RecursionError):
            raise self.refusal(f"{META} is not as it was written") from None
        return meta

    def _file(
        self, tar: tarfile.TarFile, member: tarfile.TarInfo | None, name: str
    ) -> IO[bytes]:
        if member is None or member.name != name or not member.isreg():
            raise self.refusal(f"{name} is missing or not in its place")
        file = tar.extractfile(member)
        assert file is not None  # noqa: S101  # nosec B101 - a regular member
        return file

    def refusal(self, text: str) -> BackupError:
        """Return the error that refuses this archive."""
        text = " ".join(text.split())
        return BackupError(f"{self.path}: no whole backup ({text}); take another one")


class _Checked(io.RawIOBase):
    """Pass bytes on, and sum them up."""

    def __init__(self, file: IO[bytes], refusal: Callable[[str], Exception]) -> None:
        self._file = file
        self._refusal = refusal
        self._hash = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            found = self._file.read(len(buffer))
        except _BROKEN as error:  # in the reader's code, not in `parts`
            raise self._refusal(f"{type(error).__name__}: {error}") from None
        buffer[: len(found)] = found
        self._hash.update(found)
        return len(found)

    def finish(self) -> str:
        """Read what is left; return the SHA-256 of all."""
        while found := self._file.read(_PIECE):
            self._hash.update(found)
        return self._hash.hexdigest()
