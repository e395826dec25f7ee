"""What changed in an account since a position that we gave out: how pages and programs stay up to date.

A position is exact: nothing is missed, whatever transactions overlap (`db.horizon`). What changed at the very edge may
be told twice, so a client merges rows by id and the newer `changed_at` wins.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Select, bindparam, func, select, tuple_

from inbox.auth.access import Access, Permission
from inbox.clock import utc_now
from inbox.conversations.lists import counts_of
from inbox.conversations.rows import CONVERSATION, MESSAGE, conversation_rows, message_rows
from inbox.db import Database
from inbox.db.queries import Values, values_of
from inbox.errors import Resync
from inbox.live.positions import Position, Positions
from inbox.live.schemas import ChangesQuery, ChangesRow, Notice
from inbox.live.watcher import Watcher
from inbox.models import ACCOUNTS, CONTACTS, CONVERSATIONS, MESSAGES, GoneConversation

POLL_AFTER_MS = 1500  #: how soon a page that somebody looks at asks again
KEPT = timedelta(hours=24)  #: a position is good this long
MOST = 1000  #: changed conversations, or messages of one; beyond, reading the lists again is cheaper
PAGE = 100  # conversations in one answer
_GONE = GoneConversation.__table__


@dataclass(frozen=True)
class ChangeFeed:
    """Answers GET /changes. `notices` tells what is away at the moment."""

    db: Database
    watcher: Watcher
    positions: Positions
    notices: Callable[[], Sequence[Notice]]

    def since(self, access: Access, query: ChangesQuery) -> ChangesRow | None:
        """What changed since a position; None when nothing did. Without a position: where to begin.

        Messages are told to callers who may see them. Raises PermissionDenied, AccountNotFound, InvalidRequest, and
        Resync for a position that is too old or behind too many changes.
        """
        access.require(query.account_id)
        look = self.watcher.look(query.account_id)
        if query.since is None:
            with self.db.querying() as connection:
                return self._row(connection, access, query.account_id, Position(look.horizon))
        position = self.positions.decode(query.account_id, query.since)
        if not utc_now() - KEPT < position.since < utc_now() + KEPT:
            raise Resync
        if position.id is None and (look.newest is None or look.newest < position.since):
            return None
        with self.db.querying() as connection:
            return self._changes(connection, access, query, position, max(look.horizon, position.since))

    def _changes(
        self, connection: Connection, access: Access, query: ChangesQuery, position: Position, edge: datetime
    ) -> ChangesRow:
        values = {"account_id": query.account_id, "since": position.since, "time": position.time, "id": position.id}
        if position.id is None and connection.execute(_how_many(), values).scalar_one() > MOST:
            raise Resync
        found = values_of(connection.execute(_conversations(position.id is not None), values))
        shown, more = found[:PAGE], len(found) > PAGE
        until = position.until or edge  # of the first page: what commits between two pages is told in the next round
        after = Position(position.since, until, shown[-1]["changed_at"], shown[-1]["id"]) if more else Position(until)
        row = self._row(connection, access, query.account_id, after)
        row.conversations = conversation_rows(shown)
        if not more:
            row.gone = list(connection.execute(_gone(), values).scalars())
            if query.conversation_id is not None and access.principal.may(Permission.MESSAGES_VIEW, query.account_id):
                row.messages = message_rows(connection, _changed_messages(connection, query.conversation_id, values))
        return row

    def _row(self, connection: Connection, access: Access, account_id: UUID, after: Position) -> ChangesRow:
        more = after.id is not None
        return ChangesRow(
            next=self.positions.encode(account_id, after),
            now=utc_now(),
            more=more,
            poll_after_ms=0 if more else POLL_AFTER_MS,
            conversations=[],
            gone=[],
            messages=[],
            counts={str(account_id): counts_of(connection, access, account_id)},
            notices=list(self.notices()),
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
    statement = (
        select(*CONVERSATION)
        .join(CONTACTS, CONVERSATIONS.c.contact_id == CONTACTS.c.id)
        .join(ACCOUNTS, CONVERSATIONS.c.account_id == ACCOUNTS.c.id)
        .where(_since(CONVERSATIONS), ACCOUNTS.c.deleted_at.is_(None))
        .order_by(*order)
        .limit(PAGE + 1)
    )
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
        .where(_since(MESSAGES), MESSAGES.c.conversation_id == bindparam("conversation_id"))
        .order_by(MESSAGES.c.changed_at, MESSAGES.c.id)
        .limit(MOST + 1)
    )
