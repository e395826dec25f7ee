"""The database: one engine per process, opened on first use; SQLite in WAL mode or PostgreSQL by psycopg 3.

Connections are in autocommit mode. `reading()` leaves it at that: every query stands alone, which saves BEGIN and
COMMIT round trips and sees the same as READ COMMITTED would. `writing()` begins a transaction itself; on SQLite it
begins IMMEDIATE, so two writers queue for the lock instead of failing when the second one upgrades a read lock.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import (
    URL,
    ColumnElement,
    Connection,
    Dialect,
    Engine,
    and_,
    any_,
    bindparam,
    create_engine,
    event,
    exc,
    literal,
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


@dataclass(frozen=True, slots=True)
class _Engines:
    """One pool, two ways to use it."""

    pid: int
    base: Engine
    writing: Engine
    inserts: dict[type[DeclarativeBase], _DriverInsert] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _DriverInsert:
    """An INSERT as the driver takes it: its text, and for each parameter the name and the conversion of its type."""

    text: str
    columns: tuple[tuple[str, Callable[[Any], Any] | None], ...]
    positional: bool

    @classmethod
    def of(cls, table: type[DeclarativeBase], row: Iterable[str], dialect: Dialect) -> _DriverInsert:
        mapped = table.__table__
        statement = mapped.insert().values({name: bindparam(name) for name in row})  # type: ignore[attr-defined]
        compiled = statement.compile(dialect=dialect)
        names = compiled.positiontup or list(row)
        columns = tuple((name, mapped.c[name].type.bind_processor(dialect)) for name in names)
        return cls(str(compiled), columns, compiled.positiontup is not None)

    def bind(self, row: dict[str, Any]) -> Any:
        values = [(name, convert(row[name]) if convert else row[name]) for name, convert in self.columns]
        return tuple(value for _, value in values) if self.positional else dict(values)


class Database:
    """Hands out sessions. Thread-safe; a forked child opens connections of its own."""

    def __init__(self, url: str, *, pool_size: int = 10) -> None:
        self.url = normalise_url(url)
        self.dialect = self.url.get_backend_name()
        self._pool_size = pool_size
        self._lock = threading.Lock()
        self._writer = threading.Lock()
        self._opened: _Engines | None = None

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
        """This process's engine."""
        return self._engines().base

    def _engines(self) -> _Engines:
        """Of this process. After a fork the parent's sockets are left alone and new ones are opened."""
        opened = self._opened
        if opened is None or opened.pid != os.getpid():
            with self._lock:
                opened = self._opened
                if opened is None or opened.pid != os.getpid():
                    if opened is not None:
                        opened.base.dispose(close=False)
                    opened = self._opened = self._open()
        return opened

    def close(self) -> None:
        """Close every pooled connection. The next use opens new ones."""
        with self._lock:
            opened, self._opened = self._opened, None
        if opened is not None:
            opened.base.dispose()

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session for queries; each statement commits by itself. Raises DatabaseUnavailable."""
        with _translated(), Session(self._engines().base, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """One transaction: committed when the block ends, rolled back when it raises. Raises DatabaseUnavailable."""
        with (
            self._turn_to_write(),
            _translated(),
            Session(self._engines().writing, expire_on_commit=False) as session,
            session.begin(),
        ):
            yield session

    def insert_alone(self, table: type[DeclarativeBase], row: dict[str, Any]) -> None:
        """Insert one row as a transaction of its own, in one round trip. Must be safe to run twice.

        Straight through the driver: SQLAlchemy's machinery would cost as much again as the INSERT (measured: 240
        against 145 us of CPU), and this is the whole work of a webhook. A pooled connection may have died unnoticed;
        then the statement is repeated once on a fresh one. Raises DatabaseUnavailable.
        """
        engines = self._engines()
        statement = engines.inserts.get(table)
        if statement is None:
            statement = engines.inserts[table] = _DriverInsert.of(table, row, engines.base.dialect)
        driver = engines.base.dialect.loaded_dbapi
        try:
            with _translated():
                if not self._inserted(engines.base, statement, row):
                    self._inserted(engines.base, statement, row)
        except (driver.OperationalError, driver.InterfaceError, psycopg.errors.UndefinedTable) as error:
            log.warning("database unavailable: %s", describe(error))
            raise DatabaseUnavailable from error

    def _inserted(self, engine: Engine, statement: _DriverInsert, row: dict[str, Any]) -> bool:
        """True when the row is in; False when the connection turned out to be dead."""
        connection = engine.raw_connection()
        try:
            cursor = connection.cursor()
            with self._turn_to_write():
                cursor.execute(statement.text, statement.bind(row))
            cursor.close()
        except engine.dialect.loaded_dbapi.Error as error:
            if not engine.dialect.is_disconnect(error, connection, None):
                raise
            connection.invalidate(error)
            return False
        finally:
            connection.close()
        return True

    @contextmanager
    def _turn_to_write(self) -> Iterator[None]:
        """On SQLite a process's threads queue here: its own way to wait is to sleep up to 100 ms and look again."""
        if self.is_postgres:
            yield
            return
        if not self._writer.acquire(timeout=SQLITE_BUSY_TIMEOUT):
            raise DatabaseUnavailable
        try:
            yield
        finally:
            self._writer.release()

    def now(self, session: Session) -> datetime:
        """The clock that leases follow: the server's on PostgreSQL, because several machines share it."""
        if not self.is_postgres:
            return to_milliseconds(datetime.now(UTC))
        return to_milliseconds(session.execute(text("SELECT clock_timestamp()")).scalar_one())

    def _open(self) -> _Engines:
        engine = self._open_postgres() if self.is_postgres else self._open_sqlite()
        event.listen(engine, "checkin", _stamp)
        event.listen(engine, "checkout", _test_when_stale)
        event.listen(engine, "begin", _begin)
        return _Engines(os.getpid(), engine, engine.execution_options(inbox_writes=True))

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
            isolation_level="AUTOCOMMIT",
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
            isolation_level="AUTOCOMMIT",
            connect_args={"timeout": SQLITE_BUSY_TIMEOUT, "check_same_thread": False},
        )
        event.listen(engine, "connect", _prepare_sqlite)
        return engine


