"""Memory of each worker: `python benchmarks/memory.py [--requests 100000]`.

USS is what a worker has to itself, PSS adds its part of what is shared. Read from
/proc after the first 10,000 requests, and then ten more times.
"""

import argparse
from pathlib import Path
from typing import Any

import clients
import results
import servers
from homes import bodies

_FIRST = 10_000


def memory(pid: int) -> dict[str, float]:
    """Return a process's USS, PSS and RSS in MiB."""
    sums = {"uss": 0, "pss": 0, "rss": 0}
    kinds = {"Pss": "pss", "Rss": "rss", "Private_Clean": "uss", "Private_Dirty": "uss"}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        name, _, rest = line.partition(":")
        if name in kinds:
            sums[kinds[name]] += int(rest.split()[0])
    return {name: round(kib / 1024, 1) for name, kib in sums.items()}


def main() -> None:
    """Ask for so many valuations, looking at the memory all the while; save."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    sent = bodies(50_000, seed=6)
    done, table = 0, []

    def look(pids: list[int]) -> None:
        row: dict[str, Any] = {"requests": done}
        row["workers"] = [memory(pid) for pid in pids]
        table.append(row)
        print(row, flush=True)

    with servers.ours(options.workers) as server:
        pids = server.processes()[1:]
        look(pids)
        goals = [_FIRST, *range(2 * _FIRST, options.requests + 1, _FIRST)]
        for goal in goals:
            while done < min(goal, options.requests):
                found = clients.closed(server, sent, 4, 2)
                assert not found["errors"], found
                done += found["requests"]
            look(pids)
        assert server.processes()[1:] == pids, "a worker was replaced"
    results.save("memory", table)


if __name__ == "__main__":
    main()
