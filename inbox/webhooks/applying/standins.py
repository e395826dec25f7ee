"""Messages that stand in for content which had not come when they were stored.

WhatsApp tells of some messages twice under one id: first as a placeholder of type `unsupported`, later with the
content. And an edit may be all that ever reaches us of a message: then it is shown as the message.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from inbox.conversations.state import note_message
from inbox.db import one_of_pairs
from inbox.models import Account, Author, Conversation, Direction, Message
from inbox.webhooks.applying.placed import Entry
from inbox.webhooks.parsing.reading import as_text
from inbox.webhooks.parsing.records import AnnotationItem, MessageItem

UNSUPPORTED = "unsupported"
_EDIT_ALONE = "edit_of_unseen"  #: in the payload of a message of which only an edit has come

Key = tuple[UUID, str]  # account, wa_message_id


class StandIns:
    """Those of one batch."""

    def __init__(self, session: Session, accounts: dict[str, Account], now: datetime) -> None:
        self._session = session
        self._accounts = accounts
        self._now = now
        self._contents: dict[Key, MessageItem] = {}
        self.changed: set[UUID] = set()  #: conversations where something was filled

    def told_again(self, entries: Iterable[Entry]) -> None:
        """Messages whose ids are stored already: they may bring what a stand-in stands for."""
        for entry in entries:
            if isinstance(entry.item, MessageItem) and entry.item.content.type != UNSUPPORTED:
                self._contents.setdefault(self._key(entry.item.phone_number_id, entry.item.wa_message_id), entry.item)

    def for_unseen(self, notes: Sequence[Entry], messages: Sequence[Entry]) -> list[Entry]:
        """A message for each customer's edit whose original is neither stored nor among `messages`."""
        edits: dict[Key, Entry] = {}
        for entry in notes:
            item = entry.item
            if isinstance(item, AnnotationItem) and item.kind == "edit" and item.actor is not None and item.content:
                edits.setdefault(self._key(item.phone_number_id, item.target), entry)
        for entry in messages:
            if isinstance(entry.item, MessageItem):
                edits.pop(self._key(entry.item.phone_number_id, entry.item.wa_message_id), None)
        for condition in one_of_pairs(self._session, Message.account_id, Message.wa_message_id, edits):
            for account_id, wa_id in self._session.execute(
                select(Message.account_id, Message.wa_message_id).where(condition)
            ):
                edits.pop((account_id, str(wa_id)), None)
        return [replace(entry, item=_as_message(entry.item)) for entry in edits.values()]

    def conversation_ids(self) -> set[UUID]:
        """Where stand-ins are, to be locked before fill()."""
        return {message.conversation_id for message in self._held()}

    def fill(self, conversations: dict[UUID, Conversation]) -> set[Key]:
        """Put the content in its place. The keys of what was filled."""
        filled: set[Key] = set()
        for message in self._held():
            key = (message.account_id, str(message.wa_message_id))
            conversation = conversations.get(message.conversation_id)
            if conversation is not None:
                _fill(message, self._contents[key], conversation)
                conversation.touch()
                filled.add(key)
                self.changed.add(conversation.id)
        return filled

    def _held(self) -> list[Message]:
        held: list[Message] = []
        for condition in one_of_pairs(self._session, Message.account_id, Message.wa_message_id, self._contents):
            held += self._session.execute(select(Message).where(condition).order_by(Message.id)).scalars()
        return [message for message in held if _stands_in(message)]

    def _key(self, phone_number_id: str, wa_message_id: str) -> Key:
        return self._accounts[phone_number_id].id, wa_message_id


def _stands_in(message: Message) -> bool:
    return message.message_type == UNSUPPORTED or _EDIT_ALONE in message.payload


def _as_message(item: object) -> MessageItem:
    assert isinstance(item, AnnotationItem)
    assert item.actor is not None
    assert item.content is not None
    live = item.source.field == "messages"
    raw = item.source.item if isinstance(item.source.item, dict) else {}
    return MessageItem(
        source=item.source,
        phone_number_id=item.phone_number_id,
        wa_message_id=item.target,
        timestamp=item.timestamp,
        direction=Direction.INBOUND,
        customer=item.actor,
        content=replace(item.content, payload={**item.content.payload, _EDIT_ALONE: True}),
        author=Author.CUSTOMER,
        author_name=item.actor.name,
        group_id=as_text(raw.get("group_id")),
        wants_answer=live,
        opens_window=True,
    )


def _fill(message: Message, item: MessageItem, conversation: Conversation) -> None:
    content = item.content
    if conversation.needs_human_reason == "unsupported_content" and conversation.handed_over_at == message.timestamp:
        conversation.needs_human, conversation.needs_human_reason = False, None
    if item.timestamp is not None:  # an edit alone stood at the time of the edit
        message.timestamp = item.timestamp
    message.message_type, message.content_text, message.payload = content.type, content.text, content.payload
    message.media_id, message.media_mime_type = content.media_id, content.media_mime_type
    message.media_filename = content.media_filename
    note_message(conversation, message.id, message.timestamp, message.content_text)
