"""The messages that replies quote, as they are now: an edit or a revocation of the original shows in the quote too."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Select, any_, bindparam, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session

from inbox.db.queries import Values, values_of
from inbox.models import MESSAGES, Message


def quoted_messages(connection: Connection, account_id: UUID, wa_ids: Iterable[str | None]) -> dict[str, Values]:
    """By wa id: id, content_text, author_kind and author_name of those of the account that we hold."""
    wanted = sorted({wa_id for wa_id in wa_ids if wa_id})
    if not wanted:
        return {}
    found = connection.execute(_quoted(connection.dialect.name), {"account_id": account_id, "wanted": wanted})
    return {values["wa_message_id"]: values for values in values_of(found)}


def quoted_texts(session: Session, account_id: UUID, messages: Iterable[Message]) -> dict[str, str]:
    """What these messages quote, as text by wa id."""
    quoted = (message.reply_to_wa_id for message in messages)
    found = quoted_messages(session.connection(), account_id, quoted)
    return {wa_id: values["content_text"] for wa_id, values in found.items()}


@cache
def _quoted(dialect: str) -> Select[Any]:
    """One array on PostgreSQL, where the statement's text then stays the same."""
    row = MESSAGES.c
    query = select(row.wa_message_id, row.id, row.content_text, row.author_kind, row.author_name)
    query = query.where(row.account_id == bindparam("account_id"))
    if dialect == "postgresql":
        array = postgresql.ARRAY(row.wa_message_id.type)
        return query.where(row.wa_message_id == any_(bindparam("wanted", type_=array)))
    return query.where(row.wa_message_id.in_(bindparam("wanted", expanding=True)))
