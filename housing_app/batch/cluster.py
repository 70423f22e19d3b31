"""Workers of a Dask cluster (the extra `dask`) that do parts of a file."""

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from time import monotonic
from typing import Any, NamedTuple

from housing_app.batch.errors import BatchError
from housing_app.batch.part import Order, score_part
from housing_app.batch.parts import Part
from housing_app.batch.ranges import Range
from housing_app.model_store.remote import Missing, StoreAway
from housing_app.valuation.errors import ValuationError

_CONNECT = 10.0  # seconds
_LOOK = 2.0  # seconds between looks at who is there
_AHEAD = 4  # parts for each thread of the cluster
_RETRIES = 2  # of a part whose store did not answer
_ON = "--resume goes on"


class Options(NamedTuple):
    """Say how a file is scored.

    address: of the scheduler; patience: seconds it may be without a worker.
    """

    address: str
    keep: list[str] | None
    chunk: int
    resume: bool = False
    force: bool = False
    patience: float = 300.0


@contextmanager
def connected(options: Options) -> Iterator[Any]:
    """Yield a client of a cluster that has a worker at least."""
    try:
        import distributed  # the extra, and a second
    except ImportError:
        raise BatchError("--dask needs Dask: pip install 'housing_app[dask]'") from None
    # What it logs of a lost scheduler is told here in one line.
    for name in [*logging.root.manager.loggerDict]:
        if name.startswith("distributed"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
    place = options.address
    try:
        client = distributed.Client(place, timeout=_CONNECT)
    except Exception as error:  # for TLS without keys a TypeError
        why = " ".join(str(error).split()) or type(error).__name__
        raise BatchError(f"{place}: no Dask scheduler answers there ({why})") from None
    try:
        try:
            client.wait_for_workers(1, timeout=options.patience)
        except TimeoutError:
            raise _alone(options) from None
        yield client
    finally:
        client.close(timeout=_CONNECT)


def _alone(options: Options) -> BatchError:
    return BatchError(
        f"{options.address}: no worker for {options.patience:,.0f} s; {_ON}"
    )


def done(
    client: Any, options: Options, order: Order, todo: Iterable[tuple[int, Range]]
) -> Iterator[tuple[int, Range, Part]]:
    """Yield parts as they are done, in any order."""
    waiting: dict[Any, tuple[int, Range]] = {}
    numbered = iter(todo)
    seen = monotonic()
    try:
        while True:
            if client.status != "running":
                raise _lost(options)
            threads = _threads(client)
            for index, one in islice(numbered, max(0, _most(threads) - len(waiting))):
                future = client.submit(
                    on_worker, order, index, one, pure=False, retries=_RETRIES
                )
                waiting[future] = index, one
            if not waiting:
                return
            yield from _next(client, options, waiting)
            if threads:
                seen = monotonic()
            elif monotonic() - seen > options.patience:
                raise _alone(options)
    finally:
        if waiting and client.status == "running":
            client.cancel(list(waiting), force=True)


def _most(threads: int) -> int:
    """Return how many parts a cluster has at once: enough, and few to be cancelled."""
    return _AHEAD * max(threads, 1)


def on_worker(order: Order, index: int, one: Range) -> dict[str, Any]:
    """Do a part on a worker; return its counts, or why it would fail there again."""
    from distributed import get_worker

    try:
        return score_part(order, index, one)._asdict()
    except StoreAway:
        raise  # and tried again
    except Missing as error:
        why = f"{error}: is it where all machines find it?"
    except ValuationError as error:
        why = str(error)
    return {"error": f"worker {get_worker().address}: {why}"}


def _threads(client: Any) -> int:
    workers = client.scheduler_info(n_workers=-1).get("workers", {})
    return sum(worker["nthreads"] for worker in workers.values())


def _next(
    client: Any, options: Options, waiting: dict[Any, tuple[int, Range]]
) -> Iterator[tuple[int, Range, Part]]:
    """Yield the parts that are done; wait for a while if there are none."""
    from distributed import CancelledError, wait

    try:
        done, _ = wait(list(waiting), _LOOK, return_when="FIRST_COMPLETED")
    except TimeoutError:
        done = ()
    except CancelledError:
        raise _lost(options) from None
    for future in done:
        # Or the worker that had it was killed: others do it again.
        if part := _result(options, future, waiting[future][1]):
            yield *waiting.pop(future), part


def _result(options: Options, future: Any, one: Range) -> Part | None:
    """Return the part that is done, None for one that was lost again."""
    from distributed import CancelledError, KilledWorker

    if future.status not in {"finished", "error"}:
        return None
    rows = f"rows {one.first:,} to {one.first + one.rows - 1:,}"
    try:
        found = future.result(timeout=_CONNECT)
    except TimeoutError:
        return None
    except CancelledError:
        raise _lost(options) from None
    except KilledWorker:
        raise BatchError(
            f"{rows}: every worker that scored them was killed, out of memory perhaps; "
            f"less of it with a smaller --chunk, or {_ON}"
        ) from None
    except StoreAway as error:
        raise BatchError(f"{rows}: {error}; {_ON}") from None
    except Exception as error:
        why = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise BatchError(
            f"{rows}: the cluster could not do them; its scheduler and workers must be "
            f"able to import this release, if need be by PYTHONPATH ({why})"
        ) from error
    if "error" in found:
        raise BatchError(str(found["error"]))
    return Part(**found)


def _lost(options: Options) -> BatchError:
    return BatchError(f"{options.address}: the scheduler went away; {_ON}")
