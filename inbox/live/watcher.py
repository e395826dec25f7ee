"""The newest change of each account: what makes a poll cheap while nothing happens."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Select, bindparam, select

from inbox.db import Database
from inbox.db.horizon import horizon
from inbox.models import CONVERSATIONS

LOOK_EVERY = 0.25  # seconds between two looks at one account, in one process
_WATCHED = 10_000  # accounts whose newest change a process remembers


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen of an account: its newest change, and the time that no change still to come can be below."""

    horizon: datetime
    newest: datetime | None


class Watcher:
    """The newest change of each account, looked up at most every LOOK_EVERY seconds by one caller. Thread-safe."""

    def __init__(self, db: Database, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._db = db
        self._clock = clock
        self._lock = threading.Lock()
        self._seen: dict[UUID, tuple[float, Look]] = {}

    def look(self, account_id: UUID) -> Look:
        """A look that is at most LOOK_EVERY seconds old. Raises DatabaseUnavailable."""
        with self._lock:  # callers wait for one who looks: all of them together cost two statements
            seen = self._seen.get(account_id)
            if seen is not None and self._clock() - seen[0] < LOOK_EVERY:
                return seen[1]
            began = self._clock()
            with self._db.querying() as connection:
                look = _look(connection, account_id)
            if len(self._seen) >= _WATCHED:
                self._seen.clear()
            self._seen[account_id] = began, look
            return look


def _look(connection: Connection, account_id: UUID) -> Look:
    edge = horizon(connection)  # first: what commits after this has a later time, or is seen below
    newest = connection.execute(_newest(), {"account_id": account_id}).scalar_one_or_none()
    if newest is not None and connection.dialect.name == "sqlite":
        # One writer at a time, and each takes its time after the one before has committed: what is still to come
        # cannot be older than what is there.
        edge = max(edge, newest)
    return Look(edge, newest)


@cache
def _newest() -> Select[Any]:
    """The newest change of an account. A conversation that is gone changed the one that it was merged into."""
    mine = CONVERSATIONS.c.account_id == bindparam("account_id")
    return select(CONVERSATIONS.c.changed_at).where(mine).order_by(CONVERSATIONS.c.changed_at.desc()).limit(1)
