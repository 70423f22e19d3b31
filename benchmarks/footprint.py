"""What a request costs each part of an installation: `python benchmarks/footprint.py`.

    python benchmarks/footprint.py [--seconds 8] [--rows 240000] [--only core journal]

Processor time of the service, nginx, Redis and PostgreSQL; bytes on the wire, in the
logs, in the database; connections; how far a core can be used before requests wait;
what the journal's drain and pruning can do. For docs/capacity.md (`capacity.py`).
"""

import argparse
import json
import os
import random
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import clients
import drained
import installation
import memory
import results
from homes import bodies
from installation import Installation

from housing_app.journal.spool import Spool

FILE = Path(__file__).resolve().parent / "footprint.json"
# Kind: homes of a request, its query, requests a second.
KINDS = {
    "one home": (1, "", 200),
    "one home, busy": (1, "", 400),
    "explained": (1, "?explain=true", 150),
    "5 comparables": (1, "?comparables=5", 150),
    "100 homes": (100, "", 20),
    "1,000 homes": (1_000, "", 4),
}
SHARES = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
_SHOWN = ("p50_ms", "p95_ms", "p99_ms", "max_ms", "errors")


def of_request(parts: Installation, seconds: float) -> list[dict[str, Any]]:
    """Return what a request of each kind takes of every part, through nginx."""
    table = []
    for number, (kind, (count, query, rate)) in enumerate(KINDS.items()):
        asked = max(50, int(rate * seconds))
        sent = bodies(asked, count, seed=20 + number)
        server = replace(parts.entrance, path=parts.entrance.path + query)
        row: dict[str, Any] = {"kind": kind, "homes": count, "asked": rate}
        row |= installation.quietest(partial(_turn, parts, server, sent, rate))
        row |= _wire(parts, server, sent[0])
        table.append(row)
        print(row, flush=True)
    return table


def _turn(
    parts: Installation, server: Any, sent: list[bytes], rate: float
) -> dict[str, Any]:
    _settle(parts)  # what waits so far is not of this turn
    before, logs = _state(parts), _logs(parts)
    found = clients.opened(server, sent, rate, len(sent) / rate)
    _settle(parts)
    after, wrote = _state(parts), _logs(parts)
    row = {name: found[name] for name in _SHOWN}
    row |= {k: round((v - before[k]) / len(sent), 4) for k, v in after.items()}
    return row | {k: round((v - logs[k]) / len(sent)) for k, v in wrote.items()}


def _settle(parts: Installation) -> None:
    """Wait until no record waits for the database."""
    spool = Spool(parts.folder / "instance" / "spool", 1)
    end = time.monotonic() + 120
    time.sleep(1)  # twice as long as workers keep a file to themselves
    while spool.measure().size:
        assert time.monotonic() < end, "records are not drained"
        time.sleep(0.2)


def _state(parts: Installation) -> dict[str, float]:
    """Return milliseconds of processor time, and what the stores were asked."""
    found = {f"{k}_cpu_ms": 1000 * v for k, v in parts.cpu().items()}
    with parts.redis.client() as client:
        asked = client.info("stats")["total_commands_processed"]
    return found | {"redis_commands": asked}


def _logs(parts: Installation) -> dict[str, int]:
    files = {"api_log_bytes": "log", "nginx_log_bytes": "access.log"}
    return {k: (parts.folder / name).stat().st_size for k, name in files.items()}


def _wire(parts: Installation, server: Any, body: bytes) -> dict[str, int]:
    """Return the bytes of a request and its answer, without and with gzip."""
    found = {}
    for name, accepted in (("answer_bytes", "identity"), ("packed_bytes", "gzip")):
        headers = server.headers | {"Accept-Encoding": accepted}
        replace(server, headers=headers).post(body)
        time.sleep(0.2)
        line = json.loads((parts.folder / "access.log").read_text().splitlines()[-1])
        found |= {"sent_bytes": line["received"], name: line["sent"]}
    return found


def at_rest(parts: Installation, seconds: float = 10.0) -> dict[str, Any]:
    """Return what it takes while nobody asks: time, connections, memory, series."""
    _settle(parts)
    before = parts.cpu()
    time.sleep(seconds)
    took = {
        f"{name}_idle_ms_s": round(1000 * (value - before[name]) / seconds, 2)
        for name, value in parts.cpu().items()
    }
    with parts.postgres.connect() as connection:
        query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = "
        (row,) = connection.execute(f"{query}'housing_app'").fetchall()  # type: ignore[arg-type]
    with parts.redis.client() as client:
        clients_of_redis = len(client.client_list()) - 1
    pids = parts.api.processes()
    workers = [memory.memory(pid) for pid in pids[1:]]
    return took | {
        "workers": len(workers),
        "postgres_connections": row[0],
        "redis_connections": clients_of_redis,
        "pod_mib": round(sum(memory.memory(pid)["pss"] for pid in pids), 1),
        "worker_uss_mib": max(one["uss"] for one in workers),
        **_scrape(parts),
    }


