"""Losses of records, and the way back as docs/recovery.md has it."""

import time
from collections.abc import Callable

import psycopg
import stores
from account import Client, Finding
from installation import (
    Installation,
    copy,
    exchange_databases,
    merge,
    set_read_only,
)
from losses import DRAINED, Drill, fails
from watching import Watch


def database(drill: Drill) -> Finding:
    """Destroy PostgreSQL's data; bring back the newest backup in a new server."""
    here = drill.here
    with drill.loss("PostgreSQL with its data") as (found, client, watch):
        began = time.monotonic()
        backup = here.backup("database")
        drill.step("a backup is in the object store")
        drill.pace.wait()
        lost_at = time.monotonic()
        here.postgres.remove()
        gone_at = time.monotonic()
        drill.step("PostgreSQL is killed, its data are deleted")
        found.noticed = watch.noticed(lost_at)
        drill.step(f"/health says so after {found.noticed:.1f} s")
        drill.pace.wait()
        acting_at = time.monotonic()
        port = here.postgres.port
        here.postgres = stores.Postgres()
        here.postgres.port = port
        here.postgres.start()
        drill.step("an empty server is there, without tables: nothing is drained")
        here.restore(backup)
        drill.step("the backup is restored")
        found.back = watch.recovered(acting_at)
        drill.step(f"the spools are drained, all is ok: {found.back:.1f} s")
        drill.pace.wait()
        found.count(
            client,
            here,
            loses=(began - DRAINED, gone_at),
            forgets=(began, gone_at),
            answers=drill.pace.answers,
        )
        found.promise = "what was drained or reported since the backup"
        found.hold(found.lost > 0, "nothing was lost: was nothing drained?")
        kept = [at for at in client.load.acknowledged.values() if at > gone_at]
        found.hold(len(kept) > drill.pace.answers / 5, "nothing was valued meanwhile")
        found.hold(client.refusals.keys() <= {404, 503}, f"{client.refusals}")
    return found


def migration(drill: Drill) -> Finding:
    """Migrate badly; put what the restore point has under the database's name."""

    def exchange() -> None:
        url = drill.here.database_url
        exchange_databases(url, url.rpartition("/")[0] + "/restored")
        drill.step("the two databases have changed names: nothing is restarted")

    return _migrated(drill, "a bad migration, databases renamed", "restored", exchange)


def migration_with_restarts(drill: Drill) -> Finding:
    """Migrate badly; start machines anew with another DATABASE_URL."""
    here = drill.here

    def restart() -> None:
        here.database_url = here.database_url.rpartition("/")[0] + "/other"
        for one in here.machines:
            drill.entrance.point(*[m for m in here.machines if m is not one])
            one.stop()
            one.settings = here.settings()
            one.start()
            drill.entrance.point(*here.machines)
        drill.step("one after the other has the new DATABASE_URL")

    return _migrated(drill, "a bad migration, another DATABASE_URL", "other", restart)


def _migrated(
    drill: Drill, what: str, name: str, switch: Callable[[], None]
) -> Finding:
    here = drill.here
    with drill.loss(what) as (found, client, watch):
        set_read_only(here.database_url)
        watch.noticed(time.monotonic())
        drill.step("the database is read-only: records wait")
        backup = here.backup(name)
        drill.step("a backup is in the object store")
        with psycopg.connect(here.database_url, autocommit=True) as connection:
            connection.execute("SET default_transaction_read_only = off")
            connection.execute("ALTER TABLE predictions DROP COLUMN fsd")
            connection.execute("TRUNCATE outcomes")
            drill.step("a column and the outcomes are gone")
            drill.pace.wait()
            acting_at = time.monotonic()
            connection.execute(f"CREATE DATABASE {name}".encode())
        here.restore(
            backup, DATABASE_URL=here.database_url.rpartition("/")[0] + f"/{name}"
        )
        drill.step("the restore point is in a new database")
        switch()
        found.back = watch.recovered(acting_at)
        drill.pace.wait()
        found.count(client, here, answers=drill.pace.answers)
        found.promise = "nothing"
        found.hold(client.refusals.keys() <= {404, 503}, f"{client.refusals}")
    return found


def region(drill: Drill, other: Installation) -> Finding:
    """Lose a region; the entrance leads to another one, which has an old copy."""
    here = drill.here
    with drill.loss("a region, a standby in another") as (found, client, watch):
        first = here.backup("first")
        copy(here, other, first)
        other.restore(first)
        other.flask("store", "push")
        for one in other.machines:
            one.settings = other.settings()
            one.start()
        drill.step("the standby has the first backup, and models of its own")
        drill.pace.wait()
        began = time.monotonic()
        second = here.backup("second")
        made_at = time.monotonic()
        copy(here, other, second)
        drill.step("a second backup is in its object store, and is not restored")
        drill.pace.wait()
        lost_at = time.monotonic()
        here.lose()
        gone_at = time.monotonic()
        drill.step("the first region is gone")
        found.noticed = watch.noticed(lost_at)
        acting_at = time.monotonic()
        drill.entrance.point(*other.machines)
        switched_at = time.monotonic()
        drill.step("the entrance leads to the second")
        with Watch(other.machines) as standby:
            drill.pace.wait()
            standby.recovered(acting_at)
        client.stop()
        answered = [at for _, at, _ in client.load.models if at > acting_at]
        found.back = min(answered, default=acting_at + 1e6) - acting_at
        stored = other.stored()
        ids = client.load.acknowledged
        unrestored = [k for k, at in ids.items() if at < began - DRAINED]
        unrestored = [k for k in unrestored if k not in stored][-20:]
        gone = [k for k, at in ids.items() if made_at < at < lost_at][-20:]
        found.hold(len(unrestored) == 20, "nothing to restore afterwards")
        found.hold(_answers(client, unrestored) == {404}, "known without a restore?")
        found.hold(
            fails(other, "backup", "restore", second, "--without-models"),
            "a restore into a database in use was not refused",
        )
        merge(other, second)
        drill.step("the second backup is merged into the database in use")
        found.hold(_answers(client, unrestored) <= {200, 201}, "unknown after it")
        if gone:
            found.hold(_answers(client, gone) == {404}, "known, and never restored?")
        found.count(
            client,
            other,
            loses=(began - DRAINED, gone_at),
            forgets=(began, gone_at),
            fails=(lost_at, switched_at + 1),
            answers=drill.pace.answers,
            gap=60,
        )
        found.promise = "what was drained or reported since the last backup"
    return found


def _answers(client: Client, ids: list[str]) -> set[int]:
    return {client.report(one) for one in ids}
