"""Reading a conversation: what is new to me, what is new to the team, and the customer's blue ticks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, func, select, tuple_
from sqlalchemy.orm import Session

from inbox.auth.access import Access, Permission, Principal
from inbox.conversations.readers import new_to, set_new_to, team_has_read
from inbox.conversations.schemas import ConversationRow
from inbox.conversations.service import message_of, row_of, visible
from inbox.db import Database
from inbox.db.transactions import whole_transaction
from inbox.errors import PermissionDenied
from inbox.models import Author, Conversation, Direction, Message
from inbox.outbox import jobs


@whole_transaction(idempotent=True)
def mark_read(db: Database, access: Access, conversation_id: UUID, through: UUID | None = None) -> ConversationRow:
    """Somebody has read the thread, to its end or `through` a message: what is newer stays new.

    By somebody who may write there the team has read it as well, and the customer gets the blue ticks. What only others
    have read still waits for the team, and the customer would take blue ticks for a promise.
    Raises ConversationNotFound, InvalidRequest.
    """
    with db.writing() as session:
        conversation = visible(session, access, conversation_id, lock=True)
        read_through(session, access.principal, conversation, db.now(session), through)
        return row_of(session, access, conversation_id)


def read_through(
    session: Session, caller: Principal, conversation: Conversation, now: datetime, through: UUID | None = None
) -> None:
    """As mark_read, for a caller who holds the conversation's row."""
    seen = _Seen.until(session, conversation, through)
    before = conversation.unread_count
    me = caller.user_id
    mine = new_to(session, conversation, me) if me else 0
    if caller.may(Permission.MESSAGES_SEND, conversation.account_id):
        team_has_read(session, conversation, min(before, seen.left))
    if me:
        set_new_to(session, conversation, me, min(mine, seen.left))
    if conversation.unread_count < before or min(mine, seen.left) < mine:
        conversation.touch()
    if conversation.unread_count < before and seen.newest is not None:
        jobs.request_receipt(session, conversation.account_id, conversation.id, seen.newest, now)


@whole_transaction(idempotent=True)
def mark_unread(db: Database, access: Access, conversation_id: UUID) -> ConversationRow:
    """The conversation is new to the user again, one message at least; the team's number stays.

    Raises ConversationNotFound, and PermissionDenied for a key: it is nobody who could have read.
    """
    with db.writing() as session:
        conversation = visible(session, access, conversation_id, lock=True)
        if (me := access.principal.user_id) is None:
            raise PermissionDenied("Only people have unread conversations of their own; a key sees the team's.")
        set_new_to(session, conversation, me, max(1, new_to(session, conversation, me)))
        conversation.touch()
        return row_of(session, access, conversation_id)


@dataclass(frozen=True, slots=True)
class _Seen:
    """What somebody has seen: how many of the customer's messages are `left`, and the newest that is not."""

    left: int
    newest: str | None  #: its wa id

    @classmethod
    def until(cls, session: Session, conversation: Conversation, through: UUID | None) -> _Seen:
        """Raises InvalidRequest."""
        if through is None:
            return cls(0, _newest(session, conversation.id))
        message = message_of(session, conversation.id, through, "/through")
        place = tuple_(Message.timestamp, Message.id)
        last = tuple_(message.timestamp, message.id)
        newer = select(Message.id).where(
            Message.conversation_id == conversation.id, Message.direction == Direction.INBOUND, place > last
        )
        # More of them than are new to anybody need not be counted.
        left = session.scalar(select(func.count()).select_from(newer.limit(_MOST).subquery()))
        return cls(left or 0, _newest(session, conversation.id, place <= last))


_MOST = 1000


def _newest(session: Session, conversation_id: UUID, *conditions: ColumnElement[bool]) -> str | None:
    query = (
        select(Message.wa_message_id)
        .where(Message.conversation_id == conversation_id, Message.author_kind == Author.CUSTOMER, *conditions)
        .order_by(Message.timestamp.desc(), Message.id.desc())
        .limit(1)
    )
    return session.execute(query).scalar_one_or_none()
