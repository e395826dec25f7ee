"""What is new to each person, beside what is new to the team. The caller holds the conversation's row.

A customer's message adds to the team's `unread_count` alone. Everybody's own number follows from it, so the road of a
message costs nothing for the people who will read it; the difference is written when somebody reads.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select, tuple_, update
from sqlalchemy.orm import Session

from inbox.auth.access import Permission, Principal
from inbox.db import insert
from inbox.models import Author, Conversation, ConversationReader, Direction, Message
from inbox.outbox import jobs


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


def read_through(
    session: Session, caller: Principal, conversation: Conversation, now: datetime, through: Message | None = None
) -> None:
    """The caller has read the thread, to its end or `through` a message: what is newer stays new.

    By somebody who may write there the team has read it as well, and the customer gets the blue ticks.
    """
    left = 0 if through is None else _left(session, through)
    before = conversation.unread_count
    me = caller.user_id
    mine = new_to(session, conversation, me) if me else 0
    if caller.may(Permission.MESSAGES_SEND, conversation.account_id):
        team_has_read(session, conversation, min(before, left))
    if me:
        set_new_to(session, conversation, me, min(mine, left))
    if conversation.unread_count < before or min(mine, left) < mine:
        conversation.touch()
    if conversation.unread_count < before and (newest := _newest(session, conversation.id, through)) is not None:
        jobs.request_receipt(session, conversation.account_id, conversation.id, newest, now)


def _beyond_team(session: Session, conversation: Conversation, user_id: UUID) -> int:
    query = select(ConversationReader.beyond_team).where(
        ConversationReader.conversation_id == conversation.id, ConversationReader.user_id == user_id
    )
    return session.execute(query).scalar_one_or_none() or 0


_MOST = 1000
_PLACE = tuple_(Message.timestamp, Message.id)


def _left(session: Session, through: Message) -> int:
    """How many of the customer's messages are newer; more than are new to anybody need not be counted."""
    newer = select(Message.id).where(
        Message.conversation_id == through.conversation_id,
        Message.direction == Direction.INBOUND,
        tuple_(through.timestamp, through.id) < _PLACE,
    )
    return session.scalar(select(func.count()).select_from(newer.limit(_MOST).subquery())) or 0


def _newest(session: Session, conversation_id: UUID, through: Message | None) -> str | None:
    """The wa id of the customer's newest message, or of the newest until `through`."""
    query = select(Message.wa_message_id).where(
        Message.conversation_id == conversation_id, Message.author_kind == Author.CUSTOMER
    )
    if through is not None:
        query = query.where(tuple_(through.timestamp, through.id) >= _PLACE)
    return session.execute(query.order_by(Message.timestamp.desc(), Message.id.desc()).limit(1)).scalar_one_or_none()
