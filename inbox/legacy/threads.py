"""Contacts and conversations. The predecessor knows a person once, here they are one contact for each number."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.sql import SQL, Composed
from sqlalchemy import select
from sqlalchemy.orm import Session

from inbox.contacts.phones import spellings
from inbox.contacts.search import number_column
from inbox.db import one_of, one_of_pairs
from inbox.db.transactions import whole_transaction
from inbox.legacy.moving import Move, Thread, store
from inbox.legacy.reading import Row, count, flag, group, kept_id, line, made_id, moment, phone, text
from inbox.legacy.source import row_of
from inbox.legacy.tally import Outcome, Reason
from inbox.models import Contact, Conversation, ConversationStatus, Erasure

_DONE = frozenset({"closed", "close", "done", "resolved", "archived", "finished"})
_PENDING = frozenset({"pending", "waiting", "snoozed", "on_hold"})


Key = tuple[UUID, str]  # a number, and a phone or a group


@dataclass(frozen=True, slots=True)
class _Person:
    """Somebody at one number. `ids`: what the contact may be called here, the first that is free counts."""

    account_id: UUID
    phone: str | None
    group_id: str | None
    ids: tuple[UUID, ...]
    name: str | None
    created_at: datetime

    @property
    def names(self) -> list[tuple[UUID, UUID]]:
        """The ids, each with the number: one contact of several may be erased."""
        return [(self.account_id, id_) for id_ in self.ids]

    @property
    def keys(self) -> list[Key]:
        """By which they are known, in every spelling."""
        named = spellings(self.phone) if self.phone else (f"group {self.group_id}",)
        return [(self.account_id, each) for each in named]


@dataclass(frozen=True, slots=True)
class _Fate:
    """The contact of somebody; without one they were erased here."""

    contact_id: UUID | None
    made: bool = False


def _person(
    move: Move, account_id: UUID, source_id: str, row: Row, address: object, *, is_group: bool
) -> _Person | None:
    """None: neither a phone nor a group."""
    group_id = group(address, told=is_group)
    own = None if group_id else phone(address)
    if own is None and group_id is None:
        return None
    kept, made = kept_id(source_id), made_id("contacts", source_id, account_id)
    return _Person(
        account_id,
        own,
        group_id,
        (made,) if kept is None else (kept, made),
        line(row.get("display_name"), 255),
        moment(row.get("created_at"), move.now) or move.now,
    )


# --- contacts ----------------------------------------------------------------------------------------------------


def move_contacts(move: Move) -> None:
    """For each number that somebody wrote to; where there is one number only, for that one."""
    tally = move.tally("contacts")
    if move.table("contacts") is None:
        return
    for batch in move.batches(tally.name, "contacts", _contacts(move)):
        outcomes, found = _take_contacts(move, batch)
        tally.count(outcomes)
        move.contacts.update(found)


def _contacts(move: Move) -> Composed:
    source, id_ = move.source, move.column("k", "contacts", "id")
    if not source.has("contacts", "id") or not source.has("conversations", "contact_id", "account_id"):
        query = SQL("SELECT {}, row_to_json(k)::text, NULL::text[], false FROM {} k")
        return query.format(id_, source.table("contacts"))
    return SQL(
        """
        SELECT {}, row_to_json(k)::text, c.accounts, coalesce(c.is_group, false)
        FROM {} k
        LEFT JOIN (
            SELECT c.contact_id::text AS id, bool_or({} IN ('true', 't', '1')) AS is_group,
                array_agg(DISTINCT c.account_id::text) FILTER (WHERE c.account_id IS NOT NULL) AS accounts
            FROM {} c
            GROUP BY 1
        ) c ON c.id = k.id::text
        """
    ).format(
        id_, source.table("contacts"), move.column("c", "conversations", "is_group"), source.table("conversations")
    )


@whole_transaction(idempotent=True)
def _take_contacts(move: Move, batch: Sequence[tuple[Any, ...]]) -> tuple[list[Outcome], dict[Key, UUID]]:
    outcomes: list[Outcome] = []
    wanted: list[tuple[str, list[_Person]]] = []
    for source_id, json, accounts, is_group in batch:
        people = _people(move, str(source_id), row_of(json), accounts or (), is_group)
        if isinstance(people, Reason):
            outcomes.append(Outcome(str(source_id), left=people))
        else:
            wanted.append((str(source_id), people))
    with move.session() as session:
        fates, found = _settle(move, session, [person for _, people in wanted for person in people])
    following = iter(fates)
    for source_id, people in wanted:
        own = [next(following) for _ in people]
        erased = all(fate.contact_id is None for fate in own)
        left = Reason.ERASED if erased else None
        outcomes.append(Outcome(source_id, here=not any(fate.made for fate in own), left=left))
    return outcomes, found


def _people(
    move: Move, source_id: str, row: Row | None, accounts: Sequence[str], is_group: bool
) -> list[_Person] | Reason:
    """Whom a contact stands for, at each number."""
    if row is None:
        return Reason.UNREADABLE
    every = {number.id for number in move.numbers.values()}
    numbers = {move.numbers[each].id for each in accounts if each in move.numbers}
    if not accounts and len(every) == 1:
        numbers = every
    if not numbers:
        return Reason.NO_NUMBER if accounts else Reason.WHOSE
    address = row.get("whatsapp_number")
    people = [_person(move, each, source_id, row, address, is_group=is_group) for each in sorted(numbers)]
    found = [each for each in people if each is not None]
    return found or Reason.NO_PHONE


# --- finding and making people -----------------------------------------------------------------------------------


def _settle(move: Move, session: Session, people: Sequence[_Person]) -> tuple[list[_Fate], dict[Key, UUID]]:
    """What becomes of each, and by which keys the contacts are known."""
    by_key, used = _here(session, people)
    erased = _erased(session, people)
    fates: list[_Fate] = []
    made: list[tuple[UUID, _Person]] = []
    for person in people:
        if erased.intersection(person.names):
            fates.append(_Fate(None))
            continue
        contact_id = _known(move, person, by_key, used)
        is_new = contact_id is None
        if contact_id is None:
            contact_id = next(each for each in person.ids if each not in used)
            used[contact_id] = person.account_id
            made.append((contact_id, person))
        by_key.update(dict.fromkeys(person.keys, contact_id))
        fates.append(_Fate(contact_id, is_new))
    if move.writes and made:
        _store(move, session, made)
        stored, _ = _here(session, people)
        quicker = {_first(by_key, person): _first(stored, person) for _, person in made}  # a webhook may have been
        fates = [_Fate(quicker.get(fate.contact_id) or fate.contact_id, fate.made) for fate in fates]
        by_key |= {key: quicker.get(contact_id) or contact_id for key, contact_id in by_key.items()}
    return fates, by_key


def _here(session: Session, people: Sequence[_Person]) -> tuple[dict[Key, UUID], dict[UUID, UUID]]:
    """Contacts that are here, by key; and the number of each, by id."""
    phones = [key for person in people if person.phone for key in person.keys]
    groups = [(person.account_id, person.group_id) for person in people if person.group_id]
    number = number_column(session.get_bind().dialect.name)
    conditions = [
        *one_of_pairs(session, Contact.account_id, number, phones),
        *one_of_pairs(session, Contact.account_id, Contact.group_id, groups),
        *one_of(session, Contact.id, {id_ for person in people for id_ in person.ids}),
    ]
    by_key: dict[Key, UUID] = {}
    used: dict[UUID, UUID] = {}
    columns = Contact.id, Contact.account_id, Contact.phone, Contact.group_id
    for condition in conditions:
        for row in session.execute(select(*columns).where(condition)):
            used[row.id] = row.account_id
            for key in (row.phone, row.group_id and f"group {row.group_id}"):
                if key:
                    by_key[row.account_id, key] = row.id
    return by_key, used


def _known(move: Move, person: _Person, by_key: Mapping[Key, UUID], used: Mapping[UUID, UUID]) -> UUID | None:
    named = next((each for each in person.ids if used.get(each) == person.account_id), None)
    return named or _first(by_key, person) or _first(move.contacts, person)


def _first(by_key: Mapping[Key, UUID], person: _Person) -> UUID | None:
    return next((by_key[key] for key in person.keys if key in by_key), None)


def _erased(session: Session, people: Iterable[_Person]) -> set[tuple[UUID, UUID]]:
    """Of the names, those of people who asked to be forgotten."""
    found: set[tuple[UUID, UUID]] = set()
    for condition in one_of(session, Erasure.contact_id, {id_ for person in people for id_ in person.ids}):
        rows = session.execute(select(Erasure.account_id, Erasure.contact_id).where(condition))
        found.update((account_id, contact_id) for account_id, contact_id in rows)
    return found


def _store(move: Move, session: Session, made: Sequence[tuple[UUID, _Person]]) -> None:
    rows = [
        {
            "id": contact_id,
            "account_id": person.account_id,
            "phone": person.phone,
            "group_id": person.group_id,
            "display_name": person.name or ("Group" if person.group_id else None),
            "created_at": person.created_at,
            "updated_at": move.now,
        }
        for contact_id, person in made
    ]
    store(move, session, Contact, rows)


# --- conversations -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A conversation of the predecessor's with whom it is with."""

    source_id: str
    person: _Person
    row: Row
    since: datetime | None

    @property
    def ids(self) -> tuple[UUID, ...]:
        """What it may be called here, the first that is free counts."""
        kept = kept_id(self.source_id)
        made = made_id("conversations", self.source_id, self.person.account_id)
        return (made,) if kept is None else (kept, made)


