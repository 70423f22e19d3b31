"""Where `flask score` reads and writes: paths, and with a cluster URLs and folders."""

from pathlib import Path
from typing import Any

import click

from housing_app.batch.parts import Places
from housing_app.batch.run import Files
from housing_app.batch.work import FORMATS, Format
from housing_app.cli import failures
from housing_app.model_store.remote import split

ENDINGS: dict[str, Format] = {f".{name}": name for name in FORMATS}


class Place(click.Path):
    """Take a path, and as they are URLs and names that end with /."""

    def __init__(self) -> None:
        super().__init__(path_type=Path, dir_okay=False)

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Any:
        """Return a Path, or a str."""
        if isinstance(value, str) and ("://" in value or value.endswith("/")):
            return value
        return super().convert(value, param, ctx)


def of_machine(
    source: Path | str,
    target: Path | str,
    rejects: Path | str | None,
    kind: Format | None,
    *,
    resume: bool,
    force: bool,
) -> Files:
    """Return what this machine reads and writes; - is stdin or stdout."""
    given, made, rejects = map(_local, (source, target, rejects))
    formats = [_format(path, kind) for path in (given, made)]
    if made is None:
        if resume:
            raise click.UsageError("--resume needs a file to go on with, not stdout")
        if rejects and rejects.exists() and not force:
            raise click.UsageError(f"{rejects} exists: --force replaces it")
        return Files(given, None, rejects, *formats)
    if given is None and resume:
        raise click.UsageError("--resume needs a file to read again, not stdin")
    bad = rejects or made.with_name(f"{made.name}.rejects.jsonl")
    paths = [path.resolve() for path in (given, made, bad) if path]
    if len(set(paths)) < len(paths) or (
        given and made.exists() and given.exists() and given.samefile(made)
    ):
        raise click.UsageError("IN, OUT and the rejects must be different files")
    for path in (made, bad):
        if path.exists() and not force:
            raise click.UsageError(f"{path} exists: --force replaces it")
    return Files(given, made, bad, *formats)


def _format(path: Path | None, kind: Format | None) -> Format:
    found = ENDINGS.get(path.suffix.lower()) if path else None
    chosen = found or kind or (None if path else "csv")
    if chosen is None:
        raise _untold(path)
    if path is None and chosen == "parquet":
        raise click.UsageError("Parquet is not for stdin or stdout: name a file")
    return chosen


def _untold(place: Path | str | None) -> click.UsageError:
    return click.UsageError(
        f"{place}: give a name that ends in {', '.join(ENDINGS)}, or --format"
    )


def _local(place: Path | str | None) -> Path | None:
    if isinstance(place, str):
        raise click.UsageError(f"{place}: a URL or a folder needs --dask")
    return None if str(place) == "-" else place


def of_cluster(
    source: Path | str,
    target: Path | str,
    rejects: Path | str | None,
    kind: Format | None,
    *,
    resume: bool,
    force: bool,
) -> Places:
    """Return what a cluster reads and writes."""
    given, made = _url(source), _url(target)
    source_format = ENDINGS.get(Path(given).suffix.lower()) or kind
    target_format = (
        kind or source_format
        if made.endswith("/")
        else ENDINGS.get(Path(made).suffix.lower()) or kind
    )
    for url, found in ((given, source_format), (made, target_format)):
        if found is None:
            raise _untold(url)
    assert source_format is not None  # noqa: S101 # nosec B101 - just seen
    assert target_format is not None  # noqa: S101 # nosec B101
    if made.endswith("/"):
        if rejects:
            raise click.UsageError("--rejects: a folder holds its own, in _rejects/")
        return Places(given, made, "", source_format, target_format)
    bad = _url(rejects) if rejects else f"{made}.rejects.jsonl"
    if len({given, made, bad}) < 3:
        raise click.UsageError("IN, OUT and the rejects must be different files")
    for url in (made, bad):
        with failures.in_one_line(Path(url)):
            store, name = split(url)
            exists = not force and store.exists(name)
        if exists:
            raise click.UsageError(f"{url} exists: --force replaces it")
    return Places(given, made, bad, source_format, target_format)


def _url(place: Path | str) -> str:
    if str(place) == "-":
        raise click.UsageError("--dask needs files, not stdin or stdout")
    if "://" in str(place):
        return str(place)
    # As given: the folder may be a link, and not the same one everywhere.
    end = "/" if str(place).endswith("/") else ""
    return f"file://{Path(place).absolute()}{end}"
