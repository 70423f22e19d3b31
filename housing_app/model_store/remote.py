"""Files elsewhere: object stores and folders, by URL, through fsspec.

Credentials and the endpoint are the standard AWS_* (or Google's) variables' business.
"""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, TypeVar
from urllib.parse import urlsplit

from housing_app.valuation.errors import ValuationError

Result = TypeVar("Result")
_CONNECT_SECONDS, _READ_SECONDS, _TRIES = 2, 5, 2


class ModelStoreError(ValuationError):
    """Refuse what a store holds; the text is one line an operator can act on."""


class StoreAway(ModelStoreError):  # noqa: N818 - a state, not a fault
    """Say that a store does not answer, or not us."""


class Missing(ModelStoreError):  # noqa: N818 - a finding
    """Say that an object is not there."""


class Remote:
    """Read and write the objects below a URL; names are relative to it."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        if urlsplit(url).username is not None:
            raise ModelStoreError(
                "a store's URL takes no credentials: set AWS_ACCESS_KEY_ID and "
                "AWS_SECRET_ACCESS_KEY"
            )
        self._files = _filesystem(urlsplit(url).scheme)
        self._root = self._files._strip_protocol(self.url)

    def read(
        self, name: str, start: int | None = None, end: int | None = None
    ) -> bytes:
        """Return an object's bytes, or those from one to before another."""
        found: bytes = self._call(
            name, self._files.cat_file, self._path(name), start=start, end=end
        )
        return found

    def open(self, name: str, block: int) -> IO[bytes]:
        """Open an object to be read here and there, so many bytes at a time."""
        found: IO[bytes] = self._call(
            name, self._files.open, self._path(name), "rb", block_size=block
        )
        return found

    def state(self, name: str) -> str:
        """Return what tells an object from what it was before."""
        return str(self._call(name, self._files.ukey, self._path(name)))

    def download(self, name: str, target: Path) -> None:
        """Write an object to a file, in pieces."""
        self._call(name, self._files.get_file, self._path(name), str(target))

    def upload(self, source: Path, name: str) -> None:
        """Write a file to an object, in pieces; it appears when it is complete."""
        self._make_parent(name)
        self._call(name, self._files.put_file, str(source), self._path(name))

    def write(self, name: str, content: bytes, *, new: bool = False) -> None:
        """Write an object; with `new`, FileExistsError says that there is one.

        It appears when it is complete, but for a new one in a folder.
        """
        if self._is_folder and not new:
            with self.draft(name) as file:
                file.write(content)
            return
        self._make_parent(name)
        # A store decides between two that create the same object at once.
        mode = "create" if new else "overwrite"
        self._call(
            name, self._files.pipe_file, self._path(name), content, mode=mode, keep=new
        )

    @contextmanager
    def draft(self, name: str) -> Iterator[IO[bytes]]:
        """Yield a file of this machine, which becomes the object when it is whole."""
        self._make_parent(name)
        target = Path(self._path(name)) if self._is_folder else None
        descriptor, draft = tempfile.mkstemp(
            prefix=f".{name.rpartition('/')[2]}.", dir=target and target.parent
        )
        try:
            with os.fdopen(descriptor, "wb") as file:
                yield file
                file.flush()
                if target:
                    os.fchmod(descriptor, 0o644)
                    os.fsync(descriptor)
            if target:
                self._call(name, Path(draft).replace, target)
            else:
                self.upload(Path(draft), name)
        finally:
            Path(draft).unlink(missing_ok=True)

    def remove(self, name: str) -> None:
        """Remove an object, if there is one."""
        with suppress(Missing):
            self._call(name, self._files.rm_file, self._path(name))

    def clear(self) -> None:
        """Remove all objects, and the folder."""
        with suppress(Missing):
            self._call("", self._files.rm, self._path(""), recursive=True)

    def exists(self, name: str) -> bool:
        """Say whether an object is there."""
        return bool(self._call(name, self._files.isfile, self._path(name)))

    def sizes(self) -> dict[str, int]:
        """Return every object's name and size."""
        with suppress(Missing):
            found = self._call("", self._files.find, self._path(""), detail=True)
            start = len(self._root.rstrip("/")) + 1
            return {path[start:]: info["size"] for path, info in found.items()}
        return {}

    def _path(self, name: str) -> str:
        return f"{self._root.rstrip('/')}/{name}" if name else self._root

    @property
    def _is_folder(self) -> bool:
        return "file" in self._files.protocol

    def _make_parent(self, name: str) -> None:
        if self._is_folder:  # object stores have no folders
            parent = str(Path(self._path(name)).parent)
            self._call(name, self._files.makedirs, parent, exist_ok=True)

    def _call(
        self,
        name: str,
        call: Callable[..., Result],
        *arguments: Any,
        keep: bool = False,
        **options: Any,
    ) -> Result:
        place = f"{self.url}/{name}".rstrip("/")
        try:
            return call(*arguments, **options)
        except FileNotFoundError:
            raise Missing(f"{place}: missing") from None
        except Exception as error:
            # Every store has errors of its own, many of which are no OSError.
            if keep and isinstance(error, FileExistsError):
                raise
            raise StoreAway(f"{place}: {_reason(error)}") from error


def split(url: str) -> tuple[Remote, str]:
    """Return the folder of a URL, and the name in it."""
    folder, _, name = url.rpartition("/")
    return Remote(folder), name


def _filesystem(scheme: str) -> Any:
    # Deferred: s3fs and what it brings cost 100 MB, and the models are fetched in a
    # process of their own.
    import fsspec

    options: dict[str, Any] = {}
    if scheme == "s3":
        options["config_kwargs"] = {
            "connect_timeout": _CONNECT_SECONDS,
            "read_timeout": _READ_SECONDS,
            "retries": {"max_attempts": _TRIES, "mode": "standard"},
        }
    elif scheme == "gs":
        options["requests_timeout"] = _READ_SECONDS
    try:
        made = fsspec.filesystem(
            scheme, skip_instance_cache=True, use_listings_cache=False, **options
        )
    except ImportError as error:
        raise ModelStoreError(
            f"{scheme}:// needs a package that is not installed ({error.name or error})"
            ": pip install gcsfs"
        ) from None
    except ValueError as error:
        raise ModelStoreError(f"{scheme}://: {error}") from None
    made.retries = 1  # on top of the client's own tries (s3fs)
    return made


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split())[:200]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
