"""What a send is, what can become of it (I7), and the callback data that settles it."""

from __future__ import annotations

import copy
import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from inbox.gateways.whatsapp.messages import Content, Recipient
from inbox.models import REACTION, Pause

#: Types of message whose payload holds what WhatsApp is given. Any other goes as its text.
SENT_AS_STORED = frozenset({"template", REACTION, "location", "contacts", "interactive"})


#: Keys of what WhatsApp takes of a file; the payload of what it sends has others.
FILES: Mapping[str, tuple[str, ...]] = {
    "image": ("id", "caption"),
    "video": ("id", "caption"),
    "audio": ("id", "voice"),
    "document": ("id", "caption", "filename"),
    "sticker": ("id",),
}
NOT_HANDED_OVER = "upload:"  #: begins the media_id of a message whose file WhatsApp has not got yet


def file_of(kind: str, payload: Mapping[str, Any]) -> dict[str, Any] | None:
    """What a message tells WhatsApp of its file: of a template, the one in its header. None: it has none."""
    if kind in FILES:
        found: dict[str, Any] = payload.get(kind, {})
        return found
    components = payload.get("template", {}).get("components", []) if kind == "template" else []
    headers = [each["parameters"][0] for each in components if each["type"] == "header"]
    return next((each[each["type"]] for each in headers if each["type"] in FILES), None)


def naming_file(kind: str, payload: Mapping[str, Any], media_id: str) -> dict[str, Any]:
    """The payload of a message whose file WhatsApp knows by this id now."""
    named: dict[str, Any] = {kind: {}} | copy.deepcopy(dict(payload))
    if (file := file_of(kind, named)) is not None:
        file["id"] = media_id
    return named


@dataclass(frozen=True, slots=True)
class SendClaim:
    """One send to make now. `attempt` fences it: a result for an older attempt changes nothing it should not."""

    job_id: UUID
    lease: UUID
    message_id: UUID
    attempt: int
    conversation_id: UUID
    account_id: UUID
    phone_number_id: str
    access_token_encrypted: str | None
    recipient: Recipient
    text: str
    reply_to_wa_id: str | None
    type: str = "text"  #: the message's own
    payload: Mapping[str, Any] = field(default_factory=dict, repr=False)  #: the message's own
    hand_over_of: UUID | None = None  #: of a notice to the backup number: the conversation it is about
    asked_at: str | None = None  #: of the bot's answer: when the customer asked

    @property
    def callback_data(self) -> str:
        return callback_data(self.message_id, self.attempt)

    @property
    def content(self) -> Content:
        """What WhatsApp is given: the object of the message's type, which stands in its payload, or its text."""
        if self.type in FILES and self.has_file:
            file = self.payload[self.type]
            return Content(self.type, {name: file[name] for name in FILES[self.type] if name in file})
        if self.type in SENT_AS_STORED:
            return Content(self.type, self.payload[self.type])
        return Content.of_text(self.text)

    @property
    def has_file(self) -> bool:
        """False for a message whose file is still on its way to WhatsApp."""
        file = file_of(self.type, self.payload)
        return file is None or "id" in file or "link" in file


@dataclass(frozen=True, slots=True)
class Accepted:
    wa_message_id: str


@dataclass(frozen=True, slots=True)
class Refused:
    """Permanent. `title` is for people."""

    code: str | None
    title: str
    detail: str | None = None


class Scope(enum.StrEnum):
    """How far a delay reaches."""

    MESSAGE = "message"  #: this lane waits, as it must keep its order
    PAIR = "pair"  #: WhatsApp's limit per customer: this lane waits
    NUMBER = "number"  #: the whole number cools down
    LOCAL = "local"  #: nothing was tried (our own breaker or bulkhead): counts as no attempt


@dataclass(frozen=True, slots=True)
class RetryLater:
    """Never received, or WhatsApp asked to wait. `after` is seconds; None lets the attempt count decide."""

    reason: str
    scope: Scope = Scope.MESSAGE
    after: float | None = None
    answered: bool = False  #: WhatsApp said so


@dataclass(frozen=True, slots=True)
class PauseNumber:
    """The number's credentials or set-up are refused: the message waits, and nothing of this number is tried (I12)."""

    reason: Pause


@dataclass(frozen=True, slots=True)
class Unknown:
    """It may have been accepted. `answered`: WhatsApp said that something went wrong there."""

    reason: str
    answered: bool = False


Outcome = Accepted | Refused | RetryLater | PauseNumber | Unknown


def callback_data(message_id: UUID, attempt: int) -> str:
    """What a send carries in biz_opaque_callback_data, to come back in its statuses. No personal data."""
    return f"inbox:{message_id.hex}:{attempt}"


def parse_callback(value: str | None) -> tuple[UUID, int] | None:
    """The message and the attempt of our own callback data; None for anybody else's."""
    parts = (value or "").split(":")
    if len(parts) != 3 or parts[0] != "inbox" or len(parts[1]) != 32 or not parts[2].isdecimal() or len(parts[2]) > 9:
        return None
    try:
        return UUID(hex=parts[1]), int(parts[2])
    except ValueError:
        return None
