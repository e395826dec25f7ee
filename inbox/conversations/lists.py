"""Lists of conversations and messages: at most a page of rows is read, however many there are.

A statement is built once for each combination of filters and kept: to build one, and the key by which SQLAlchemy finds
its compiled form, costs as much as the database needs to answer it. What a partial index is for stands in the text,
not in a parameter: a planner matches it before it knows the values.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Select, bindparam, func, literal, select, text

from inbox.accounts.service import require_account
from inbox.auth.access import Access
from inbox.clock import to_milliseconds
from inbox.contacts import search
from inbox.conversations.rows import (
    CONVERSATION,
    MESSAGE,
    conversation_rows,
    message_rows,
)
from inbox.conversations.schemas import (
    COUNTED,
    ConversationCounts,
    ConversationQuery,
    ConversationRow,
    MessageQuery,
    MessageRow,
)
from inbox.conversations.service import visible
from inbox.db import Database, fixed
from inbox.db.horizon import settled
from inbox.db.paging import Cursor, Page, behind, following, place
from inbox.db.queries import values_of
from inbox.models import ACCOUNTS, CONTACTS, CONVERSATIONS, MESSAGES

UNREAD, NEEDS_HUMAN = text("conversations.unread_count > 0"), text("conversations.needs_human")

# --- conversations -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Shape:
    """What a statement for conversations depends on; everything else is a parameter."""

    changes: bool
    cursor: bool
    assigned: bool
    status: str | None
    needs_human: bool | None
    unread: bool | None

    @property
    def order(self) -> Any:
        return CONVERSATIONS.c.changed_at if self.changes else CONVERSATIONS.c.updated_at


def list_conversations(db: Database, access: Access, query: ConversationQuery) -> Page[ConversationRow]:
    """Newest first; with updated_since, the newest change first. Raises AccountNotFound, PermissionDenied."""
    access.require(query.account_id)
    cursor = Cursor.decode(query.cursor)
    shape = _Shape(
        changes=query.updated_since is not None,
        cursor=cursor is not None,
        assigned=query.assigned_to is not None,
        status=query.status,
        needs_human=query.needs_human,
        unread=query.unread,
    )
    values = {"account_id": query.account_id, "assigned_to": query.assigned_to, **place(cursor, query.limit)}
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
        select(*CONVERSATION)
        .join(CONTACTS, CONVERSATIONS.c.contact_id == CONTACTS.c.id)
        .join(ACCOUNTS, CONVERSATIONS.c.account_id == ACCOUNTS.c.id)
        .where(CONVERSATIONS.c.account_id == bindparam("account_id"), ACCOUNTS.c.deleted_at.is_(None))
        .order_by(shape.order.desc(), CONVERSATIONS.c.id.desc())
        .limit(bindparam("rows"))
    )
    if shape.changes:
        statement = statement.where(
            CONVERSATIONS.c.changed_at >= bindparam("since"),
            CONVERSATIONS.c.changed_at < bindparam("until"),
        )
    if shape.cursor:
        statement = statement.where(behind(shape.order, CONVERSATIONS.c.id))
    return statement.where(*_filters(shape))


def _filters(shape: _Shape) -> list[Any]:
    filters: list[Any] = []
    if shape.assigned:
        filters.append(CONVERSATIONS.c.assigned_to == bindparam("assigned_to"))
    if shape.status is not None:
        filters.append(CONVERSATIONS.c.status == fixed(shape.status))
    if shape.needs_human is not None:
        filters.append(NEEDS_HUMAN if shape.needs_human else ~CONVERSATIONS.c.needs_human)
    if shape.unread is not None:
        filters.append(UNREAD if shape.unread else text("conversations.unread_count = 0"))
    return filters


def count_conversations(db: Database, access: Access, account_id: UUID) -> ConversationCounts:
    """How many of an account are waiting, each up to COUNTED. Raises AccountNotFound, PermissionDenied."""
    access.require(account_id)
    with db.querying() as connection:
        return counts_of(connection, access, account_id)


def counts_of(connection: Connection, access: Access, account_id: UUID) -> ConversationCounts:
    """How many of an account are waiting, each up to COUNTED. Raises AccountNotFound, PermissionDenied."""
    me = UUID(access.principal.id) if access.principal.kind == "user" else None
    row = connection.execute(_counts(), {"account_id": account_id, "assigned_to": me}).one_or_none()
    if row is None:
        raise access.missing_account()
    return ConversationCounts.model_validate(row)


@cache
def _counts() -> Select[Any]:
    counts = {"unread": UNREAD, "needs_human": NEEDS_HUMAN}
    mine = CONVERSATIONS.c.assigned_to == bindparam("assigned_to")
    columns = [_up_to(COUNTED, condition).label(name) for name, condition in {**counts, "assigned_to_me": mine}.items()]
    return select(*columns).where(ACCOUNTS.c.id == bindparam("account_id"), ACCOUNTS.c.deleted_at.is_(None))


def _up_to(limit: int, condition: Any) -> Any:
    rows = select(literal(1)).where(CONVERSATIONS.c.account_id == bindparam("account_id"), condition).limit(limit)
    return select(func.count()).select_from(rows.subquery()).scalar_subquery()


# --- messages ----------------------------------------------------------------------------------------------------


def list_messages(db: Database, access: Access, conversation_id: UUID, query: MessageQuery) -> Page[MessageRow]:
    """The newest page, oldest first within it; the next page is older. Raises ConversationNotFound."""
    cursor = Cursor.decode(query.cursor)
    values = {"conversation_id": conversation_id, **place(cursor, query.limit)}
    if query.before is not None:
        values["before"] = to_milliseconds(query.before)
    statement = _messages(cursor is not None, query.before is not None)
    with db.querying() as connection:
        found = values_of(connection.execute(statement, values))
        theirs = bool(found) and access.allows(found[0]["account_id"])
        rows = message_rows(connection, found[: query.limit]) if theirs else []
    if not rows:
        with db.reading() as session:
            visible(session, access, conversation_id)
    return Page(rows[::-1], following(found, query.limit, "timestamp"))


@cache
def _messages(cursor: bool, before: bool) -> Select[Any]:
    statement = (
        select(*MESSAGE)
        .join(ACCOUNTS, MESSAGES.c.account_id == ACCOUNTS.c.id)
        .where(MESSAGES.c.conversation_id == bindparam("conversation_id"), ACCOUNTS.c.deleted_at.is_(None))
        .order_by(MESSAGES.c.timestamp.desc(), MESSAGES.c.id.desc())
        .limit(bindparam("rows"))
    )
    if cursor:
        statement = statement.where(behind(MESSAGES.c.timestamp, MESSAGES.c.id))
    if before:
        statement = statement.where(MESSAGES.c.timestamp < bindparam("before"))
    return statement


def _require_account(db: Database, access: Access, account_id: UUID) -> None:
    """Nothing was found: is there an account at all? Raises AccountNotFound, PermissionDenied."""
    with db.reading() as session:
        require_account(session, access, account_id)
