"""The plain records a webhook is parsed into. Nothing here knows the database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from inbox.contacts.identity import Identity
from inbox.db.clean import JSON
from inbox.models import Author, Direction
from inbox.outbox.status import StatusError


@dataclass(frozen=True, slots=True)
class Source:
    """Where an item stood in its webhook; enough to write a webhook that holds this item alone."""

    waba_id: JSON
    field: JSON
    value: JSON  #: the whole `value` object
    path: tuple[str, ...]  #: keys from `value` to the array, such as ("standby", "messages")
    item: JSON
    broken: JSON = None  #: a webhook whose shape around the items is wrong, as it came

    def envelope(self) -> JSON:
        """A webhook with this item and what belongs to it (metadata, contacts): it can be ingested again."""
        if self.broken is not None:
            return self.broken
        value: dict[str, Any] = {}
        if isinstance(self.value, dict):
            value = {key: self.value[key] for key in ("messaging_product", "metadata", "contacts") if key in self.value}
        if self.path:
            holder = value
            for key in self.path[:-1]:
                holder = holder.setdefault(key, {})
            holder[self.path[-1]] = [self.item]
            inner = self.value.get(self.path[0]) if isinstance(self.value, dict) else None
            if len(self.path) > 1 and isinstance(inner, dict) and "contacts" in inner:
                value[self.path[0]]["contacts"] = inner["contacts"]
        change = {"field": self.field, "value": value if self.path else self.value}
        return {"object": "whatsapp_business_account", "entry": [{"id": self.waba_id, "changes": [change]}]}


@dataclass(frozen=True, slots=True)
class Content:
    """What a message says: readable text for every type, and the structure for those who want it."""

    type: str
    text: str
    payload: dict[str, Any] = field(default_factory=dict)
    media_id: str | None = None
    media_mime_type: str | None = None
    media_filename: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageItem:
    """A message in either direction, as WhatsApp tells it."""

    source: Source
    phone_number_id: str
    wa_message_id: str
    timestamp: datetime | None  #: None: absent or absurd, the time of receipt stands in
    direction: Direction
    customer: Identity
    content: Content
    author: Author
    author_name: str | None = None
    group_id: str | None = None
    reply_to: str | None = None  #: quoted wa_message_id
    wants_answer: bool = False  #: a customer has written or called: unread +1, perhaps the bot
    opens_window: bool = False  #: WhatsApp's 24 hours begin again
    by_person: bool = False  #: a colleague answered from the phone app: as if an agent had replied
    becomes: Identity | None = None  #: the sender's new number or user id
    status: str | None = None  #: of a message that somebody else sent for us


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnotationItem:
    """A reaction, an edit or a revocation of another message."""

    source: Source
    phone_number_id: str
    wa_message_id: str
    timestamp: datetime | None
    kind: Literal["reaction", "edit", "revoke"]
    target: str  #: wa_message_id
    actor: Identity | None  #: None: the business itself, from the phone app
    content: Content | None = None  #: of an edit
    emoji: str | None = None  #: of a reaction; None takes it back


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusItem:
    """What happened to a message we sent."""

    source: Source
    phone_number_id: str
    wa_message_id: str
    status: str  #: sent | delivered | read | failed; a value we do not know is kept and changes nothing
    timestamp: datetime | None
    callback: str | None  #: what we put into biz_opaque_callback_data
    error: StatusError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PreferenceItem:
    """A person stopped or resumed marketing messages."""

    source: Source
    phone_number_id: str
    customer: Identity
    stopped: bool
    timestamp: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeItem:
    """Something about the account, not about a message: logged for the operator; the raw event is kept."""

    source: Source
    field: str
    summary: str
    alarming: bool = False
    banned: bool | None = None  #: True: WhatsApp disabled the account; False: it is back
    phone: str | None = None  #: the number it is about; None: all of the account
    reputation: Mapping[str, Any] | None = None  #: what it says of them: `accounts.reputation`


@dataclass(frozen=True, slots=True, kw_only=True)
class Unusable:
    """What could not be read: becomes a dead letter."""

    source: Source
    reason: str
    detail: str


Item = MessageItem | AnnotationItem | StatusItem | PreferenceItem | NoticeItem | Unusable
