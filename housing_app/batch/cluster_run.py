"""A run on a Dask cluster: divide a file, have its parts done, join them.

Machines read and write the file's parts themselves; what passes through the scheduler
is which rows a part has, and its counts.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from housing_app.batch import cluster, ranges, versions
from housing_app.batch.cluster import Options
from housing_app.batch.cuts import Chunk
from housing_app.batch.errors import BatchError, named
from housing_app.batch.part import Order, has_parquet
from housing_app.batch.partition import Task
from housing_app.batch.parts import Part, Parts, Places
from housing_app.batch.ranges import Range
from housing_app.batch.run import job_of
from housing_app.batch.source import Source
from housing_app.batch.target import Tally
from housing_app.batch.work import Done
from housing_app.model_store.remote import split


def score(
    places: Places,
    task: Task,
    options: Options,
    begin: Callable[[Source, Tally], Any],
    step: Callable[[Chunk, Done], Any],
) -> Tally:
    """Score a file; return what was counted. Raises BatchError, ModelStoreError.

    begin is called before the first part, step after each.
    """
    store, name = split(places.source)
    state = store.state(name)
    with (
        cluster.connected(options) as client,
        ranges.opened(places.source, places.source_format, task.slot) as found,
    ):
        with named(places.source):
            job = job_of(found, task, options.keep, *places[3:])
        needed = versions.here(task, with_parquet=has_parquet(job))
        chosen = [*places, *job.layout.kept, options.chunk, *task]
        pins = {"the input": state, "an option or a column": chosen, **needed}
        parts = Parts(places, job, pins)
        parts.begin(resume=options.resume, force=options.force)
        order = Order(
            job,
            places.source,
            places.folder,
            parts.run,
            options.chunk,
            needed,
            places.in_parts,
        )
        tally = Tally(found.start)
        progress = _Progress(tally, found, begin, step)
        todo = progress.without(parts.done, _numbered(places, found, options.chunk))
        for index, one, part in cluster.done(client, options, order, todo):
            parts.done[index] = part
            progress.add(one, part)
    if store.state(name) != state:
        raise BatchError(f"{places.source}: changed while it was read")
    if tally.read != progress.found or tally.read != tally.scored + tally.rejected:
        raise BatchError(f"{progress.found:,} rows, but {tally.read:,} came back")
    parts.finish()
    return tally


def _numbered(places: Places, found: Source, chunk: int) -> Iterator[tuple[int, Range]]:
    with named(places.source):
        yield from enumerate(ranges.divided(found, chunk))


class _Progress:
    """Count rows, and tell how far it is."""

    def __init__(
        self,
        tally: Tally,
        source: Source,
        begin: Callable[[Source, Tally], Any],
        step: Callable[[Chunk, Done], Any],
    ) -> None:
        self._tally, self._step = tally, step
        self.found = 0  # rows that the file was found to have
        begin(source, tally)

    def without(
        self, done: dict[int, Part], numbered: Iterable[tuple[int, Range]]
    ) -> Iterator[tuple[int, Range]]:
        """Yield the ranges that an earlier run has not done."""
        for index, one in numbered:
            self.found += one.rows
            if index in done:
                self._tally.resumed += one.rows
                self.add(one, done[index])
            else:
                yield index, one

    def add(self, one: Range, part: Part) -> None:
        """Count a part."""
        tally = self._tally
        tally.position += one.length
        tally.read += part.rows
        tally.scored += part.scored
        tally.rejected += part.rejected
        self._step(
            Chunk(one.first, one.rows, b"", tally.position),
            Done(part.rows, part.scored, part.rejected, b"", b""),
        )