def _prepare_sqlite(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    assert isinstance(connection, sqlite3.Connection)
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",  # NORMAL may lose the last commits at a power cut, after we answered 200
        "foreign_keys=ON",
        "temp_store=MEMORY",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    if connection.get_execution_options().get("inbox_writes"):
        connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.dialect.name == "sqlite" else "BEGIN")


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


def one_of(session: Session, column: Any, values: Collection[Any]) -> Iterator[ColumnElement[bool]]:
    """Conditions that together pick the rows whose `column` is one of `values`, in ascending order of values.

    On PostgreSQL it is one condition with one array parameter: the statement's text stays the same, so its plan is
    kept. SQLite binds at most 32,766 parameters, so there it is one condition per 5,000 values.
    """
    ordered = sorted(values)
    if not ordered:
        return
    if session.get_bind().dialect.name == "postgresql":
        yield column == any_(literal(ordered, postgresql.ARRAY(column.type)))
        return
    for start in range(0, len(ordered), 5000):
        yield column.in_(ordered[start : start + 5000])


def one_of_pairs(
    session: Session, first: Any, second: Any, pairs: Iterable[tuple[Any, Any]]
) -> Iterator[ColumnElement[bool]]:
    """As one_of for pairs of columns; meant for few different first values (accounts) and many second ones."""
    grouped: dict[Any, set[Any]] = {}
    for one, other in pairs:
        grouped.setdefault(one, set()).add(other)
    for one in sorted(grouped):
        for condition in one_of(session, second, grouped[one]):
            yield and_(first == one, condition)


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
