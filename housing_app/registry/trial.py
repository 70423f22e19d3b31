"""Try a model in a process of its own before any worker loads it.

`python -m housing_app.registry.trial DIRECTORY MEGABYTES` loads an artifact within so
much memory, values its golden home and prints one line of JSON: `ok`, `ms` for a home,
`mb`, or `why` it is refused. Whatever goes wrong there goes wrong for nobody else.
"""

import json
import os
import resource
import statistics
import subprocess  # nosec B404 - runs this module, on a path of ours
import sys
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np

from housing_app.valuation import golden, loading
from housing_app.valuation.errors import ValuationError

SECONDS = 60.0
_MEGABYTE = 1 << 20
_WARM, _TIMED = 3, 30


class Limits(NamedTuple):
    """Bound what a model may take."""

    milliseconds: float  # for one home
    megabytes: int  # beside what the program takes without a model


def run(directory: Path, limits: Limits, seconds: float = SECONDS) -> dict[str, Any]:
    """Try an artifact; return `ok` and its figures, or `why` it is refused."""
    command = [sys.executable, "-m", __name__, str(directory), str(limits.megabytes)]
    try:
        done = subprocess.run(  # noqa: S603  # nosec B603 - no shell, no input
            command,
            env=environ(),
            cwd=Path(__file__).parents[2],
            capture_output=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return _refused(f"it was not loaded within {seconds:.0f} s")
    try:
        found: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        if done.returncode < 0:
            return _refused(f"loading it was ended by signal {-done.returncode}")
        last = (done.stderr.decode(errors="replace").splitlines() or [""])[-1][:200]
        return _refused(f"loading it ended with {done.returncode}: {last}")
    if found["ok"] and found["ms"] > limits.milliseconds:
        return found | _refused(
            f"it takes {found['ms']:.3g} ms for a home, and "
            f"{limits.milliseconds:.3g} are allowed (MODEL_MAX_MS)"
        )
    return found


def environ() -> dict[str, str]:
    """Return this process's environment for one that shall not count as a worker."""
    return {k: v for k, v in os.environ.items() if k != "PROMETHEUS_MULTIPROC_DIR"}


def _refused(why: str) -> dict[str, Any]:
    return {"ok": False, "why": why}


def tried(directory: Path, megabytes: int) -> dict[str, Any]:
    """Load an artifact in this process, within a bound of memory, and time it."""
    # What the program itself takes shall not count: OpenBLAS gets its memory at first.
    _ = np.ones((256, 256)) @ np.ones((256, 256)), np.ones((256, 256)) @ np.ones(256)
    before = _megabytes()
    most = _virtual() + megabytes * _MEGABYTE
    resource.setrlimit(resource.RLIMIT_AS, (most, resource.RLIM_INFINITY))
    try:
        model = loading.load(directory)
        homes, rows = golden.inputs(model.manifest)
        one = homes._replace(
            values=homes.values[:1], zipcodes=homes.zipcodes[:1], days=homes.days[:1]
        )
        times = []
        for _ in range(_WARM + _TIMED):
            began = perf_counter()
            model.value(one, rows[:1])
            times.append(perf_counter() - began)
    except (MemoryError, ValuationError) as error:
        if isinstance(error, MemoryError) or isinstance(error.__cause__, MemoryError):
            return _refused(f"it needs more than {megabytes} MB (MODEL_MAX_MB)")
        return _refused(str(error))
    except Exception as error:
        return _refused(f"{type(error).__name__}: {error}"[:500])
    return {
        "ok": True,
        "ms": round(1000 * statistics.median(times[_WARM:]), 3),
        "mb": round(_megabytes() - before, 1),
    }


def _megabytes() -> float:
    """Return the most memory this process has held."""
    # Not getrusage: that begins with what the parent held.
    lines = Path("/proc/self/status").read_text().splitlines()
    (peak,) = [line.split()[1] for line in lines if line.startswith("VmHWM")]
    return int(peak) / 1024


def _virtual() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return pages * resource.getpagesize()


def _main() -> None:
    # Where memory is short for all, this process ends, and no worker.
    Path("/proc/self/oom_score_adj").write_text("1000")
    print(json.dumps(tried(Path(sys.argv[1]), int(sys.argv[2]))))


if __name__ == "__main__":
    _main()
