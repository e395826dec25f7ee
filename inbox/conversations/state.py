"""What the events of a conversation change in its row. The caller holds the row's lock."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from inbox.models import Conversation, ConversationStatus, Message
from inbox.outbox.evidence import UNCONFIRMED

PREVIEW = 200  # characters of the newest message shown in the list
REPLY_WINDOW = timedelta(hours=24)  # Meta: free text until 24 hours after the customer last wrote

AI_UNAVAILABLE = "ai_unavailable"
AI_DAILY_QUOTA = "ai_daily_quota"
BOT_FAILED = "bot_failed"  #: our own mistake, never told as the model's
WINDOW_CLOSED = "reply_window_closed"  #: the customer's words came more than a day late: WhatsApp takes a template only
RESTORED = "restored"  #: the database was put back from a backup, and the customer may have been answered since
AI_OUTAGES = frozenset({AI_UNAVAILABLE, AI_DAILY_QUOTA})  #: reasons that end by themselves: the bot returns (I10)


def note_message(conversation: Conversation, message_id: UUID, timestamp: datetime, text: str) -> None:
    """A message joined the thread; the newest one is the preview. A late arrival moves nothing back."""
    if conversation.last_message is None or timestamp >= conversation.updated_at:
        conversation.last_message, conversation.last_message_id = text[:PREVIEW], message_id
    conversation.updated_at = max(conversation.updated_at, timestamp)


def switch_bot(conversation: Conversation, *, enabled: bool) -> None:
    """A person turned the bot on or off; on also ends what kept it silent."""
    conversation.epoch += 1
    conversation.bot_enabled = enabled
    conversation.bot_paused_until = None
    if enabled:
        conversation.needs_human = False
        conversation.needs_human_reason = None


def hand_over(conversation: Conversation, reason: str, about: datetime | None) -> None:
    """The bot stops here and asks for a person. `about`: own time of the newest message it could not answer."""
    conversation.needs_human = True
    conversation.needs_human_reason = reason
    conversation.handed_over_at = about
    conversation.notice_error = None


def put_away(conversation: Conversation, status: ConversationStatus) -> None:
    """A person says what is to become of a conversation. Done: nobody need answer; taken back, all waits as before."""
    if conversation.status == status:
        return
    if status == ConversationStatus.DONE:
        before, reason = conversation.answered_through, conversation.needs_human_reason
        answered(conversation)
        conversation.answered_before_done, conversation.asked_before_done = before, reason
        conversation.epoch += 1
        conversation.needs_human, conversation.needs_human_reason = False, None
    elif conversation.answered_before_done is not None and _nothing_happened_since_done(conversation):
        conversation.answered_through = conversation.answered_before_done
        conversation.answered_before_done = None
        conversation.needs_human = conversation.asked_before_done is not None
        conversation.needs_human_reason = conversation.asked_before_done
    conversation.status = status


def _nothing_happened_since_done(conversation: Conversation) -> bool:
    if conversation.status != ConversationStatus.DONE:
        return False
    return conversation.last_position == conversation.answered_through and not conversation.needs_human


def answered(conversation: Conversation) -> None:
    """Nothing awaits an answer here any more."""
    conversation.answered_through = conversation.last_position
    conversation.answered_before_done = conversation.waiting_since = None


def owes_answer(conversation: Conversation) -> bool:
    """True when the customer waits for the bot: it is on, and it has not asked for a person (I17)."""
    if not conversation.bot_enabled or conversation.is_group:
        return False
    if conversation.needs_human and conversation.needs_human_reason not in {*AI_OUTAGES, UNCONFIRMED}:
        return False
    return conversation.asked_through > conversation.answered_through


def recount_waiting(session: Session, conversation: Conversation) -> None:
    """Find the newest message that still awaits an answer, after some of them were settled or revoked."""
    waiting = select(func.max(Message.position), func.min(Message.timestamp)).where(
        Message.conversation_id == conversation.id,
        Message.awaits_answer,
        Message.position > conversation.answered_through,
    )
    session.flush()
    newest, conversation.waiting_since = session.execute(waiting).one()
    conversation.asked_through = newest or conversation.answered_through


def pause_ends(conversation: Conversation, now: datetime, bot_stays_out: timedelta) -> datetime:
    """When the bot may speak again: now, unless a person has replied lately.

    A pause longer than any we set was set by a clock that was wrong, so it is over.
    """
    until = conversation.bot_paused_until
    return until if until is not None and now < until <= now + bot_stays_out else now


def window_expires_at(conversation: Conversation) -> datetime | None:
    """When free text is refused from; None when the customer never wrote."""
    return conversation.last_inbound_at + REPLY_WINDOW if conversation.last_inbound_at else None
