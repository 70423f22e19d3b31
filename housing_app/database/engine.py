"""The way to a database: deadlines, a breaker, and no connection shared over a fork."""

import os
import queue
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, SQLAlchemyError

from housing_app.breaker import Breaker

Result = TypeVar("Result")
SECONDS = 0.8  # a client that reports an outcome is answered within a second
# A peer that vanished without a word is noticed even while nobody waits for it.
_POSTGRESQL = {
    "connect_timeout": 2,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
    "application_name": "housing_app",
    # Plans kept on a server outlive tables that are made anew, and poolers between.
    "prepare_threshold": None,
}


class StoreDown(Exception):  # noqa: N818 - a state, which callers expect
    """Say that a database cannot do its work now; the text holds no address."""


class Database:
    """Run transactions on one database; it is first connected to when it is asked."""

    def __init__(self, url: str | URL, store: str) -> None:
        self.url = normalised(url)
        self.breaker = Breaker(store)
        self._engine: Engine | None = None
        self._pid = 0

    @property
    def is_sqlite(self) -> bool:
        """Say whether this is a file of this machine."""
        return self.url.get_backend_name() == "sqlite"

    @property
    def engine(self) -> Engine:
        """Return the engine of this process."""
        if self._engine is None or self._pid != os.getpid():
            # A parent's connections stay its own.
            if self._engine is not None:
                self._engine.dispose(close=False)
            self._engine, self._pid = _engine(self.url), os.getpid()
        return self._engine

    def close(self) -> None:
        """Drop this process's connections, before a fork that would inherit them."""
        if self._engine is not None and self._pid == os.getpid():
            self._engine.dispose()
        self._engine = None

    def run(
        self,
        work: Callable[[Connection], Result],
        seconds: float = SECONDS,
        *,
        reads_only: bool = False,
    ) -> Result:
        """Return what `work` returns, in one transaction.

        reads_only: it writes nothing, and in SQLite waits for no writer.
        Raises StoreDown at once while the breaker is open, and within `seconds` when
        the database is away, hung, full or read-only. IntegrityError and DataError are
        the caller's business.
        """
        if not self.breaker.allows():
            raise StoreDown(self.breaker.reason)
        try:
            if self.is_sqlite:
                found = self._transact(work, reads_only)
            else:
                found = _within(seconds, lambda: self._transact(work, reads_only))
        except (IntegrityError, DataError):
            self.breaker.worked()
            raise
        except (SQLAlchemyError, OSError) as error:
            self.breaker.failed(_reason(error))
            raise StoreDown(self.breaker.reason) from error
        self.breaker.worked()
        return found

    def _transact(
        self, work: Callable[[Connection], Result], reads_only: bool
    ) -> Result:
        engine = self.engine.execution_options(reads_only=reads_only)
        with engine.begin() as connection:
            return work(connection)


def normalised(url: str | URL) -> URL:
    """Return a URL with the driver we have."""
    found = make_url(url)
    if found.drivername == "postgresql":
        return found.set(drivername="postgresql+psycopg")
    return found


def _engine(url: URL) -> Engine:
    if url.get_backend_name() == "sqlite":
        if url.database:
            os.makedirs(os.path.dirname(url.database) or ".", exist_ok=True)
        made = create_engine(url, connect_args={"timeout": SECONDS})
        event.listen(made, "connect", _prepare_sqlite)
        event.listen(made, "begin", _begin_sqlite)
        return made
    return create_engine(
        url,
        pool_size=1,
        pool_pre_ping=True,  # the first to come after a restart finds it up
        max_overflow=2,
        pool_timeout=SECONDS / 2,
        pool_recycle=300,
        connect_args=_POSTGRESQL,
    )


def _prepare_sqlite(connection: Any, _: Any) -> None:
    # Transactions are begun by `_begin_sqlite`: Python would leave out those that
    # begin with a CREATE TABLE.
    connection.isolation_level = None
    # Readers do not wait for the writer, nor it for them.
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA foreign_keys = ON")


def _begin_sqlite(connection: Connection) -> None:
    # One that reads first and writes later is refused where another wrote in between;
    # so the writer is known from the beginning, and waits for its turn there.
    reads = connection.get_execution_options().get("reads_only")
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


def _within(seconds: float, call: Callable[[], Result]) -> Result:
    """Return what `call` returns, or give up on it.

    No driver has a deadline for all it does (names looked up, servers stopped in the
    middle of an answer). What is given up on ends by itself, sooner or later.
    """
    box: queue.SimpleQueue[tuple[Any, BaseException | None]] = queue.SimpleQueue()

    def target() -> None:
        try:
            box.put((call(), None))
        except BaseException as error:  # raised again by who waits
            box.put((None, error))

    threading.Thread(target=target, name="database", daemon=True).start()
    try:
        found, error = box.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError(f"no answer in {seconds:g} s") from None
    if error is not None:
        raise error
    result: Result = found
    return result


def _reason(error: Exception) -> str:
    """Return why, without the statement, its values or an address."""
    if "no such table" in str(error) or "UndefinedTable" in str(error):
        return "its schema is not this release's: flask db upgrade"
    if isinstance(error, DBAPIError):
        return type(error.orig).__name__ if error.orig else type(error).__name__
    return str(error) if isinstance(error, TimeoutError) else type(error).__name__
