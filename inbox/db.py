"""The database: one engine per process, opened on first use; SQLite in WAL mode or PostgreSQL by psycopg 3.

`reading()` is for queries: every statement stands alone (autocommit), which saves BEGIN and COMMIT round trips and
sees the same as READ COMMITTED would. `writing()` is one transaction; on SQLite it begins IMMEDIATE, so two writers
queue for the lock instead of failing when the second one upgrades a read lock (SQLite's "database is locked").
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import psycopg
from sqlalchemy import (
    URL,
    ColumnElement,
    Connection,
    Engine,
    Executable,
    create_engine,
    event,
    exc,
    literal_column,
    make_url,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.pool import ConnectionPoolEntry

from inbox.clock import to_milliseconds
from inbox.config import is_local_host
from inbox.errors import ConfigError, DatabaseUnavailable

log = logging.getLogger(__name__)
_T = TypeVar("_T")

SQLITE_BUSY_TIMEOUT = 10.0  # seconds a writer waits for another writer
CONNECT_TIMEOUT = 3  # seconds
POOL_TIMEOUT = 2.0  # seconds to wait for a free connection
STATEMENT_TIMEOUT_MS, LOCK_TIMEOUT_MS, IDLE_TIMEOUT_MS = 10_000, 2_000, 15_000
STALE_AFTER = 30.0  # seconds a connection may lie idle before it is tested at checkout
SUPABASE_TRANSACTION_POOLER = 6543


def normalise_url(raw: str) -> URL:
    """The SQLAlchemy address for any spelling of DATABASE_URL.

    Takes postgres:// (what platforms set; SQLAlchemy refuses it), postgresql:// and postgresql+psycopg://. A remote
    host without an sslmode gets sslmode=require, because libpq's default silently falls back to plain text.
    """
    try:
        url = make_url(raw)
    except exc.ArgumentError:
        raise ConfigError("DATABASE_URL", "must be sqlite:///path or postgresql://user:password@host/name") from None
    backend = url.drivername.split("+", 1)[0]
    if backend == "sqlite":
        return url.set(drivername="sqlite")
    if backend not in ("postgres", "postgresql"):
        raise ConfigError("DATABASE_URL", "must begin with sqlite:, postgres: or postgresql:")
    url = url.set(drivername="postgresql+psycopg")
    if url.host and not url.host.startswith("/") and not is_local_host(url.host) and "sslmode" not in url.query:
        url = url.update_query_dict({"sslmode": "require"})
    return url


class Database:
    """Hands out sessions. Thread-safe; a forked child opens connections of its own."""

    def __init__(self, url: str, *, pool_size: int = 10) -> None:
        self.url = normalise_url(url)
        self.dialect = self.url.get_backend_name()
        self._pool_size = pool_size
        self._lock = threading.Lock()
        self._pid = 0
        self._engine: Engine | None = None

    def __repr__(self) -> str:
        return f"<Database {self.url.render_as_string(hide_password=True)}>"

    @property
    def is_postgres(self) -> bool:
        return self.dialect == "postgresql"

    @property
    def transaction_pooled(self) -> bool:
        """True behind a transaction pooler, where nothing that belongs to a session survives a statement."""
        return self.is_postgres and self.url.port == SUPABASE_TRANSACTION_POOLER

    @property
    def engine(self) -> Engine:
        """This process's engine. After a fork the parent's sockets are left alone and new ones are opened."""
        with self._lock:
            if self._engine is None or self._pid != os.getpid():
                if self._engine is not None:
                    self._engine.dispose(close=False)
                self._engine = self._open()
                self._pid = os.getpid()
            return self._engine

    def close(self) -> None:
        """Close every pooled connection. The next use opens new ones."""
        with self._lock:
            engine, self._engine = self._engine, None
        if engine is not None:
            engine.dispose()

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session for queries; each statement commits by itself. Raises DatabaseUnavailable."""
        with _translated(), Session(self._bound(isolation_level="AUTOCOMMIT"), expire_on_commit=False) as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """One transaction: committed when the block ends, rolled back when it raises. Raises DatabaseUnavailable."""
        with _translated(), Session(self._bound(inbox_writes=True), expire_on_commit=False) as session, session.begin():
            yield session

    def execute_alone(self, statement: Executable, parameters: dict[str, Any]) -> None:
        """Run one statement that is its own transaction: one round trip. Must be safe to run twice.

        A pooled connection may have died unnoticed, and then the statement is repeated once on a fresh one.
        Raises DatabaseUnavailable.
        """
        bound = self._bound(isolation_level="AUTOCOMMIT")
        with _translated():
            try:
                with bound.connect() as connection:
                    connection.execute(statement, parameters)
            except exc.DBAPIError as error:
                if not error.connection_invalidated:
                    raise
                with bound.connect() as connection:
                    connection.execute(statement, parameters)

    def now(self, session: Session) -> datetime:
        """The clock that leases follow: the server's on PostgreSQL, because several machines share it."""
        if not self.is_postgres:
            return to_milliseconds(datetime.now(UTC))
        return to_milliseconds(session.execute(text("SELECT clock_timestamp()")).scalar_one())

    def _bound(self, **options: Any) -> Engine:
        return self.engine.execution_options(**options)

    def _open(self) -> Engine:
        engine = self._open_postgres() if self.is_postgres else self._open_sqlite()
        event.listen(engine, "checkin", _stamp)
        event.listen(engine, "checkout", _test_when_stale)
        return engine

    def _open_postgres(self) -> Engine:
        connect_args: dict[str, Any] = {
            "connect_timeout": CONNECT_TIMEOUT,
            "application_name": "inbox",
            "keepalives_idle": 30,
            "keepalives_interval": 10,
            "keepalives_count": 3,
        }
        if self.transaction_pooled:
            connect_args["prepare_threshold"] = None  # a pooler gives each transaction another server session
        else:
            connect_args["options"] = (
                f"-c timezone=UTC -c statement_timeout={STATEMENT_TIMEOUT_MS} -c lock_timeout={LOCK_TIMEOUT_MS}"
                f" -c idle_in_transaction_session_timeout={IDLE_TIMEOUT_MS}"
            )
        return create_engine(
            self.url,
            pool_size=self._pool_size,
            max_overflow=0,
            pool_timeout=POOL_TIMEOUT,
            pool_recycle=1500,
            connect_args=connect_args,
        )

    def _open_sqlite(self) -> Engine:
        if self.url.database and self.url.database != ":memory:":
            Path(self.url.database).parent.mkdir(parents=True, exist_ok=True)
        engine = create_engine(
            self.url,
            pool_size=self._pool_size,
            max_overflow=0,
            pool_timeout=POOL_TIMEOUT + SQLITE_BUSY_TIMEOUT,
            connect_args={"timeout": SQLITE_BUSY_TIMEOUT, "check_same_thread": False},
        )
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine


