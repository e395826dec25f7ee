"""Erasing one contact: messages, files and all else at once, raw webhooks and dead letters in the minutes after.

What is left is an entry of the audit log that names nobody. What backups hold is not reached: docs/privacy.md says what
to do after one was put back.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from inbox.accounts.service import require_account
from inbox.auth import audit
from inbox.auth.access import Access
from inbox.clock import first_id, new_id
from inbox.contacts.phones import spellings
from inbox.contacts.search import number_column
from inbox.db import Database
from inbox.db.transactions import whole_transaction
from inbox.errors import ContactNotFound
from inbox.models import (
    Author,
    Contact,
    ContactChange,
    Conversation,
    DeadLetter,
    Erasure,
    EventState,
    Message,
    WebhookEvent,
)
from inbox.outbox.evidence import HAND_OVER_OF
from inbox.privacy.forgetting import ROWS, delete_conversations, delete_messages
from inbox.privacy.schemas import Erased

log = logging.getLogger(__name__)

_EVENTS = 500  # raw webhooks looked through in one step
_STEPS = 20
_LETTERS = 2000
_NO_SYNC = {"synchronize_session": False}


def erase(db: Database, access: Access, contact_id: UUID, *, backup_number: str | None) -> Erased:
    """Delete all that is kept of a contact, for good. Raises ContactNotFound.

    A long thread goes in several transactions; one that is interrupted is gone on with by the same call.
    """
    while _erase_some(db, access, contact_id) == ROWS:
        pass
    done = _erase_rest(db, access, contact_id, backup_number)
    log.info("contact erased", extra={"contact_id": str(contact_id)})
    return done


@whole_transaction(idempotent=True)
def _erase_some(db: Database, access: Access, contact_id: UUID) -> int:
    with db.writing() as session:
        contact = visible_contact(session, access, contact_id)
        thread = _lock_thread(session, contact_id)
        if thread is None:
            return 0
        return delete_messages(session, contact.account_id, Message.conversation_id == thread.id)


@whole_transaction
def _erase_rest(db: Database, access: Access, contact_id: UUID, backup_number: str | None) -> Erased:
    with db.writing() as session:
        contact = visible_contact(session, access, contact_id, lock=True)
        account_id, words = contact.account_id, _words(session, contact)
        thread = _lock_thread(session, contact_id)
        if thread is not None:
            while delete_messages(session, account_id, Message.conversation_id == thread.id):
                pass
            _delete_notices(session, account_id, thread.id, backup_number)
            delete_conversations(session, account_id, [thread.id])
        _delete_in_groups(session, account_id, contact_id)
        session.execute(delete(Contact).where(Contact.id == contact_id), execution_options=_NO_SYNC)
        now = db.now(session)
        erasure = Erasure(
            id=new_id(),
            account_id=account_id,
            contact_id=contact_id,
            words=words,
            looked_through=UUID(int=0),
            until=first_id(now),
            requested_at=now,
        )
        session.add(erasure)
        audit.record(session, access.principal, "contact.erased", now, target=contact_id, account_id=account_id)
    return Erased(id=contact_id)


def visible_contact(session: Session, access: Access, contact_id: UUID, *, lock: bool = False) -> Contact:
    """Raises ContactNotFound, also for a contact of a number that the caller may not manage."""
    contact = session.get(Contact, contact_id, with_for_update=lock or None)
    if contact is None or not access.allows(contact.account_id):
        raise ContactNotFound
    require_account(session, access, contact.account_id)
    return contact


def _lock_thread(session: Session, contact_id: UUID) -> Conversation | None:
    query = select(Conversation).where(Conversation.contact_id == contact_id).with_for_update()
    return session.execute(query).scalar_one_or_none()


def _words(session: Session, contact: Contact) -> list[str]:
    """What webhooks call them, and have called them."""
    changes = select(ContactChange.old_phone, ContactChange.old_user_id).where(ContactChange.contact_id == contact.id)
    former = [word for row in session.execute(changes) for word in row]
    known = (contact.phone, contact.user_id, contact.parent_user_id, contact.group_id, *former)
    return sorted({word for word in known if word})


def _delete_in_groups(session: Session, account_id: UUID, contact_id: UUID) -> None:
    groups = select(Conversation.id).where(Conversation.account_id == account_id, Conversation.is_group)
    theirs = Message.conversation_id.in_(groups), Message.author_id == str(contact_id)
    while delete_messages(session, account_id, *theirs):
        pass


def _delete_notices(session: Session, account_id: UUID, thread_id: UUID, backup_number: str | None) -> None:
    """What the backup number was told about them."""
    if backup_number is None:
        return
    number = number_column(session.get_bind().dialect.name)
    backup = (
        select(Conversation.id)
        .join(Contact, Contact.id == Conversation.contact_id)
        .where(Contact.account_id == account_id, number.in_(spellings(backup_number)))
    )
    notices = select(Message).where(Message.conversation_id.in_(backup), Message.author_kind == Author.SYSTEM)
    ids = [each.id for each in session.execute(notices).scalars() if each.payload.get(HAND_OVER_OF) == str(thread_id)]
    while ids and delete_messages(session, account_id, Message.id.in_(ids)):
        pass


# --- raw webhooks ------------------------------------------------------------------------------------------------


def continue_erasures(db: Database) -> None:
    """Look through some thousands of raw webhooks for erasures that have not ended, the oldest first."""
    for _ in range(_STEPS):
        if not _step(db):
            return


def _step(db: Database) -> bool:
    """False when there is no such erasure."""
    with db.reading() as session:
        query = select(Erasure).where(Erasure.ended_at.is_(None)).order_by(Erasure.id).limit(1)
        erasure = session.execute(query).scalar_one_or_none()
        if erasure is None:
            return False
        events = (
            select(WebhookEvent.id, WebhookEvent.body)
            .where(WebhookEvent.id > erasure.looked_through, WebhookEvent.id < erasure.until)
            .order_by(WebhookEvent.id)
            .limit(_EVENTS)
        )
        found = session.execute(events).all()
        letters = select(DeadLetter.id, DeadLetter.raw).where(DeadLetter.at <= erasure.requested_at)
        named = [word.encode() for word in erasure.words]
        events_to_go = [row.id for row in found if _names(row.body, named)]
        over = len(found) < _EVENTS
        letters_to_go = (
            [row.id for row in session.execute(letters.limit(_LETTERS)) if _names(row.raw, named)] if over else []
        )
    with db.writing() as session:
        now = db.now(session)
        # One that waits is ingested first: it came before, so what it holds is of a contact of its own.
        handled = WebhookEvent.id.in_(events_to_go), WebhookEvent.state != EventState.PENDING
        session.execute(delete(WebhookEvent).where(*handled), execution_options=_NO_SYNC)
        session.execute(delete(DeadLetter).where(DeadLetter.id.in_(letters_to_go)), execution_options=_NO_SYNC)
        _note(session, erasure.id, found[-1].id if found else None, now if over else None)
    return True


def _names(raw: bytes, words: Iterable[bytes]) -> bool:
    return any(word in raw for word in words)


def _note(session: Session, erasure_id: UUID, through: UUID | None, ended_at: datetime | None) -> None:
    erasure = session.get_one(Erasure, erasure_id, with_for_update=True)
    if through is not None:
        erasure.looked_through = max(erasure.looked_through, through)
    if ended_at is not None:
        erasure.words, erasure.ended_at = [], ended_at
