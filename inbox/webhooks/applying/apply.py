"""A batch of records → rows, inside one transaction. Locks: conversations, then lanes, then messages."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, insert, literal, or_, select, union_all
from sqlalchemy.orm import Session

from inbox.accounts.hours import Hours
from inbox.accounts.reputation import keep_told
from inbox.clock import new_id, rfc3339
from inbox.contacts.identity import Identity
from inbox.contacts.people import People
from inbox.conversations.away import hold_lanes
from inbox.conversations.order import next_position
from inbox.conversations.state import note_message
from inbox.db import one_of, one_of_pairs
from inbox.db.writes import insert_rows
from inbox.hooks import events as hooks
from inbox.models import (
    Account,
    Annotation,
    Author,
    Conversation,
    ConversationStatus,
    Direction,
    Message,
    MessageStatus,
    Pause,
)
from inbox.outbox import jobs, store
from inbox.templates import sync as templates
from inbox.webhooks.applying.annotate import Annotations, Key
from inbox.webhooks.applying.placed import Entry, IngestSettings, Placed
from inbox.webhooks.applying.standins import StandIns
from inbox.webhooks.applying.statuses import Statuses
from inbox.webhooks.applying.waiting import Waiting
from inbox.webhooks.parsing.records import (
    AnnotationItem,
    Item,
    MessageItem,
    NoticeItem,
    PreferenceItem,
    StatusItem,
    Unusable,
)
from inbox.webhooks.replay import UNKNOWN_NUMBER

log = logging.getLogger(__name__)

_INTO_MESSAGES = insert(Message)
_TARGETS = "targets"  #: messages that an annotation is about


class Batch:
    """Collects items with `add`, stores them with `apply`, and counts what became of each (I13)."""

    def __init__(self, session: Session, now: datetime, settings: IngestSettings) -> None:
        self.session = session
        self.now = now
        self.settings = settings
        self.counts: dict[UUID, Counter[str]] = defaultdict(Counter)
        self.unusable: list[tuple[UUID, Item, str, str]] = []
        self._entries: list[Entry] = []

    def add(self, event_id: UUID, received_at: datetime, item: Item) -> None:
        """Queue `item` for apply()."""
        self._entries.append(Entry(event_id, received_at, item))

    def absorb(self, other: Batch) -> None:
        """Take over the results of a batch that was applied on its own."""
        for event_id, counts in other.counts.items():
            self.counts[event_id] += counts
        self.unusable += other.unusable

    def apply(self) -> None:
        """Store everything that was added, the last of it when the session is flushed.

        The order is that of the locks, as everywhere: contacts, conversations, lanes, messages, jobs.
        """
        entries, self._entries = self._entries, []
        accounts = _accounts(self.session, entries)
        usable = self._usable(entries, accounts)
        told = [entry for entry in usable if isinstance(entry.item, MessageItem)]
        noted = [entry for entry in usable if isinstance(entry.item, AnnotationItem)]
        known = self._known(told, noted, accounts)
        messages = self._fresh(told, accounts, known[Message])
        notes = self._fresh(noted, accounts, known[Annotation])
        stand_ins = StandIns(self.session, accounts, self.now)
        fresh = set(map(id, messages))
        stand_ins.told_again(entry for entry in told if id(entry) not in fresh)
        messages += stand_ins.for_unseen(notes, messages)
        preferences = [entry for entry in usable if isinstance(entry.item, PreferenceItem)]

        # People first: a message may join two contacts that prove to be one, and with them their conversations.
        people = People(self.session, self.now)
        people.load(_identities([*messages, *notes, *preferences], accounts), _groups(messages, accounts))
        placed = [self._place(entry, accounts, people) for entry in messages]
        annotations = Annotations(self.session, self.now)
        for entry in notes:
            annotations.add(entry.item, entry.received_at, accounts, people)
        for entry in preferences:
            _note_preference(entry, accounts, people)
        self.session.flush()

        # All conversations that anything here concerns are locked at once, in the order of their ids: two batches, or
        # a batch and a person's reply, that lock the same two in another order would wait for each other.
        statuses = Statuses(self.session, self.now)
        concerned = statuses.match([entry for entry in usable if isinstance(entry.item, StatusItem)], accounts)
        others = annotations.conversation_ids() | stand_ins.conversation_ids()
        concerned += one_of(self.session, Conversation.id, others)
        conversations = self._conversations(placed, concerned, people)
        hours = {each.id: found for each in accounts.values() if (found := Hours.of(each)) is not None}
        if hours:
            hold_lanes(self.session, (each.conversation.id for each in placed if each.account.id in hours))
        statuses.lock()  # before anything is written, which would have to be sent before it
        # Messages before what refers to them: an edit, a reaction or a status may be of a message of this batch.
        waiting = Waiting(self.session, self.now, self.settings, hours)
        self._store_messages(placed, waiting)
        stored = {(place.account.id, place.item.wa_message_id) for place in placed} & known[_TARGETS]
        stored |= stand_ins.fill(conversations)
        waiting.changed(annotations.apply(stored, conversations, people) | stand_ins.changed)
        statuses.apply(conversations)
        # Last, when it is known what still awaits an answer: a revoked question must not get one.
        waiting.changed(people.joined_conversations())
        waiting.apply(conversations)
        self._note_accounts(usable, accounts)

    # --- choosing ------------------------------------------------------------------------------------------------

    def _usable(self, entries: Iterable[Entry], accounts: dict[str, Account]) -> list[Entry]:
        """Count the items, set aside those that cannot be used, and those of numbers that are not ours."""
        usable = []
        for entry in entries:
            item, counts = entry.item, self.counts[entry.event_id]
            counted = isinstance(item, MessageItem | AnnotationItem | Unusable)
            counts["items"] += counted
            if isinstance(item, Unusable):
                self._set_aside(entry, item.reason, item.detail)
            elif isinstance(item, NoticeItem) or item.phone_number_id in accounts:
                usable.append(entry)
            else:
                counts["items"] += not counted
                detail = f"no account has the phone_number_id {item.phone_number_id}; add it, then replay"
                self._set_aside(entry, UNKNOWN_NUMBER, detail)
        return usable

    def _set_aside(self, entry: Entry, reason: str, detail: str) -> None:
        self.counts[entry.event_id]["dead"] += 1
        self.unusable.append((entry.event_id, entry.item, reason, detail))

    def _known(
        self, told: Sequence[Entry], noted: Sequence[Entry], accounts: dict[str, Account]
    ) -> dict[object, set[Key]]:
        """Which of the messages and which of the annotations are stored, and which messages annotations wait for."""
        messages, notes = [[_key(entry.item, accounts) for entry in some] for some in (told, noted)]
        looks: list[tuple[object, Any, Any, Iterable[Key]]] = [
            (Message, Message.account_id, Message.wa_message_id, messages),
            (Annotation, Annotation.account_id, Annotation.wa_message_id, notes),
            (_TARGETS, Annotation.account_id, Annotation.target_wa_id, messages),
        ]
        known: dict[object, set[Key]] = {what: set() for what, *_ in looks}
        parts = [
            select(literal(number).label("what"), account_id, wa_id).where(condition)
            for number, (_, account_id, wa_id, keys) in enumerate(looks)
            for condition in one_of_pairs(self.session, account_id, wa_id, keys)
        ]
        for number, account_id, wa_id in self.session.execute(union_all(*parts)) if parts else ():
            known[looks[number][0]].add((account_id, wa_id))
        return known

    def _fresh(self, entries: Sequence[Entry], accounts: dict[str, Account], known: set[Key]) -> list[Entry]:
        """The entries not stored before, each once: a webhook comes at least once, in parallel, in any mixture."""
        keys = [_key(entry.item, accounts) for entry in entries]
        seen = set(known)
        fresh = []
        for entry, key in zip(entries, keys, strict=True):
            self.counts[entry.event_id]["duplicates" if key in seen else "stored"] += 1
            if key not in seen:
                fresh.append(entry)
            seen.add(key)
        return fresh

    # --- messages ------------------------------------------------------------------------------------------------

    def _place(self, entry: Entry, accounts: dict[str, Account], people: People) -> Placed:
        """Whose conversation the message belongs to, and who wrote it."""
        item = entry.item
        assert isinstance(item, MessageItem)
        account = accounts[item.phone_number_id]
        at = item.timestamp or entry.received_at
        person = people.resolve(account.id, item.customer, at)
        if item.becomes is not None:
            person = people.become(person, item.becomes, at)
        contact = people.group(account.id, item.group_id) if item.group_id else person
        return Placed(item, account, contact, person, at)

    def _conversations(
        self, placed: Sequence[Placed], concerned: Sequence[ColumnElement[bool]], people: People
    ) -> dict[UUID, Conversation]:
        """Every conversation the batch touches, locked in id order; missing ones made. Keyed by its own id.

        `concerned`: conditions of those that it touches beside the messages' own.
        """
        for place in placed:
            place.contact, place.person = people.current(place.contact), people.current(place.person)
        concerned = [
            *concerned,
            *one_of(self.session, Conversation.contact_id, {place.contact.id for place in placed}),
        ]
        known: dict[UUID, Conversation] = {}
        if concerned:
            query = select(Conversation).where(or_(*concerned)).order_by(Conversation.id).with_for_update()
            known = {conversation.id: conversation for conversation in self.session.execute(query).scalars()}
        by_contact = {conversation.contact_id: conversation for conversation in known.values()}
        for place in placed:
            if place.contact.id not in by_contact:
                made = _new_conversation(place, self.now)
                self.session.add(made)
                by_contact[place.contact.id] = known[made.id] = made
            place.found = by_contact[place.contact.id]
        self.session.flush()
        return known

    def _store_messages(self, placed: Sequence[Placed], waiting: Waiting) -> None:
        quoted = self._quoted(placed)
        for place in placed:
            self._effects(place, place.conversation, waiting)
        if placed:
            insert_rows(self.session, _INTO_MESSAGES, [_message(place, self.now, quoted) for place in placed])
        with_files = [place.conversation for place in placed if place.item.content.media_id is not None]
        heard = [place for place in placed if place.item.wants_answer and place.conversation.blocked_at is None]
        hooks.tell(self.session, [_told(place) for place in heard])
        jobs.request_media(self.session, {each.id: each.account_id for each in with_files}, self.now)

    def _quoted(self, placed: Sequence[Placed]) -> dict[tuple[UUID, str], UUID]:
        """Which of the quoted messages we hold."""
        wanted = {(place.account.id, place.item.reply_to) for place in placed if place.item.reply_to}
        held: dict[tuple[UUID, str], UUID] = {}
        for condition in one_of_pairs(self.session, Message.account_id, Message.wa_message_id, wanted):
            query = select(Message.account_id, Message.wa_message_id, Message.id)
            found = self.session.execute(query.where(condition))
            held.update({(account_id, wa_id): message_id for account_id, wa_id, message_id in found if wa_id})
        return held

    def _effects(self, place: Placed, conversation: Conversation, waiting: Waiting) -> None:
        if conversation.blocked_at is None or place.item.direction is Direction.OUTBOUND:  # else it moves nothing
            note_message(conversation, place.id, place.at, place.item.content.text)
        conversation.touch()
        place.position = next_position(conversation)
        if place.item.opens_window:
            conversation.last_inbound_at = max(conversation.last_inbound_at or place.at, place.at)
        waiting.arrives(place)

    # --- the account itself --------------------------------------------------------------------------------------

    def _note_accounts(self, entries: Iterable[Entry], accounts: dict[str, Account]) -> None:
        for entry in entries:
            item = entry.item
            if isinstance(item, Unusable):
                continue
            if isinstance(item, NoticeItem):
                level = logging.WARNING if item.alarming else logging.INFO
                log.log(level, "notice from WhatsApp", extra={"field": item.field, "summary": item.summary})
                self._note_ban(item)
                if item.field in templates.FIELDS and isinstance(item.source.value, dict):
                    templates.note_change(
                        self.session, str(item.source.waba_id), item.field, item.source.value, self.now
                    )
                if item.reputation:
                    waba_id = str(item.source.waba_id)
                    keep_told(self.session, item.reputation, self.now, waba_id=waba_id, phone=item.phone)
            else:
                _learn_waba_id(accounts[item.phone_number_id], item.source.waba_id)

    def _note_ban(self, item: NoticeItem) -> None:
        if item.banned is None:
            return
        accounts = select(Account).where(Account.waba_id == str(item.source.waba_id), Account.deleted_at.is_(None))
        for account in self.session.execute(accounts).scalars():
            if item.banned:
                store.pause_number(self.session, account.id, Pause.DISABLED, self.now)
            elif account.paused_reason == Pause.DISABLED:
                account.paused_reason = account.paused_at = None


def _accounts(session: Session, entries: Iterable[Entry]) -> dict[str, Account]:
    """The accounts in use that the batch names, by phone_number_id: a removed one is like one that never was."""
    items = (entry.item for entry in entries)
    wanted = {item.phone_number_id for item in items if not isinstance(item, NoticeItem | Unusable)}
    known = {}
    for condition in one_of(session, Account.phone_number_id, wanted):
        for account in session.execute(select(Account).where(condition, Account.deleted_at.is_(None))).scalars():
            known[account.phone_number_id] = account
    return known


def _key(item: Item, accounts: dict[str, Account]) -> tuple[UUID, str]:
    assert isinstance(item, MessageItem | AnnotationItem)
    return accounts[item.phone_number_id].id, item.wa_message_id


def _identities(entries: Iterable[Entry], accounts: dict[str, Account]) -> Iterable[tuple[UUID, Identity]]:
    for entry in entries:
        item = entry.item
        if isinstance(item, MessageItem):
            yield accounts[item.phone_number_id].id, item.customer
            if item.becomes is not None:
                yield accounts[item.phone_number_id].id, item.becomes
        elif isinstance(item, PreferenceItem):
            yield accounts[item.phone_number_id].id, item.customer
        elif isinstance(item, AnnotationItem) and item.actor is not None:
            yield accounts[item.phone_number_id].id, item.actor


def _groups(entries: Iterable[Entry], accounts: dict[str, Account]) -> Iterable[tuple[UUID, str]]:
    for entry in entries:
        if isinstance(entry.item, MessageItem) and entry.item.group_id:
            yield accounts[entry.item.phone_number_id].id, entry.item.group_id


def _new_conversation(place: Placed, now: datetime) -> Conversation:
    is_group = place.contact.group_id is not None
    return Conversation(
        id=new_id(),
        account_id=place.account.id,
        contact_id=place.contact.id,
        is_group=is_group,
        is_favorite=False,
        status=ConversationStatus.OPEN,
        unread_count=0,
        bot_enabled=place.account.bot_auto_on and not is_group,
        needs_human=False,
        epoch=0,
        last_position=0,
        asked_through=0,
        answered_through=0,
        updated_at=place.at,
        created_at=now,
    )


def _message(place: Placed, now: datetime, quoted: dict[tuple[UUID, str], UUID]) -> dict[str, Any]:
    """The row of a message, as values: thousands of them go in at once."""
    item = place.item
    by_customer = item.author is Author.CUSTOMER
    return {
        "id": place.id,
        "account_id": place.account.id,
        "conversation_id": place.conversation.id,
        "direction": item.direction,
        "message_type": item.content.type,
        "content_text": item.content.text,
        "payload": item.content.payload,
        "timestamp": place.at,
        "position": place.position,
        "awaits_answer": place.awaits_answer,
        "answered_after": place.answered_after,
        "stored_at": now,
        "wa_message_id": item.wa_message_id,
        "reply_to": quoted.get((place.account.id, item.reply_to)) if item.reply_to else None,
        "reply_to_wa_id": item.reply_to,
        "author_kind": item.author,
        "author_id": str(place.person.id) if by_customer else None,
        "author_name": item.author_name or (place.person.display_name if by_customer else None),
        "media_id": item.content.media_id,
        "media_mime_type": item.content.media_mime_type,
        "media_filename": item.content.media_filename,
        "status": item.status or MessageStatus.RECEIVED,
        "attempts": 0,
        "sent_at": place.at if item.direction is Direction.OUTBOUND else None,
    }


def _told(place: Placed) -> hooks.Happened:
    """What endpoints are told of a customer's message."""
    item = place.item
    data = {
        "conversation_id": str(place.conversation.id),
        "message_id": str(place.id),
        "wa_message_id": item.wa_message_id,
        "contact": {
            "id": str(place.person.id),
            "phone": place.person.phone,
            "user_id": place.person.user_id,
            "name": place.person.display_name,
        },
        "is_group": place.conversation.is_group,
        "type": item.content.type,
        "text": item.content.text,
        "has_file": item.content.media_id is not None,
        "timestamp": rfc3339(place.at),
    }
    return hooks.Happened("message.received", place.account.id, place.conversation.id, data)


def _note_preference(entry: Entry, accounts: dict[str, Account], people: People) -> None:
    item = entry.item
    assert isinstance(item, PreferenceItem)
    at = item.timestamp or entry.received_at
    contact = people.resolve(accounts[item.phone_number_id].id, item.customer, at)
    contact.marketing_stopped_at = at if item.stopped else None


def _learn_waba_id(account: Account, waba_id: object) -> None:
    """Webhooks say which WhatsApp Business Account a number belongs to; the dashboard's test says "0"."""
    text = str(waba_id)
    if account.waba_id is None and text.isascii() and text.isdigit() and text != "0" and len(text) <= 64:
        account.waba_id = text
