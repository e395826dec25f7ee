"""The words that rows hold: an enum each."""

from __future__ import annotations

import enum


class Direction(enum.StrEnum):
    INBOUND = "inbound"
    OUTBOUND = "outbound"


class ConversationStatus(enum.StrEnum):
    """What people made of a conversation. A customer's message opens it again."""

    OPEN = "open"
    PENDING = "pending"  #: it waits for something else than an answer
    DONE = "done"  #: nobody need answer


class MessageStatus(enum.StrEnum):
    """What the wire shows. An outbound message only moves forward (I4)."""

    RECEIVED = "received"  #: an inbound message
    QUEUED = "queued"  #: stored with its outbox entry; nothing sent
    SENDING = "sending"  #: claimed by a dispatcher
    UNCONFIRMED = "unconfirmed"  #: it may have been sent; waiting for evidence (I7)
    SENT = "sent"  #: WhatsApp accepted it
    DELIVERED = "delivered"
    READ = "read"
    FAILED = "failed"  #: refused, with error_code and error_detail


NOT_SENT_YET = (MessageStatus.QUEUED, MessageStatus.SENDING)

#: The type of a message that only puts an emoji on another one: it answers nothing and is shown there.
REACTION = "reaction"


class Author(enum.StrEnum):
    CUSTOMER = "customer"
    BOT = "bot"
    AGENT = "agent"
    SYSTEM = "system"


class JobKind(enum.StrEnum):
    SEND = "send"  #: deliver one outbound message; in order per conversation
    ANSWER = "answer"  #: let the bot answer a conversation
    READ = "read"  #: send a read receipt
    MEDIA = "media"  #: keep the files of a conversation


class JobState(enum.StrEnum):
    """Of a `send` job; the other kinds only wait or are leased."""

    PENDING = "pending"
    SENDING = "sending"  #: committed before the request leaves: after a crash its outcome is unknown (I8)
    UNKNOWN = "unknown"  #: WhatsApp may have accepted it; due_at is when to look for evidence next


class EventState(enum.StrEnum):
    PENDING = "pending"
    DONE = "done"
    FAILED = "failed"  #: could not even be split into items; kept for replay


class Pause(enum.StrEnum):
    """Why nothing of a number is sent. `gateways.whatsapp.pauses` has the words for people, and Meta's codes."""

    BY_A_PERSON = "paused_by_a_person"
    NO_TOKEN = "no_token"
    UNREADABLE_TOKEN = "unreadable_token"  #: none of ENCRYPTION_KEYS made it
    DISABLED = "account_disabled"  #: told by a webhook, and lifted by one
    REFUSED = "refused"  #: WhatsApp refuses the number without a code of its own
    TOKEN_REFUSED = "token_refused"
    NO_CAPABILITY = "no_capability"
    NO_SEND_PERMISSION = "no_send_permission"
    NUMBER_UNKNOWN = "number_unknown"
    TOKEN_EXPIRED = "token_expired"
    POLICY = "policy_violation"
    NO_PERMISSION = "no_permission"
    LOCKED = "account_locked"
    DISPLAY_NAME = "display_name"
    PAYMENT = "payment_method"
    NOT_SET_UP = "not_set_up"
    DEREGISTRATION = "deregistration"
    PIN_WRONG = "pin_wrong"
    NOT_VERIFIED = "not_verified"
    PIN_TRIES = "pin_tries"
    PIN_TOO_FAST = "pin_too_fast"
    NOT_REGISTERED = "not_registered"
    TERMS = "payment_terms"
