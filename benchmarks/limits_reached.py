"""Which limit is reached first as requests grow: rows of docs/capacity.md.

What deploy/ sets is read there, so that the table follows it.
"""

import re
import sys
from pathlib import Path
from typing import Any

import yaml
from report import table
from sizing import DAY, WORKERS, Assumed, Measured

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from housing_app import config  # noqa: E402

# Of `flask backup create`, a million rows from PostgreSQL: docs/operations.md.
_BACKUP_SECONDS, _BACKUP_BYTES = 66.8, 152e6
_DRIFT_DAYS, _DRIFT_SECONDS = 7, 600  # `flask drift report`: housing_app/drift/live.py
_POSTGRES_CONNECTIONS = 100  # as it comes; three are the superuser's
_POOL = 3  # most that a worker opens: housing_app/database/engine.py


def found(one: Measured, choice: Assumed) -> str:
    """Return the limits in the order in which they are reached."""
    scaler = _autoscaler()
    most, target, busy = scaler["maxReplicas"], scaler["requests"], scaler["cpu"]
    seconds, room = _backup_job()
    of_pod = choice.pod_cores * 1_000 / one.api_ms
    connections = (_POSTGRES_CONNECTIONS - 3) / WORKERS
    rows = [
        (_setting("RATE_LIMIT") / 60, "`RATE_LIMIT` of deploy/, for one client"),
        (_nginx_rate(), "nginx's `RATE`, for one address"),
        (
            room / 2 / _BACKUP_BYTES * 1e6 / (choice.days * DAY),
            f"the backup job's {room / 2**30:g} GiB, which must hold the file twice",
        ),
        (
            seconds / _BACKUP_SECONDS * 1e6 / (choice.days * DAY),
            f"the backup job's {seconds:,} s, for {choice.days:g} days of rows",
        ),
        (
            _DRIFT_SECONDS * one.read_rows_s / (_DRIFT_DAYS * DAY),
            f"`flask drift report` of {_DRIFT_DAYS} days takes its {_DRIFT_SECONDS} s",
        ),
        (
            float(most * target),
            f"the autoscaler's {most} pods, at {target:g} requests/s each",
        ),
        (
            most * busy * of_pod,
            f"the autoscaler's {most} pods, at {busy:.0%} of each one's core",
        ),
        (
            connections / _POOL * choice.utilisation * of_pod,
            f"{_POSTGRES_CONNECTIONS} connections to PostgreSQL, if each worker has "
            f"{_POOL}",
        ),
        (
            connections / one.connections * choice.utilisation * of_pod,
            f"{_POSTGRES_CONNECTIONS} connections to PostgreSQL, "
            f"{one.connections:g} for each worker, as measured",
        ),
        (
            choice.utilisation * 1_000 / one.redis_ms,
            f"{choice.utilisation:.0%} of the one core that a Redis uses",
        ),
        (
            choice.database_tb * 1e12 / (choice.days * DAY * one.row_bytes),
            f"{choice.database_tb:g} TB in one PostgreSQL after {choice.days:g} days",
        ),
    ]
    rows.sort()
    listed = table(
        ("Limit", "requests/s"), [(what, _round(rate)) for rate, what in rows]
    )
    minutes = spool_minutes(one, choice)
    return listed + (
        f"\nWhile PostgreSQL is away, a pod that uses {choice.utilisation:.0%} of its "
        f"core keeps records for {minutes:.0f} minutes (`SPOOL_MAX_MB`).\n"
    )


def spool_minutes(one: Measured, choice: Assumed) -> float:
    """Return how long a pod at its rate keeps records while the database is away."""
    rate = choice.utilisation * choice.pod_cores * 1_000 / one.api_ms
    return _setting("SPOOL_MAX_MB") * 1e6 / one.line_bytes / rate / 60


def _round(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 10 else f"{rate:.1f}"


def _kubernetes(name: str) -> dict[str, Any]:
    """Return the specification in a file of deploy/kubernetes."""
    text = (ROOT / "deploy" / "kubernetes" / name).read_text()
    found: dict[str, Any] = yaml.safe_load(text)["spec"]
    return found


def _backup_job() -> tuple[int, int]:
    """Return the seconds and the bytes that the job may take."""
    job = _kubernetes("shared/backup.yaml")["jobTemplate"]["spec"]
    volumes = job["template"]["spec"]["volumes"]
    (size,) = (x["emptyDir"]["sizeLimit"] for x in volumes if x["name"] == "tmp")
    return job["activeDeadlineSeconds"], int(size.removesuffix("Gi")) * 2**30


def _autoscaler() -> dict[str, Any]:
    spec = _kubernetes("base/autoscaler.yaml")
    told: dict[str, Any] = {"maxReplicas": spec["maxReplicas"]}
    for metric in spec["metrics"]:
        if metric["type"] == "Pods":
            target = metric["pods"]["target"]["averageValue"]
            if metric["pods"]["metric"]["name"] == "housing_requests_per_second":
                told["requests"] = float(target)
        elif metric["resource"]["name"] == "cpu":
            told["cpu"] = metric["resource"]["target"]["averageUtilization"] / 100
    return told


def _setting(name: str) -> float:
    """Return the number in a setting of deploy/kubernetes."""
    text = (ROOT / "deploy/kubernetes/settings/settings.env").read_text()
    lines = dict(line.split("=", 1) for line in text.split())
    default = next(s.default for s in config.SETTINGS if s.name == name)
    return float(re.match(r"\d+", lines.get(name, str(default)))[0])  # type: ignore[index]


def _nginx_rate() -> float:
    text = (ROOT / "deploy" / "nginx" / "render.py").read_text()
    return float(re.search(r'"RATE", "(\d+)r/s"', text)[1])  # type: ignore[index]
