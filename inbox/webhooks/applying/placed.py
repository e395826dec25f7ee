"""A message on its way into a batch's rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from inbox.clock import new_id
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
    """A message item with its account, the contact whose conversation it belongs to, its author and its time."""

    item: MessageItem
    account: Account
    contact: Contact  #: of the conversation: a group, or the person
    person: Contact  #: who wrote it
    at: datetime
    id: UUID = field(default_factory=new_id)  #: of the message
    found: Conversation | None = None  #: once all conversations of the batch are locked
    position: int = 0  #: in the conversation
    awaits_answer: bool = False
    answered_after: int | None = None  #: as Message.answered_after

    @property
    def conversation(self) -> Conversation:
        """Where it belongs."""
        assert self.found is not None
        return self.found
