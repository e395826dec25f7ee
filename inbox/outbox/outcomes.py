"""What a send is, what can become of it (I7), and the callback data that settles it."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from uuid import UUID

from inbox.gateways.whatsapp.messages import Recipient
from inbox.models import Pause


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
    hand_over_of: UUID | None = None  #: of a notice to the backup number: the conversation it is about

    @property
    def callback_data(self) -> str:
        return callback_data(self.message_id, self.attempt)


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
