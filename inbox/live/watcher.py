"""The newest change of each account, and who is there: what makes a poll cheap while nothing happens."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from typing import Any, TypeVar, cast
from uuid import UUID

from sqlalchemy import BindParameter, Connection, Select, bindparam, func, select

from inbox.accounts.reputation import Trouble, troubles
from inbox.clock import utc_now
from inbox.db import Database
from inbox.db.horizon import horizon
from inbox.errors import DatabaseUnavailable
from inbox.memory.flights import Flights
from inbox.models import ACCOUNTS, CONVERSATIONS, MESSAGES, NOT_SENT_YET, GoneConversation, Presence, User

T = TypeVar("T")

LOOK_EVERY = 0.25  # seconds between two looks at one account, in one process
GONE_AFTER = timedelta(seconds=45)  #: since somebody last said that they were there
MOST_PRESENT = 200  # told of one account
MOST_CLOSING = 200  # replies of one account
_PRESENCES, _USERS, _GONE = Presence.__table__, User.__table__, GoneConversation.__table__
_WATCHED = 10_000  # accounts whose newest change a process remembers


@dataclass(frozen=True, slots=True)
class Present:
    """Somebody has a conversation open."""

    conversation_id: UUID
    user_id: UUID
    name: str
    doing: str


@dataclass(frozen=True, slots=True)
class Closing:
    """A reply that waits, and WhatsApp takes it until `until`."""

    conversation_id: UUID
    author_id: str | None
    until: datetime


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen of an account: its newest change, and the time that no change still to come can be below.

    `paused` is why the number sends nothing, a code, and since when; `warned` the worst that WhatsApp says of it.
    `scenes` is for what is made of a look (`once`): as long as the look holds, so does that.
    """

    horizon: datetime
    newest: datetime | None
    paused: tuple[str, datetime | None] | None = None
    warned: Trouble | None = None
    present: tuple[Present, ...] = ()
    closing: tuple[Closing, ...] = ()
    scenes: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)
    flights: Flights[Any] = field(default_factory=lambda: Flights(DatabaseUnavailable), compare=False, repr=False)

    def once(self, what: str, make: Callable[[], T]) -> T:
        """What `make` makes of this look: for the first who asks for `what`, and all others.

        Raises what `make` raises, and DatabaseUnavailable when another caller's takes too long.
        """
        if what not in self.scenes:
            self.scenes[what] = self.flights.share(what, make, may_insist=True)
        return cast("T", self.scenes[what])

    @property
    def state(self) -> Hashable:
        """Another one when there may be something to tell."""
        return self.newest, self.paused, self.warned, self.present, self.closing


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
                look = _look(connection, account_id, None if seen is None else seen[1])
            if len(self._seen) >= _WATCHED:
                self._seen.clear()
            self._seen[account_id] = began, look
            return look


def _look(connection: Connection, account_id: UUID, before: Look | None) -> Look:
    """`before`: the look of a moment ago. What waits is looked up when something has changed since."""
    edge = horizon(connection)  # first: what commits after this has a later time, or is seen below
    values = {"account_id": account_id, "said_after": utc_now() - GONE_AFTER}
    rows = connection.execute(_seen(), values).all()
    if not rows:
        return Look(edge, None)
    newest = max(filter(None, (rows[0].newest, rows[0].newest_gone)), default=None)
    if newest is not None and connection.dialect.name == "sqlite":
        # One writer at a time, and each takes its time after the one before has committed: what is still to come
        # cannot be older than what is there.
        edge = max(edge, newest)
    paused = rows[0].paused_reason and (rows[0].paused_reason, rows[0].paused_at)
    present = (Present(row.conversation_id, row.user_id, row.name, row.doing) for row in rows if row.doing)
    warned = next(iter(troubles(rows[0].reputation, utc_now())), None)
    closing: tuple[Closing, ...] = ()
    if before is not None and newest == before.newest:
        closing = before.closing
    elif newest is not None:
        found = connection.execute(_closing(), {"account_id": account_id})
        closing = tuple(Closing(row.conversation_id, row.author_id, row.window_closes_at) for row in found)
    return Look(edge, newest, paused, warned, tuple(present), closing)


@cache
def _closing() -> Select[Any]:
    mine, waits = MESSAGES.c.account_id == bindparam("account_id"), MESSAGES.c.status.in_(NOT_SENT_YET)
    marked = mine & waits & MESSAGES.c.window_closes_at.is_not(None)
    columns = MESSAGES.c.conversation_id, MESSAGES.c.author_id, MESSAGES.c.window_closes_at
    return select(*columns).where(marked).order_by(MESSAGES.c.window_closes_at, MESSAGES.c.id).limit(MOST_CLOSING)


@cache
def _seen() -> Select[Any]:
    """One row, or one for everybody present."""
    account_id: BindParameter[UUID] = bindparam("account_id")
    gone = select(func.max(_GONE.c.changed_at)).where(_GONE.c.account_id == account_id).scalar_subquery()
    newest = (
        select(CONVERSATIONS.c.changed_at)
        .where(CONVERSATIONS.c.account_id == account_id)
        .order_by(CONVERSATIONS.c.changed_at.desc())
        .limit(1)
        .scalar_subquery()
    )
    told = ACCOUNTS.c.paused_reason, ACCOUNTS.c.paused_at, ACCOUNTS.c.reputation
    pause = select(*told).where(ACCOUNTS.c.id == account_id).subquery()
    here = (_PRESENCES.c.account_id == account_id) & (_PRESENCES.c.said_at > bindparam("said_after"))
    people = pause.outerjoin(_PRESENCES, here).outerjoin(_USERS, _USERS.c.id == _PRESENCES.c.user_id)
    return (
        select(
            newest.label("newest"),
            gone.label("newest_gone"),
            pause.c.paused_reason,
            pause.c.paused_at,
            pause.c.reputation,
            _PRESENCES.c.conversation_id,
            _PRESENCES.c.user_id,
            _PRESENCES.c.doing,
            func.coalesce(_USERS.c.name, _USERS.c.email, "").label("name"),
        )
        .select_from(people)
        .order_by(_PRESENCES.c.conversation_id, _PRESENCES.c.user_id)
        .limit(MOST_PRESENT)
    )
