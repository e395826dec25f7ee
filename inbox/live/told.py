"""The conversations that changed since a position: read and written once for all who ask from there.

Many agents look at one number, and come from the same few positions: those that the looks before have given out. What
they see is the same but for `my_unread`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Select, bindparam, func, select, tuple_

from inbox.conversations.rows import READERS, conversation_rows, conversations_shown
from inbox.conversations.schemas import ConversationRow
from inbox.db.queries import Values, values_of
from inbox.errors import Resync
from inbox.live.positions import Position
from inbox.live.schemas import Changed
from inbox.models import CONVERSATIONS, GoneConversation

MOST = 1000  #: changed conversations, or messages of one; beyond, reading the lists again is cheaper
PAGE = 100  # conversations in one answer
NOTHING = Changed(conversations=[], gone=[]).model_dump_json()
_GONE = GoneConversation.__table__


@dataclass(frozen=True, slots=True)
class Told:
    """A page of what changed since a position. `more`: behind the last row there are others."""

    rows: Sequence[ConversationRow]  #: as the team sees them
    written: Sequence[str]  #: the same, each as JSON
    gone: Sequence[UUID]
    more: bool

    def to(self, beyond_team: Mapping[UUID, int]) -> str:
        """`Changed` as JSON, as somebody sees it to whom so many messages are new beyond the team's (`readers`)."""
        conversations = ",".join(
            _to(row, beyond_team[row.id]) if row.id in beyond_team else written
            for row, written in zip(self.rows, self.written, strict=True)
        )
        gone = ",".join(f'"{each}"' for each in self.gone)
        return f'{{"conversations":[{conversations}],"gone":[{gone}]}}'


def _to(row: ConversationRow, beyond: int) -> str:
    return row.model_copy(update={"my_unread": max(0, row.unread_count + beyond)}).model_dump_json()


def told(connection: Connection, account_id: UUID, position: Position) -> Told:
    """As the team sees it. Raises Resync when it is too much."""
    values = {**_of(account_id, position), "me": None}
    found = values_of(connection.execute(_conversations(position.id is not None), values))
    shown, more = found[:PAGE], len(found) > PAGE
    if more and position.id is None and connection.execute(_how_many(), values).scalar_one() > MOST:
        raise Resync
    rows = conversation_rows(shown)
    gone = [] if more else connection.execute(_gone(), values).scalars().all()
    return Told(rows, [row.model_dump_json() for row in rows], gone, more)


def beyond_team(connection: Connection, account_id: UUID, position: Position, user_id: UUID) -> dict[UUID, int]:
    """By conversation that changed: how many messages are new to this user beyond the team's, where it is not 0."""
    found = connection.execute(_mine(), {**_of(account_id, position), "me": user_id})
    return {row.conversation_id: row.beyond_team for row in found}


def _of(account_id: UUID, position: Position) -> Values:
    return {"account_id": account_id, "since": position.since, "time": position.time, "id": position.id}


# --- statements --------------------------------------------------------------------------------------------------


def since(table: Any) -> Any:
    """The condition that a row of the account has changed since."""
    return (table.c.account_id == bindparam("account_id")) & (table.c.changed_at >= bindparam("since"))


@cache
def _how_many() -> Select[Any]:
    changed = select(CONVERSATIONS.c.id).where(since(CONVERSATIONS)).limit(MOST + 1)
    return select(func.count()).select_from(changed.subquery())


@cache
def _conversations(within: bool) -> Select[Any]:
    """Changed conversations, the oldest change first; `within`: behind the row that was told last."""
    order = CONVERSATIONS.c.changed_at, CONVERSATIONS.c.id
    statement = conversations_shown().where(since(CONVERSATIONS)).order_by(*order).limit(PAGE + 1)
    if within:
        told = tuple_(bindparam("time", type_=order[0].type), bindparam("id", type_=order[1].type))
        statement = statement.where(tuple_(*order) > told)
    return statement


@cache
def _mine() -> Select[Any]:
    mine = (READERS.c.conversation_id == CONVERSATIONS.c.id) & (READERS.c.user_id == bindparam("me"))
    statement = select(READERS.c.conversation_id, READERS.c.beyond_team).join(CONVERSATIONS, mine)
    return statement.where(since(CONVERSATIONS), READERS.c.beyond_team != 0).limit(MOST)


@cache
def _gone() -> Select[Any]:
    return select(_GONE.c.id).where(since(_GONE)).limit(MOST)
