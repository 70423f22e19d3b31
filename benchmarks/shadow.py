"""What a shadow costs those who are answered: two servers, one with a shadow.

    python benchmarks/shadow.py [--turns 6] [--seconds 5] [--rates 200 600 1200]

Both are up at once and asked by turns, at the same even rates; latency counts from when
a request was due. The shadow is the other model of trees.
"""

import argparse
import json
import shutil
import statistics
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import clients
import results
import servers
from homes import bodies

SHADOW = "lightgbm-full-2"
SHOWN = ("p50_ms", "p95_ms", "p99_ms")


def models(folder: Path, *, is_shadowed: bool) -> Path:
    """Return a folder of the shipped models, with a shadow or without."""
    root = folder / ("with" if is_shadowed else "without")
    shutil.copytree(servers.ROOT / "model", root)
    path = root / "serving.json"
    serving = json.loads(path.read_text())
    if is_shadowed:
        serving["full"]["shadow"] = SHADOW
    path.write_text(json.dumps(serving))
    return root


def valued(server: servers.Server) -> dict[str, float]:
    """Return how many homes the shadow valued, and how many it dropped."""
    name, version = SHADOW.rsplit("-", 1)
    labels = f'model="{name}",result="%s",version="{version}"'
    return {
        result: server.counted(f"shadow_homes_total{{{labels % result}}}")
        for result in ("valued", "dropped")
    }


def measure(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Return a row for each rate."""
    sent = bodies(40_000, seed=6)
    table = []
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        pair = {
            kind: stack.enter_context(
                servers.ours(
                    2, MODEL_DIR=str(models(Path(name), is_shadowed=kind == "with"))
                )
            )
            for kind in ("without", "with")
        }
        for rate in options.rates:
            before = valued(pair["with"])
            turns: dict[str, list[dict[str, Any]]] = {kind: [] for kind in pair}
            for _ in range(options.turns):
                for kind, server in pair.items():
                    found = clients.opened(server, sent, rate, options.seconds)
                    turns[kind].append(found)
            row: dict[str, Any] = {"rate": rate}
            for shown in SHOWN:
                both = [
                    statistics.median(turn[shown] for turn in turns[kind])
                    for kind in ("without", "with")
                ]
                row[shown] = [round(one, 3) for one in both]
                row[f"{shown}_ratio"] = round(both[1] / both[0], 3)
            row["errors"] = sum(t["errors"] for found in turns.values() for t in found)
            after = valued(pair["with"])
            row |= {result: after[result] - before[result] for result in after}
            table.append(row)
            print(row, flush=True)
    return table


def main() -> None:
    """Measure and save."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--rates", type=float, nargs="*", default=[200, 600, 1_200])
    options = parser.parse_args()
    results.save("shadow", {"rates": measure(options)})


if __name__ == "__main__":
    main()
