"""A message on its way into a batch's rows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from inbox.models import Account, Contact, Conversation
from inbox.webhooks.parsing.records import Item, MessageItem


@dataclass(frozen=True, slots=True)
class IngestSettings:
    """How long the bot waits for the customer to pause (seconds), and how long a person keeps it out."""

    debounce: float
    bot_stays_out: timedelta


@dataclass(frozen=True, slots=True)
class Entry:
    """An item with the event it came in."""

    event_id: UUID
    received_at: datetime
    item: Item


@dataclass(slots=True)
class Placed:
    """A message item with its account, its thread, its author and its time."""

    item: MessageItem
    account: Account
    thread: Contact
    person: Contact
    at: datetime
    conversation: Conversation | None = None  #: known once all of the batch's threads are locked
    position: int = 0  #: in the conversation
    awaits_answer: bool = False

    @property
    def in_thread(self) -> Conversation:
        assert self.conversation is not None
        return self.conversation
