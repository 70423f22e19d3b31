"""Requests over HTTP, beside the empty view on the same gunicorn: closed and open loop.

    python benchmarks/load.py [--seconds 4] [--workers 2]

Closed loop: 1 to 64 connections; batches of 10, 100 and 1,000; explanations and
comparables. Open loop: at shares of what the closed loop reached. Both servers run at
once and take turns. No home is asked twice, so no cache answers.
"""

import argparse
import sys
from collections.abc import Sequence
from typing import Any

import clients
import results
import servers
from homes import bodies
from servers import Server

CONNECTIONS = (1, 2, 4, 8, 16, 32, 64)
BATCHES = {10: 4_000, 100: 400, 1_000: 40}  # homes: bodies, more than a cache keeps
QUERIES = {"explained": "?explain=true", "5 comparables": "?comparables=5"}
SHARES = (0.5, 0.8)


def best(
    server: Server,
    sent: Sequence[bytes],
    connections: int,
    seconds: float,
    query: str = "",
) -> dict[str, Any]:
    """Return the better of two turns of a closed loop."""
    found = [
        clients.closed(server, sent, connections, seconds, query) for _ in range(2)
    ]
    return max(found, key=lambda one: one["rate"])


def closed(
    pair: dict[str, Server], options: argparse.Namespace
) -> list[dict[str, Any]]:
    """Measure both servers, by turns, at each number of connections."""
    sent = bodies(40_000)
    table = []
    for connections in options.connections:
        for name, server in pair.items():
            found = best(server, sent, connections, options.seconds)
            table.append({"server": name, "connections": connections, **found})
            print(table[-1])
    return table


def details(server: Server, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Measure batches, explanations and comparables, at eight connections."""
    kinds = {f"{n:,} homes": (bodies(count, n), "") for n, count in BATCHES.items()}
    single = bodies(40_000, seed=4)
    kinds |= {name: (single, query) for name, query in QUERIES.items()}
    table = []
    for name, (sent, query) in kinds.items():
        found = best(server, sent, 8, options.seconds, query)
        homes = int(name.split(" ")[0].replace(",", "")) if "homes" in name else 1
        rate = round(found["rate"] * homes, 1)
        table.append({"kind": name, "homes_rate": rate, **found})
        print(table[-1])
    return table


def opened(
    server: Server, most: float, options: argparse.Namespace
) -> list[dict[str, Any]]:
    """Measure at shares of the closed loop's rate."""
    sent = bodies(40_000, seed=5)
    table = []
    for share in SHARES:
        found = clients.opened(server, sent, share * most, 2 * options.seconds)
        table.append({"share": share, **found})
        print(table[-1])
    return table


def main() -> None:
    """Measure and save."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--connections", type=int, nargs="*", default=CONNECTIONS)
    options = parser.parse_args()
    with servers.empty(options.workers) as view, servers.ours(options.workers) as own:
        pair = {"empty": view, "ours": own}
        loops = closed(pair, options)
        most = max(x["rate"] for x in loops if x["server"] == "ours")
        figures = {
            "workers": options.workers,
            "closed": loops,
            "details": details(own, options),
            "open": opened(own, most, options),
        }
        if hits := own.counted('cache_requests_total{result="hit"}'):
            sys.exit(f"{hits:.0f} answers came from the cache: nothing was measured")
    results.save("load", figures)


if __name__ == "__main__":
    main()