def move_conversations(move: Move) -> None:
    """One with each contact. What was several with one person, because of the spelling of their number, becomes one."""
    tally = move.tally("conversations")
    if move.table("conversations") is None:
        return
    for batch in move.batches(tally.name, "conversations", _conversations(move)):
        outcomes, found, threads = _take_conversations(move, batch)
        tally.count(outcomes)
        move.contacts.update(found)
        move.threads.update(threads)
        move.with_contact.update({thread.contact_id: thread.id for thread in threads.values()})


def _conversations(move: Move) -> Composed:
    source, id_ = move.source, move.column("c", "conversations", "id")
    order = move.order("c", "conversations", "updated_at", "id")
    if not source.has("contacts", "id") or not source.has("conversations", "contact_id"):
        query = SQL("SELECT {}, row_to_json(c)::text, NULL::text FROM {} c {}")
        return query.format(id_, source.table("conversations"), order)
    people = move.named("contacts", SQL("row_to_json(t)::text AS json").format())
    query = SQL("SELECT {}, row_to_json(c)::text, k.json FROM {} c LEFT JOIN {} k ON k.named = c.contact_id::text {}")
    return query.format(id_, source.table("conversations"), people, order)


@whole_transaction(idempotent=True)
def _take_conversations(
    move: Move, batch: Sequence[tuple[Any, ...]]
) -> tuple[list[Outcome], dict[Key, UUID], dict[str, Thread]]:
    outcomes: list[Outcome] = []
    wanted: list[_Wanted] = []
    for source_id, json, contact in batch:
        each = _wanted(move, str(source_id), row_of(json), row_of(contact) or {})
        if isinstance(each, Reason):
            outcomes.append(Outcome(str(source_id), left=each))
        else:
            wanted.append(each)
    threads: dict[str, Thread] = {}
    made: list[dict[str, Any]] = []
    with move.session() as session:
        fates, found = _settle(move, session, [each.person for each in wanted])
        of_contact, of_id = _threads_here(session, wanted, fates)
        for each, fate in zip(wanted, fates, strict=True):
            if fate.contact_id is None:
                outcomes.append(Outcome(each.source_id, left=Reason.ERASED))
                continue
            account_id, contact_id = each.person.account_id, fate.contact_id
            own = next((id_ for id_ in each.ids if of_id.get(id_) == account_id), None)
            known = own or of_contact.get(contact_id) or move.with_contact.get(contact_id)
            if known is None:
                known = next(id_ for id_ in each.ids if id_ not in of_id)
                made.append(_row(move, each, known, contact_id))
                outcomes.append(Outcome(each.source_id))
            else:
                outcomes.append(Outcome(each.source_id, here=True, notes=() if own else (Reason.JOINED,)))
            of_id[known] = account_id
            of_contact[contact_id] = known
            unread = count(each.row.get("unread_count"))
            threads[each.source_id] = Thread(known, account_id, contact_id, each.person.name, unread, each.since)
        if move.writes and made:
            store(move, session, Conversation, made)
            stored, _ = _threads_here(session, wanted, fates)  # a webhook may have been quicker
            threads = {each: replace(thread, id=stored[thread.contact_id]) for each, thread in threads.items()}
    return outcomes, found, threads


