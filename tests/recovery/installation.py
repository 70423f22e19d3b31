"""A whole installation of real parts, each of which can be lost and made anew.

Machines, PostgreSQL, Redis, and an S3 for models and backups, with the settings of
production.
"""

import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen, check_call
from typing import Any

import object_stores
import psycopg
import s3fs
import served
import stores
from machines import Machine

from housing_app.config import ROOT
from tests.system.conftest import clean_environ

POLL = 5  # seconds between looks at the model store; 60 by default
OTHER = "lightgbm-full-2"
MODELS = f"s3://{object_stores.BUCKET}/models"
BACKUPS = f"s3://{object_stores.BUCKET}/backups"
_END_SESSIONS = (
    b"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
)
_TABLES = ("predictions", "shadow_valuations", "outcomes")


class Refused(Exception):  # noqa: N818 - an outcome that a drill may wait for
    """Say how a command ended that did not do what it was asked for."""


class Installation:
    """Everything behind one entrance: a region."""

    def __init__(self, secret: str, machines: int = 2, poll: int = POLL) -> None:
        self.postgres = stores.Postgres()
        self.redis = stores.Redis()
        self.s3 = object_stores.ObjectStore()
        self.database_url = self.postgres.url
        self.publisher = Path(tempfile.mkdtemp(prefix="housing-publisher-"))
        served.copied(self.publisher / "models", OTHER)
        self.secret, self.poll = secret, poll
        self.machines = [Machine({}) for _ in range(machines)]

    def settings(self) -> dict[str, str]:
        """Return what every machine is told, as in production."""
        return self.s3.environ | {
            "HOUSING_ENV": "production",
            "AUTH": "jwt",
            "JWT_SECRET": self.secret,
            "DATABASE_URL": self.database_url,
            "REDIS_URL": self.redis.url,
            "CACHE": "redis",
            "RATE_LIMIT": "1000000/minute",
            "RATE_LIMIT_FALLBACK": "1000000/minute",
            "TRUSTED_PROXIES": "1",
            "WORKERS": "2",
            "MODEL_STORE_URL": MODELS,
            "MODEL_STORE_POLL": str(self.poll),
        }

    def flask(self, *arguments: str, on: Machine | None = None, **more: str) -> str:
        """Run a command as an operator does; raise Refused if it does not end with 0."""
        own = {
            "MODEL_DIR": str(self.publisher / "models"),
            "INSTANCE_DIR": str(on.instance if on else self.publisher / "instance"),
        }
        done = subprocess.run(
            [sys.executable, "-m", "flask", *arguments],
            cwd=ROOT,
            env=clean_environ(**(self.settings() | own | more)),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        if done.returncode:
            raise Refused(done.stderr.strip().rpartition("\n")[2] or done.stdout)
        return done.stdout

    def start(self) -> None:
        """Start it from nothing, as the documents say."""
        for server in (self.postgres, self.redis, self.s3):
            server.start()
        self.flask("db", "upgrade")
        self.flask("store", "push")
        for machine in self.machines:
            machine.settings = self.settings()
            machine.start()

    def backup(self, name: str) -> str:
        """Make a backup of what the database has; return where it is."""
        target = f"{BACKUPS}/{name}.tar"
        self.flask("backup", "create", target, "--without-models", on=self.machines[0])
        return target

    def restore(self, source: str, **settings: str) -> None:
        """Restore a backup into an empty database."""
        self.flask("backup", "restore", source, "--without-models", **settings)

    def objects(self) -> s3fs.S3FileSystem:
        """Return the object store as somebody sees it who may do everything there."""
        own = self.s3.environ
        return s3fs.S3FileSystem(
            key=own["AWS_ACCESS_KEY_ID"],
            secret=own["AWS_SECRET_ACCESS_KEY"],
            endpoint_url=own["AWS_ENDPOINT_URL"],
            skip_instance_cache=True,
            use_listings_cache=False,
        )

    def stored(self, table: str = "predictions", column: str = "id") -> set[str]:
        """Return the ids that a table has."""
        query = f"SELECT {column} FROM {table}"
        with psycopg.connect(self.database_url) as connection:
            return {row[0] for row in connection.execute(query.encode())}

    def waiting(self) -> int:
        """Return how many bytes wait in the machines' spools."""
        found = 0
        for machine in self.machines:
            for path in (machine.instance / "spool").glob("*-*"):
                with suppress(FileNotFoundError):  # drained just now
                    found += path.stat().st_size
        return found

    def lose(self) -> None:
        """Lose all of it at once."""
        for machine in self.machines:
            machine.kill()
        for server in (self.postgres, self.redis, self.s3):
            server.kill()
        for machine in self.machines:
            machine.lose()

    def remove(self) -> None:
        """End it and drop its files."""
        for server in (*self.machines, self.postgres, self.redis, self.s3):
            server.remove()
        shutil.rmtree(self.publisher, ignore_errors=True)


def new_secret() -> str:
    """Draw a secret that signs tokens."""
    return secrets.token_urlsafe(48)


def tamper(installation: Installation, name: str) -> None:
    """Change a byte of an object."""
    content = bytearray(installation.objects().cat_file(name))
    content[len(content) // 2] ^= 1
    installation.objects().pipe_file(name, bytes(content))


def set_read_only(url: str) -> None:
    """Let nothing more be written to a database: spools hold what comes."""
    with _beside(url) as (connection, name):
        connection.execute(
            f"ALTER DATABASE {name} SET default_transaction_read_only = on".encode()
        )
        connection.execute(_END_SESSIONS, [name])


def exchange_databases(url: str, other: str) -> None:
    """Give a database's name to another one."""
    with _beside(url) as (connection, name):
        connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false".encode())
        connection.execute(_END_SESSIONS, [name])
        connection.execute(f"ALTER DATABASE {name} RENAME TO broken".encode())
        new = other.rpartition("/")[2]
        connection.execute(f"ALTER DATABASE {new} RENAME TO {name}".encode())


@contextmanager
def _beside(url: str) -> Iterator[tuple[psycopg.Connection[Any], str]]:
    """Hand out a connection to another database of the server, and the name of this."""
    server, _, name = url.rpartition("/")
    with psycopg.connect(f"{server}/template1", autocommit=True) as connection:
        yield connection, name


def copy(source: Installation, target: Installation, name: str) -> None:
    """Copy an object, as a bucket's replication does."""
    target.objects().pipe_file(name, source.objects().cat_file(name))


def merge(installation: Installation, backup: str) -> None:
    """Add a backup's rows to a database in use, by a third one."""
    scratch = installation.postgres.empty_database()
    installation.restore(backup, DATABASE_URL=scratch)
    programs = stores._programs() / "bin"
    tables = [word for name in _TABLES for word in ("--table", name)]
    dump = [
        *(programs / "pg_dump", "--data-only", "--on-conflict-do-nothing"),
        *("--rows-per-insert=1000", *tables, scratch),
    ]
    load = [
        *(programs / "psql", "--quiet", "--no-psqlrc", "--single-transaction"),
        *("--set=ON_ERROR_STOP=1", installation.database_url),
    ]
    with Popen(dump, stdout=PIPE, cwd="/") as rows:
        check_call(load, stdin=rows.stdout, stdout=DEVNULL, cwd="/")
    assert rows.returncode == 0
