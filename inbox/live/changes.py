"""What changed in an account since a position that we gave out: how pages and programs stay up to date.

A position is exact: nothing is missed, whatever transactions overlap (`db.horizon`). What changed at the very edge may
be told twice, so a client merges rows by id and the newer `changed_at` wins.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache, cached_property
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Select, bindparam, func, select, tuple_

from inbox.auth.access import Access, Permission
from inbox.clock import utc_now
from inbox.conversations.counts import counts_of
from inbox.conversations.rows import IN_THREADS, MESSAGE, conversation_rows, conversations_shown, me, message_rows
from inbox.db import Database
from inbox.db.queries import Values, values_of
from inbox.errors import Resync
from inbox.live.positions import Position, Positions
from inbox.live.quiet import Quiet
from inbox.live.schemas import ChangesQuery, ChangesRow, Notice, PersonHere, PresentRow
from inbox.live.watcher import Look, Watcher
from inbox.models import CONVERSATIONS, MESSAGES, GoneConversation
from inbox.team.notes import changed_notes

POLL_AFTER_MS = 1500  #: how soon a page that somebody looks at asks again
KEPT = timedelta(hours=24)  #: a position is good this long
MOST = 1000  #: changed conversations, or messages of one; beyond, reading the lists again is cheaper
PAGE = 100  # conversations in one answer
_GONE = GoneConversation.__table__


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

    def since(self, access: Access, query: ChangesQuery, now: Callable[[], Access] | None = None) -> ChangesRow | None:
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
                row = self._row(query.account_id, Position(look.horizon, scene.mark), scene)
                row.counts = {str(query.account_id): counts_of(connection, access, query.account_id)}
                return row
        if quiet:
            return self._row(query.account_id, Position(position.since, scene.mark), scene)
        with self.db.querying() as connection:
            return self._changes(connection, access, query, position, max(look.horizon, position.since), scene)

    def _position(self, account_id: UUID, token: str) -> Position:
        position = self.positions.decode(account_id, token)
        if not utc_now() - KEPT < position.since < utc_now() + KEPT:
            raise Resync
        return position

    def _changes(
        self,
        connection: Connection,
        access: Access,
        query: ChangesQuery,
        position: Position,
        edge: datetime,
        scene: _Scene,
    ) -> ChangesRow:
        values = {"account_id": query.account_id, "since": position.since, "time": position.time, "id": position.id}
        if position.id is None and connection.execute(_how_many(), values).scalar_one() > MOST:
            raise Resync
        found = values_of(connection.execute(_conversations(position.id is not None), values | me(access)))
        shown, more = found[:PAGE], len(found) > PAGE
        until = position.until or edge  # of the first page: what commits between two pages is told in the next round
        after = Position(until, scene.mark)
        if more:
            after = Position(position.since, scene.mark, until, shown[-1]["changed_at"], shown[-1]["id"])
        row = self._row(query.account_id, after, scene)
        row.counts = {str(query.account_id): counts_of(connection, access, query.account_id)}
        row.conversations = conversation_rows(shown)
        if not more:
            row.gone = list(connection.execute(_gone(), values).scalars())
            if query.conversation_id is not None and access.principal.may(Permission.MESSAGES_VIEW, query.account_id):
                row.messages = message_rows(_changed_messages(connection, query.conversation_id, values))
                row.notes = changed_notes(connection, query.account_id, query.conversation_id, position.since)
        return row

    def _scene(self, access: Access, look: Look) -> _Scene:
        """Made once for each look and all who ask meanwhile; apart for those whom it tells something of their own."""
        named = {str(each.user_id) for each in look.present} | {each.author_id for each in look.closing}
        who = access.principal.id if access.principal.id in named else ""
        scene: _Scene | None = look.scenes.get(who)
        if scene is None:
            scene = look.scenes[who] = self._scene_for(who, look)
        return scene

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
        told = [(each.code, each.since, each.reason) for each in self.notices()]
        return look.state, tuple(told), self.release()

    def _row(self, account_id: UUID, after: Position, scene: _Scene) -> ChangesRow:
        more = after.id is not None
        return ChangesRow(
            next=self.positions.encode(account_id, after),
            now=utc_now(),
            more=more,
            poll_after_ms=0 if more else POLL_AFTER_MS,
            conversations=[],
            gone=[],
            messages=[],
            notes=[],
            counts={},
            present=scene.present,
            notices=scene.notices,
            release=scene.release,
        )


def _changed_messages(connection: Connection, conversation_id: UUID, values: Values) -> list[Values]:
    found = values_of(connection.execute(_messages(), values | {"conversation_id": conversation_id}))
    if len(found) > MOST:
        raise Resync
    return found


# --- statements --------------------------------------------------------------------------------------------------


def _since(table: Any) -> Any:
    return (table.c.account_id == bindparam("account_id")) & (table.c.changed_at >= bindparam("since"))


@cache
def _how_many() -> Select[Any]:
    changed = select(CONVERSATIONS.c.id).where(_since(CONVERSATIONS)).limit(MOST + 1)
    return select(func.count()).select_from(changed.subquery())


@cache
def _conversations(within: bool) -> Select[Any]:
    """Changed conversations, the oldest change first; `within`: behind the row that was told last."""
    order = CONVERSATIONS.c.changed_at, CONVERSATIONS.c.id
    statement = conversations_shown().where(_since(CONVERSATIONS)).order_by(*order).limit(PAGE + 1)
    if within:
        told = tuple_(bindparam("time", type_=order[0].type), bindparam("id", type_=order[1].type))
        statement = statement.where(tuple_(*order) > told)
    return statement


@cache
def _gone() -> Select[Any]:
    return select(_GONE.c.id).where(_since(_GONE)).limit(MOST)


@cache
def _messages() -> Select[Any]:
    return (
        select(*MESSAGE)
        .where(_since(MESSAGES), MESSAGES.c.conversation_id == bindparam("conversation_id"), IN_THREADS)
        .order_by(MESSAGES.c.changed_at, MESSAGES.c.id)
        .limit(MOST + 1)
    )
