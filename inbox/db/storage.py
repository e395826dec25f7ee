"""Whether the database stores what it is given, told apart from whether it can be reached.

A server that became read-only, whose disk is full or whose data is damaged still answers, and reads may still work: a
circuit that opened would only take those away too. So this looks like a circuit to operators (it opens, begins an
incident and ends it) but refuses nothing. Every write reports to it; the reporter writes every few seconds, so the end
is noticed also where nobody else writes.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from datetime import datetime

from circuitbreaker import STATE_CLOSED, STATE_OPEN

from inbox.clock import utc_now
from inbox.db.faults import Trouble, original, trouble
from inbox.metrics import meters
from inbox.resilience.breaker import BreakerState, Listener

log = logging.getLogger(__name__)

NAME = "storage"
#: Seconds without such a failure until a write that works counts as the end: on a full disk small ones go on working.
CALM = 10.0
STRANGE = 3  #: of them within CALM; a single one may be one statement of ours that is wrong


class Storage:
    """How the database of one process takes writes. Thread-safe."""

    name = NAME

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.listeners: list[Listener] = []
        self._clock = clock
        self._lock = threading.Lock()
        self._failed_at = self._took_at = float("-inf")
        self._strange: deque[float] = deque(maxlen=STRANGE)
        self._failures = self._total = 0
        self.opened_at: datetime | None = None
        self.last_error: str | None = None

    @property
    def state(self) -> str:
        return str(STATE_CLOSED if self.opened_at is None else STATE_OPEN)

    def failed(self, error: BaseException) -> None:
        """A use of the database failed."""
        kind = trouble(error)
        if kind not in (Trouble.SPOILT, Trouble.STRANGE):
            return
        with self._lock:
            now = self._failed_at = self._clock()
            self._failures, self._total = self._failures + 1, self._total + 1
            if kind is Trouble.STRANGE:
                self._strange.append(now)
                often = len(self._strange) == STRANGE and now - self._strange[0] <= CALM
                if not often and self.opened_at is None:
                    return
            cause = original(error)
            self.last_error = getattr(cause, "sqlite_errorname", None) or type(cause).__name__
            if self.opened_at is not None:
                return
            self.opened_at = utc_now()
        log.error("the database stores nothing", extra={"error": self.last_error})
        self._tell(STATE_CLOSED, STATE_OPEN)

    def took(self) -> None:
        """A write was committed."""
        self._took_at = self._clock()
        if self.opened_at is None:  # nearly always, so without the lock
            return
        with self._lock:
            over = self.state == STATE_OPEN and self._clock() - self._failed_at >= CALM
            if over:
                self._close()
        if not over:
            return
        log.info("the database stores again")
        self._tell(STATE_OPEN, STATE_CLOSED)

    def took_within(self, seconds: float) -> bool:
        """True when a write was committed in the last `seconds`, and none has failed since."""
        return self._took_at > self._failed_at and self._clock() - self._took_at <= seconds

    def reset(self) -> None:
        """Count it as well until it fails again."""
        with self._lock:
            self._close()
        meters.circuit(NAME, STATE_CLOSED)

    def snapshot(self) -> BreakerState:
        """How it stands, for /health."""
        return BreakerState(
            name=NAME,
            state=self.state,
            failure_count=self._failures,
            success_count=0,
            opened_at=self.opened_at,
            retry_in_s=0.0,
            last_error=self.last_error,
            failures_total=self._total,
            refused_total=0,
        )

    def _close(self) -> None:
        self.opened_at = self.last_error = None
        self._failures = 0
        self._strange.clear()

    def _tell(self, before: str, after: str) -> None:
        meters.circuit(NAME, after)
        for listener in self.listeners:
            listener(NAME, before, after)
