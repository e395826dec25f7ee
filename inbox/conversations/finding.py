"""Finding people by name or number, and messages by their words: the newest first, a page at a time.

Searches take turns, as those of contacts do. SQLite reads the number's messages, newest first, until the page is full.
PostgreSQL begins like that, for a page of what many wrote is soon full. After WALKED messages an index finds the words
(migration 0017): one look at each message that has them, which takes long only when nearly all have.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Connection,
    FromClause,
    Select,
    any_,
    bindparam,
    cast,
    func,
    literal_column,
    select,
    union_all,
)
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
WALKED = 500  # messages, read in 5 ms: among them is a page of each word that is in every twentieth


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


_NEWEST = MESSAGES.c.timestamp.desc(), MESSAGES.c.id.desc()


@cache
def _found(dialect: str, cursor: bool) -> Select[Any]:
    """The page's messages, each looked up by its id."""
    page = (_page_by_index if dialect == "postgresql" else _page_by_reading)(cursor).subquery()
    return select(*MESSAGE).join(page, page.c.id == MESSAGES.c.id).order_by(*_NEWEST)


def _page_by_reading(cursor: bool) -> Select[Any]:
    found = _written(cursor, MESSAGES.c.id).where(func.holds(MESSAGES.c.content_text, bindparam("words")))
    return found.order_by(*_NEWEST).limit(bindparam("rows"))


def _page_by_index(cursor: bool) -> CompoundSelect[Any]:
    """A page of the newest WALKED messages when they fill one, and otherwise of all.

    PostgreSQL does not begin with the part that `count` rules out.
    """
    columns = MESSAGES.c.id, MESSAGES.c.timestamp, MESSAGES.c.account_id, MESSAGES.c.content_text
    newest = _written(cursor, *columns).order_by(*_NEWEST).limit(literal_column(str(WALKED))).subquery()
    by_time = newest.c.timestamp.desc(), newest.c.id.desc()
    near = select(newest.c.id).where(_said(newest)).order_by(*by_time).limit(bindparam("rows")).cte("near")
    count = select(func.count()).select_from(near).scalar_subquery()
    # It does not say that there is a text, so that no plan hopes to meet the words soon and walks ix_messages_written.
    all_ = _of_account(cursor, MESSAGES.c.id).where(_said(MESSAGES), count < bindparam("rows"))
    far = all_.order_by(*_NEWEST).limit(bindparam("rows")).subquery("far")
    return union_all(select(near.c.id).where(count == bindparam("rows")), select(far.c.id))


def _said(messages: FromClause) -> ColumnElement[bool]:
    """That they have the words: as ix_messages_words has them."""
    words = func.message_words(messages.c.account_id, messages.c.content_text)
    return words.op("@@", is_comparison=True)(cast(bindparam("words"), postgresql.TSQUERY))


def _written(cursor: bool, *columns: ColumnElement[Any]) -> Select[Any]:
    """What ix_messages_written has: messages with a text."""
    return _of_account(cursor, *columns).where(MESSAGES.c.content_text != literal_column("''"))


def _of_account(cursor: bool, *columns: ColumnElement[Any]) -> Select[Any]:
    """The account's messages, behind the cursor when there is one."""
    found = select(*columns).where(MESSAGES.c.account_id == bindparam("account_id"))
    return found.where(behind(MESSAGES.c.timestamp, MESSAGES.c.id)) if cursor else found


@cache
def _by_id(dialect: str) -> Select[Any]:
    if dialect == "postgresql":
        array = postgresql.ARRAY(CONVERSATIONS.c.id.type)
        return conversations_shown().where(CONVERSATIONS.c.id == any_(bindparam("ids", type_=array)))
    return conversations_shown().where(CONVERSATIONS.c.id.in_(bindparam("ids", expanding=True)))
