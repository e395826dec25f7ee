"""Delivery statuses: facts with times, merged so that order and repetition do not matter (I4)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from inbox.models import Message, MessageStatus


@dataclass(frozen=True, slots=True)
class StatusError:
    """Why a message failed. `title` and `detail` are WhatsApp's words, or ours."""

    code: int | str | None
    title: str | None
    detail: str | None

    def stored(self) -> tuple[str | None, str | None, str | None]:
        """Code, title and detail, no longer than a row holds of each and a person reads."""
        code = None if self.code is None else str(self.code)[:64]
        return code, self.title and self.title[:500], self.detail and self.detail[:2000]


#: Of a message whose number was removed before it was sent.
ACCOUNT_DELETED = StatusError("account_deleted", "The business number was removed before this was sent.", None)

#: Of a message that waited when its contact was blocked.
CONTACT_BLOCKED = StatusError("contact_blocked", "The contact was blocked before this was sent.", None)

_REACHES = {
    "sent": ("sent_at",),
    "delivered": ("sent_at", "delivered_at"),
    "read": ("sent_at", "delivered_at", "read_at"),  # read without delivered is normal
}


def apply_status(message: Message, status: str, at: datetime, error: StatusError | None = None) -> None:
    """Merge one status into `message`. Every time kept is the earliest known, so any order ends the same."""
    for column in _REACHES.get(status, ()):
        known = getattr(message, column)
        setattr(message, column, at if known is None else min(known, at))
    if status == "failed" and (message.failed_at is None or at < message.failed_at):
        message.failed_at = at
        words = error.stored() if error else (None, None, None)
        message.error_code, message.error_title, message.error_detail = words
    message.status = _displayed(message)


def _displayed(message: Message) -> str:
    """The furthest fact. A failure beats sent; a later delivered or read proves the failure wrong."""
    if message.read_at is not None:
        return MessageStatus.READ
    if message.delivered_at is not None:
        return MessageStatus.DELIVERED
    if message.failed_at is not None:
        return MessageStatus.FAILED
    if message.sent_at is not None:
        return MessageStatus.SENT
    return message.status
