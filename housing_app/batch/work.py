"""What a process does with a chunk: parse, score, write."""

import gc
import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from housing_app.batch import csv_rows, json_rows
from housing_app.batch.cuts import Chunk
from housing_app.batch.errors import BatchError
from housing_app.batch.layout import ROW, Layout, Parsed
from housing_app.batch.partition import Scored, Task, score_partition, told

Format = Literal["csv", "jsonl", "parquet"]
FORMATS: tuple[Format, ...] = ("csv", "jsonl", "parquet")


class Job(NamedTuple):
    """Say what is to be done with all chunks of a file.

    types: of the columns of a Parquet output.
    """

    task: Task
    layout: Layout
    source: Format
    target: Format
    types: Mapping[str, Any]


class Done(NamedTuple):
    """Hold what became of a chunk: rows counted, and what is to be appended."""

    rows: int
    scored: int
    rejected: int
    output: bytes
    rejects: bytes


def columns_of(task: Task, kept: Sequence[str]) -> list[str]:
    """Return the names of an output's columns, in their order."""
    return [ROW, *kept, *told(task)]


def work(job: Job, chunk: Chunk) -> Done:
    """Score a chunk's rows."""
    gc.disable()  # thousands of small lists, none of them garbage until the end
    try:
        return _worked(job, chunk)
    except BatchError:
        raise
    except Exception as error:
        # Which rows: whoever looks for the cause will want to try them alone.
        last = chunk.first + chunk.rows - 1
        why = " ".join(f"{type(error).__name__}: {error}".split())
        raise BatchError(
            f"rows {chunk.first:,} to {last:,} could not be scored ({why})"
        ) from error
    finally:
        gc.enable()
        gc.collect(0)


def _worked(job: Job, chunk: Chunk) -> Done:
    parsed = _parsed(job, chunk)
    if parsed.rows != chunk.rows:
        raise BatchError(
            f"after row {chunk.first - 1:,}: {chunk.rows:,} line ends, but "
            f"{parsed.rows:,} records: is a quote never closed?"
        )
    scored = score_partition(parsed.columns, job.task, parsed.refused)
    output = _written(job, _output(job, chunk.first, parsed, scored))
    return Done(
        parsed.rows,
        len(scored.rows),
        len(scored.rejected),
        output,
        _rejects(chunk.first, parsed, scored),
    )


def _parsed(job: Job, chunk: Chunk) -> Parsed:
    if job.source == "csv":
        return csv_rows.parse(chunk.content, job.layout, chunk.first, chunk.rows)
    if job.source == "jsonl":
        return json_rows.parse(chunk.content, job.layout, job.task.slot)
    from housing_app.batch import parquet_rows  # pyarrow: only where it is needed

    return parquet_rows.parse(chunk.content, job.layout)


def _output(
    job: Job, first: int, parsed: Parsed, scored: Scored
) -> dict[str, Sequence[Any]]:
    """Return the columns of the output, in their order."""
    columns: dict[str, Sequence[Any]] = {ROW: [first + row for row in scored.rows]}
    for name in job.layout.kept:
        columns[name] = _chosen(parsed.kept[name], scored.rows, job)
    for name in told(job.task):
        columns[name] = scored.columns.get(name, [])
    return columns


def _chosen(column: Any, rows: Sequence[int], job: Job) -> Sequence[Any]:
    """Return the cells of the rows that were scored."""
    if hasattr(column, "to_pylist"):  # of pyarrow
        chosen = (
            column
            if len(rows) == len(column)
            else column.take(np.array(rows, dtype=np.int64))
        )
        is_good = job.target == "parquet" or {job.source, job.target} == {"csv"}
        found: Sequence[Any] = chosen if is_good else chosen.to_pylist()
        return found
    if len(rows) == len(column):
        return column  # type: ignore[no-any-return,unused-ignore]
    return [column[row] for row in rows]


def _written(job: Job, columns: Mapping[str, Sequence[Any]]) -> bytes:
    if job.target == "csv":
        return csv_rows.write(columns)
    if job.target == "jsonl":
        return json_rows.write(columns)
    from housing_app.batch import parquet_rows

    return parquet_rows.write(columns, job.types)


def _rejects(first: int, parsed: Parsed, scored: Scored) -> bytes:
    lines = [
        json.dumps(
            {"row": first + row, "errors": errors, "sent": parsed.sent(row)},
            ensure_ascii=False,
            default=str,
        )
        for row, errors in scored.rejected.items()
    ]
    return "".join(line + "\n" for line in lines).encode()
