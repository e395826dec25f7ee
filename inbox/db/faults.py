"""Whose fault a failed statement is: the data's, the server's, or our own (I15).

Only a data or integrity error speaks against what was to be stored. Whatever else a database answers (read-only, disk
full, a table or right that is missing, a damaged page) says that it cannot be used, and the same statement may work
later. Sources: PostgreSQL, appendix A (SQLSTATEs); sqlite.org/rescode.html.
"""

from __future__ import annotations

import enum
import sqlite3

import psycopg
from sqlalchemy import exc

#: The server is going, gone or starting (57P01 to 57P03); with all of class 08.
_AWAY = frozenset({"57P01", "57P02", "57P03"})
#: The same transaction may run again at once: serialization failure, deadlock.
_COLLIDED = frozenset({"40001", "40P01"})
_CARDINALITY = "21"  #: depends on the values
#: Insufficient resources (53300 within a statement: a server that takes nobody in says it to the client alone) and
#: program limits, such as its stack's depth: settings of the server, and other values may meet them as well.
_OF_THE_SERVER = frozenset({"53", "54"})
_PROGRAM_LIMIT = "54000"
_INDEX_ROWS = "indextuple.c"  #: where PostgreSQL makes the row of an index; unlike its message, in no language
#: Read-only transaction, disk full, input/output error, damaged data or index.
_SPOILT = frozenset({"25006", "53100", "58030", "XX001", "XX002"})
_SQLITE_AWAY = frozenset(
    {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_PERM}
)
_SQLITE_SPOILT = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY})


class Trouble(enum.Enum):
    """What a failed use says of the database."""

    NONE = "none"  #: the database is well: the data or our code is wrong
    LIMIT = "limit"  #: a timeout, a lock, a collision, a full pool: it is there, and busy
    STRANGE = "strange"  #: a table, column, right or resource is missing, or it fails inside: may be our own mistake
    SPOILT = "spoilt"  #: it answers and cannot store: read-only, full or damaged
    AWAY = "away"  #: it cannot be used at all


def trouble(error: BaseException | None) -> Trouble:
    """What `error`, the driver's own or SQLAlchemy's around it, says of the database."""
    if isinstance(error, exc.TimeoutError):  # the pool's: no connection was free in time
        return Trouble.AWAY
    cause = original(error)
    if isinstance(cause, psycopg.Error):
        return _of_postgres(cause)
    if isinstance(cause, sqlite3.Error):
        return _of_sqlite(cause)
    return Trouble.NONE


def _of_postgres(error: psycopg.Error) -> Trouble:
    state = error.sqlstate
    if state is None:  # no server said it
        return _of_the_client(error)
    if state.startswith("08") or state in _AWAY:
        return Trouble.AWAY
    if isinstance(error, psycopg.DataError | psycopg.IntegrityError) or state.startswith(_CARDINALITY):
        return Trouble.NONE
    if state == _PROGRAM_LIMIT and _too_long_for_an_index(error):
        return Trouble.NONE
    if state in _SPOILT:
        return Trouble.SPOILT
    if state[:2] in _OF_THE_SERVER:
        return Trouble.STRANGE
    return Trouble.LIMIT if isinstance(error, psycopg.OperationalError) else Trouble.STRANGE


def _too_long_for_an_index(error: psycopg.Error) -> bool:
    """True when the limit is provably one of the value: the error names the index, or where its row is made."""
    return bool(error.diag.constraint_name) or error.diag.source_file == _INDEX_ROWS


def _of_the_client(error: psycopg.Error) -> Trouble:
    if isinstance(error, psycopg.OperationalError):
        return Trouble.AWAY
    return Trouble.LIMIT if isinstance(error, psycopg.InterfaceError) else Trouble.NONE


def _of_sqlite(error: sqlite3.Error) -> Trouble:
    code = getattr(error, "sqlite_errorcode", None)
    if code is None or isinstance(error, sqlite3.DataError | sqlite3.IntegrityError):
        return Trouble.NONE
    primary = code & 0xFF
    if primary in _SQLITE_AWAY:
        return Trouble.AWAY
    if primary in _SQLITE_SPOILT:
        return Trouble.SPOILT
    return Trouble.STRANGE if primary == sqlite3.SQLITE_ERROR else Trouble.LIMIT


def is_unavailable(error: BaseException | None) -> bool:
    """True when the database is to blame: nothing can be said of what was to be stored.

    The driver's own errors come from `insert_alone` only, whose row depends on nothing: what is wrong with it is wrong
    with the database, a constraint included.
    """
    if isinstance(error, psycopg.Error | sqlite3.Error):
        return True
    return trouble(error) is not Trouble.NONE or bool(getattr(error, "connection_invalidated", False))


def collided(error: BaseException) -> bool:
    """True when the transaction was rolled back because it met another one."""
    return getattr(original(error), "sqlstate", None) in _COLLIDED


def original(error: BaseException | None) -> BaseException | None:
    """The driver's error, without what SQLAlchemy wraps around it."""
    return getattr(error, "orig", None) or error


def describe(error: BaseException) -> str:
    """An error without its statement and parameters, which may hold customers' texts and tokens."""
    cause = original(error)
    lines = str(cause).splitlines()
    return f"{type(cause).__name__}: {lines[0] if lines else ''}"
