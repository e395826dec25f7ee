"""What people send: texts, and what is more than a text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy.orm import Session

from inbox.models import Conversation, Message


@dataclass(frozen=True, slots=True)
class Written:
    """The parts of a message that say something: see Message."""

    type: str
    text: str
    payload: dict[str, Any]
    media_id: str | None = None
    media_mime_type: str | None = None
    media_filename: str | None = None
    stored: Callable[[Session, Message], None] | None = None  #: what follows in the same transaction


class Content(Protocol):
    """Something that can be sent."""

    @property
    def any_time(self) -> bool:
        """True when WhatsApp takes it although the customer has not written for a day."""

    def is_of(self, message: Message) -> bool:
        """True when `message` is what this has become."""

    def write(self, session: Session, conversation: Conversation) -> Written:
        """The message. Raises a DomainError when it cannot be sent, before anything is stored."""


@dataclass(frozen=True, slots=True)
class Text:
    """A text, which is sent as it is."""

    text: str
    any_time: bool = False

    def is_of(self, message: Message) -> bool:
        return (message.message_type, message.content_text) == ("text", self.text)

    def write(self, session: Session, conversation: Conversation) -> Written:  # noqa: ARG002 (as Content)
        return Written("text", self.text, {})


@dataclass(frozen=True, slots=True)
class Draft:
    """What an agent wants to send, and where."""

    conversation_id: UUID
    content: str | Content
    client_key: str | None = None
    reply_to: UUID | None = None
    seen_through: UUID | None = None  #: the newest message the agent has seen

    @property
    def written(self) -> Content:
        """The content, as all kinds are."""
        return Text(self.content) if isinstance(self.content, str) else self.content
