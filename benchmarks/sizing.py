"""From what one request takes to the size and the price of an installation. Pure.

All rates are requests of one home a second, held day and night.
"""

from collections.abc import Mapping
from math import ceil, inf
from statistics import fmean
from typing import Any, NamedTuple

DAY, MONTH_DAYS, MONTH_HOURS = 86_400, 30.4, 730
WORKERS = 2  # of a pod, as in deploy/kubernetes/settings
_DATABASE_CPUS = (2, 4, 8, 16, 32, 64)  # what one can rent
_GIB_PER_CPU = 8  # of a database
_LEAF = 8_192  # bytes of a page of an index


class Measured(NamedTuple):
    """Hold what footprint.json says of a request of one home, and of its row."""

    api_ms: float  # of processor time, the drain of the journal included
    nginx_ms: float
    redis_ms: float
    postgres_us: float
    api_log_bytes: float
    nginx_log_bytes: float
    sent_bytes: float
    answer_bytes: float  # by gzip where that is done
    line_bytes: float  # in the spool
    row_bytes: float  # in the database, with its indexes
    wal_bytes: float
    read_rows_s: float  # by a drift report
    connections: float  # to PostgreSQL, of a worker
    series: float


class Assumed(NamedTuple):
    """Hold what is not measured: choices, and prices in dollars."""

    utilisation: float = 0.5
    days: float = 90
    pod_cores: float = 1
    pod_gib: float = 0.5
    least_pods: int = 3
    node_cores: int = 8
    node_gib: int = 16
    database_tb: float = 16
    database_gib_per_tb: float = 16
    requests_per_connection: float = 20
    node_hour: float = 0.357
    database_cpu_hour: float = 0.11
    database_gb_month: float = 0.23
    redis_hour: float = 0.16
    balancer_hour: float = 0.0225
    balancer_unit_hour: float = 0.008
    log_gb: float = 0.5
    egress_gb: float = 0.09


# What each of them means, for the table and for `capacity.py --help`.
ASSUMED = {
    "utilisation": "share of a core that is used at the peak",
    "days": "days that predictions stay in PostgreSQL",
    "pod_cores": "cores a pod of two workers asks for (deploy/kubernetes/base)",
    "pod_gib": "GiB it asks for",
    "least_pods": "pods, however little there is to do: one a zone",
    "node_cores": "virtual cores of a machine",
    "node_gib": "GiB of a machine",
    "database_tb": "TB that one PostgreSQL may grow to, to be restored in a day",
    "database_gib_per_tb": "GiB of memory for each TB of it",
    "requests_per_connection": "requests a client sends over one connection",
    "node_hour": "$ an hour: 8 virtual x86 cores, 16 GiB",
    "database_cpu_hour": "$ an hour for a virtual core of PostgreSQL with 8 GiB; a "
    "standby costs as much",
    "database_gb_month": "$ a month for a GB of it, in two zones",
    "redis_hour": "$ an hour for a Redis of 6 GiB; a replica costs as much",
    "balancer_hour": "$ an hour for a load balancer",
    "balancer_unit_hour": "$ an hour for 25 new connections/s or 1 GB/h through it",
    "log_gb": "$ for taking in a GB of log",
    "egress_gb": "$ for a GB to clients",
}


def measured(footprint: Mapping[str, Any]) -> Measured:
    """Return what the sizes rest on, from the figures of footprint.json."""
    request, rest = kind(footprint, "one home"), footprint["rest"]
    steps = footprint["journal"]["drain"]
    last = steps[-1]
    return Measured(
        api_ms=request["api_cpu_ms"],
        nginx_ms=request["nginx_cpu_ms"],
        redis_ms=request["redis_cpu_ms"],
        postgres_us=last["postgres_cpu_us"],
        api_log_bytes=request["api_log_bytes"],
        nginx_log_bytes=request["nginx_log_bytes"],
        sent_bytes=request["sent_bytes"],
        answer_bytes=request["packed_bytes"],
        line_bytes=last["line_bytes"],
        # Pages of an index are divided in waves: the mean of all steps.
        row_bytes=fmean(x["table_bytes"] + x["index_bytes"] for x in steps),
        wal_bytes=last["wal_bytes"],
        read_rows_s=footprint["journal"]["read"]["rows_s"],
        connections=rest["postgres_connections"] / rest["workers"],
        series=rest["series"],
    )


