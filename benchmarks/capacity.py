"""What an installation takes for so many requests a second: `docs/capacity.md`.

    python benchmarks/capacity.py [RATE …] [--requests-per-core 500] [--node-hour 0.3] …

Prints the tables for one's own rates, choices and prices. Those of the document are of
`footprint.json` and the defaults; `python tests/write_docs.py` puts them there.
"""

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import limits_reached
import sizing
from report import table
from sizing import ASSUMED, Assumed, Measured

FILE = Path(__file__).resolve().parent / "footprint.json"
_FEW_DAYS = 7
RATES = (10, 100, 1_000, 10_000, 100_000)


def footprint() -> dict[str, Any]:
    """Return what was measured."""
    figures: dict[str, Any] = {}
    for name, part in json.loads(FILE.read_text()).items():
        figures |= (
            part["figures"] if name == "installation" else {name: part["figures"]}
        )
    return figures


def conditions() -> str:
    """Return when and on what each part was measured."""
    rows = []
    for name, part in json.loads(FILE.read_text()).items():
        about, others = part["about"], list(_others(part["figures"]))
        worst = f"{min(others):.2f} to {max(others):.2f}"
        row = (about["date"], f"`{about['commit']}`", f"{about['cores']}")
        rows.append((f"{name}: `{about['command']}`", *row, about["python"], worst))
    head = ("Measured", "on", "commit", "cores", "Python", "cores of others meanwhile")
    return table(head, rows)


def _others(figures: Any) -> Iterator[float]:
    """Yield how many cores other programs had, for everything that was measured."""
    if isinstance(figures, dict):
        yield from (value for key, value in figures.items() if key == "others")
        figures = list(figures.values())
    if isinstance(figures, list):
        for one in figures:
            yield from _others(one)


def inputs(one: Measured) -> str:
    """Return the measured figures that sizes rest on."""
    rest = footprint()["rest"]
    rows = [
        ("the service, of a core, drain included", one.api_ms, "ms a request"),
        ("nginx, of a core, without TLS", one.nginx_ms, "ms a request"),
        ("Redis, of its one core", one.redis_ms, "ms a request"),
        ("… commands, those inside a script counted", _commands(), "a request"),
        ("PostgreSQL, of a core", one.postgres_us / 1_000, "ms a row"),
        ("the service's log", one.api_log_bytes, "bytes a request"),
        ("nginx's log", one.nginx_log_bytes, "bytes a request"),
        ("from the client", one.sent_bytes, "bytes a request"),
        ("to the client", one.answer_bytes, "bytes a request"),
        ("a record in the spool", one.line_bytes, "bytes a row"),
        ("… in PostgreSQL, with indexes", one.row_bytes, "bytes a row"),
        ("… in its write-ahead log", one.wal_bytes, "bytes a row"),
        ("connections to PostgreSQL", one.connections, "a worker"),
        ("connections to Redis", rest["redis_connections"] / rest["workers"],
         "a worker"),
        ("time series", one.series, "an instance"),
        ("a pod of two workers (PSS)", rest["pod_mib"], "MiB"),
        ("… of which a worker has to itself", rest["worker_uss_mib"], "MiB"),
        ("a pod that nobody asks", rest["api_idle_ms_s"], "ms a second"),
    ]  # fmt: skip
    shown = [(f"{name}: {unit}", round(float(x), 3)) for name, x, unit in rows]
    return table(("Of a request of one home", "measured"), shown)


def _commands() -> float:
    return float(sizing.kind(footprint(), "one home")["redis_commands"])


def choices(choice: Assumed) -> str:
    """Return what is assumed, and the option that says otherwise."""
    rows = [
        (ASSUMED[name], f"`--{name.replace('_', '-')}`", f"{value:,}")
        for name, value in choice._asdict().items()
    ]
    return table(("What", "option", "assumed"), rows)


def one_core() -> str:
    """Return latencies at shares of what a worker with a core to itself can do."""
    core = footprint().get("core")
    if core is None:
        return _not_measured("core")
    keys = ("rate", "p50_ms", "p95_ms", "p99_ms", "max_ms", "cpu_ms", "others")
    rows = [[f"{x['share']:.0%}", *(float(x[k]) for k in keys)] for x in core["open"]]
    head = ("Load", "requests/s", "p50 ms", "p95 ms", "p99 ms", "longest ms")
    return table((*head, "ms of the core a request", "cores of others"), rows)


def _not_measured(part: str) -> str:
    return (
        "Not measured yet on a machine with nothing else to do: "
        f"`python benchmarks/footprint.py --only {part}`.\n"
    )


def kinds(choice: Assumed) -> str:
    """Return what each kind of request takes, and what a home costs."""
    rows = []
    asked = [row for row in footprint()["requests"] if "busy" not in row["kind"]]
    first = asked[0]["api_cpu_ms"]
    for row in asked:
        of_home = row["api_cpu_ms"] / row["homes"]
        a_second = choice.utilisation * 1_000 / row["api_cpu_ms"]
        cells = (row["api_cpu_ms"], a_second, a_second * row["homes"])
        wire = (row["sent_bytes"], row["answer_bytes"], row["packed_bytes"])
        rest = (round(first / of_home, 1), *wire, float(row["others"]))
        rows.append((row["kind"], *map(float, cells), *rest))
    head = ("Request", "ms of a core", "requests/s and core", "homes/s and core")
    wire = ("bytes in", "bytes out", "… with gzip")
    return table((*head, "× cheaper a home", *wire, "cores of others"), rows)


