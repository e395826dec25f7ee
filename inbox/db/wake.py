"""Waking the dispatcher: at once by an event in this process, by LISTEN/NOTIFY from another one.

A ring may be for later: what is due at a known time wakes its crew then. Polling is the net under all of it: every
second where other processes cannot be heard, and ever more seldom where they can. NOTIFY never travels inside a
request's transaction: it serialises commits (20 to 30 % of them, measured), so a thread sends it apart, at most every
100 ms. A process whose crews work for it tells nobody, unless there is more than they can take.
"""

from __future__ import annotations

import enum
import heapq
import logging
import math
import threading
import time
from collections.abc import Iterable
from datetime import datetime
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
NOTIFY_INTERVAL = 0.1  # seconds: whom it wakes gathers as long
GATHER = 0.12  # seconds: work that comes so close together is done together. What comes alone waits for nothing
STATUSES = "statuses"  #: the signal that delivery statuses have come
STATUSES_GATHER = 1.5  # seconds: a tick may come a little later, and a batch of them costs what one does
_FOREVER = 3600.0  # seconds
_TICK = 0.01  # seconds: what is due within one rings once
_RECONNECT = 5.0  # seconds


class Work(enum.StrEnum):
    """What a dispatcher's crews wait for."""

    INGEST = "ingest"
    DELIVER = "deliver"
    SPARE = "spare"  #: the one send more while all that are under way hang
    ANSWER = "answer"
    MEDIA = "media"
    HOOKS = "hooks"
    KNOWLEDGE = "knowledge"
    HOUSEKEEPING = "housekeeping"


