"""Blocking a contact: what they write is stored, and asks for nobody; what waited for them is not sent."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.orm import Session

from inbox.auth import audit
from inbox.auth.access import Access
from inbox.conversations.readers import team_has_read
from inbox.conversations.schemas import ConversationRow
from inbox.conversations.service import row_of, visible
from inbox.conversations.state import answered
from inbox.db import Database
from inbox.db.transactions import whole_transaction
from inbox.errors import FieldProblem, InvalidRequest
from inbox.models import Conversation, ConversationReader
from inbox.outbox import jobs
from inbox.outbox.withdraw import withdraw_from_blocked


@whole_transaction(idempotent=True)
def set_blocked(db: Database, access: Access, conversation_id: UUID, *, blocked: bool) -> ConversationRow:
    """Block the contact of a conversation, or not. Raises ConversationNotFound, InvalidRequest."""
    with db.writing() as session:
        conversation = visible(session, access, conversation_id, lock=True)
        if conversation.is_group and blocked:
            sentence = "a group cannot be blocked: leave it in WhatsApp"
            raise InvalidRequest([FieldProblem("/blocked", "group_not_blockable", sentence)])
        if blocked is (conversation.blocked_at is None):
            now = db.now(session)
            conversation.blocked_at = now if blocked else None
            if blocked:
                _put_to_rest(session, conversation, now)
            conversation.touch()
            action = "contact.blocked" if blocked else "contact.unblocked"
            about = {"target": conversation.contact_id, "account_id": conversation.account_id}
            audit.record(session, access.principal, action, now, **about)
        return row_of(session, access, conversation_id)


def _put_to_rest(session: Session, conversation: Conversation, now: datetime) -> None:
    """Nothing waits here any more, for the team, for anybody in it, for the bot, or to be sent."""
    withdraw_from_blocked(session, conversation.id, now)
    answered(conversation)
    conversation.epoch += 1
    conversation.needs_human, conversation.needs_human_reason = False, None
    team_has_read(session, conversation, 0)
    readers = update(ConversationReader).where(ConversationReader.conversation_id == conversation.id)
    session.execute(readers.values(beyond_team=0))
    jobs.withdraw_answers(session, [conversation.id])