def cached() -> str:
    """Return what a request takes with each cache."""
    found = footprint().get("caches")
    if found is None:
        return _not_measured("caches")
    keys = ("api_cpu_ms", "redis_cpu_ms", "redis_commands", "p99_ms", "others")
    rows = [
        [f"{x['cache']}, {x['bodies']}", *(float(x[k]) for k in keys)] for x in found
    ]
    head = ("`CACHE`, bodies", "ms of a core", "of Redis", "commands", "p99 ms")
    return table((*head, "cores of others"), rows)


def drained() -> str:
    """Return what the drain can do as the table grows."""
    keys = ("rows_s", "drain_cpu_us", "postgres_cpu_us", "wal_bytes")
    keys += ("table_bytes", "index_bytes", "key_bytes")
    steps = footprint()["journal"]["drain"]
    rows = [[f"{x['before']:,}", *(float(x[k]) for k in keys)] for x in steps]
    head = ("Rows before", "rows/s", "µs of the worker", "µs of PostgreSQL")
    sizes = ("bytes of log", "of table", "of indexes", "… of the key")
    return table((*head, *sizes), rows)


def sized(one: Measured, choice: Assumed, rates: Sequence[float] = RATES) -> str:
    """Return the sizes for some rates, a rate in each column."""
    found = [sizing.sizes(rate, one, choice) for rate in rates]
    lines = {
        "cores of the service at the peak": [x.api_cores for x in found],
        "pods (1 core, 2 workers)": [x.pods for x in found],
        "memory of the pods, GiB": [x.pods * choice.pod_gib for x in found],
        "cores of nginx, without TLS": [x.nginx_cores for x in found],
        "machines (8 cores, 16 GiB)": [x.nodes for x in found],
        "installations (cells)": [x.cells for x in found],
        "rows a day, million": [x.rows_day / 1e6 for x in found],
        "PostgreSQL: GB a day": [x.stored_gb_day for x in found],
        f"… TB after {choice.days:g} days": [x.stored_tb for x in found],
        "… write-ahead log, MB/s": [x.wal_mb_s for x in found],
        "… at most": [x.wal_most_mb_s for x in found],
        "… cores that write": [x.writer_cores for x in found],
        "… cores of each, of the rented sizes": [x.database_cpus for x in found],
        "… connections to each": [x.connections for x in found],
        "Redis: cores used": [x.redis_cores for x in found],
        "logs, GB a day": [x.log_gb_day for x in found],
        "to clients, TB a month": [x.egress_tb_month for x in found],
        "capacity units of load balancers": [x.balancer_units for x in found],
        "time series": [x.series for x in found],
    }
    rows = [(name, *map(_plain, values)) for name, values in lines.items()]
    return table(("At requests/s", *(f"{rate:,g}" for rate in rates)), rows)


def _plain(value: float) -> str:
    if isinstance(value, int) or value >= 100:
        return f"{value:,.0f}"
    return f"{value:.2g}" if value < 10 else f"{value:.0f}"


def priced(one: Measured, choice: Assumed, rates: Sequence[float] = RATES) -> str:
    """Return dollars a month and for a million valuations, a rate in each column."""
    found = [sizing.costs(sizing.sizes(x, one, choice), choice) for x in rates]
    rows: list[list[str]] = []
    for name in found[0]:
        rows.append([name, *(f"{x[name]:,.0f}" for x in found)])
    sums = [sum(x.values()) for x in found]
    rows.append(["**together**", *(f"**{x:,.0f}**" for x in sums)])
    each = map(sizing.per_million, rates, sums)
    rows.append(["$ for a million valuations", *(f"{x:,.2f}" for x in each)])
    short = choice._replace(days=_FEW_DAYS)
    less = [sizing.costs(sizing.sizes(x, one, short), short) for x in rates]
    sums = [sum(found.values()) for found in less]
    rows.append([f"together, rows for {_FEW_DAYS} days", *(f"{x:,.0f}" for x in sums)])
    return table(("$ a month, at requests/s", *(f"{x:,g}" for x in rates)), rows)


BLOCKS: dict[str, Callable[[Measured, Assumed], str]] = {
    "conditions": lambda one, choice: conditions(),
    "inputs": lambda one, choice: inputs(one),
    "core": lambda one, choice: one_core(),
    "kinds": lambda one, choice: kinds(choice),
    "caches": lambda one, choice: cached(),
    "drain": lambda one, choice: drained(),
    "assumed": lambda one, choice: choices(choice),
    "sizes": sized,
    "costs": priced,
    "limits": limits_reached.found,
}


def block(name: str) -> str:
    """Return a generated part of docs/capacity.md."""
    one = sizing.measured(footprint())
    return BLOCKS[name](one, Assumed()).rstrip("\n")


def _shown(options: argparse.Namespace) -> Iterator[str]:
    one = sizing.measured(footprint())
    if options.requests_per_core:
        one = one._replace(api_ms=1_000 / options.requests_per_core)
    choice = Assumed(**{name: getattr(options, name) for name in Assumed._fields})
    yield sized(one, choice, options.rates)
    yield priced(one, choice, options.rates)
    yield limits_reached.found(one, choice)


def main(words: Sequence[str] | None = None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rates", type=float, nargs="*", default=RATES, metavar="RATE")
    parser.add_argument(
        "--requests-per-core",
        type=float,
        help="requests/s of one home that a core wholly used answers; else measured",
    )
    for name, default in Assumed._field_defaults.items():
        option = f"--{name.replace('_', '-')}"
        what = f"{ASSUMED[name]} ({default})".replace("%", "%%")
        parser.add_argument(option, type=type(default), default=default, help=what)
    print("\n".join(_shown(parser.parse_args(words))), end="")


if __name__ == "__main__":
    main()
