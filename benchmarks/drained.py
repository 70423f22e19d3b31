"""What the journal's drain and its pruning take of PostgreSQL: see `footprint.py`."""

import json
import random
import time
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import homes
import installation
import results
import stores

from housing_app.database import Database, schema
from housing_app.drift import live
from housing_app.journal import records, store
from housing_app.journal.drain import Drain
from housing_app.journal.spool import Spool
from housing_app.training.drift import Period
from housing_app.valuation import artifacts, serving

_STEP = 30_000  # rows measured at a time
_PRUNED = 20_000
_MODEL = homes.ROOT / "model"
_SUBJECTS = [f"agency-{number}" for number in range(200)]


def measure(rows: int) -> dict[str, Any]:
    """Drain so many rows of one home each, then prune some; return both, by steps."""
    with (
        results.folder() as name,
        stores.running(installation.postgres()) as server,
    ):
        database = Database(server.empty_database(), "journal")
        database.run(schema.upgrade, 30)
        spool = Spool(Path(name) / "spool", 10_000_000_000)
        spool.prepare()
        steps = []
        for start in range(0, rows, _STEP):
            before, began = installation.others(), time.perf_counter()
            step = {"before": start} | _drained(spool, database, server)
            took = time.perf_counter() - began
            step["others"] = round((installation.others() - before) / took, 2)
            steps.append(step)
            print(steps[-1], flush=True)
        return {
            "drain": steps,
            "read": _read(database, rows),
            "prune": _pruned(database, server),
        }


def _lines(count: int) -> list[bytes]:
    """Return records as the service writes them: real homes, made-up prices."""
    chance = random.Random()
    now = time.time()
    found = []
    seed = chance.randrange(10**9)
    for number, home in enumerate(homes.homes(count, seed=seed)):
        price = round(1e6 * chance.random(), 2)
        answer = {
            "model": {"name": "catboost-full", "version": 1, "variant": "champion"},
            "interval": 0.9,
            "predictions": [
                {
                    "id": str(uuid.uuid4()),
                    "price": price,
                    "low": round(0.8 * price, 2),
                    "high": round(1.2 * price, 2),
                    "fsd": 0.1093,
                    "confidence": "high",
                    "valuation_date": "2015-03-31",
                    "warnings": [],
                }
            ],
        }
        at, subject = now + number / 1_000, chance.choice(_SUBJECTS)
        request = records.Request(uuid.uuid4().hex, subject, "full", at, 1.234)
        found.append(records.line(request, [home], answer))
    return found


def _drained(
    spool: Spool, database: Database, server: stores.Postgres
) -> dict[str, float]:
    lines = _lines(_STEP)
    for line in lines:
        spool.append(line)
    spool.close()
    # After it, each page that is changed for the first time goes to the log whole.
    with server.connect() as connection:
        connection.execute("CHECKPOINT")
    before, size = _state(database, server), _sizes(database)
    began, own = time.perf_counter(), time.process_time()
    Drain(spool, database).run()
    took, own = time.perf_counter() - began, time.process_time() - own
    assert not spool.segments()
    after, sizes = _state(database, server), _sizes(database)
    return {
        "rows_s": round(_STEP / took),
        "drain_cpu_us": round(1e6 * own / _STEP, 1),
        "postgres_cpu_us": round(1e6 * (after["cpu"] - before["cpu"]) / _STEP, 1),
        "wal_bytes": round((after["wal"] - before["wal"]) / _STEP),
        "line_bytes": round(sum(map(len, lines)) / _STEP),
        "table_bytes": round((sizes["table"] - size["table"]) / _STEP),
        "key_bytes": round((sizes["key"] - size["key"]) / _STEP),
        "index_bytes": round((sizes["indexes"] - size["indexes"]) / _STEP),
    }


def _state(database: Database, server: stores.Postgres) -> dict[str, float]:
    assert server.process is not None
    wal = _ask(database, "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')")
    return {"cpu": installation.cpu(stores.family(server.process.pid)), "wal": wal}


def _sizes(database: Database) -> dict[str, float]:
    asked = {
        "table": "pg_table_size('predictions')",
        "indexes": "pg_indexes_size('predictions')",
        "key": "pg_relation_size('pk_predictions')",
    }
    return {name: _ask(database, f"SELECT {f}") for name, f in asked.items()}


def _ask(database: Database, query: str) -> float:
    return float(database.run(lambda c: c.exec_driver_sql(query).scalar(), 30))


def _read(database: Database, rows: int) -> dict[str, float]:
    """Read them all as a drift report does."""
    name = serving.read(_MODEL).roles["full"]["champion"]
    manifest = artifacts.read_manifest(_MODEL / name)
    today = datetime.now(UTC)
    week = Period(today - timedelta(days=7), today + timedelta(days=1))
    began = time.perf_counter()
    found = live.asked(database, manifest, "full", week, lambda count: None)
    took = time.perf_counter() - began
    return {"rows_s": round(rows / took), "homes": len(found.prices)}


def _pruned(database: Database, server: stores.Postgres) -> dict[str, float]:
    """Delete rows as `flask journal prune` does, a thousand at a time."""
    soon = datetime.now(UTC) + timedelta(days=1)
    before = _state(database, server)
    began, gone = time.perf_counter(), 0
    while gone < _PRUNED:
        gone += database.run(lambda c: store.prune(c, soon, 1_000), 60)
    took, after = time.perf_counter() - began, _state(database, server)
    return {
        "rows_s": round(gone / took),
        "postgres_cpu_us": round(1e6 * (after["cpu"] - before["cpu"]) / gone, 1),
        "wal_bytes": round((after["wal"] - before["wal"]) / gone),
    }


if __name__ == "__main__":
    print(json.dumps(measure(60_000), indent=1))
