"""Waking the dispatcher: at once by an event in this process, by LISTEN/NOTIFY from another one.

Polling every second is the net under both, so a lost wake-up costs a second and nothing else. NOTIFY never travels
inside a request's transaction: it serialises commits (20 to 30 % of them, measured), so a thread sends it apart, at
most every 50 ms.
"""

from __future__ import annotations

import enum
import logging
import threading
from collections.abc import Iterable
from functools import partial

import psycopg
from sqlalchemy.orm import Session

from inbox.background import Background
from inbox.db import Database
from inbox.db.after_commit import after_commit
from inbox.db.faults import describe
from inbox.db.postgres import TRANSPORT, WatchedConnection

log = logging.getLogger(__name__)

CHANNEL = "inbox_wake"
NOTIFY_INTERVAL = 0.05  # seconds
_RECONNECT = 5.0  # seconds


class Work(enum.StrEnum):
    """What a dispatcher's crews wait for."""

    INGEST = "ingest"
    DELIVER = "deliver"
    ANSWER = "answer"
    HOUSEKEEPING = "housekeeping"


class Wakeups:
    """One event per kind of work; `ring` sets it here, and elsewhere if nobody works in this process.

    A transaction that makes work says so by `wake`; the database's signals bring it here.
    """

    def __init__(self, db: Database, *, remote: bool) -> None:
        self._db = db
        self._remote = remote and can_notify(db)
        self._events = {work: threading.Event() for work in Work}
        self._outgoing: set[Work] = set()
        self._pending = threading.Event()
        self._stopping = threading.Event()
        self._notifier = Background("wake-notify", self._notify)
        self._listener = Background("wake-listen", self._listen)
        for work in Work:
            db.signals.connect(work, partial(self.ring, work))

    def ring(self, work: Work) -> None:
        """There is something to do. Never blocks, never fails."""
        self.ring_here(work)
        if self._remote:
            self._outgoing.add(work)
            self._pending.set()
            self._notifier.start()

    def ring_here(self, work: Work) -> None:
        """As ring, for this process alone."""
        self._events[work].set()

    def wait(self, work: Work, seconds: float) -> None:
        """Sleep until somebody rings for `work`, or until `seconds` have passed."""
        self._events[work].wait(seconds)
        self._events[work].clear()

    def listen(self) -> None:
        """Hear what other processes ring."""
        if can_notify(self._db):
            self._listener.start()

    def stop(self, seconds: float = 2.0) -> None:
        """End the threads, and wake everybody who waits."""
        self._stopping.set()
        self._pending.set()
        for bell in self._events.values():
            bell.set()
        for thread in (self._notifier, self._listener):
            thread.join(seconds)

    def _notify(self) -> None:
        while not self._stopping.is_set():
            try:
                with _connect(self._db) as connection:
                    self._notify_over(connection)
            except psycopg.Error as error:
                log.warning("cannot wake other processes, they will poll: %s", describe(error))
                self._stopping.wait(_RECONNECT)

    def _notify_over(self, connection: psycopg.Connection) -> None:
        while not self._stopping.is_set():
            self._pending.wait()
            self._pending.clear()
            while self._outgoing:
                connection.execute("SELECT pg_notify(%s, %s)", (CHANNEL, self._outgoing.pop()))
            self._stopping.wait(NOTIFY_INTERVAL)

    def _listen(self) -> None:
        while not self._stopping.is_set():
            try:
                with _connect(self._db) as connection:
                    connection.execute(f"LISTEN {CHANNEL}")
                    self._ring_all(Work)  # what was rung before we listened
                    while not self._stopping.is_set():
                        self._ring_all(note.payload for note in connection.notifies(timeout=1.0, stop_after=1))
            except psycopg.Error as error:
                log.warning("cannot hear other processes, polling instead: %s", describe(error))
                self._stopping.wait(_RECONNECT)

    def _ring_all(self, works: Iterable[str]) -> None:
        for work in works:
            if work in self._events:
                self._events[Work(work)].set()


def wake(session: Session, work: Work) -> None:
    """This transaction makes `work`: its crew is woken once it has committed."""
    after_commit(session, work)


def can_notify(db: Database) -> bool:
    """LISTEN/NOTIFY needs PostgreSQL and a session of one's own."""
    return db.is_postgres and not db.transaction_pooled


def _connect(db: Database) -> psycopg.Connection:
    # Not by an address: a password that libpq cannot read in one stands in its error.
    _, settings = db.engine.dialect.create_connect_args(db.url)
    return WatchedConnection.connect(**{**settings, **TRANSPORT}, autocommit=True, application_name="inbox-wake")
