"""A run: read a file, score its rows, write what came of them."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from housing_app.batch import csv_rows, source
from housing_app.batch.cuts import Chunk
from housing_app.batch.errors import BatchError, named
from housing_app.batch.layout import plan
from housing_app.batch.partition import Task
from housing_app.batch.pool import worked
from housing_app.batch.source import Source
from housing_app.batch.target import Streams, Tally, Target
from housing_app.batch.work import Done, Format, Job, columns_of

CHUNK = 10_000  # rows


class Files(NamedTuple):
    """Say what is read and written; None is stdin, stdout or stderr."""

    source: Path | None
    target: Path | None
    rejects: Path | None
    source_format: Format
    target_format: Format


class Options(NamedTuple):
    """Say how; `versions` are what prices depend on beside the options."""

    keep: Sequence[str] | None
    workers: int
    chunk: int
    resume: bool
    versions: dict[str, str]


def score(
    files: Files,
    task: Task,
    options: Options,
    begin: Callable[[Source, Tally], Any],
    step: Callable[[Chunk, Done], Any],
) -> Tally:
    """Score a file; return what was counted. Raises BatchError, OSError.

    begin is called before the first chunk, step after each.
    """
    with source.opened(files.source, files.source_format, task.slot) as found:
        with named(files.source):
            job = job_of(found, task, options.keep, *files[3:])
        pins = source.pins(files.source) if files.source else {}
        with closing(_target(files, job, options, pins)) as out:
            tally = Tally(found.start)
            if options.resume and isinstance(out, Target):
                out.resumed(tally)
            begin(found, tally)
            out.begin(header_of(job), tally)
            chunks = found.chunks(options.chunk, tally.read + 1, tally.position)
            for chunk, done in _named(files, worked(job, chunks, options.workers)):
                tally.add(done, chunk.after)
                out.append(done, tally)
                step(chunk, done)
            if files.source and source.pins(files.source) != pins:
                raise BatchError(f"{files.source}: changed while it was read")
            out.finish(tally)
    return tally


def _named(
    files: Files, pairs: Iterator[tuple[Chunk, Done]]
) -> Iterator[tuple[Chunk, Done]]:
    """Have what goes wrong with reading and scoring name the file that is read."""
    with named(files.source):
        yield from pairs


def job_of(
    found: Source, task: Task, keep: Sequence[str] | None, kind: Format, target: Format
) -> Job:
    """Say what is to be done with a file of some format; BatchError says why not."""
    layout = plan(found.names, task.slot, keep, columns_of(task, ()))
    types: dict[str, Any] = {}
    if target == "parquet":
        from housing_app.batch import parquet_rows  # pyarrow: only where it is needed

        known = {name: found.types[name] for name in layout.kept if found.types}
        types = parquet_rows.types_of(columns_of(task, layout.kept), known)
    return Job(task, layout, kind, target, types)


def header_of(job: Job) -> bytes:
    """Return what comes before the rows of an output."""
    names = columns_of(job.task, job.layout.kept)
    return csv_rows.write_header(names) if job.target == "csv" else b""


def _target(
    files: Files, job: Job, options: Options, pins: dict[str, Any]
) -> Streams | Target:
    if files.target is None:
        return Streams(files.rejects)
    if files.rejects is None:
        raise BatchError("an output file takes a file of rejects beside it")
    pinned = pins | options.versions
    pinned |= {
        "an option or a column": [
            *(str(path) for path in files[:3]),
            *files[3:],
            *job.layout.kept,
            options.chunk,
            *job.task,
        ]
    }
    join = None
    if files.target_format == "parquet":
        from housing_app.batch import parquet_rows

        join = partial(parquet_rows.join, types=job.types)
    return Target(files.target, files.rejects, pinned, join)
