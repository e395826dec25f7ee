"""Lists of conversations: at most a page of rows is read, however many there are.

A statement is built once for each combination of filters and kept: to build one, and the key by which SQLAlchemy finds
its compiled form, costs as much as the database needs to answer it. What a partial index is for stands in the text,
not in a parameter: a planner matches it before it knows the values.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import Select, bindparam, exists, text

from inbox.accounts.service import require_account
from inbox.auth.access import Access
from inbox.clock import to_milliseconds
from inbox.contacts import search
from inbox.conversations.counts import FAVORITE, NEEDS_HUMAN, PUT_AWAY, UNREAD, WAITING, new_to_me
from inbox.conversations.rows import NEW_TO_ME, conversation_rows, conversations_shown, me
from inbox.conversations.schemas import (
    ConversationQuery,
    ConversationRow,
)
from inbox.db import Database, fixed
from inbox.db.horizon import settled
from inbox.db.paging import Cursor, Page, behind, following, place
from inbox.errors import FieldProblem, InvalidRequest
from inbox.models import CONVERSATIONS, ConversationLabel, ConversationStatus

_LABELS = ConversationLabel.__table__.c
_HAS_LABEL = exists().where(_LABELS.conversation_id == CONVERSATIONS.c.id, _LABELS.label_id == bindparam("label_id"))

# --- conversations -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Shape:
    """What a statement for conversations depends on; everything else is a parameter."""

    changes: bool
    cursor: bool
    assigned: bool
    labelled: bool
    status: str | None
    needs_human: bool | None
    favorite: bool | None
    unread: bool | None
    my_unread: bool | None
    waiting: bool | None
    longest_waiting: bool

    @property
    def order(self) -> Any:
        if self.longest_waiting:
            return CONVERSATIONS.c.waiting_since
        return CONVERSATIONS.c.changed_at if self.changes else CONVERSATIONS.c.updated_at


def list_conversations(db: Database, access: Access, query: ConversationQuery) -> Page[ConversationRow]:
    """Newest first; with updated_since, the newest change first; or who waits, the longest first.

    Raises AccountNotFound, PermissionDenied, InvalidRequest.
    """
    access.require(query.account_id)
    if query.order == "waiting" and query.updated_since is not None:
        sentence = "cannot be combined with updated_since, which has its own"
        raise InvalidRequest([FieldProblem("?order", "not_combinable", sentence)])
    cursor = Cursor.decode(query.cursor)
    shape = _Shape(
        changes=query.updated_since is not None,
        cursor=cursor is not None,
        assigned=query.assigned_to is not None,
        status=ConversationStatus.DONE if query.status == "closed" else query.status,
        labelled=query.label_id is not None,
        needs_human=query.needs_human,
        favorite=query.favorite,
        unread=query.unread,
        my_unread=query.my_unread,
        waiting=query.waiting,
        longest_waiting=query.order == "waiting",
    )
    chosen = {"assigned_to": query.assigned_to, "label_id": query.label_id}
    values: dict[str, Any] = {"account_id": query.account_id, **chosen, **me(access), **place(cursor, query.limit)}
    statement, contact_id = _conversations(shape), CONVERSATIONS.c.contact_id
    with db.querying() as connection:
        if query.updated_since is not None:
            values["since"] = to_milliseconds(query.updated_since)
            values["until"] = settled(connection)
        found = search.listed(connection, statement, values, contact_id, query.account_id, query.q)
    if not found:
        _require_account(db, access, query.account_id)
    return Page(conversation_rows(found[: query.limit]), following(found, query.limit, shape.order.key))


@cache
def _conversations(shape: _Shape) -> Select[Any]:
    statement = (
        conversations_shown()
        .where(CONVERSATIONS.c.account_id == bindparam("account_id"))
        .order_by(*_ordered(shape))
        .limit(bindparam("rows"))
    )
    if shape.changes:
        statement = statement.where(
            CONVERSATIONS.c.changed_at >= bindparam("since"),
            CONVERSATIONS.c.changed_at < bindparam("until"),
        )
    if shape.cursor:
        statement = statement.where(behind(shape.order, CONVERSATIONS.c.id, ascending=shape.longest_waiting))
    if shape.my_unread:
        # First the few that are new, then their rows: walking the list in its order, most would be looked at in vain.
        new = new_to_me().cte("new_to_me").prefix_with("MATERIALIZED")
        statement = statement.join(new, new.c.id == CONVERSATIONS.c.id)
    return statement.where(*_filters(shape))


def _ordered(shape: _Shape) -> tuple[Any, Any]:
    if shape.longest_waiting:
        return shape.order, CONVERSATIONS.c.id
    return shape.order.desc(), CONVERSATIONS.c.id.desc()


def _filters(shape: _Shape) -> list[Any]:
    filters: list[Any] = []
    if shape.assigned:
        filters.append(CONVERSATIONS.c.assigned_to == bindparam("assigned_to"))
    if shape.labelled:
        filters.append(_HAS_LABEL)
    if shape.status is not None:
        filters.append(CONVERSATIONS.c.status == fixed(shape.status))
        if shape.status != ConversationStatus.OPEN:
            filters.append(PUT_AWAY)
    if shape.longest_waiting or shape.waiting:
        filters.append(WAITING)
    elif shape.waiting is not None:
        filters.append(CONVERSATIONS.c.waiting_since.is_(None))
    if shape.needs_human is not None:
        filters.append(NEEDS_HUMAN if shape.needs_human else ~CONVERSATIONS.c.needs_human)
    if shape.favorite is not None:
        filters.append(FAVORITE if shape.favorite else ~CONVERSATIONS.c.is_favorite)
    if shape.my_unread is False:
        filters.append(NEW_TO_ME <= 0)
    if shape.unread is not None:
        filters.append(UNREAD if shape.unread else text("conversations.unread_count = 0"))
    return filters


def _require_account(db: Database, access: Access, account_id: UUID) -> None:
    """Nothing was found: is there an account at all? Raises AccountNotFound, PermissionDenied."""
    with db.reading() as session:
        require_account(session, access, account_id)