def _prepare_sqlite(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    assert isinstance(connection, sqlite3.Connection)
    connection.isolation_level = None  # this module begins transactions, not the driver
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",  # NORMAL may lose the last commits at a power cut, after we answered 200
        "foreign_keys=ON",
        "temp_store=MEMORY",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    options = connection.get_execution_options()
    if options.get("isolation_level") != "AUTOCOMMIT":
        connection.exec_driver_sql("BEGIN IMMEDIATE" if options.get("inbox_writes") else "BEGIN")


def _stamp(_connection: DBAPIConnection, entry: ConnectionPoolEntry) -> None:
    entry.info["returned"] = time.monotonic()


def _test_when_stale(connection: DBAPIConnection, entry: ConnectionPoolEntry, _fairy: object) -> None:
    """Test a connection that lay idle; testing every checkout would double the round trips of a webhook."""
    returned = entry.info.get("returned")
    if returned is None or time.monotonic() - returned < STALE_AFTER:
        return
    try:
        connection.cursor().execute("SELECT 1")
        connection.rollback()
    except Exception as error:
        raise exc.DisconnectionError("the connection died while idle") from error


@contextmanager
def _translated() -> Iterator[None]:
    """Turn "away, too slow or not migrated" into DatabaseUnavailable; other errors are bugs and pass."""
    try:
        yield
    except (exc.OperationalError, exc.InterfaceError, exc.TimeoutError) as error:
        log.warning("database unavailable: %s", describe(error))
        raise DatabaseUnavailable from error
    except exc.DBAPIError as error:
        if not error.connection_invalidated and not isinstance(error.orig, psycopg.errors.UndefinedTable):
            raise
        log.warning("database unavailable: %s", describe(error))
        raise DatabaseUnavailable from error


def in_chunks(values: Sequence[_T], size: int = 5000) -> Iterator[Sequence[_T]]:
    """`values` in pieces that fit into one statement: SQLite binds 32,766 parameters, PostgreSQL 65,535."""
    for start in range(0, len(values), size):
        yield values[start : start + size]


def fixed(value: str) -> ColumnElement[str]:
    """`value` written into the statement's text: a partial index is used only when its predicate can be read there."""
    if not value.isidentifier():
        raise ValueError("only plain words")
    return literal_column(f"'{value}'")


def insert(session: Session, table: type[DeclarativeBase]) -> postgresql.Insert | sqlite.Insert:
    """INSERT with the ON CONFLICT clauses that both databases share."""
    dialect = session.get_bind().dialect.name
    return postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)


def describe(error: BaseException) -> str:
    """An error without its statement and parameters, which may hold customers' texts and tokens."""
    original = getattr(error, "orig", None) or error
    return f"{type(original).__name__}: {str(original).splitlines()[0] if str(original) else ''}"
