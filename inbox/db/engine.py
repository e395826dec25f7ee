"""The database: one engine per process, opened on first use; SQLite in WAL mode or PostgreSQL by psycopg 3.

Connections are in autocommit mode. `reading()` leaves it at that: every query stands alone, which saves BEGIN and
COMMIT round trips and sees the same as READ COMMITTED would. `writing()` begins a transaction itself; on SQLite it
begins IMMEDIATE, so two writers queue for the lock instead of failing when the second one upgrades a read lock.

Every wait has an end: `postgres` holds the limits, `transactions` says what a failure means and what may be repeated.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from psycopg import pq
from sqlalchemy import (
    URL,
    Connection,
    Engine,
    create_engine,
    event,
    exc,
    make_url,
    text,
)
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.orm import DeclarativeBase, Session

from inbox.clock import to_milliseconds
from inbox.config import DatabaseLimits, is_local_host
from inbox.db.after_commit import AfterCommit, Signals
from inbox.db.driver import DriverInsert
from inbox.db.faults import describe, is_unavailable
from inbox.db.postgres import Connections, Frozen, be_patient
from inbox.db.server_clock import ServerClock
from inbox.db.sqlite import SQLiteFile
from inbox.db.storage import Storage
from inbox.db.transactions import Use, database_breaker
from inbox.db.writes import WritingSession
from inbox.errors import ConfigError, DatabaseUnavailable
from inbox.metrics import statements
from inbox.resilience import Breaker

log = logging.getLogger(__name__)

SQLITE_BUSY_TIMEOUT = 10.0  # seconds a writer waits for another writer
SUPABASE_TRANSACTION_POOLER = 6543
POOLER_MARK = "pgbouncer"  # Supabase's dashboard hands out addresses with ?pgbouncer=true; libpq would refuse it


def normalise_url(raw: str) -> URL:
    """The SQLAlchemy address for any spelling of DATABASE_URL.

    Takes postgres:// (what platforms set; SQLAlchemy refuses it), postgresql:// and postgresql+psycopg://. A remote
    host without an sslmode gets sslmode=require, because libpq's default silently falls back to plain text.
    """
    try:
        url = make_url(raw)
    except (exc.ArgumentError, ValueError):  # the latter of a port that is none, and quotes it
        raise ConfigError("DATABASE_URL", "must be sqlite:///path or postgresql://user:password@host/name") from None
    backend = url.drivername.split("+", 1)[0]
    if backend == "sqlite":
        return url.set(drivername="sqlite")
    if backend not in ("postgres", "postgresql"):
        raise ConfigError("DATABASE_URL", "must begin with sqlite:, postgres: or postgresql:")
    url = url.set(drivername="postgresql+psycopg")
    known = {POOLER_MARK, *(option.keyword.decode() for option in pq.Conninfo.get_defaults())}
    for name in url.query:  # Prisma's and JDBC's addresses bring options of their own
        if name not in known:
            raise ConfigError("DATABASE_URL", f"has the option {name!r}, which libpq does not know; take it out")
    if url.host and not url.host.startswith("/") and not is_local_host(url.host) and "sslmode" not in url.query:
        url = url.update_query_dict({"sslmode": "require"})
    return url


@dataclass(frozen=True, slots=True)
class _Engines:
    """One pool, two ways to use it."""

    pid: int
    base: Engine
    writing: Engine
    distrust: Callable[[], None]  #: a connection broke, so those in the pool may be broken too
    inserts: dict[type[DeclarativeBase], DriverInsert] = field(default_factory=dict)


class Database:
    """Hands out sessions. Thread-safe; a forked child opens connections of its own.

    `watchdog` is how many seconds a silent server is waited for, the limits' own unless it is given; `repeats` is off
    when RESILIENCE_RETRY is. A use must not be nested in another: each asks the breaker, and a half-open one lets a
    single use through.
    """

    def __init__(
        self,
        url: str,
        *,
        pool_size: int = 10,
        limits: DatabaseLimits = DatabaseLimits(),  # noqa: B008 (frozen)
        watchdog: float | None = None,
        breaker: Breaker | None = None,
        repeats: bool = True,
    ) -> None:
        address = normalise_url(url)
        self.dialect = address.get_backend_name()
        #: Behind a transaction pooler nothing that belongs to a session survives a statement.
        self.transaction_pooled = self.is_postgres and (
            address.port == SUPABASE_TRANSACTION_POOLER or address.query.get(POOLER_MARK) == "true"
        )
        self.url = address.difference_update_query([POOLER_MARK])
        self.breaker = breaker or database_breaker(limits)
        self.storage = Storage()
        self._file = SQLiteFile(address.database or "")
        self.repeats = repeats
        self.pool_size = pool_size  #: connections this process may hold
        self.signals = Signals()  #: what follows a commit (`after_commit`)
        self._clock = ServerClock()
        self._limits = limits
        self._watchdog = limits.watchdog if watchdog is None else watchdog
        self._lock = threading.Lock()
        self._writer = threading.Lock()
        self._opened: _Engines | None = None

    def __repr__(self) -> str:
        return f"<Database {self.url.render_as_string(hide_password=True)}>"

    @property
    def is_postgres(self) -> bool:
        return self.dialect == "postgresql"

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

    @property
    def connections_in_use(self) -> int:
        """Connections that somebody holds just now."""
        opened = self._opened
        return int(opened.base.pool.checkedout()) if opened is not None else 0  # type: ignore[attr-defined]

    def close(self) -> None:
        """Close every pooled connection. The next use opens new ones."""
        with self._lock:
            opened, self._opened = self._opened, None
        if opened is not None:
            opened.base.dispose()

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session for queries; each statement commits by itself. Raises DatabaseUnavailable."""
        with self._use(), Session(self._engines().base, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def querying(self) -> Iterator[Connection]:
        """As `reading`, for statements over tables instead of entities. Raises DatabaseUnavailable.

        Without the bookkeeping of a session a list takes a quarter less (265 against 345 us of CPU for 50 rows).
        """
        with self._use(), self._engines().base.connect() as connection:
            yield connection

    @contextmanager
    def writing(self, *, patient: bool = False) -> Iterator[Session]:
        """One transaction: committed when the block ends, rolled back when it raises. Raises DatabaseUnavailable.

        Then the signals are sent that were asked for inside (`after_commit`): outside of the lock and the use, so they
        hold up nobody. `patient` waits for the server as long as it takes: for migrations, which lift its own limits
        as well.
        """
        following = AfterCommit(self.signals)
        with (
            self._turn_to_write(),
            self._use(writes=True) as use,
            self._checked_file(),
            WritingSession(self._engines().writing, expire_on_commit=False) as session,
            session.begin(),
        ):
            if patient and self.is_postgres:
                be_patient(session.connection())
            following.bind(session)
            yield session
            session.flush()  # here, so that only COMMIT is left to be sent
            self._check_file()
            use.committing = True
        following.send()

    @contextmanager
    def writing_once(self) -> Iterator[Session]:
        """A session for one statement that writes: it commits by itself, without BEGIN and COMMIT.

        Raises DatabaseUnavailable. Nothing follows such a commit: what it does, its caller has in hand.
        """
        with (
            self._turn_to_write(),
            self._use(writes=True),
            self._checked_file(),
            Session(self._engines().base, expire_on_commit=False) as session,
        ):
            yield session

    def insert_alone(self, table: type[DeclarativeBase], row: dict[str, Any]) -> None:
        """Insert one row as a transaction of its own, in one round trip. Must be safe to run twice.

        Straight through the driver: SQLAlchemy's machinery would cost as much again as the INSERT (measured: 240
        against 145 us of CPU), and this is the whole work of a webhook. A pooled connection may have died unnoticed;
        then the statement is repeated once on a fresh one. Raises DatabaseUnavailable, whatever the driver says:
        the row is of our own making, and nothing in it can be refused for good.
        """
        with self._use(writes=True), self._checked_file():
            engines = self._engines()
            statement = engines.inserts.get(table)
            if statement is None:
                statement = engines.inserts[table] = DriverInsert.of(table, row, engines.base.dialect)
            values = statement.bind(row)
            if not self._executed(engines, statement.text, values, may_break=self.repeats):
                self._executed(engines, statement.again, values, may_break=False)

    def _executed(self, engines: _Engines, statement: str, values: Any, *, may_break: bool) -> bool:
        """Run one statement; False when its connection turned out to be dead, and it `may_break`."""
        connection = engines.base.raw_connection()
        try:
            cursor = connection.cursor()
            statements.count()
            with self._turn_to_write():
                cursor.execute(statement, values)
            cursor.close()
        except engines.base.dialect.loaded_dbapi.Error as error:
            if not engines.base.dialect.is_disconnect(error, connection, None):
                if is_unavailable(error):
                    raise
                log.warning("the database refuses a row of ours: %s", describe(error))
                raise DatabaseUnavailable from error
            connection.invalidate(error)
            engines.distrust()
            if not may_break or isinstance(error, Frozen):
                raise
            return False
        finally:
            connection.close()
        return True

    def _use(self, *, writes: bool = False) -> Use:
        return Use(self.breaker, self.storage, writes=writes, repeats=self.repeats)

    def complaint(self) -> str | None:
        """What an operator has to do because SQLite's file was deleted or replaced; None when it was not."""
        return None if self.is_postgres else self._file.complaint()

    def _check_file(self) -> None:
        if not self.is_postgres:
            self._file.check()

    @contextmanager
    def _checked_file(self) -> Iterator[None]:
        """What was stored inside is acknowledged only if it went into the file that everybody sees."""
        yield
        self._check_file()

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
        """The clock that leases follow: the server's on PostgreSQL, because several machines share it.

        It is asked for every few seconds only (`server_clock`).
        """
        if not self.is_postgres:
            session.connection()  # a writer waits for its turn here, and takes the time after it (`horizon`)
            return to_milliseconds(datetime.now(UTC))
        ask = text("SELECT clock_timestamp()")
        return self._clock.now() or self._clock.read(lambda: session.execute(ask).scalar_one())

    def seconds_until(self, due: datetime) -> float:
        """By the clock of `now`, without asking for it."""
        return (due - ((self._clock.about() if self.is_postgres else None) or datetime.now(UTC))).total_seconds()

    def _open(self) -> _Engines:
        if self.is_postgres:
            connections = Connections(self.url, self._limits, pooled=self.transaction_pooled, watchdog=self._watchdog)
            engine = connections.engine(pool_size=self.pool_size)
            begin, distrust = connections.begin, connections.distrust
            event.listen(engine, "handle_error", self._doubt_clock)
        else:
            engine = self._open_sqlite()
            begin, distrust = "BEGIN IMMEDIATE", _trusting
        event.listen(engine, "begin", _begin)
        event.listen(engine, "before_cursor_execute", statements.count)
        return _Engines(os.getpid(), engine, engine.execution_options(inbox_begin=begin), distrust)

    def _doubt_clock(self, context: ExceptionContext) -> None:
        """After a connection broke, another server may have taken over."""
        if context.is_disconnect:
            self._clock.forget()

    def _open_sqlite(self) -> Engine:
        engine = create_engine(
            self.url,
            pool_size=self.pool_size,
            max_overflow=0,
            pool_timeout=self._limits.pool + SQLITE_BUSY_TIMEOUT,
            isolation_level="AUTOCOMMIT",
            hide_parameters=True,  # an error that is logged would tell what customers wrote
            connect_args={"timeout": SQLITE_BUSY_TIMEOUT, "check_same_thread": False},
        )
        self._file.listen(engine)
        return engine


def _begin(connection: Connection) -> None:
    begin = connection.get_execution_options().get("inbox_begin")
    if begin is not None:
        connection.exec_driver_sql(begin)


def _trusting() -> None:
    """A file does not go away."""
