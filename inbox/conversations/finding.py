"""Finding people by name or number, and messages by their words: the newest first, a page at a time.

Searches take turns, as those of contacts do. On PostgreSQL an index finds the words (migration 0017), and a word that
everybody writes costs one look at each message that has it; SQLite looks at every message of the number.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Select, any_, bindparam, cast, func, select
from sqlalchemy.dialects import postgresql

from inbox.auth.access import Access
from inbox.contacts import search
from inbox.conversations.lists import list_conversations
from inbox.conversations.rows import MESSAGE, conversation_rows, conversations_shown, me, message_rows
from inbox.conversations.schemas import ConversationQuery, ConversationRow, Found, FoundMessage, SearchQuery
from inbox.db import Database
from inbox.db.paging import Cursor, behind, place
from inbox.db.queries import Values, values_of
from inbox.db.words import lit, words_of
from inbox.models import CONVERSATIONS, MESSAGES

PEOPLE = 20


def find(db: Database, access: Access, query: SearchQuery) -> Found:
    """People on the first page only, and messages. Raises AccountNotFound, PermissionDenied, TooManyRequests."""
    access.require(query.account_id)
    cursor, words = Cursor.decode(query.cursor), words_of(query.q)
    with search.turn(access.principal.id, query.q):
        people = () if cursor else _people(db, access, query)
        with db.querying() as connection:
            found = _messages(connection, query, cursor, words) if words else []
            shown = found[: query.limit]
            talks = _conversations(connection, access, {row["conversation_id"] for row in shown})
    messages = [
        FoundMessage(message=row, conversation=talks[row.conversation_id], matches=list(lit(row.content_text, words)))
        for row in message_rows(shown)
        if row.conversation_id in talks
    ]
    more = len(found) > query.limit
    next_cursor = Cursor(shown[-1]["timestamp"], shown[-1]["id"]).encode() if more else None
    return Found(people=list(people), messages=messages, next=next_cursor)


def _people(db: Database, access: Access, query: SearchQuery) -> Sequence[ConversationRow]:
    return list_conversations(db, access, ConversationQuery(account_id=query.account_id, q=query.q, limit=PEOPLE)).rows


def _messages(connection: Connection, query: SearchQuery, cursor: Cursor | None, words: Sequence[str]) -> list[Values]:
    """A page of messages with all of these words, and one."""
    values: dict[str, Any] = {"account_id": query.account_id, **place(cursor, query.limit)}
    if connection.dialect.name == "postgresql":
        asked = " & ".join([f"'@{query.account_id}'", *(f"'{word}':*" for word in words)])
    else:
        asked = " ".join(words)
    return values_of(connection.execute(_found(connection.dialect.name, cursor is not None), values | {"words": asked}))


def _conversations(connection: Connection, access: Access, ids: set[UUID]) -> dict[UUID, ConversationRow]:
    if not ids:
        return {}
    found = values_of(connection.execute(_by_id(connection.dialect.name), {"ids": sorted(ids), **me(access)}))
    return {row.id: row for row in conversation_rows(found)}


# --- statements --------------------------------------------------------------------------------------------------


@cache
def _found(dialect: str, cursor: bool) -> Select[Any]:
    newest = MESSAGES.c.timestamp.desc(), MESSAGES.c.id.desc()
    ids = select(MESSAGES.c.id).where(MESSAGES.c.account_id == bindparam("account_id"))
    if dialect == "postgresql":
        asked = cast(bindparam("words"), postgresql.TSQUERY)
        ids = ids.where(func.message_words(MESSAGES.c.account_id, MESSAGES.c.content_text).op("@@")(asked))
    else:
        ids = ids.where(func.holds(MESSAGES.c.content_text, bindparam("words")))
    if cursor:
        ids = ids.where(behind(MESSAGES.c.timestamp, MESSAGES.c.id))
    page = ids.order_by(*newest).limit(bindparam("rows")).subquery()
    return select(*MESSAGE).join(page, page.c.id == MESSAGES.c.id).order_by(*newest)


@cache
def _by_id(dialect: str) -> Select[Any]:
    if dialect == "postgresql":
        array = postgresql.ARRAY(CONVERSATIONS.c.id.type)
        return conversations_shown().where(CONVERSATIONS.c.id == any_(bindparam("ids", type_=array)))
    return conversations_shown().where(CONVERSATIONS.c.id.in_(bindparam("ids", expanding=True)))
