"""Reactions, edits and revocations: kept under their own ids, applied to their target whenever both are there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session

from inbox.clock import new_id
from inbox.conversations.state import PREVIEW
from inbox.db import in_chunks
from inbox.models import Account, Annotation, Contact, Conversation, Direction, Message
from inbox.webhooks.people import People
from inbox.webhooks.records import AnnotationItem, Item

BUSINESS = "business"  #: the actor when the business itself reacted or edited, from the phone app
REVOKED = "[deleted]"

Key = tuple[UUID, str]  # account, wa_message_id


class Annotations:
    """The annotations of one batch, and what they do to messages old and new."""

    def __init__(self, session: Session, now: datetime) -> None:
        self._session = session
        self._now = now
        self._added: list[tuple[Annotation, Contact | None]] = []
        self._targets: dict[Key, Message] = {}

    def add(self, item: Item, received_at: datetime, accounts: dict[str, Account], people: People) -> None:
        """Queue one annotation for apply()."""
        assert isinstance(item, AnnotationItem)
        account_id = accounts[item.phone_number_id].id
        at = item.timestamp or received_at
        actor = people.resolve(account_id, item.actor, at) if item.actor is not None else None
        row = Annotation(
            id=new_id(),
            account_id=account_id,
            wa_message_id=item.wa_message_id,
            target_wa_id=item.target,
            kind=item.kind,
            actor=BUSINESS,
            content=_content(item),
            timestamp=at,
        )
        self._added.append((row, actor))

    def conversation_ids(self) -> set[UUID]:
        """The threads of the targets that we hold."""
        keys = sorted({(row.account_id, row.target_wa_id) for row, _ in self._added})
        ids: set[UUID] = set()
        for chunk in in_chunks(keys):
            query = select(Message.conversation_id)
            found = self._session.execute(query.where(tuple_(Message.account_id, Message.wa_message_id).in_(chunk)))
            ids.update(found.scalars())
        return ids

    def apply(self, new: Sequence[Message], conversations: dict[UUID, Conversation], people: People) -> None:
        """Store the annotations, then edit or revoke every target that is here, among them the `new` messages."""
        for row, actor in self._added:
            if actor is not None:
                row.actor = str(people.current(actor).id)
            self._session.add(row)
        self._session.flush()
        targets = {(row.account_id, row.wa_message_id): row for row in new if row.wa_message_id}
        targets |= self._held({(row.account_id, row.target_wa_id) for row, _ in self._added} - targets.keys())
        for key, notes in self._notes(targets).items():
            _change(targets[key], notes, conversations.get(targets[key].conversation_id))
        for row, _ in self._added:
            target = targets.get((row.account_id, row.target_wa_id))
            if target is not None and target.conversation_id in conversations:
                conversations[target.conversation_id].changed_at = self._now

    def _held(self, keys: set[Key]) -> dict[Key, Message]:
        held: dict[Key, Message] = {}
        for chunk in in_chunks(sorted(keys)):
            query = select(Message).where(tuple_(Message.account_id, Message.wa_message_id).in_(chunk))
            for message in self._session.execute(query.order_by(Message.id).with_for_update()).scalars():
                held[message.account_id, str(message.wa_message_id)] = message
        return held

    def _notes(self, keys: Iterable[Key]) -> dict[Key, list[Annotation]]:
        """Edits and revocations of these messages; reactions change nothing in them."""
        notes: dict[Key, list[Annotation]] = defaultdict(list)
        for chunk in in_chunks(sorted(keys)):
            query = select(Annotation).where(
                tuple_(Annotation.account_id, Annotation.target_wa_id).in_(chunk), Annotation.kind != "reaction"
            )
            for note in self._session.execute(query).scalars():
                notes[note.account_id, note.target_wa_id].append(note)
        return notes


def _content(item: AnnotationItem) -> dict[str, Any]:
    if item.kind == "reaction":
        return {"emoji": item.emoji}
    if item.content is None:
        return {}
    return {"text": item.content.text, "payload": item.content.payload}


def _change(message: Message, notes: Sequence[Annotation], conversation: Conversation | None) -> None:
    """The latest edit counts, a revocation ends it; only whoever wrote the message may do either."""
    author = message.author_id if message.direction == Direction.INBOUND else BUSINESS
    allowed = sorted((note for note in notes if note.actor == author), key=lambda note: (note.timestamp, note.id))
    revoked = next((note for note in allowed if note.kind == "revoke"), None)
    if revoked is not None:
        message.content_text, message.payload = REVOKED, {"revoked": True}
        message.media_id = None
        message.edited_at = revoked.timestamp
    elif allowed:
        latest = allowed[-1]
        message.content_text = latest.content.get("text") or message.content_text
        message.payload = {**message.payload, **(latest.content.get("payload") or {})}
        message.edited_at = latest.timestamp
    else:
        return
    if conversation is not None and conversation.updated_at == message.timestamp:
        conversation.last_message = message.content_text[:PREVIEW]
