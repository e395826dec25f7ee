"""What is particular to PostgreSQL: the limits of a connection, the client's own end to every wait.

The server ends what takes too long (statement, lock, an idle transaction). A server that is frozen ends nothing, and
neither does TCP: its kernel goes on acknowledging, so keepalives and tcp_user_timeout see a healthy peer. Therefore
the client gives up by itself, a little later than the server would have.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from typing import Any, TypeVar, cast

import psycopg
from psycopg.abc import PQGen
from psycopg.errors import _WaitTimeout  # what Connection.wait() raises at the end of its timeout; public in no version
from sqlalchemy import URL, Connection, Dialect, Engine, create_engine, event, exc
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

from inbox.config import DatabaseLimits

CONNECT_TOTAL = 7.0  # seconds: looking up the name, and two addresses of which the first does not answer
#: Of every connection: an end to connecting, and to a peer whose machine is gone.
TRANSPORT: dict[str, Any] = {
    "connect_timeout": 3,  # seconds, for each address of the host
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
}
STALE_AFTER = 30.0  # seconds a connection may lie idle before it is tested at checkout
PROBE_TIMEOUT = 2.0  # seconds a connection that lay idle has to show that it lives

_T = TypeVar("_T")


class Frozen(psycopg.OperationalError):
    """The server was silent for so long that we hung up. What it was asked to do may still happen."""


class WatchedConnection(psycopg.Connection[Any]):
    """A connection on which every wait for the server ends: statements, BEGIN, COMMIT and ROLLBACK alike.

    psycopg wakes up ten times a second while it waits and looks at its timeout then: no thread, no cost per statement.
    """

    limit: float | None = DatabaseLimits().watchdog  #: seconds; None: as long as it takes

    def wait(self, gen: PQGen[_T], interval: float = 0.1, timeout: float | None = None) -> _T:
        """As the base class; at the limit, hang up and raise Frozen."""
        if timeout is not None:
            return super().wait(gen, interval, timeout)
        try:
            return super().wait(gen, interval, self.limit)
        except _WaitTimeout:
            self.pgconn.finish()  # hangs up without waiting: a rollback at checkin finds a closed connection
            raise Frozen(f"no answer within {self.limit:g} s") from None

    def lives(self) -> bool:
        """True when the server answers at once. For a connection in autocommit mode."""
        usual, self.limit = self.limit, PROBE_TIMEOUT
        try:
            self.execute("SELECT 1")
        except psycopg.Error:
            return False
        finally:
            self.limit = usual
        return True


class _Columns(Sequence[psycopg.Column]):
    """What `description` says of a result, made when somebody looks at it."""

    __slots__ = ("_count", "_cursor")

    def __init__(self, cursor: psycopg.Cursor[Any], count: int) -> None:
        self._cursor, self._count = cursor, count

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[psycopg.Column]:
        return (psycopg.Column(self._cursor, number) for number in range(self._count))

    def __getitem__(self, index: Any) -> Any:
        return [*self][index]


class FrugalCursor(psycopg.Cursor[Any]):
    """A cursor that describes the columns of its result to those alone who ask for one.

    SQLAlchemy asks after every statement whether there are any, and looks at them the first time only; to make them
    each time was a fifteenth of what a worker computes.
    """

    @property
    def description(self) -> Any:
        """As the base class: what behaves like a list of columns, or None."""
        result = self.pgresult
        return _Columns(self, result.nfields) if result is not None and result.nfields else super().description


def _settings(limits: DatabaseLimits) -> dict[str, int]:
    """The server's own limits, in milliseconds."""
    return {
        "statement_timeout": round(limits.statement * 1000),
        "lock_timeout": round(limits.lock * 1000),
        "idle_in_transaction_session_timeout": round(limits.idle * 1000),
    }