def _scrape(parts: Installation) -> dict[str, int]:
    import urllib.request

    url = f"http://127.0.0.1:{parts.api.port}/metrics"
    with urllib.request.urlopen(url, timeout=10) as answer:
        text = answer.read()
    lines = [x for x in text.splitlines() if x and not x.startswith(b"#")]
    return {"series": len(lines), "scrape_bytes": len(text)}


def one_core(seconds: float) -> dict[str, Any]:
    """Return latencies of one worker that has a core to itself, at shares of its best.

    Requests come by chance, as from clients that know nothing of each other. All else,
    this client too, is on the other core; without nginx and Redis.
    """
    mine = sorted(os.sched_getaffinity(0))
    if len(mine) < 2:
        sys.exit("this needs two cores")
    os.sched_setaffinity(0, set(mine[1:]))
    try:
        with results.folder() as name:
            first = ("taskset", "-c", str(mine[0]))
            with installation.served(Path(name), 1, {}, first) as server:
                return _at_shares(server, seconds)
    finally:
        os.sched_setaffinity(0, set(mine))


def _at_shares(server: Any, seconds: float) -> dict[str, Any]:
    sent = bodies(40_000, seed=8)
    closed = partial(clients.closed, server, sent, 2, seconds)
    most = installation.quietest(closed)["rate"]
    rows = []
    for share in SHARES:
        row = installation.quietest(
            partial(_at_rate, server, sent, share * most, seconds)
        )
        rows.append({"share": share, **row})
        print(rows[-1], flush=True)
    return {"most": most, "open": rows}


def _at_rate(
    server: Any, sent: list[bytes], rate: float, seconds: float
) -> dict[str, Any]:
    before = installation.cpu(server.processes())
    found = clients.opened(server, sent, rate, seconds, random.Random(1))
    took = installation.cpu(server.processes()) - before
    row = {name: found[name] for name in ("rate", "late_p99_ms", *_SHOWN)}
    return row | {"cpu_ms": round(1000 * took / max(1, found["requests"]), 3)}


def caches(seconds: float) -> Iterator[dict[str, Any]]:
    """Yield what a request takes with each cache: new ones, then the same again."""
    count = int(200 * seconds)
    for cache in ("off", "memory", "redis"):
        with installation.running(CACHE=cache, CACHE_TTL="600") as parts:
            clients.opened(parts.entrance, bodies(400, seed=10), 200, 2)
            seeds = iter(range(30, 40))

            def turns(parts: Installation = parts, seeds: Iterator[int] = seeds) -> Any:
                sent = bodies(count, seed=next(seeds))
                found = [_turn(parts, parts.entrance, sent, 200) for _ in range(2)]
                return {"found": found, "errors": sum(x["errors"] for x in found)}

            quiet = installation.quietest(turns)
            for asked, found in zip(("new", "repeated"), quiet["found"], strict=True):
                keys = ("p99_ms", "errors", *_state(parts))
                row = {"cache": cache, "bodies": asked, "others": quiet["others"]}
                row |= {k: found[k] for k in keys}
                print(row, flush=True)
                yield row


def of_installation(options: argparse.Namespace) -> dict[str, Any]:
    """Return what requests of each kind take, and what nobody asking takes."""
    # No answer is kept long enough for a second turn to find it.
    with installation.running(CACHE="memory", CACHE_TTL="1") as parts:
        return {
            "requests": of_request(parts, options.seconds),
            "rest": at_rest(parts),
        }


PARTS: dict[str, Callable[[argparse.Namespace], Any]] = {
    "installation": of_installation,
    "caches": lambda options: list(caches(options.seconds)),
    "core": lambda options: one_core(options.seconds),
    "journal": lambda options: drained.measure(options.rows),
}


def main() -> None:
    """Measure and save; what is not measured stays as it was."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--rows", type=int, default=240_000)
    parser.add_argument("--only", nargs="*", choices=PARTS, default=list(PARTS))
    options = parser.parse_args()
    stored = json.loads(FILE.read_text()) if FILE.exists() else {}
    for name in options.only:
        figures = PARTS[name](options)
        stored[name] = {"about": results.about(), "figures": figures}
        FILE.write_text(json.dumps(stored, indent=1) + "\n")
    print(f"{FILE.name} written; now: python tests/write_docs.py", file=sys.stderr)


if __name__ == "__main__":
    main()
