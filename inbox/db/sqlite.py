"""What is particular to SQLite: its file's modes are ours, and it is never made again, nor changed for another, unseen.

A process that goes on using a file that was deleted stores into nothing: its connections hold the old file, which goes
when the last of them closes (measured: 29 webhooks answered 200, all lost). So each use looks whether the file at the
path is still the one its connection has, and only the first connection of a process may make one.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

from sqlalchemy import Dialect, Engine, event, exc
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

_FOLDER, _FILE = 0o700, 0o600
_BESIDE = ("-wal", "-shm")
_FOR_OTHERS = 0o077


class SQLiteFile:
    """The file of one Database. `listen` to its engine and it looks after it."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._made = False  #: or found: from then on a missing file is a database that is away

    def listen(self, engine: Engine) -> None:
        """Open connections of `engine` by our rules, and look at each before it is used."""
        event.listen(engine, "do_connect", self._connect)
        event.listen(engine, "connect", _prepare)
        event.listen(engine, "connect", self._remember)
        event.listen(engine, "checkout", self._taken)

    def _connect(self, _dialect: Dialect, _entry: object, _args: Any, settings: dict[str, Any]) -> DBAPIConnection:
        if not self._made:
            self._make()
            self._made = self._path.exists()
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

    def _remember(self, _connection: DBAPIConnection, entry: ConnectionPoolEntry) -> None:
        entry.info["file"] = self._identity()

    def _taken(self, _connection: DBAPIConnection, entry: ConnectionPoolEntry, _fairy: object) -> None:
        """Raises DisconnectionError, and the pool connects again: to another file, or in vain when there is none."""
        if entry.info.get("file") != self._identity():
            raise exc.DisconnectionError("the database's file was deleted or replaced")

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
