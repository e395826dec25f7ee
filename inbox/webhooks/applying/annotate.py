"""Reactions, edits and revocations: kept under their own ids, applied to their target whenever both are there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from inbox.clock import new_id
from inbox.contacts.people import People
from inbox.conversations.state import PREVIEW
from inbox.db import one_of, one_of_pairs
from inbox.models import Account, Annotation, Contact, Conversation, Direction, MediaFile, Message
from inbox.outbox.evidence import BUSINESS
from inbox.webhooks.parsing.records import AnnotationItem, Item

REVOKED = "[deleted]"

Key = tuple[UUID, str]  # account, wa_message_id


class Annotations:
    """The annotations of one batch, and what they do to messages old and new."""

    def __init__(self, session: Session, now: datetime) -> None:
        self._session = session
        self._now = now
        self._added: list[tuple[Annotation, Contact | None]] = []

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
        ids: set[UUID] = set()
        for condition in one_of_pairs(self._session, Message.account_id, Message.wa_message_id, self._target_keys()):
            ids.update(self._session.execute(select(Message.conversation_id).where(condition)).scalars())
        return ids

    def _target_keys(self) -> set[Key]:
        return {(row.account_id, row.target_wa_id) for row, _ in self._added}

    def apply(self, new: set[Key], conversations: dict[UUID, Conversation], people: People) -> set[UUID]:
        """Store the annotations, then edit or revoke every target that is here.

        `new`: messages that may have had annotations before they came, of this batch or filled in by it.

        The conversations where that changed something which awaits an answer.
        """
        if not self._added and not new:
            return set()
        for row, actor in self._added:
            if actor is not None:
                row.actor = str(people.current(actor).id)
            self._session.add(row)
        self._session.flush()
        notes = self._notes(new | self._target_keys())
        targets = self._held(self._target_keys() | notes.keys())
        had_files = [message for message in targets.values() if message.media_id is not None]
        changed: set[UUID] = set()
        for key, about in notes.items():
            if key in targets:
                conversation = conversations.get(targets[key].conversation_id)
                if _change(targets[key], about, conversation) and conversation is not None:
                    changed.add(conversation.id)
        self._let_go([message.id for message in had_files if message.media_id is None])
        for key in self._target_keys() & targets.keys():
            targets[key].touch()  # a reaction alone changes nothing in the row it is shown with
            if targets[key].conversation_id in conversations:
                conversations[targets[key].conversation_id].touch()
        return changed

    def _let_go(self, revoked: list[UUID]) -> None:
        """Files of revoked messages belong to nothing any more, and are deleted for it."""
        for condition in one_of(self._session, MediaFile.message_id, revoked):
            self._session.execute(update(MediaFile).where(condition).values(message_id=None))

    def _held(self, keys: set[Key]) -> dict[Key, Message]:
        held: dict[Key, Message] = {}
        for condition in one_of_pairs(self._session, Message.account_id, Message.wa_message_id, keys):
            query = select(Message).where(condition).order_by(Message.id).with_for_update()
            for message in self._session.execute(query).scalars():
                held[message.account_id, str(message.wa_message_id)] = message
        return held

    def _notes(self, keys: set[Key]) -> dict[Key, list[Annotation]]:
        """Edits and revocations of these messages; reactions change nothing in them."""
        notes: dict[Key, list[Annotation]] = defaultdict(list)
        for condition in one_of_pairs(self._session, Annotation.account_id, Annotation.target_wa_id, keys):
            query = select(Annotation).where(condition, Annotation.kind != "reaction")
            for note in self._session.execute(query).scalars():
                notes[note.account_id, note.target_wa_id].append(note)
        return notes


def _content(item: AnnotationItem) -> dict[str, Any]:
    if item.kind == "reaction":
        return {"emoji": item.emoji}
    if item.content is None:
        return {}
    return {"text": item.content.text, "payload": item.content.payload}


def _change(message: Message, notes: Sequence[Annotation], conversation: Conversation | None) -> bool:
    """The latest edit counts, a revocation ends it; only the author of the message may do either.

    True when the message awaited an answer, which is then another one or none.
    """
    before = (message.content_text, message.edited_at)
    waited = conversation is not None and message.awaits_answer and message.position > conversation.answered_through
    author = message.author_id if message.direction == Direction.INBOUND else BUSINESS
    allowed = sorted((note for note in notes if note.actor == author), key=lambda note: (note.timestamp, note.id))
    revoked = next((note for note in allowed if note.kind == "revoke"), None)
    if revoked is not None:
        message.content_text, message.payload = REVOKED, {"revoked": True}
        message.media_id = None
        message.awaits_answer = False
        message.edited_at = revoked.timestamp
    elif allowed:
        latest = allowed[-1]
        message.content_text = latest.content.get("text") or message.content_text
        message.payload = {**message.payload, **(latest.content.get("payload") or {})}
        message.edited_at = latest.timestamp
    else:
        return False
    if conversation is not None and conversation.last_message_id == message.id:
        conversation.last_message = message.content_text[:PREVIEW]
    return waited and before != (message.content_text, message.edited_at)
