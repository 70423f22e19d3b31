"""The parts of an output in a folder or an object store, and the one file made of them.

A part is its rows, its rejects, and last its counts, which vouch for both. Names hold
the run's name: what a machine that was given up still writes is no part of another run.
"""

import hashlib
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, cast

from housing_app.batch.errors import BatchError
from housing_app.batch.run import header_of
from housing_app.batch.work import Format, Job
from housing_app.model_store.remote import Remote, split

_PLAN, _WHOLE = "_plan.json", "_SUCCESS"
_PREFIXES = ("part-", "_rejects/", "_counts/", _PLAN, _WHOLE)
_ANEW = "start anew with --force, without --resume"


class Places(NamedTuple):
    """Say what is read and written, by URLs.

    target: a file, or with a `/` at its end a folder whose files are the parts;
    rejects: '' for a folder, which holds them.
    """

    source: str
    target: str
    rejects: str
    source_format: Format
    target_format: Format

    @property
    def in_parts(self) -> bool:
        """Say whether the parts are the output."""
        return self.target.endswith("/")

    @property
    def folder(self) -> str:
        """Return where the parts are."""
        if self.in_parts:
            return self.target
        folder, _, name = self.target.rpartition("/")
        return f"{folder}/.{name}.parts"


class Part(NamedTuple):
    """Hold what is in a part: rows counted; size and SHA-256 of what was written."""

    rows: int
    scored: int
    rejected: int
    output: tuple[int, str]
    rejects: tuple[int, str]


class Names(NamedTuple):
    """Name a part's objects."""

    output: str
    rejects: str
    counts: str


def names_of(run: str, index: int, kind: Format) -> Names:
    """Return the names of a run's part."""
    name = f"{index:06}-{run}"
    return Names(
        f"part-{name}.{kind}", f"_rejects/{name}.jsonl", f"_counts/{name}.json"
    )


def put(
    store: Remote, names: Names, counts: tuple[int, int, int], contents: Sequence[bytes]
) -> Part:
    """Write a part: rows and rejects, then what vouches for them.

    Done twice it writes the same again.
    """
    output, rejects = contents
    store.write(names.output, output)
    if rejects:
        store.write(names.rejects, rejects)
    part = Part(*counts, _seal(output), _seal(rejects))
    store.write(names.counts, json.dumps(part._asdict()).encode())
    return part


def _seal(content: bytes) -> tuple[int, str]:
    return len(content), hashlib.sha256(content).hexdigest()


class Parts:
    """Keep the parts of one run."""

    def __init__(self, places: Places, job: Job, pins: Mapping[str, Any]) -> None:
        """Take the places; pins: what must not change while a run goes on."""
        self._places, self._job, self._pins = places, job, dict(pins)
        self._store = Remote(places.folder)
        text = json.dumps(self._pins, sort_keys=True)
        self.run = hashlib.sha256(text.encode()).hexdigest()[:12]
        self.done: dict[int, Part] = {}

    def names(self, index: int) -> Names:
        """Return the names of a part."""
        return names_of(self.run, index, self._job.target)

    def begin(self, *, resume: bool, force: bool) -> None:
        """Find the parts of a run that broke off, or see that there are none."""
        found = self._store.sizes()
        if resume and _PLAN in found:
            self._same(json.loads(self._store.read(_PLAN)))
            self.done = dict(self._read(sorted(found)))
            self._store.remove(_WHOLE)
            return
        if found and self._places.in_parts and not force:
            raise BatchError(
                f"{self._places.target} is not empty: --force replaces what a run left "
                "there, --resume goes on with it"
            )
        for name in found:
            if name.startswith(_PREFIXES):
                self._store.remove(name)
        self._store.write(_PLAN, (json.dumps(self._pins, indent=1) + "\n").encode())

    def _same(self, plan: Any) -> None:
        for name, value in json.loads(json.dumps(self._pins)).items():
            if plan.get(name) != value:
                raise BatchError(
                    f"{name} changed since the run that broke off; {_ANEW}"
                )

    def _read(self, found: Sequence[str]) -> Iterator[tuple[int, Part]]:
        for name in found:
            head, _, rest = name.partition("_counts/")
            index, _, run = rest.removesuffix(".json").partition("-")
            if not head and run == self.run:
                yield int(index), Part(**json.loads(self._store.read(name)))

    def finish(self) -> None:
        """Make the output of the parts, or say that they are whole."""
        if self._places.in_parts:
            self._vouch()
            return
        if self._places.rejects:
            store, name = split(self._places.rejects)
            with store.draft(name) as file:
                for content in self._contents("rejects"):
                    file.write(content)
        store, name = split(self._places.target)
        with store.draft(name) as file:
            if self._job.target == "parquet":
                self._join(file)
            else:
                file.write(header_of(self._job))
                for content in self._contents("output"):
                    file.write(content)
        self._store.clear()

    def _join(self, file: Any) -> None:
        from housing_app.batch import parquet_rows  # pyarrow: only where it is needed

        parts = cast(Any, _Stream(self._contents("output")))
        rows = parquet_rows.join(parts, file, self._job.types)
        scored = sum(part.scored for part in self.done.values())
        if rows != scored:
            raise BatchError(f"{rows:,} rows in the file, {scored:,} scored")

    def _contents(self, which: str) -> Iterator[bytes]:
        """Yield what the parts hold, in order, as it was when it was counted."""
        for index, part in sorted(self.done.items()):
            size, digest = getattr(part, which)
            if size:
                name = getattr(self.names(index), which)
                content = self._store.read(name)
                if _seal(content) != (size, digest):
                    raise BatchError(
                        f"{self._store.url}/{name}: not what its counts say; {_ANEW}"
                    )
                yield content

    def _vouch(self) -> None:
        """Say in the folder that it is whole: as it must be, nothing beside it."""
        parts = {self.names(i).output: part for i, part in sorted(self.done.items())}
        sizes = self._store.sizes()
        found = {name for name in sizes if name.startswith("part-")}
        if odd := sorted(found ^ parts.keys()):
            what = "no part of this run" if odd[0] in found else "missing"
            raise BatchError(
                f"{self._places.target}{odd[0]} is {what}: is the folder one that all "
                f"machines share? {_ANEW}"
            )
        said = {name: part._asdict() for name, part in parts.items()}
        self._store.write(_WHOLE, (json.dumps(said, indent=1) + "\n").encode())


class _Stream:
    """Read contents one after the other; what is read lies in one of them."""

    def __init__(self, contents: Iterator[bytes]) -> None:
        self._contents, self._open = contents, io.BytesIO()

    def read(self, size: int) -> bytes:
        while not (found := self._open.read(size)):
            content = next(self._contents, None)
            if content is None:
                return b""
            self._open = io.BytesIO(content)
        return found