class Connections:
    """How the connections of one pool are made, lie idle, and are found dead.

    To test each at checkout would double the round trips of a webhook. So only one that lay idle for long is tested,
    and after a connection broke, those that were in the pool at that time are replaced: whatever ended one of them
    (a restart, a frozen server) has probably ended all.
    """

    def __init__(self, url: URL, limits: DatabaseLimits, *, pooled: bool, watchdog: float) -> None:
        """`pooled`: behind a transaction pooler, where nothing of a session survives the transaction."""
        self._url = url
        self._limits = limits
        self._pooled = pooled
        self._watchdog = watchdog
        self._distrusted = 0.0
        # A pooler gives every transaction another session, so each brings its limits along, in the same message.
        along = [f"SET LOCAL {name} = {value}" for name, value in _settings(limits).items()] if pooled else []
        self.begin = "; ".join(["BEGIN", *along])

    def engine(self, *, pool_size: int) -> Engine:
        """An engine in autocommit mode over a pool of them."""
        engine = create_engine(
            self._url,
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=self._limits.pool,
            pool_recycle=1500,
            pool_use_lifo=True,  # few connections are used while it is quiet, so few have to be tested
            isolation_level="AUTOCOMMIT",
            hide_parameters=True,  # an error that is logged would tell what customers wrote
            connect_args=self._arguments(),
        )
        event.listen(engine, "do_connect", self._connect)
        event.listen(engine, "checkin", self._returned)
        event.listen(engine, "checkout", self._taken)
        return engine

    def distrust(self) -> None:
        """A connection broke: replace those that are in the pool now."""
        self._distrusted = time.monotonic()

    def _arguments(self) -> dict[str, Any]:
        arguments: dict[str, Any] = {"application_name": "inbox", "cursor_factory": FrugalCursor, **TRANSPORT}
        arguments["connect_timeout"] = math.ceil(self._limits.connect)  # libpq takes whole seconds
        if self._pooled:
            arguments["prepare_threshold"] = None  # the next execution would look for it in another session
        else:
            settings = {"timezone": "UTC", **_settings(self._limits)}
            arguments["options"] = " ".join(f"-c {name}={value}" for name, value in settings.items())
        return arguments

    def _connect(self, _dialect: Dialect, _entry: object, args: Any, settings: dict[str, Any]) -> DBAPIConnection:
        connection = _in_time(lambda: WatchedConnection.connect(*args, **settings))
        connection.limit = self._watchdog
        return cast("DBAPIConnection", connection)

    def _returned(self, connection: DBAPIConnection | None, entry: ConnectionPoolEntry) -> None:
        entry.info["returned"] = time.monotonic()
        if connection is not None:  # it was not found dead
            cast("WatchedConnection", connection).limit = self._watchdog

    def _taken(self, connection: DBAPIConnection, entry: ConnectionPoolEntry, _fairy: object) -> None:
        """Raises DisconnectionError, and the pool opens a new connection."""
        returned = entry.info.get("returned")
        if returned is None:
            return
        if returned <= self._distrusted:
            raise exc.DisconnectionError("another connection broke since this one was used")
        if time.monotonic() - returned > STALE_AFTER and not cast("WatchedConnection", connection).lives():
            raise exc.DisconnectionError("the connection died while idle")


def _in_time(connect: Callable[[], WatchedConnection]) -> WatchedConnection:
    """What `connect` returns within CONNECT_TOTAL; else ConnectionTimeout, and the late connection is closed.

    psycopg's timeout starts again for each address, and none covers a name server that does not answer. A thread is
    what it takes to leave that; connections are made rarely enough.
    """
    made: Future[WatchedConnection] = Future()

    def run() -> None:
        try:
            made.set_result(connect())
        except BaseException as error:
            made.set_exception(error)

    threading.Thread(target=run, name="db-connect", daemon=True).start()
    try:
        return made.result(CONNECT_TOTAL)
    except TimeoutError:
        made.add_done_callback(_close)
        raise psycopg.errors.ConnectionTimeout(f"no connection within {CONNECT_TOTAL:g} s") from None


def _close(late: Future[WatchedConnection]) -> None:
    if late.exception() is None:
        late.result().close()


def be_patient(connection: Connection) -> None:
    """Lift the watchdog until this connection goes back to the pool."""
    watched = connection.connection.driver_connection
    assert isinstance(watched, WatchedConnection)
    watched.limit = None
