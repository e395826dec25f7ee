"""Contacts that may be one person, and making them one because somebody says so."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session

from inbox.auth import audit
from inbox.auth.access import Access
from inbox.contacts.lists import CONTACT, contact_rows
from inbox.contacts.merge import merge_contacts
from inbox.contacts.phones import spellings
from inbox.contacts.schemas import ContactRow
from inbox.contacts.search import number_column
from inbox.conversations.state import owes_answer, pause_ends, recount_waiting
from inbox.db import Database
from inbox.db.queries import values_of
from inbox.db.transactions import whole_transaction
from inbox.errors import ContactsDiffer, MergeInFlight
from inbox.models import CONTACTS, Contact, Conversation
from inbox.outbox import jobs
from inbox.team.fields import contact_detail, seen_contact
from inbox.team.schemas import ContactDetail

MOST = 5  #: suggestions for one contact
_IDS = ("phone", "user_id", "parent_user_id", "group_id")


def duplicates(db: Database, access: Access, contact_id: UUID) -> Sequence[ContactRow]:
    """Who may be the same person: the same number in another spelling, or the same name where one hides the number.

    Raises ContactNotFound.
    """
    with db.reading() as session:
        contact = seen_contact(session, access, contact_id)
        if contact.group_id is not None:
            return []
        mine = CONTACTS.c.account_id == contact.account_id, CONTACTS.c.id != contact.id
        found = session.execute(select(Contact).where(*mine, or_(*_alike(session, contact))).limit(50)).scalars()
        ids = [each.id for each in found if may_be_one(contact, each)][:MOST]
        rows = select(*CONTACT).where(CONTACTS.c.id.in_(ids)).order_by(CONTACTS.c.created_at, CONTACTS.c.id)
        return contact_rows(values_of(session.execute(rows))) if ids else []


def _alike(session: Session, contact: Contact) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if contact.phone:
        found.append(number_column(session.get_bind().dialect.name).in_(spellings(contact.phone)))
    if name := (contact.display_name or "").strip():
        # As the indexes of migration 0011 have it.
        if session.get_bind().dialect.name == "postgresql":
            found.append(func.lower(Contact.display_name).collate("C") == name.lower())
        else:
            found.append(Contact.display_name.collate("NOCASE") == name)
    return found or [Contact.id.is_(None)]


def may_be_one(one: Contact, other: Contact) -> bool:
    """False when WhatsApp tells them apart: what it calls the one is not what it calls the other."""
    if one.group_id or other.group_id:
        return False
    if one.phone and other.phone and other.phone not in spellings(one.phone):
        return False
    return all(
        getattr(one, name) in (None, getattr(other, name)) or getattr(other, name) is None
        for name in ("user_id", "parent_user_id")
    )


@whole_transaction(idempotent=True)
def merge(db: Database, access: Access, contact_id: UUID, other_id: UUID, *, bot_stays_out: timedelta) -> ContactDetail:
    """Make `other_id` part of `contact_id`: its conversation, notes, labels and details. It cannot be taken back.

    Raises ContactNotFound, ContactsDiffer, MergeInFlight.
    """
    with db.writing() as session:
        held = {each: seen_contact(session, access, each, lock=True) for each in sorted({contact_id, other_id})}
        contact, other = held[contact_id], held[other_id]
        if contact is other or contact.account_id != other.account_id or not may_be_one(contact, other):
            raise ContactsDiffer
        now = db.now(session)
        gone = {name: getattr(other, name) for name in (*_IDS, "username", "display_name")}
        if not merge_contacts(session, contact, other, now):
            raise MergeInFlight
        for name, value in gone.items():
            if getattr(contact, name) is None:
                setattr(contact, name, value)
        contact.updated_at = now
        _wait_on(session, db, contact, bot_stays_out)
        audit.record(
            session,
            access.principal,
            "contact.merged",
            now,
            target=contact.id,
            account_id=contact.account_id,
            contact_id=str(other_id),
        )
        return contact_detail(session, contact)


def _wait_on(session: Session, db: Database, contact: Contact, bot_stays_out: timedelta) -> None:
    """What awaited an answer in either conversation awaits it in both."""
    query = select(Conversation).where(Conversation.contact_id == contact.id).with_for_update()
    conversation = session.execute(query).scalar_one_or_none()
    if conversation is None:
        return
    now = db.now(session)
    recount_waiting(session, conversation)
    jobs.withdraw_answers(session, [conversation.id])
    if owes_answer(conversation):
        since = pause_ends(conversation, now, bot_stays_out)
        owed = jobs.Owed(conversation.account_id, conversation.id, since)
        jobs.request_answers(session, [owed], now, debounce=0.0)
