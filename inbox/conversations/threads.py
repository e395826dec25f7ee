"""Threads: a page of a conversation's messages, from its end, from a place in it, or around one."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import Connection, Select, bindparam, select

from inbox.auth.access import Access
from inbox.clock import to_milliseconds
from inbox.conversations.rows import IN_THREADS, MESSAGE, message_rows
from inbox.conversations.schemas import MessageQuery, MessageRow
from inbox.conversations.service import not_of_this_conversation, visible
from inbox.db import Database
from inbox.db.paging import Cursor, Page, behind, following, place
from inbox.db.queries import Values, values_of
from inbox.errors import FieldProblem, InvalidRequest
from inbox.models import ACCOUNTS, MESSAGES

Direction = Literal["older", "newer"]


def list_messages(db: Database, access: Access, conversation_id: UUID, query: MessageQuery) -> Page[MessageRow]:
    """A page of messages, oldest first within it: the newest, or those that `query` names. The next page is older.

    Raises ConversationNotFound, InvalidRequest.
    """
    _check(query)
    with db.querying() as connection:
        page = _page(connection, conversation_id, query)
        theirs = page is not None and bool(page.rows) and access.allows(page.rows[0]["account_id"])
        rows = message_rows(page.rows) if page is not None and theirs else []
    if not rows:
        with db.reading() as session:
            visible(session, access, conversation_id)
    if page is None:
        name = "?after" if query.after is not None else "?around"
        raise not_of_this_conversation(name)
    return Page(rows, page.next, page.prev)


def _check(query: MessageQuery) -> None:
    """A page begins in one place. Raises InvalidRequest."""
    from_a_message = [name for name in ("after", "around") if getattr(query, name) is not None]
    others = [name for name in ("before", "cursor") if getattr(query, name) is not None]
    if from_a_message and len(from_a_message + others) > 1:
        sentence = "cannot be combined with another place"
        raise InvalidRequest([FieldProblem(f"?{from_a_message[0]}", "not_combinable", sentence)])


def _page(connection: Connection, conversation_id: UUID, query: MessageQuery) -> Page[Values] | None:
    """None: the message that the page should begin at is not there."""
    if query.after is None and query.around is None:
        return _older(connection, conversation_id, query)
    anchor = _place_of(connection, conversation_id, query.after or query.around)
    if anchor is None:
        return None
    if query.after is not None:
        newer = _found(connection, conversation_id, "newer", anchor, query.limit)
        rows = newer[: query.limit]
        return Page(rows, _cursor(rows[0]) if rows else None, _newest_of(rows, newer))
    half = query.limit // 2
    newer = _found(connection, conversation_id, "newer", anchor, half)
    older = _found(connection, conversation_id, "older", anchor, query.limit - half)
    rows = older[: query.limit - half][::-1] + newer[:half]
    return Page(rows, following(older, query.limit - half, "timestamp"), _newest_of(rows, newer[half:]))


def _older(connection: Connection, conversation_id: UUID, query: MessageQuery) -> Page[Values]:
    cursor = Cursor.decode(query.cursor)
    values = {"conversation_id": conversation_id, **place(cursor, query.limit)}
    if query.before is not None:
        values["before"] = to_milliseconds(query.before)
    found = values_of(connection.execute(_messages(cursor is not None, query.before is not None), values))
    rows = found[: query.limit][::-1]
    return Page(rows, following(found, query.limit, "timestamp"), _cursor(rows[-1]) if cursor and rows else None)


def _newest_of(rows: Sequence[Values], more: Sequence[Values]) -> Cursor | None:
    return _cursor(rows[-1]) if rows and len(more) > 0 else None


def _cursor(row: Values) -> Cursor:
    return Cursor(row["timestamp"], row["id"])


def _place_of(connection: Connection, conversation_id: UUID, message_id: UUID | None) -> Cursor | None:
    found = connection.execute(_place(), {"id": message_id, "conversation_id": conversation_id}).one_or_none()
    return Cursor(*found) if found else None


def _found(
    connection: Connection, conversation_id: UUID, direction: Direction, anchor: Cursor, limit: int
) -> list[Values]:
    """Up to `limit` messages and one, beginning at the anchor: with it when they are older, behind it when newer."""
    values = {"conversation_id": conversation_id, **place(anchor, limit)}
    return values_of(connection.execute(_from_anchor(direction), values))


# --- statements --------------------------------------------------------------------------------------------------


@cache
def _place() -> Select[Any]:
    wanted = (MESSAGES.c.id == bindparam("id"), MESSAGES.c.conversation_id == bindparam("conversation_id"))
    return select(MESSAGES.c.timestamp, MESSAGES.c.id).where(*wanted)


def _of_conversation() -> Select[Any]:
    return (
        select(*MESSAGE)
        .join(ACCOUNTS, MESSAGES.c.account_id == ACCOUNTS.c.id)
        .where(MESSAGES.c.conversation_id == bindparam("conversation_id"), ACCOUNTS.c.deleted_at.is_(None), IN_THREADS)
        .limit(bindparam("rows"))
    )


@cache
def _messages(cursor: bool, before: bool) -> Select[Any]:
    statement = _of_conversation().order_by(MESSAGES.c.timestamp.desc(), MESSAGES.c.id.desc())
    if cursor:
        statement = statement.where(behind(MESSAGES.c.timestamp, MESSAGES.c.id))
    if before:
        statement = statement.where(MESSAGES.c.timestamp < bindparam("before"))
    return statement


@cache
def _from_anchor(direction: Direction) -> Select[Any]:
    order = MESSAGES.c.timestamp, MESSAGES.c.id
    if direction == "newer":
        return _of_conversation().where(behind(*order, ascending=True)).order_by(*order)
    return _of_conversation().where(behind(*order, inclusive=True)).order_by(*(each.desc() for each in order))
