"""Who wrote: contacts found by user id, parent id or phone, made when new, merged when two prove to be one person."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from inbox.clock import new_id
from inbox.contacts.identity import Identity
from inbox.contacts.merge import merge_contacts
from inbox.contacts.phones import spellings
from inbox.contacts.search import number_column
from inbox.db import one_of_pairs
from inbox.models import Contact, ContactChange, Conversation

log = logging.getLogger(__name__)

_KEYS = ("user_id", "parent_user_id", "phone")  # the order in which WhatsApp's ids identify a person


class People:
    """The contacts that one batch touches."""

    def __init__(self, session: Session, now: datetime) -> None:
        self._session = session
        self._now = now
        self._index: dict[tuple[UUID, str, str], Contact] = {}
        self._merged: dict[UUID, Contact] = {}

    def load(self, wanted: Iterable[tuple[UUID, Identity]], groups: Iterable[tuple[UUID, str]]) -> None:
        """Fetch every contact these identities may mean, in a few queries."""
        keys: dict[str, set[tuple[UUID, str]]] = {name: set() for name in (*_KEYS, "group_id")}
        for account_id, person in wanted:
            for name in _KEYS:
                keys[name].update((account_id, value) for value in _spelled(person, name))
        keys["group_id"].update(groups)
        number = number_column(self._session.get_bind().dialect.name)
        for name, pairs in keys.items():
            column = getattr(Contact, name) if name != "phone" else number
            for condition in one_of_pairs(self._session, Contact.account_id, column, pairs):
                for contact in self._session.execute(select(Contact).where(condition)).scalars():
                    self._remember(contact)

    def resolve(self, account_id: UUID, person: Identity, at: datetime) -> Contact:
        """The contact `person` is; `at` is when they wrote. Fills in what the message adds."""
        found = self._find(account_id, person)
        if not found:
            contact = self._before_change(account_id, person, at)
            return contact if contact is not None else self._create(account_id, person)
        contact = self._merge(found)
        self._learn(contact, person, at)
        return contact

    def group(self, account_id: UUID, group_id: str) -> Contact:
        """The contact that stands for a group."""
        known = self._index.get((account_id, "group_id", group_id))
        if known is not None:
            return known
        contact = Contact(
            id=new_id(),
            account_id=account_id,
            group_id=group_id,
            display_name="Group",
            created_at=self._now,
            updated_at=self._now,
        )
        return self._add(contact)

    def become(self, contact: Contact, person: Identity, at: datetime) -> Contact:
        """The contact changed number or user id: `person` is who they are from now on."""
        others = [other for other in self._find(contact.account_id, person) if other is not contact]
        if others:
            contact = self._merge([contact, *others])
        self._learn(contact, person, at, replace=True)
        return contact

    def current(self, contact: Contact) -> Contact:
        """`contact`, or whom it was merged into since it was resolved."""
        while contact.id in self._merged:
            contact = self._merged[contact.id]
        return contact

    def joined_conversations(self) -> set[UUID]:
        """The conversations of those who proved to be one person."""
        survivors = {self.current(contact).id for contact in self._merged.values()}
        if not survivors:
            return set()
        query = select(Conversation.id).where(Conversation.contact_id.in_(sorted(survivors)))
        return set(self._session.execute(query).scalars())

    # --- inside --------------------------------------------------------------------------------------------------

    def _find(self, account_id: UUID, person: Identity) -> list[Contact]:
        found: list[Contact] = []
        for name in _KEYS:
            for value in _spelled(person, name):
                contact = self._index.get((account_id, name, value))
                if contact is not None and contact not in found:
                    found.append(contact)
        return found

    def _before_change(self, account_id: UUID, person: Identity, at: datetime) -> Contact | None:
        """The contact who had this number or user id when the message was written, and has another one now."""
        query = select(ContactChange.contact_id).where(
            ContactChange.account_id == account_id, ContactChange.at >= at, ContactChange.kind == "identity_changed"
        )
        if person.user_id:
            query = query.where(ContactChange.old_user_id == person.user_id)
        elif person.phone:
            query = query.where(ContactChange.old_phone.in_(spellings(person.phone)))
        else:
            return None
        self._session.flush()
        contact_id = self._session.execute(query.order_by(ContactChange.at).limit(1)).scalar_one_or_none()
        return self._remember(self._session.get_one(Contact, contact_id)) if contact_id else None

    def _create(self, account_id: UUID, person: Identity) -> Contact:
        contact = Contact(
            id=new_id(),
            account_id=account_id,
            phone=person.phone,
            user_id=person.user_id,
            parent_user_id=person.parent_user_id,
            username=person.username,
            display_name=person.name,
            created_at=self._now,
            updated_at=self._now,
        )
        return self._add(contact)

    def _add(self, contact: Contact) -> Contact:
        self._session.add(contact)
        return self._remember(contact)

    def _remember(self, contact: Contact) -> Contact:
        for name in (*_KEYS, "group_id"):
            if value := getattr(contact, name):
                self._index[contact.account_id, name, value] = contact
        return contact

    def _forget(self, contact: Contact) -> None:
        for key in [key for key, known in self._index.items() if known is contact]:
            del self._index[key]

    def _merge(self, found: list[Contact]) -> Contact:
        """One contact out of those that prove to be one person; the oldest stays."""
        survivor, *others = sorted(found, key=lambda contact: (contact.created_at, contact.id))
        for other in others:
            self._session.flush()
            if not merge_contacts(self._session, survivor, other, self._now):
                return found[0]  # a send of the other is in flight: the next message tries again
            self._forget(other)
            self._merged[other.id] = survivor
            identity = Identity(other.phone, other.user_id, other.parent_user_id, other.username, other.display_name)
            self._fill(survivor, identity)
            log.info("contacts merged", extra={"contact_id": str(survivor.id), "merged": str(other.id)})
        self._remember(survivor)
        return survivor

    def _learn(self, contact: Contact, person: Identity, at: datetime, *, replace: bool = False) -> None:
        """Take over what `person` adds. Another number or user id than before is recorded: it identifies people.

        Another spelling of the number is no other number, unless WhatsApp says that it replaces it.
        """
        if not replace and contact.phone in spellings(person.phone or ""):
            person = dataclasses.replace(person, phone=contact.phone)
        changed = {
            name: getattr(contact, name)
            for name in ("phone", "user_id")
            if getattr(person, name) and getattr(contact, name) not in (None, getattr(person, name))
        }
        if changed:
            self._session.add(_change(contact, changed, at))
            for name, old in changed.items():
                self._index.pop((contact.account_id, name, old), None)
        for name in ("phone", "user_id", "parent_user_id", "username"):
            self._set(contact, name, getattr(person, name))
        if not replace:
            self._set(contact, "display_name", person.name)
        self._remember(contact)

    def _fill(self, contact: Contact, person: Identity) -> None:
        for name in ("phone", "user_id", "parent_user_id", "username"):
            if getattr(contact, name) is None:
                self._set(contact, name, getattr(person, name))
        if contact.display_name is None:
            self._set(contact, "display_name", person.name)

    def _set(self, contact: Contact, name: str, value: Any) -> None:
        if value and getattr(contact, name) != value:
            setattr(contact, name, value)
            contact.updated_at = self._now


def _spelled(person: Identity, name: str) -> tuple[str, ...]:
    """The values of `name` under which this person may be known."""
    value: str | None = getattr(person, name)
    if not value:
        return ()
    return spellings(value) if name == "phone" else (value,)


def _change(contact: Contact, old: dict[str, str], at: datetime) -> ContactChange:
    return ContactChange(
        id=new_id(),
        account_id=contact.account_id,
        contact_id=contact.id,
        kind="identity_changed",
        old_phone=old.get("phone"),
        old_user_id=old.get("user_id"),
        details={},
        at=at,
    )
