"""What came after what in a conversation, and what an event that comes late may still change (I3, I17).

Inside a conversation "after" is a position, given out under the conversation's lock. An event's own time, WhatsApp's,
answers one question only: does it come late, which means that something newer has been dealt with already? One rule:

- A person's reply settles what is not newer than itself: what awaits an answer, what is unread, what the bot handed
  over. The bot stays out until the reply's own time plus the pause.
- A customer's message that is older than a person's reply is shown unread, and the bot leaves it alone.
- The same holds for one that took more than an hour to arrive, when the bot has said something newer since. If what
  is newer still awaits an answer, all of it is answered together.

So whatever the order of arrival, the conversation ends as if everything had arrived in order. Only the unread count
also has what came too late, because nobody was shown it in time.

The caller holds the conversation's row.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from inbox.conversations.state import answered
from inbox.models import Conversation

LATE = timedelta(hours=1)
CLOCKS_DIFFER = timedelta(minutes=10)  # between WhatsApp's clock and ours, at most; the parser believes as much


def next_position(conversation: Conversation) -> int:
    """The place of one more message. A clock cannot tell: transactions take their time before they get their locks."""
    conversation.last_position += 1
    return conversation.last_position


def comes_too_late(conversation: Conversation, at: datetime, now: datetime) -> bool:
    """True when the bot leaves a customer's message alone that was written at `at` and arrives now.

    A reply from the future was made while our clock was wrong, so it says nothing.
    """
    replied = conversation.person_replied_at
    if replied is not None and at < replied <= now + CLOCKS_DIFFER:
        return True
    answered = conversation.bot_last_reply_at
    return now - at > LATE and answered is not None and at < answered


def customer_wrote(conversation: Conversation, position: int, at: datetime) -> None:
    """The message at `position`, of WhatsApp's time `at`, awaits an answer."""
    conversation.waiting_since = min(at, conversation.waiting_since or at)
    conversation.asked_through = max(conversation.asked_through, position)


def person_replied(conversation: Conversation, at: datetime, bot_stays_out: timedelta) -> bool:
    """Somebody of the business wrote at `at`: what that settles. True: everything, answers begun before are void.

    False: the customer has written since, so the caller looks for what is older than the reply.
    """
    conversation.person_replied_at = max(at, conversation.person_replied_at or at)
    until = at + bot_stays_out
    conversation.bot_paused_until = max(until, conversation.bot_paused_until or until)
    newest = conversation.last_inbound_at
    settles_all = newest is None or newest <= at
    handed_over = conversation.handed_over_at or newest
    if settles_all or (handed_over is not None and handed_over <= at):
        conversation.needs_human, conversation.needs_human_reason = False, None
    if settles_all:
        conversation.epoch += 1
        answered(conversation)
    return settles_all


def person_typed(conversation: Conversation, now: datetime, bot_stays_out: timedelta) -> None:
    """Somebody replied in our page or through the API. That settles all that has a position, by no clock."""
    seen = conversation.last_inbound_at or now
    person_replied(conversation, max(seen, now - CLOCKS_DIFFER), bot_stays_out)
    conversation.bot_paused_until = now + bot_stays_out
