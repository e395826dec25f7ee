"""Telling a person that the bot has stopped: a WhatsApp message to HUMAN_BACKUP_NUMBER, sent like any other."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from inbox.clock import new_id
from inbox.contacts.lists import shown_name
from inbox.contacts.phones import spellings
from inbox.contacts.search import number_column
from inbox.conversations.service import outbound_message, queue
from inbox.conversations.state import AI_DAILY_QUOTA, AI_OUTAGES, AI_UNAVAILABLE, BOT_FAILED, WINDOW_CLOSED
from inbox.db import Database, insert
from inbox.models import Author, Contact, Conversation, Message
from inbox.outbox.evidence import HAND_OVER_OF

log = logging.getLogger(__name__)

_QUIET = timedelta(minutes=10)  # an AI outage concerns every conversation; one notice is enough
_WORDS = {
    "unsupported_content": "the customer sent something the bot cannot read",
    "answer_limit": "the bot has reached its hourly limit here",
    "ai_refused": "the AI declined to answer",
    "ai_empty_answer": "the AI had no answer",
    "ai_failed": "the AI fails at this conversation",
    BOT_FAILED: "the bot made a mistake, see the log",
    WINDOW_CLOSED: "the customer's last message is more than 24 hours old, so only a template can answer it",
    AI_DAILY_QUOTA: "the AI's quota for today is used up",
    AI_UNAVAILABLE: "the AI is not available",
}


@dataclass(frozen=True, slots=True)
class HandOver:
    """`backup_number` is digits; None: nobody to tell."""

    db: Database
    backup_number: str | None

    def tell(self, account_id: UUID, conversation_id: UUID, reason: str) -> None:
        """Queue the notice, unless the conversation is the backup's own."""
        log.info("handed over", extra={"conversation_id": str(conversation_id), "reason": reason})
        if self.backup_number is None:
            return
        with self.db.writing() as session:
            now = self.db.now(session)
            customer = _contact_of(session, conversation_id)
            backup = _backup_conversation(session, account_id, self.backup_number, now)
            if backup.id == conversation_id or (reason in AI_OUTAGES and _told_lately(session, backup, now)):
                return
            text = f"Inbox: {_who(customer)} needs a person: {_WORDS.get(reason, reason)}."
            message = outbound_message(backup, text, now, author=Author.SYSTEM, author_id=None, name="Inbox")
            message.payload = {HAND_OVER_OF: str(conversation_id)}
            queue(session, backup, message, now)


def _contact_of(session: Session, conversation_id: UUID) -> Contact | None:
    query = select(Contact).join(Conversation, Conversation.contact_id == Contact.id)
    return session.execute(query.where(Conversation.id == conversation_id)).scalar_one_or_none()


def _who(contact: Contact | None) -> str:
    if contact is None:
        return "a customer"
    number = f" (+{contact.phone})" if contact.phone else ""
    return f"{shown_name(contact) or 'a customer'}{number}"


def _backup_conversation(session: Session, account_id: UUID, phone: str, now: datetime) -> Conversation:
    """The backup person's own conversation, made if needed, locked; the bot never answers there."""
    contact_id = _backup_contact(session, account_id, phone, now)
    made = insert(session, Conversation).values(
        id=new_id(),
        account_id=account_id,
        contact_id=contact_id,
        bot_enabled=False,
        updated_at=now,
        created_at=now,
    )
    session.execute(made.on_conflict_do_nothing(index_elements=[Conversation.contact_id]))
    query = select(Conversation).where(Conversation.contact_id == contact_id).with_for_update()
    conversation = session.execute(query).scalar_one()
    conversation.bot_enabled = False
    return conversation


def _backup_contact(session: Session, account_id: UUID, phone: str, now: datetime) -> UUID:
    """The backup person, who may have written under another spelling of the number; made if they never did."""
    number = number_column(session.get_bind().dialect.name)
    known = (
        select(Contact.id)
        .where(Contact.account_id == account_id, number.in_(spellings(phone)))
        .order_by(Contact.created_at, Contact.id)
        .limit(1)
    )
    if (contact_id := session.execute(known).scalar_one_or_none()) is not None:
        return contact_id
    contact = insert(session, Contact).values(
        id=new_id(), account_id=account_id, phone=phone, display_name="Human backup", created_at=now, updated_at=now
    )
    session.execute(contact.on_conflict_do_nothing(index_elements=[Contact.account_id, Contact.phone]))
    return session.execute(known).scalar_one()


def _told_lately(session: Session, backup: Conversation, now: datetime) -> bool:
    query = select(Message.id).where(
        Message.conversation_id == backup.id, Message.author_kind == Author.SYSTEM, Message.timestamp > now - _QUIET
    )
    return session.execute(query.limit(1)).first() is not None
