"""The texts that replies quote, as they are now: an edit or a revocation of the original shows in the quote too."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import Select, any_, bindparam, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session

from inbox.models import MESSAGES, Message


def quoted_texts(session: Session, account_id: UUID, messages: Iterable[Message]) -> dict[str, str]:
    """What these messages of an account quote, as text by wa id, where we hold it."""
    wanted = sorted({message.reply_to_wa_id for message in messages if message.reply_to_wa_id})
    if not wanted:
        return {}
    statement = _quoted(session.get_bind().dialect.name)
    found = session.execute(statement, {"account_id": account_id, "wanted": wanted})
    return {row.wa_message_id: row.content_text for row in found}


@cache
def _quoted(dialect: str) -> Select[Any]:
    """One array on PostgreSQL, where the statement's text then stays the same."""
    row = MESSAGES.c
    query = select(row.wa_message_id, row.content_text).where(row.account_id == bindparam("account_id"))
    if dialect == "postgresql":
        array = postgresql.ARRAY(row.wa_message_id.type)
        return query.where(row.wa_message_id == any_(bindparam("wanted", type_=array)))
    return query.where(row.wa_message_id.in_(bindparam("wanted", expanding=True)))
