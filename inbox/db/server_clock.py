"""The database server's time without asking for it: read once in a while, and carried on by our own steady clock.

Several machines share the server's clock, so leases and due times follow it. To ask for it with every piece of work was
a fifth of all statements. What is reckoned here is never behind the server, and ahead by the time of one round trip at
most. Where rows are compared among each other (`changed_at`), the server writes its own time (`server_now`).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta

from inbox.clock import to_milliseconds

GOOD_FOR = 20.0  # seconds: somebody may set the server's clock
_SLOW = 0.25  # seconds: what took so long is little known, so it is read again soon
_GOOD_FOR_SLOW = 1.0
_JUMP = 0.5  # seconds between the wall clock and the steady one: the machine slept, or somebody set its clock
_DRIFT = 0.0005  # a clock that is being corrected may run so much faster


class ServerClock:
    """Of one Database. Any thread may call it."""

    def __init__(
        self, *, steady: Callable[[], float] = time.monotonic, wall: Callable[[], float] = lambda: time.time()
    ) -> None:
        self._steady = steady
        self._wall = wall
        self._reading: tuple[datetime, float, float, float] | None = None

    def now(self) -> datetime | None:
        """The server's time in whole milliseconds; None when it has to be read again."""
        if self._reading is None:
            return None
        _, _, until, apart = self._reading
        steady = self._steady()
        if steady >= until or abs(self._wall() - steady - apart) > _JUMP:
            return None
        return self.about()

    def about(self) -> datetime | None:
        """As `now`, by an old reading too: good enough for when to look. None when there is none."""
        if self._reading is None:
            return None
        server, asked_at, _, _ = self._reading
        return to_milliseconds(server + timedelta(seconds=(self._steady() - asked_at) * (1 + _DRIFT) + 0.001))

    def read(self, ask: Callable[[], datetime]) -> datetime:
        """The server's time, asked for by `ask`, and kept for a while."""
        asked_at = self._steady()
        server = ask()
        answered_at = self._steady()
        good = GOOD_FOR if answered_at - asked_at < _SLOW else _GOOD_FOR_SLOW
        self._reading = (server, asked_at, answered_at + good, self._wall() - answered_at)
        return to_milliseconds(server)

    def forget(self) -> None:
        """Another server may answer from here on."""
        self._reading = None
