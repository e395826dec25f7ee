"""What changed in an account since a position that we gave out: how pages and programs stay up to date.

A position is exact: nothing is missed, whatever transactions overlap (`db.horizon`). What changed at the very edge may
be told twice, so a client merges rows by id and the newer `changed_at` wins.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache, cached_property
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import Connection, Select, bindparam, select

from inbox.auth.access import Access, Permission
from inbox.clock import utc_now
from inbox.conversations.counts import counted, counts_of
from inbox.conversations.rows import IN_THREADS, MESSAGE, message_rows
from inbox.db import Database
from inbox.db.queries import Values, values_of
from inbox.errors import Resync
from inbox.live.positions import Position, Positions
from inbox.live.quiet import Quiet
from inbox.live.schemas import ChangesQuery, Moment, Notice, PersonHere, PresentRow
from inbox.live.told import MOST, NOTHING, beyond_team, since, told
from inbox.live.watcher import Look, Watcher
from inbox.models import MESSAGES
from inbox.team.notes import changed_notes

T = TypeVar("T")

POLL_AFTER_MS = 1500  #: how soon a page that somebody looks at asks again
KEPT = timedelta(hours=24)  #: a position is good this long


@dataclass(frozen=True, slots=True)
class Changes:
    """An answer: `ChangesRow`, of which `changed` is written already."""

    moment: Moment
    changed: str = NOTHING

    def json(self) -> str:
        """All of it."""
        return f"{self.moment.model_dump_json()[:-1]},{self.changed[1:]}"


@dataclass(frozen=True)
class _Scene:
    """What is so at the moment, and told whole: there is no row of it that could be newer than a position."""

    present: list[PresentRow]
    notices: list[Notice]
    release: str

    @cached_property
    def mark(self) -> str:
        """Short, and another one when something is different."""
        people = [f"{each.conversation_id} {each.user.id} {each.doing}" for each in self.present]
        held_up = [f"{each.code} {each.reason} {each.conversation_id} {each.until}" for each in self.notices]
        return hashlib.sha256("\n".join([*people, *held_up, self.release]).encode()).hexdigest()[:12]


@dataclass(frozen=True)
class ChangeFeed:
    """Answers GET /changes. `notices` tells what is away at the moment, `release` which page belongs to this server."""

    db: Database
    watcher: Watcher
    positions: Positions
    notices: Callable[[], Sequence[Notice]]
    release: Callable[[], str]

    @cached_property
    def quiet(self) -> Quiet:
        """Which questions may wait, under a server that can let them."""
        return Quiet(lambda account_id: self._state(self.watcher.look(account_id)))

    def since(self, access: Access, query: ChangesQuery, now: Callable[[], Access] | None = None) -> Changes | None:
        """What changed since a position; None when nothing did. Without a position: where to begin.

        `now` gives the access anew, where that of the caller may be some seconds old: nothing is told without it.
        Messages are told to callers who may see them. Raises PermissionDenied, AccountNotFound, InvalidRequest, and
        Resync for a position that is too old or behind too many changes.
        """
        access.require(query.account_id)
        look = self.watcher.look(query.account_id)
        scene = self._scene(access, look)
        position = None if query.since is None else self._position(query.account_id, query.since)
        quiet = position is not None and position.id is None and (look.newest is None or look.newest < position.since)
        if position is not None and quiet and scene.mark == position.scene:
            if query.wait and query.since is not None:
                self.quiet.tell(query.account_id, self._state(look), query.since)
            return None
        if now is not None:
            access = now()
            access.require(query.account_id)
        if position is None:
            with self.db.querying() as connection:
                moment = self._moment(query.account_id, Position(look.horizon, scene.mark), scene)
                moment.counts = {str(query.account_id): counts_of(connection, access, query.account_id)}
                return Changes(moment)
        if quiet:
            return Changes(self._moment(query.account_id, Position(position.since, scene.mark), scene))
        return self._changes(access, query, position, look, scene)

    def _position(self, account_id: UUID, token: str) -> Position:
        position = self.positions.decode(account_id, token)
        if not utc_now() - KEPT < position.since < utc_now() + KEPT:
            raise Resync
        return position

    def _changes(self, access: Access, query: ChangesQuery, position: Position, look: Look, scene: _Scene) -> Changes:
        account_id, user_id = query.account_id, access.principal.user_id
        begin = f"{position.since} {position.time} {position.id}"
        found = self._once(look, f"from {begin}", lambda connection: told(connection, account_id, position))
        until = position.until or max(look.horizon, position.since)  # what commits between two pages comes after them
        after = Position(until, scene.mark)
        if found.more:
            last = found.rows[-1]
            after = Position(position.since, scene.mark, until, last.changed_at, last.id)
        moment = self._moment(account_id, after, scene)
        sees_messages = access.principal.may(Permission.MESSAGES_VIEW, account_id)
        thread = query.conversation_id if sees_messages and not found.more else None
        beyond: dict[UUID, int] = {}
        if user_id is None:  # a key, which sees what the team sees
            counts = self._once(look, "counts", lambda connection: counted(connection, account_id, None))
        if user_id is not None or thread is not None:
            with self.db.querying() as connection:
                if user_id is not None:  # not as the look has it: what they have just read themselves is counted
                    counts = counted(connection, account_id, user_id)
                    beyond = beyond_team(connection, account_id, position, user_id)
                if thread is not None:
                    moment.messages = message_rows(_changed_messages(connection, thread, account_id, position))
                    moment.notes = changed_notes(connection, account_id, thread, position.since)
        if counts is None:
            raise access.missing_account()
        moment.counts = {str(account_id): counts}
        return Changes(moment, found.to(beyond))

    def _once(self, look: Look, what: str, read: Callable[[Connection], T]) -> T:
        """Read for the first who asks while the look holds, and all others."""

        def make() -> T:
            with self.db.querying() as connection:
                return read(connection)

        return look.once(what, make)

    def _scene(self, access: Access, look: Look) -> _Scene:
        """Made once for each look and all who ask meanwhile; apart for those whom it tells something of their own."""
        named = {str(each.user_id) for each in look.present} | {each.author_id for each in look.closing}
        who = access.principal.id if access.principal.id in named else ""
        return look.once(f"scene for {who}", lambda: self._scene_for(who, look))

    def _scene_for(self, who: str, look: Look) -> _Scene:
        present = [
            PresentRow(
                conversation_id=each.conversation_id,
                user=PersonHere(id=each.user_id, name=each.name),
                doing=each.doing,  # type: ignore[arg-type]  # as PresenceBody took it
            )
            for each in look.present
            if str(each.user_id) != who
        ]
        notices = list(self.notices())
        if look.paused is not None:
            notices.append(Notice(code="number_paused", since=look.paused[1], reason=look.paused[0]))
        if look.warned is not None:
            notices.append(Notice(code="number_warned", since=None, reason=look.warned))
        mine = {each.conversation_id: each for each in look.closing if each.author_id == who}
        for each in mine.values():
            where, until = each.conversation_id, each.until
            notices.append(Notice(code="reply_expiring", since=None, reason=None, conversation_id=where, until=until))
        return _Scene(present, notices, self.release())

    def _state(self, look: Look) -> Hashable:
        """How the account stands: another one when there may be something to tell. Made once for each look."""

        def make() -> Hashable:
            told = [(each.code, each.since, each.reason) for each in self.notices()]
            return look.state, tuple(told), self.release()

        return look.once("state", make)

    def _moment(self, account_id: UUID, after: Position, scene: _Scene) -> Moment:
        more = after.id is not None
        return Moment(
            next=self.positions.encode(account_id, after),
            now=utc_now(),
            more=more,
            poll_after_ms=0 if more else POLL_AFTER_MS,
            messages=[],
            notes=[],
            counts={},
            present=scene.present,
            notices=scene.notices,
            release=scene.release,
        )


def _changed_messages(
    connection: Connection, conversation_id: UUID, account_id: UUID, position: Position
) -> list[Values]:
    values = {"conversation_id": conversation_id, "account_id": account_id, "since": position.since}
    found = values_of(connection.execute(_messages(), values))
    if len(found) > MOST:
        raise Resync
    return found


@cache
def _messages() -> Select[Any]:
    return (
        select(*MESSAGE)
        .where(since(MESSAGES), MESSAGES.c.conversation_id == bindparam("conversation_id"), IN_THREADS)
        .order_by(MESSAGES.c.changed_at, MESSAGES.c.id)
        .limit(MOST + 1)
    )
