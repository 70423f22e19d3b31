"""Measure what a model costs: time to value homes, and memory.

Time is that of the processor: what else the machine does is not the model's.
"""

import json
import subprocess  # nosec B404
import sys
from collections.abc import Sequence
from pathlib import Path
from time import process_time

import numpy as np
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from housing_app.demographics import Demographics
from housing_app.valuation import golden
from housing_app.valuation.features import FloatArray, Homes
from housing_app.valuation.predictor import Predictor

QUANTILES = (50, 99)
# Homes of a request, and how often it is asked of each model in one try.
REQUESTS = {"one": (1, 300), "thousand": (1000, 8)}
_TRIES = 3
_MIB = 1024 * 1024
# Read in a process of its own: what others have loaded is nobody's memory.
_MEASURE = """
import json, sys
from pathlib import Path
sys.path[:] = json.loads(sys.argv[2])
from housing_app.valuation import loading
def kib(name):
    with open("/proc/self/status") as file:
        return next(int(x.split()[1]) for x in file if x.startswith(name))
before = kib("VmRSS:")
loading.load(Path(sys.argv[1]))
print(kib("VmHWM:") - before)
"""


def latencies(
    pair: tuple[Predictor, Predictor], demographics: Demographics
) -> dict[str, float]:
    """Return how many times the second model's time the first one takes.

    By request and percentile, as "one.p99". Both value the first one's golden homes by
    turns, and of some tries the best of each counts: other programs push data out of
    the processor's caches, and only a slow model makes all tries slow.
    """
    found: dict[str, float] = {}
    total = _TRIES * sum(rounds for _, rounds in REQUESTS.values())
    with (
        tqdm(total=total, desc="time both", unit="request", disable=None) as bar,
        threadpool_limits(1),  # as in a server's worker
    ):
        for name, (size, rounds) in REQUESTS.items():
            asked = _requests(pair[0], size)
            joined = [
                [demographics.join(homes.zipcodes, m.demographics) for homes in asked]
                for m in pair
            ]
            tries = []
            for _ in range(_TRIES):
                seconds = _by_turns(pair, asked, joined, rounds)
                tries.append(np.percentile(seconds, QUANTILES, axis=0))
                bar.update(rounds)
            for q, (ours, theirs) in zip(QUANTILES, np.min(tries, axis=0), strict=True):
                found[f"{name}.p{q}"] = round(float(ours / theirs), 3)
    return found


def _requests(model: Predictor, size: int) -> list[Homes]:
    homes, _ = golden.inputs(model.manifest)
    count = len(homes.zipcodes)
    starts = range(count) if size < count else [0]
    chosen = [[(start + i) % count for i in range(size)] for start in starts]
    return [
        Homes(homes.values[c], [homes.zipcodes[i] for i in c], homes.days[c])
        for c in chosen
    ]


def _by_turns(
    pair: tuple[Predictor, Predictor],
    asked: Sequence[Homes],
    joined: Sequence[Sequence[FloatArray]],
    rounds: int,
) -> FloatArray:
    """Return (rounds, 2) seconds; who is first changes from round to round."""
    seconds = np.empty((rounds, 2))
    for i in range(rounds):
        which = i % len(asked)
        for turn in (0, 1) if i % 2 else (1, 0):
            started = process_time()
            pair[turn].value(asked[which], joined[turn][which])
            seconds[i, turn] = process_time() - started
    return seconds


def memory(directory: Path) -> float | None:
    """Return the MiB by which a process grows at most that loads an artifact.

    None where the system does not tell.
    """
    # This Python, with arguments of its own.
    command = [sys.executable, "-c", _MEASURE, str(directory), json.dumps(sys.path)]
    done = subprocess.run(  # noqa: S603  # nosec B603
        command, capture_output=True, check=False, text=True
    )
    if done.returncode:
        return None
    return round(int(done.stdout) * 1024 / _MIB, 1)
