"""Reading a conversation: what is new to me, what is new to the team, and the customer's blue ticks."""

from __future__ import annotations

from uuid import UUID

from inbox.auth.access import Access
from inbox.conversations.readers import new_to, read_through, set_new_to
from inbox.conversations.schemas import ConversationRow
from inbox.conversations.service import message_of, row_of, visible
from inbox.db import Database
from inbox.db.transactions import whole_transaction
from inbox.errors import PermissionDenied


@whole_transaction(idempotent=True)
def mark_read(db: Database, access: Access, conversation_id: UUID, through: UUID | None = None) -> ConversationRow:
    """Somebody has read the thread, to its end or `through` a message: what is newer stays new.

    By somebody who may write there the team has read it as well, and the customer gets the blue ticks. What only others
    have read still waits for the team, and the customer would take blue ticks for a promise.
    Raises ConversationNotFound, InvalidRequest.
    """
    with db.writing() as session:
        conversation = visible(session, access, conversation_id, lock=True)
        last = message_of(session, conversation_id, through, "/through") if through else None
        read_through(session, access.principal, conversation, db.now(session), last)
        return row_of(session, access, conversation_id)


@whole_transaction(idempotent=True)
def mark_unread(db: Database, access: Access, conversation_id: UUID, count: int) -> ConversationRow:
    """The conversation is new to the user again, so many messages at least; the team's number stays.

    Raises ConversationNotFound, and PermissionDenied for a key: it is nobody who could have read.
    """
    with db.writing() as session:
        conversation = visible(session, access, conversation_id, lock=True)
        if (me := access.principal.user_id) is None:
            raise PermissionDenied("Only people have unread conversations of their own; a key sees the team's.")
        set_new_to(session, conversation, me, max(count, new_to(session, conversation, me)))
        conversation.touch()
        return row_of(session, access, conversation_id)
