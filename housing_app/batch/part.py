"""What a machine of a cluster does: read a part of a file, score it, write it."""

import io
from collections.abc import Mapping
from functools import cache
from typing import NamedTuple

from threadpoolctl import threadpool_limits

from housing_app.batch import parts, ranges, versions
from housing_app.batch.errors import BatchError
from housing_app.batch.parts import Part
from housing_app.batch.ranges import Range
from housing_app.batch.run import header_of
from housing_app.batch.work import Done, Job, work
from housing_app.model_store.remote import Remote


class Order(NamedTuple):
    """Say what is to be done with every part, in plain values that can travel.

    source: URL of a file; folder: URL of where the parts go; run: its name; chunk:
    rows; versions: what the machine must have; in_parts: a part is a file of its own.
    """

    job: Job
    source: str
    folder: str
    run: str
    chunk: int
    versions: Mapping[str, str]
    in_parts: bool


def has_parquet(job: Job) -> bool:
    """Say whether pyarrow has a part in it."""
    return "parquet" in (job.source, job.target)


def score_part(order: Order, index: int, one: Range) -> Part:
    """Score a range of a file and write what came of it, under its number.

    Raises BatchError for what would fail again, ModelStoreError for a store.
    """
    job = order.job
    here = versions.here(job.task, with_parquet=has_parquet(job))
    if differing := versions.differing(order.versions, here):
        raise BatchError(f"not the same here and there: {differing}")
    with threadpool_limits(1):
        chunks = ranges.read(one, order.source, order.chunk, job.task.slot)
        done = [work(job, chunk) for chunk in chunks]
    counts = (
        sum(each.rows for each in done),
        sum(each.scored for each in done),
        sum(each.rejected for each in done),
    )
    if not one.rows == counts[0] == counts[1] + counts[2]:
        raise BatchError(f"{one.rows:,} rows, but {counts} read, scored, rejected")
    return parts.put(
        _store(order.folder),
        parts.names_of(order.run, index, job.target),
        counts,
        (_output(order, done), b"".join(each.rejects for each in done)),
    )


def _output(order: Order, done: list[Done]) -> bytes:
    output = b"".join(each.output for each in done)
    if not order.in_parts:
        return output
    if order.job.target != "parquet":
        return header_of(order.job) + output
    from housing_app.batch import parquet_rows  # pyarrow: only where it is needed

    file = io.BytesIO()
    parquet_rows.join(io.BytesIO(output), file, order.job.types)
    return file.getvalue()


@cache
def _store(url: str) -> Remote:
    return Remote(url)  # a client of an object store takes a while to make
