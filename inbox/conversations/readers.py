"""What is new to each person, beside what is new to the team. The caller holds the conversation's row.

A customer's message adds to the team's `unread_count` alone. Everybody's own number follows from it, so the road of a
message costs nothing for the people who will read it; the difference is written when somebody reads.
"""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from inbox.db import insert
from inbox.models import Conversation, ConversationReader


def take_part(session: Session, conversation: Conversation, user_id: UUID) -> None:
    """From now on what is new here is counted for this user too; before, it was new as to the team."""
    row = {"user_id": user_id, "conversation_id": conversation.id, "account_id": conversation.account_id}
    session.execute(insert(session, ConversationReader).values(**row, beyond_team=0).on_conflict_do_nothing())


def team_has_read(session: Session, conversation: Conversation, left: int) -> None:
    """No more than `left` messages are new to the team. To whoever has not looked they stay new."""
    read = conversation.unread_count - left
    if read <= 0:
        return
    conversation.unread_count = left
    others = update(ConversationReader).where(ConversationReader.conversation_id == conversation.id)
    session.execute(others.values(beyond_team=ConversationReader.beyond_team + read))


def new_to(session: Session, conversation: Conversation, user_id: UUID) -> int:
    """How many messages are new to this user."""
    return max(0, conversation.unread_count + _beyond_team(session, conversation, user_id))


def set_new_to(session: Session, conversation: Conversation, user_id: UUID, count: int) -> None:
    """So many messages are new to this user, who takes part from now on."""
    take_part(session, conversation, user_id)
    mine = update(ConversationReader).where(
        ConversationReader.conversation_id == conversation.id, ConversationReader.user_id == user_id
    )
    session.execute(mine.values(beyond_team=count - conversation.unread_count))


def _beyond_team(session: Session, conversation: Conversation, user_id: UUID) -> int:
    query = select(ConversationReader.beyond_team).where(
        ConversationReader.conversation_id == conversation.id, ConversationReader.user_id == user_id
    )
    return session.execute(query).scalar_one_or_none() or 0
