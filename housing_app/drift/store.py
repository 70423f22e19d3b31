"""What is done with the table `drift_reports`."""

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, insert, inspect, select

from housing_app.database.tables import drift_reports

_slot, _at = drift_reports.c.slot, drift_reports.c.at


def has_table(connection: Connection) -> bool:
    """Say whether the database was brought to a schema with drift reports."""
    return inspect(connection).has_table(drift_reports.name)


def save(connection: Connection, report: Mapping[str, Any], at: datetime) -> None:
    """Keep a report."""
    row = {name: report[name] for name in ("model", "version", "slot")}
    row |= {"id": str(uuid.uuid4()), "at": at, "report": report}
    connection.execute(insert(drift_reports), row)


def marks(connection: Connection) -> dict[str, datetime]:
    """Return when the newest report of each slot was made."""
    if not has_table(connection):
        return {}
    found = connection.execute(select(_slot, func.max(_at).label("at")).group_by(_slot))
    return {row.slot: row.at for row in found}


def newest(connection: Connection) -> list[dict[str, Any]]:
    """Return the newest report of each slot, with the moment `at` it was made."""
    query = select(_at, drift_reports.c.report).order_by(_at.desc()).limit(1)
    rows = [
        connection.execute(query.where(_slot == slot)).one()
        for slot in marks(connection)
    ]
    return [row.report | {"at": row.at} for row in rows]
