"""What the events of a conversation change in its row. The caller holds the row's lock."""

from __future__ import annotations

from datetime import datetime, timedelta

from inbox.models import Conversation

PREVIEW = 200  # characters of the newest message shown in the list
REPLY_WINDOW = timedelta(hours=24)  # Meta: free text until 24 hours after the customer last wrote

AI_UNAVAILABLE = "ai_unavailable"
AI_DAILY_QUOTA = "ai_daily_quota"
AI_OUTAGES = frozenset({AI_UNAVAILABLE, AI_DAILY_QUOTA})  #: reasons that end by themselves: the bot returns (I10)


def note_message(conversation: Conversation, timestamp: datetime, text: str) -> None:
    """A message joined the thread; the newest one is the preview. A late arrival moves nothing back."""
    if conversation.last_message is None or timestamp >= conversation.updated_at:
        conversation.last_message = text[:PREVIEW]
    conversation.updated_at = max(conversation.updated_at, timestamp)


def next_position(conversation: Conversation) -> int:
    """The place of one more message (I3). A clock cannot tell: transactions take their time before they get locks."""
    conversation.last_position += 1
    return conversation.last_position


def person_replied(conversation: Conversation, now: datetime, bot_stays_out: timedelta) -> None:
    """Somebody of the business wrote: answers begun before are void, and the bot leaves the two alone for a while."""
    conversation.epoch += 1
    conversation.needs_human = False
    conversation.needs_human_reason = None
    conversation.bot_paused_until = now + bot_stays_out
    conversation.answered_through = conversation.last_position


def switch_bot(conversation: Conversation, *, enabled: bool) -> None:
    """A person turned the bot on or off; on also ends what kept it silent."""
    conversation.epoch += 1
    conversation.bot_enabled = enabled
    conversation.bot_paused_until = None
    if enabled:
        conversation.needs_human = False
        conversation.needs_human_reason = None


def hand_over(conversation: Conversation, reason: str) -> None:
    """The bot stops here and asks for a person."""
    conversation.needs_human = True
    conversation.needs_human_reason = reason


def bot_may_answer(conversation: Conversation, now: datetime) -> bool:
    """True when the bot is on, nobody has taken over, and it was not the bot that asked for a person."""
    if not conversation.bot_enabled or conversation.is_group:
        return False
    if conversation.bot_paused_until is not None and conversation.bot_paused_until > now:
        return False
    return not conversation.needs_human or conversation.needs_human_reason in AI_OUTAGES


def window_expires_at(conversation: Conversation) -> datetime | None:
    """When free text is refused from; None when the customer never wrote."""
    return conversation.last_inbound_at + REPLY_WINDOW if conversation.last_inbound_at else None
