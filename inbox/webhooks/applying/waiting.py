"""Who waits for an answer after a batch, and the jobs that follow from it (I2, I9, I17)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, or_, select, update
from sqlalchemy.orm import Session

from inbox.accounts.hours import Hours
from inbox.conversations.away import tell_away
from inbox.conversations.order import comes_too_late, customer_wrote, person_replied
from inbox.conversations.readers import team_has_read
from inbox.conversations.state import owes_answer, pause_ends, recount_waiting
from inbox.db import one_of
from inbox.models import Author, Conversation, ConversationStatus, Message
from inbox.outbox import jobs
from inbox.webhooks.applying.placed import IngestSettings, Placed
from inbox.webhooks.parsing.content import CALL, IGNORED_TYPES


class Waiting:
    """Told of each message in the order of its arrival, before the batch's messages are stored."""

    def __init__(self, session: Session, now: datetime, settings: IngestSettings, hours: Mapping[UUID, Hours]) -> None:
        self._session = session
        self._now = now
        self._settings = settings
        self._hours = hours  #: of the accounts that have some
        self._arrived: dict[UUID, list[Placed]] = defaultdict(list)
        self._asked: set[UUID] = set()
        self._answered: set[UUID] = set()  #: by a person, to the end
        self._changed: set[UUID] = set()  #: what was asked is less, or other words

    def arrives(self, place: Placed) -> None:
        """What one message does to its conversation's wait. The place has its position."""
        conversation = place.conversation
        if place.item.wants_answer and conversation.blocked_at is None:
            conversation.unread_count += 1
            conversation.status = ConversationStatus.OPEN
            conversation.opened_at = conversation.opened_at or place.at
            ignored = place.item.content.type in IGNORED_TYPES
            place.awaits_answer = not ignored and not comes_too_late(conversation, place.at, self._now)
        if place.awaits_answer:
            customer_wrote(conversation, place.position, place.at)
            self._asked.add(conversation.id)
        if place.item.by_person:
            self._person_replied(place, conversation)
        self._arrived[conversation.id].append(place)

    def changed(self, conversation_ids: Iterable[UUID]) -> None:
        """Something that awaits an answer was edited or revoked, or two conversations became one."""
        self._changed.update(conversation_ids)

    def apply(self, conversations: dict[UUID, Conversation]) -> None:
        """Make the jobs that are due, and end those that nobody waits for."""
        self._load(conversations)
        for conversation_id in sorted(self._changed):
            recount_waiting(self._session, conversations[conversation_id])
        touched = sorted(self._asked | self._answered | self._changed)
        owed = [conversations[each] for each in touched if owes_answer(conversations[each])]
        over = (self._changed - {conversation.id for conversation in owed}) | self._answered
        if over:
            jobs.withdraw_answers(self._session, over)
        if self._changed - over:
            jobs.void_answers(self._session, self._changed - over, self._now)
        jobs.request_answers(self._session, [self._owed(each) for each in owed], self._now, self._settings.debounce)
        for conversation in (conversations[each] for each in sorted(self._asked)):
            if (hours := self._hours.get(conversation.account_id)) is not None:
                tell_away(self._session, conversation, hours, self._now)

    # --- inside --------------------------------------------------------------------------------------------------

    def _person_replied(self, place: Placed, conversation: Conversation) -> None:
        """A colleague answered from the phone app, where unread messages are seen."""
        asked_for_person, waited_since = conversation.needs_human, conversation.waiting_since
        if waited_since is not None and place.at >= waited_since:
            place.answered_after = int((place.at - waited_since).total_seconds())
        if person_replied(conversation, place.at, self._settings.bot_stays_out):
            team_has_read(self._session, conversation, 0)
            self._answered.add(conversation.id)
        elif self._settle_older(place, conversation) or conversation.needs_human != asked_for_person:
            self._changed.add(conversation.id)

    def _settle_older(self, place: Placed, conversation: Conversation) -> bool:
        """A reply that the customer has written after, or that comes late, settles what is not newer than itself."""
        earlier = self._arrived[conversation.id]
        older = [other for other in earlier if other.awaits_answer and other.at <= place.at]
        for other in older:
            other.awaits_answer = False
        stored = update(Message).where(
            Message.conversation_id == conversation.id,
            Message.awaits_answer,
            Message.position > conversation.answered_through,
            Message.timestamp <= place.at,
        )
        settled = self._session.execute(stored.values(awaits_answer=False).returning(Message.id)).scalars().all()
        newer = sum(other.item.wants_answer and other.at > place.at for other in earlier)
        newer += self._stored_since(conversation.id, place.at)
        team_has_read(self._session, conversation, min(conversation.unread_count, newer))
        return bool(older or settled)

    def _stored_since(self, conversation_id: UUID, at: datetime) -> int:
        theirs = or_(Message.author_kind == Author.CUSTOMER, Message.message_type == CALL)
        query = select(func.count()).where(Message.conversation_id == conversation_id, Message.timestamp > at, theirs)
        return self._session.execute(query).scalar_one()

    def _load(self, conversations: dict[UUID, Conversation]) -> None:
        for condition in one_of(self._session, Conversation.id, self._changed - conversations.keys()):
            query = select(Conversation).where(condition).order_by(Conversation.id).with_for_update()
            conversations.update({each.id: each for each in self._session.execute(query).scalars()})

    def _owed(self, conversation: Conversation) -> jobs.Owed:
        since = pause_ends(conversation, self._now, self._settings.bot_stays_out)
        if (hours := self._hours.get(conversation.account_id)) is not None:
            since = hours.bot_from(since)
        return jobs.Owed(conversation.account_id, conversation.id, since)
