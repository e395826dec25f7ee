"""What is particular to SQLite: its file's modes are ours, and it is never made again, nor changed for another, unseen.

A process that goes on using a file that was deleted stores into nothing: its connections hold the old file, which goes
when the last of them closes (measured: 29 webhooks answered 200, all lost). So each use looks whether the file at the
path is still the one that this process opened first, before and after a write, and only the first connection may make
one. Another file in its place is never used: the log (-wal) beside it belongs to the first one and would spoil it
(measured: a backup moved there, 99 sends answered 202 and lost). It takes a restart, or the first file's return.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

from sqlalchemy import Dialect, Engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

from inbox.db.words import holds

log = logging.getLogger(__name__)

_FOLDER, _FILE = 0o700, 0o600
_BESIDE = ("-wal", "-shm")
_FOR_OTHERS = 0o077


class FileLost(sqlite3.OperationalError):
    """The file was deleted or replaced while it was in use."""

    sqlite_errorcode = sqlite3.SQLITE_CANTOPEN
    sqlite_errorname = "SQLITE_CANTOPEN"


class SQLiteFile:
    """The file of one Database. `listen` to its engine and it looks after it."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._opened: tuple[int, int] | None = None  #: device and inode; from then on no other will do
        self._complained = False

    def listen(self, engine: Engine) -> None:
        """Open connections of `engine` by our rules, and look at each before it is used."""
        event.listen(engine, "do_connect", self._connect)
        event.listen(engine, "connect", self._remember)
        event.listen(engine, "connect", _prepare)
        event.listen(engine, "checkout", self._taken)

    def complaint(self) -> str | None:
        """What is wrong with the file, and what to do; None when it is the one that was opened."""
        opened = self._opened  # before the look: another thread may open the file, and make it, in between
        found = self._identity()
        if opened is None or found == opened:
            return None
        happened = "deleted" if found is None else "replaced"
        return f"{self._path.name} was {happened} while in use; stop the processes, then restore"

    def check(self) -> None:
        """Raises FileLost when what is stored now would be lost. Costs one look at the path."""
        complaint = self.complaint()
        if (complaint is not None) != self._complained:
            self._complained = complaint is not None
            if complaint:
                log.error(complaint)
            else:
                log.info("%s is the file that was opened again", self._path.name)
        if complaint is not None:
            raise FileLost(complaint)

    def _connect(self, _dialect: Dialect, _entry: object, _args: Any, settings: dict[str, Any]) -> DBAPIConnection:
        self.check()  # a connection reads the -wal that it finds
        if self._opened is None:
            self._make()
        address = f"file:{quote(str(self._path.absolute()))}?mode=rw"
        return cast("DBAPIConnection", sqlite3.connect(address, uri=True, **settings))

    def _make(self) -> None:
        """Make the file unless it is there. One that others could read, as the umask had it, is taken from them."""
        with contextlib.suppress(OSError):  # SQLite says it, and what is read-only can be read
            self._path.parent.mkdir(mode=_FOLDER, parents=True, exist_ok=True)
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _FILE))
        for path in (self._path, *(self._path.with_name(self._path.name + end) for end in _BESIDE)):
            with contextlib.suppress(OSError):  # not there, or somebody else's, who decides then
                if path.stat().st_mode & _FOR_OTHERS:
                    path.chmod(_FILE)

    def _remember(self, _connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
        if self._opened is None:
            self._opened = self._identity()
        self.check()

    def _taken(self, _connection: DBAPIConnection, _entry: ConnectionPoolEntry, _fairy: object) -> None:
        self.check()

    def _identity(self) -> tuple[int, int] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino


def _prepare(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    assert isinstance(connection, sqlite3.Connection)
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",  # NORMAL may lose the last commits at a power cut, after we answered 200
        "foreign_keys=ON",
        "temp_store=MEMORY",
    ):
        connection.execute(f"PRAGMA {pragma}")
    connection.create_function("holds", 2, holds, deterministic=True)