class _Bell:
    """Rings for works at the times it was set to. Any thread may set it; one waits."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._set: list[tuple[float, Work]] = []  #: a heap
        self._over = False

    def ring(self, work: Work, seconds: float, *, gather: bool = False) -> None:
        """Ring in so many seconds; `gather`: if it rings before that anyway, that will do."""
        with self._changed:
            now = time.monotonic()
            at = now if seconds <= 0 else math.ceil((now + seconds) / _TICK) * _TICK
            earliest = 0.0 if gather or seconds <= 0 else at
            if not any(known == work and earliest <= set_to <= at for set_to, known in self._set):
                heapq.heappush(self._set, (at, work))
                self._changed.notify()

    def wait(self, seconds: float) -> set[Work]:
        """Sleep until it rings, or until `seconds` have passed: what it rang for."""
        until = time.monotonic() + seconds
        with self._changed:
            while not (rung := self._rung()) and not self._over and (now := time.monotonic()) < until:
                self._changed.wait(min([until, *(at for at, _ in self._set[:1])]) - now)
            return rung

    def end(self) -> None:
        """Ring now for all that it was set to; after that nobody waits any more."""
        with self._changed:
            self._over = True
            self._changed.notify()

    def _rung(self) -> set[Work]:
        works = set()
        while self._set and (self._over or self._set[0][0] <= time.monotonic()):
            works.add(heapq.heappop(self._set)[1])
        return works


class Wakeups:
    """A bell per kind of work. It rings here, and in other processes too unless crews work in this one.

    A transaction that makes work says so by `wake`; the database's signals bring it here.
    """

    def __init__(self, db: Database) -> None:
        self._db = db
        self._bells = {work: _Bell() for work in Work}
        self._outgoing = _Bell()
        self._stopping = threading.Event()
        self._crews_here = self._hearing = False
        self._notifier = Background("wake-notify", self._notify)
        self._listener = Background("wake-listen", self._listen)
        for work in Work:
            db.signals.connect(work, partial(self._ring_at, work))
        db.signals.connect(STATUSES, partial(self.ring, Work.INGEST, STATUSES_GATHER, gather=True))

    @property
    def hears_all(self) -> bool:
        """True while other processes can tell us of work: then looking for it finds little."""
        return self._hearing

    def ring(self, work: Work, seconds: float = 0.0, *, gather: bool = False) -> None:
        """There is something to do, or will be in so many seconds. Never blocks, never fails.

        `gather`: it may be done together with what comes before then.
        """
        self._bells[work].ring(work, seconds, gather=gather)
        if not self._crews_here:
            self.ring_others(work, seconds, gather=gather)

    def _ring_at(self, work: Work, due: datetime | None = None) -> None:
        self.ring(work, 0.0 if due is None else max(0.0, self._db.seconds_until(due)))

    def ring_others(self, work: Work, seconds: float = 0.0, *, gather: bool = False) -> None:
        """As ring, for the crews of other processes alone."""
        if can_notify(self._db):
            self._outgoing.ring(work, seconds, gather=gather)
            self._notifier.start()

    def ring_here(self, work: Work, seconds: float = 0.0) -> None:
        """As ring, for this process alone."""
        self._bells[work].ring(work, seconds)

    def wait(self, work: Work, seconds: float) -> bool:
        """Sleep until somebody rings for `work`: True; or until `seconds` have passed: False."""
        return bool(self._bells[work].wait(seconds))

    def listen(self) -> None:
        """Hear what other processes ring: crews work here from now on."""
        self._crews_here = True
        if can_notify(self._db):
            self._listener.start()

    def stop(self, seconds: float = 2.0) -> None:
        """End the threads, and wake everybody who waits. What was rung for others before is told to them."""
        self._stopping.set()
        for work, bell in self._bells.items():
            bell.ring(work, 0.0)
        self._outgoing.end()
        for thread in (self._notifier, self._listener):
            thread.join(seconds)

    def _notify(self) -> None:
        while True:
            try:
                with _connect(self._db) as connection:
                    self._notify_over(connection)
            except psycopg.Error as error:
                log.warning("cannot wake other processes, they will poll: %s", describe(error))
                self._stopping.wait(_RECONNECT)
            if self._stopping.is_set():  # a command may have been over before we were connected
                return

    def _notify_over(self, connection: psycopg.Connection) -> None:
        while works := self._outgoing.wait(_FOREVER):
            try:
                for work in works:
                    connection.execute("SELECT pg_notify(%s, %s)", (CHANNEL, work))
            except psycopg.Error:
                for work in works:
                    self._outgoing.ring(work, 0.0)
                raise
            self._stopping.wait(NOTIFY_INTERVAL)

    def _listen(self) -> None:
        while not self._stopping.is_set():
            try:
                with _connect(self._db) as connection:
                    connection.execute(f"LISTEN {CHANNEL}")
                    self._hearing = True
                    self._ring_all(Work)  # what was rung before we listened
                    while not self._stopping.is_set():
                        self._ring_all(note.payload for note in connection.notifies(timeout=1.0, stop_after=1))
            except psycopg.Error as error:
                log.warning("cannot hear other processes, polling instead: %s", describe(error))
                self._hearing = False
                self._ring_all(Work)  # those who sleep for long, because they relied on us
                self._stopping.wait(_RECONNECT)

    def _ring_all(self, works: Iterable[str]) -> None:
        for work in works:
            if work in self._bells:
                self.ring_here(Work(work))


def wake(session: Session, work: Work, due: datetime | None = None) -> None:
    """This transaction makes `work`, to be done at once or when it is `due`: its crew is woken then, after the commit.

    By the server's clock: a transaction that takes its time makes nothing later.
    """
    after_commit(session, work, *([] if due is None else [due]))


def can_notify(db: Database) -> bool:
    """LISTEN/NOTIFY needs PostgreSQL and a session of one's own."""
    return db.is_postgres and not db.transaction_pooled


def _connect(db: Database) -> psycopg.Connection:
    # Not by an address: a password that libpq cannot read in one stands in its error.
    _, settings = db.engine.dialect.create_connect_args(db.url)
    return WatchedConnection.connect(**{**settings, **TRANSPORT}, autocommit=True, application_name="inbox-wake")