def _wanted(move: Move, source_id: str, row: Row | None, contact: Row) -> _Wanted | Reason:
    if row is None:
        return Reason.UNREADABLE
    number = move.number_of(row)
    if number is None:
        return Reason.NO_NUMBER
    is_group = flag(row.get("is_group"))
    named = str(contact.get("id")) if contact.get("id") is not None else f"conversation {source_id}"
    for address in (contact.get("whatsapp_number"), row.get("client_number")):
        person = _person(move, number.id, named, contact, address, is_group=is_group)
        if person is not None:
            return _Wanted(source_id, person, row, number.since)
    return Reason.NO_PHONE


def _threads_here(
    session: Session, wanted: Sequence[_Wanted], fates: Sequence[_Fate]
) -> tuple[dict[UUID, UUID], dict[UUID, UUID]]:
    """Conversations that are here by their contact, and the number of each by its id."""
    contacts = {fate.contact_id for fate in fates if fate.contact_id is not None}
    conditions = [
        *one_of(session, Conversation.contact_id, contacts),
        *one_of(session, Conversation.id, {id_ for each in wanted for id_ in each.ids}),
    ]
    of_contact: dict[UUID, UUID] = {}
    of_id: dict[UUID, UUID] = {}
    columns = Conversation.id, Conversation.contact_id, Conversation.account_id
    for condition in conditions:
        for row in session.execute(select(*columns).where(condition)):
            of_contact[row.contact_id] = row.id
            of_id[row.id] = row.account_id
    return of_contact, of_id


def _row(move: Move, wanted: _Wanted, id_: UUID, contact_id: UUID) -> dict[str, Any]:
    """A new conversation: nothing in it waits for an answer."""
    row, person = wanted.row, wanted.person
    is_group = person.group_id is not None
    updated_at = moment(row.get("updated_at"), move.now) or person.created_at
    return {
        "id": id_,
        "account_id": person.account_id,
        "contact_id": contact_id,
        "status": _status(row),
        "is_group": is_group,
        "is_favorite": flag(row.get("is_favorite")),
        "unread_count": count(row.get("unread_count")),
        "bot_enabled": flag(row.get("bot_enabled")) and not is_group,
        "bot_last_reply_at": moment(row.get("bot_last_reply_at"), move.now),
        "updated_at": updated_at,
        "created_at": moment(row.get("created_at"), move.now) or min(updated_at, person.created_at),
    }


def _status(row: Row) -> ConversationStatus:
    word = (text(row.get("status")) or "").lower()
    if word in _DONE:
        return ConversationStatus.DONE
    return ConversationStatus.PENDING if word in _PENDING else ConversationStatus.OPEN
