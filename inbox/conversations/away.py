"""The away message: what a customer is told who writes while the number is closed."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from inbox.accounts.hours import Hours
from inbox.conversations.service import outbound_message, queue
from inbox.conversations.state import owes_answer, window_expires_at
from inbox.db import one_of
from inbox.models import Author, Conversation, Lane


def hold_lanes(session: Session, conversation_ids: Iterable[UUID]) -> None:
    """Lock the lanes that away messages may join: before any message is, as everywhere."""
    for condition in one_of(session, Lane.conversation_id, set(conversation_ids)):
        query = select(Lane.conversation_id).where(condition).order_by(Lane.conversation_id).with_for_update()
        session.execute(query).all()


def tell_away(session: Session, conversation: Conversation, hours: Hours, now: datetime) -> None:
    """Queue the away message for a customer who has just written, once in each stretch of being closed.

    Not where the bot answers, nor where a person has since the number closed. The caller holds the conversation and,
    where there is one, its lane.
    """
    expires = window_expires_at(conversation)
    if hours.away_text is None or conversation.is_group or expires is None or expires <= now or hours.is_open(now):
        return
    if owes_answer(conversation) and not hours.bot_silent:
        return
    last = [each for each in (conversation.away_told_at, conversation.person_replied_at) if each is not None]
    since = hours.closed_since(now)
    if last and (since is None or max(last) >= since):
        return
    conversation.away_told_at = now
    message = outbound_message(conversation, hours.away_text, now, author=Author.SYSTEM, author_id=None, name=None)
    queue(session, conversation, message, now)
