"""Deleting messages and conversations for good. Files go with their messages (`media.keeping`)."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any
from uuid import UUID

from sqlalchemy import Row, delete, select
from sqlalchemy.orm import Session

from inbox.db import one_of
from inbox.models import Annotation, Conversation, GoneConversation, Message, WebhookDelivery

ROWS = 1000  #: deleted in one transaction
_NO_SYNC: dict[str, Any] = {"synchronize_session": False}


def delete_messages(session: Session, account_id: UUID, *conditions: Any) -> int:
    """Up to ROWS messages, the oldest first, with what was said about them. How many."""
    query = select(Message.id, Message.wa_message_id).where(*conditions)
    found: list[Row[Any]] = list(session.execute(query.order_by(Message.timestamp, Message.id).limit(ROWS)))
    named = [row.wa_message_id for row in found if row.wa_message_id is not None]
    for condition in one_of(session, Annotation.target_wa_id, named):
        statement = delete(Annotation).where(condition, Annotation.account_id == account_id)
        session.execute(statement, execution_options=_NO_SYNC)
    _delete(session, Message.id, [row.id for row in found])
    return len(found)


def delete_conversations(session: Session, account_id: UUID, ids: Collection[UUID]) -> None:
    """With notes, labels, drafts, jobs and what others were told of them; pages are told that they are gone.

    The caller holds them, and has deleted their messages.
    """
    _delete(session, WebhookDelivery.conversation_id, ids)
    _delete(session, Conversation.id, ids)
    session.add_all(GoneConversation(id=each, account_id=account_id) for each in ids)
    session.flush()


def _delete(session: Session, column: Any, values: Iterable[Any]) -> None:
    for condition in one_of(session, column, list(values)):
        session.execute(delete(column.class_).where(condition), execution_options=_NO_SYNC)
