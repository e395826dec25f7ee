"""The webhooks that the database could not take: kept on this machine's disk until it can (I1).

Meta is told 503 all the same and repeats them. Whichever comes first wins: the repeat and the journal's copy hold the
same messages, which are stored once. Every process that journals drains its own disk: elsewhere nobody can read it.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from inbox.background import Background
from inbox.db import Database, insert
from inbox.db.wake import STATUSES, Work, wake
from inbox.errors import DatabaseUnavailable
from inbox.models import WebhookEvent
from inbox.webhooks.journal.segments import Depth, JournalFull, Row, Segments, Trouble, encode
from inbox.webhooks.urgency import only_statuses

log = logging.getLogger(__name__)

POLL = 1.0  # seconds between two attempts to drain
_AFTER_ERROR = 10.0  # seconds, when something other than the database is wrong
_ALARM_EVERY = 10.0  # seconds: an outage brings hundreds of webhooks, and one line says it
_QUIET = 60.0  # seconds between two lines about files that cannot be read, which is tried more often


class Journal:
    """Appends what cannot be stored, and drains it in a thread of its own while there is something to drain."""

    def __init__(
        self,
        folder: Path,
        db: Database,
        *,
        max_bytes: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`max_bytes` bounds all files together; 0 keeps no journal."""
        self.written = 0  #: events, since this process started
        self._files = Segments(folder, max_bytes)
        self._db = db
        self._enabled = max_bytes > 0
        self._clock = clock
        self._alarmed: dict[str, float] = {}
        self._closing = threading.Event()
        self._looked = 0  # the process that has looked for what an earlier one left
        self._lock = threading.Lock()
        self._thread = Background("journal", self._run)

    def append(self, row: Row) -> bool:
        """Keep `row` on the disk. False, and logged, when that cannot be done: then only Meta's repeat is left."""
        if not self._enabled:
            return False
        try:
            self._files.append(encode(row))
        except JournalFull:
            self._alarm("journal full, only Meta's repeats are left: mend the database or raise JOURNAL_MAX_BYTES")
            return False
        except OSError as error:
            self._alarm(f"journal not written, only Meta's repeats are left: {error.strerror or error}")
            return False
        with self._lock:
            self.written += 1
            self._start()
        return True

    def trouble(self) -> Trouble | None:
        """Why nothing could be kept now. None when it could. Only looks."""
        return self._files.trouble() if self._enabled else None

    def start(self) -> None:
        """Drain what an earlier process left behind, once per process. Costs nothing when called again."""
        if self._looked == os.getpid():
            return
        self._looked = os.getpid()
        if (trouble := self.trouble()) is not None:
            log.error("INBOX_INSTANCE_PATH %s, so no webhook can be kept while the database is away; %s", *trouble)
        with self._lock:
            if not self._files.is_empty():
                self._start()

    def drain(self) -> int:
        """Store what waits, oldest first, unless another process is at it. How many events were taken out.

        A segment is committed before it is dropped: a crash between the two makes the next drain repeat it, and the
        rows that are there stay as they are. Raises DatabaseUnavailable, OSError.
        """
        events = 0
        if self._files.is_empty():
            return events
        try:
            with self._files.turn() as mine:
                while mine and not self._closing.is_set() and (segment := self._files.oldest()) is not None:
                    events += self._drain(segment)
        finally:
            if events:
                log.info("journal drained", extra={"events": events})
        return events

    def depth(self) -> Depth:
        """What waits on this machine's disk. An event of a drain that died may be counted although it is stored."""
        return self._files.depth()

    def is_empty(self) -> bool:
        """True when nothing waits on this machine's disk: a cheap look."""
        return self._files.is_empty()

    def close(self, seconds: float = 1.0) -> None:
        """End the thread. What is left, or left half done, waits for the next start."""
        self._closing.set()
        self._thread.join(seconds)

    def _drain(self, segment: Path) -> int:
        rows, torn = self._files.read(segment)
        if torn:
            log.warning("torn lines in the journal, never acknowledged", extra={"lines": torn, "file": segment.name})
        if rows:
            with self._db.writing() as session:
                statement = insert(session, WebhookEvent).on_conflict_do_nothing(index_elements=[WebhookEvent.id])
                known = [{**row, "statuses_only": only_statuses(row["body"])} for row in rows]
                session.connection().execute(statement, known)
                wake(session, Work.INGEST)
        self._files.drop(segment)
        return len(rows)

    def _start(self) -> None:
        """Start the thread unless it runs. The caller holds the lock."""
        if not self._closing.is_set():
            self._thread.start()

    def _run(self) -> None:
        pause = POLL
        while not self._closing.wait(pause):
            pause = POLL
            try:
                self.drain()
                if self._finished():
                    return
            except DatabaseUnavailable:
                pass  # logged where it happened
            except OSError as error:
                self._alarm(f"the journal cannot be drained: {error.strerror or error}; what is in it waits", _QUIET)
                pause = _AFTER_ERROR
            except Exception:
                log.exception("the journal cannot be drained")
                pause = _AFTER_ERROR

    def _finished(self) -> bool:
        """True when nothing is left. An append that came too late to be seen here starts a new thread."""
        with self._lock:
            if not self._files.is_empty():
                return False
            self._thread.retire()
            return True

    def _alarm(self, message: str, every: float = _ALARM_EVERY) -> None:
        """Log an error, but each only once in `every` seconds."""
        now = self._clock()
        if now - self._alarmed.get(message, -every) >= every:
            self._alarmed[message] = now
            log.error(message)


def store_event(db: Database, journal: Journal, row: Row) -> None:
    """Store one webhook, by one INSERT, and wake the ingester.

    Raises DatabaseUnavailable when that fails, and journals it then.
    """
    try:
        db.insert_alone(WebhookEvent, row)
    except DatabaseUnavailable:
        journal.append(row)
        raise
    db.signals.send(STATUSES if row.get("statuses_only") else Work.INGEST)
