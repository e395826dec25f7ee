"""How long it took until a conversation was done. The caller holds its row."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from inbox.auth.access import Principal
from inbox.models import Conversation, Resolution


def note_done(session: Session, conversation: Conversation, by: Principal, now: datetime) -> None:
    """Somebody says that it is done: note since when it was not, if a customer had written."""
    if conversation.opened_at is None:
        return
    session.add(
        Resolution(
            account_id=conversation.account_id,
            conversation_id=conversation.id,
            done_by=by.id,
            opened_at=conversation.opened_at,
            done_at=now,
        )
    )
    conversation.opened_at = None


def take_back_done(session: Session, conversation: Conversation) -> None:
    """It was not done after all, and the customer has not written since. A day that is reported stays as it is."""
    if conversation.opened_at is not None:
        return
    newest = select(Resolution).where(Resolution.conversation_id == conversation.id)
    found = session.execute(newest.order_by(Resolution.done_at.desc()).limit(1)).scalar_one_or_none()
    if found is not None:
        conversation.opened_at = found.opened_at
        session.delete(found)