def kind(footprint: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return what was measured of one kind of request."""
    found: dict[str, Any]
    (found,) = (row for row in footprint["requests"] if row["kind"] == name)
    return found


class Sizes(NamedTuple):
    """Hold the size of an installation; where there are several, of all together."""

    rate: float
    api_cores: float  # at the utilisation
    pods: int
    nginx_cores: float
    nodes: int
    rows_day: float
    stored_gb_day: float
    stored_tb: float
    wal_mb_s: float
    wal_most_mb_s: float  # where each row changes a page of the key of its own
    writer_cores: float  # of PostgreSQL, at the utilisation
    redis_cores: float  # used
    cells: int  # installations with a PostgreSQL and a Redis each
    database_cpus: int  # of each PostgreSQL
    connections: float  # to each PostgreSQL
    log_gb_day: float
    egress_tb_month: float
    balancer_units: float
    series: float


def sizes(rate: float, one: Measured, choice: Assumed) -> Sizes:
    """Return how large an installation is that answers so many requests a second."""
    api = rate * one.api_ms / 1_000 / choice.utilisation
    nginx = rate * one.nginx_ms / 1_000 / choice.utilisation
    writer = rate * one.postgres_us / 1e6 / choice.utilisation
    redis = rate * one.redis_ms / 1_000
    stored = rate * DAY * one.row_bytes
    cells = max(
        1,
        ceil(stored * choice.days / 1e12 / choice.database_tb),
        ceil(redis / choice.utilisation),
        ceil(writer / _DATABASE_CPUS[-1]),
    )
    pods = max(choice.least_pods * cells, ceil(api / choice.pod_cores))
    # A tenth of each machine is the system's.
    cores = (pods * choice.pod_cores + nginx) / (0.9 * choice.node_cores)
    memory = pods * choice.pod_gib / (0.9 * choice.node_gib)
    wanted = max(
        writer / cells,
        stored * choice.days / 1e12 / cells * choice.database_gib_per_tb / _GIB_PER_CPU,
    )
    wire = rate * (one.sent_bytes + one.answer_bytes)
    return Sizes(
        rate=rate,
        api_cores=api,
        pods=pods,
        nginx_cores=nginx,
        nodes=max(3 * cells, ceil(cores), ceil(memory)),
        rows_day=rate * DAY,
        stored_gb_day=stored / 1e9,
        stored_tb=stored * choice.days / 1e12,
        wal_mb_s=rate * one.wal_bytes / 1e6,
        wal_most_mb_s=rate * (one.wal_bytes + _LEAF) / 1e6,
        writer_cores=writer,
        redis_cores=redis,
        cells=cells,
        database_cpus=next((n for n in _DATABASE_CPUS if n >= wanted), 64),
        connections=pods / cells * WORKERS * one.connections,
        log_gb_day=rate * DAY * (one.api_log_bytes + one.nginx_log_bytes) / 1e9,
        egress_tb_month=rate * DAY * MONTH_DAYS * one.answer_bytes / 1e12,
        balancer_units=max(
            rate / choice.requests_per_connection / 25, wire * 3_600 / 1e9
        ),
        series=pods * one.series,
    )


def costs(size: Sizes, choice: Assumed) -> dict[str, float]:
    """Return dollars a month, by part."""
    databases = 2 * size.cells * size.database_cpus * choice.database_cpu_hour
    stored = 1_000 * size.stored_tb * choice.database_gb_month
    balancers = (
        size.cells * choice.balancer_hour
        + size.balancer_units * choice.balancer_unit_hour
    )
    return {
        "machines": size.nodes * choice.node_hour * MONTH_HOURS,
        "PostgreSQL": databases * MONTH_HOURS + stored,
        "Redis": 2 * size.cells * choice.redis_hour * MONTH_HOURS,
        "load balancers": balancers * MONTH_HOURS,
        "logs": size.log_gb_day * MONTH_DAYS * choice.log_gb,
        "to clients": 1_000 * size.egress_tb_month * choice.egress_gb,
    }


def per_million(rate: float, dollars: float) -> float:
    """Return dollars for a million valuations, of those for a month."""
    asked = rate * DAY * MONTH_DAYS / 1e6
    return dollars / asked if asked else inf
