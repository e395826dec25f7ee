"""The bot answers a conversation: read, think with no transaction open, then queue the answer if it still holds.

What makes an answer void: a person acted (epoch, I9), or the customer wrote on (revision), then one answer to all is
written instead. What makes the bot stop and ask for a person: I10.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from inbox.bot.handover import HandOver
from inbox.bot.model import Models
from inbox.bot.phrases import fallback
from inbox.bot.presentable import presentable
from inbox.bot.profile_cache import ProfileCache
from inbox.bot.profiles import cached_profile, current_version
from inbox.bot.prompt import MAX_HISTORY, system_text, turns
from inbox.bot.schemas import ProfileContent
from inbox.contacts.lists import shown_name
from inbox.conversations.service import outbound_message, queue
from inbox.conversations.state import AI_OUTAGES, AI_UNAVAILABLE, bot_may_answer, hand_over, window_expires_at
from inbox.db import Database
from inbox.errors import UpstreamError, UpstreamRejected
from inbox.gateways.gemini import Generated
from inbox.models import Author, Contact, Conversation, Message
from inbox.outbox import jobs
from inbox.outbox.jobs import JobClaim
from inbox.webhooks.parsing.content import READABLE_TYPES

log = logging.getLogger(__name__)

MAX_REWRITES = 3  # then the answer leaves although the customer is still writing
_RETRY_CAP = 30.0  # seconds between tries while the AI is away


@dataclass(frozen=True, slots=True)
class BotSettings:
    """From Config. Times are seconds."""

    debounce: float
    answer_deadline: float


@dataclass(frozen=True, slots=True)
class _Scene:
    """What the bot sees when it begins."""

    conversation: Conversation
    customer_name: str | None
    messages: Sequence[Message]  #: in the order they reached us
    waiting: Sequence[Message]  #: those of the customer that nobody has answered
    profile_version: int
    answers_this_hour: int
    now: datetime


@dataclass(frozen=True, slots=True)
class Answering:
    """What answering needs."""

    db: Database
    models: Models
    cache: ProfileCache
    handover: HandOver
    settings: BotSettings
    rng: random.Random
    note: Callable[[str, UUID], None]  #: told of conversations that have to wait because of an upstream

    def run(self, claim: JobClaim) -> None:
        """Answer the claimed conversation, hand it over, or try again later."""
        scene = self._look(claim)
        if scene is None:
            return
        profile = cached_profile(self.db, self.cache, claim.account_id, scene.profile_version)
        reason = _why_a_person(scene, profile)
        if reason is not None:
            self._hand_over(claim, scene, reason)
            return
        self._show_typing(claim, scene)
        try:
            generated = self._generate(profile, scene)
        except UpstreamRejected as error:
            log.warning("the bot cannot answer", extra={"upstream": error.upstream, "reason": error.reason})
            self._hand_over(claim, scene, f"ai_{error.code}" if error.code in _PLAIN_REASONS else "ai_refused")
        except UpstreamError as error:
            self._try_later(claim, scene, profile, error)
        else:
            answer = presentable(generated.text, profile)
            if answer:
                self._queue_answer(claim, scene, answer)
            else:  # a link that the business did not write, or nothing that anybody could see
                self._hand_over(claim, scene, "ai_empty_answer")

    # --- before --------------------------------------------------------------------------------------------------

    def _look(self, claim: JobClaim) -> _Scene | None:
        """The scene; None, with the job finished, when there is nothing to answer any more."""
        with self.db.reading() as session:
            scene = _scene(session, claim.conversation_id, self.db.now(session))
        if scene is not None and _worth_answering(scene):
            return scene
        with self.db.writing() as session:
            jobs.finish_job(session, claim, self.db.now(session))
        return None

    def _show_typing(self, claim: JobClaim, scene: _Scene) -> None:
        newest = scene.waiting[-1].wa_message_id
        if newest is None or claim.attempts > 1:
            return
        with self.db.writing() as session:
            jobs.request_receipt(session, claim.account_id, claim.conversation_id, newest, scene.now, typing=True)

    def _generate(self, profile: ProfileContent, scene: _Scene) -> Generated:
        history = turns(scene.messages, scene.customer_name)
        return self.models.generate(profile.model, system_text(profile), history)

    # --- after ---------------------------------------------------------------------------------------------------

    def _queue_answer(self, claim: JobClaim, scene: _Scene, text: str) -> None:
        with self.db.writing() as session:
            now = self.db.now(session)
            conversation = _unless_void(session, claim, scene, now)
            job = jobs.held_job(session, claim)
            if conversation is None or job is None:
                jobs.finish_job(session, claim, now)
                log.info("answer discarded", extra={"conversation_id": str(claim.conversation_id)})
                return
            if job.revision != claim.revision and claim.attempts <= MAX_REWRITES:
                jobs.postpone_job(session, claim, now + timedelta(seconds=self.settings.debounce))
                log.info("customer wrote on, answering anew", extra={"conversation_id": str(claim.conversation_id)})
                return
            _say(session, conversation, text, now, Author.BOT)
            conversation.bot_last_reply_at = now
            conversation.answered_through = max(message.position for message in scene.waiting)
            if conversation.needs_human_reason in AI_OUTAGES:
                conversation.needs_human, conversation.needs_human_reason = False, None
            jobs.finish_job(session, claim, now)

    def _hand_over(self, claim: JobClaim, scene: _Scene, reason: str) -> None:
        """The bot stops here; the reason is shown, and the backup number is told."""
        with self.db.writing() as session:
            now = self.db.now(session)
            conversation = _unless_void(session, claim, scene, now)
            news = conversation is not None and conversation.needs_human_reason != reason
            if conversation is not None:
                hand_over(conversation, reason)
                conversation.changed_at = now
            jobs.finish_job(session, claim, now)
        if news:
            self.handover.tell(claim.account_id, claim.conversation_id, reason)

    def _try_later(self, claim: JobClaim, scene: _Scene, profile: ProfileContent, error: UpstreamError) -> None:
        """The AI is away: keep the job, and after the deadline say so once and ask for a person (I10)."""
        with self.db.writing() as session:
            now = self.db.now(session)
            conversation = _unless_void(session, claim, scene, now)
            if conversation is None:
                jobs.finish_job(session, claim, now)
                return
            deadline = claim.created_at + timedelta(seconds=self.settings.answer_deadline)
            late = now >= deadline and not conversation.needs_human
            if late:
                _say(session, conversation, fallback(profile), now, Author.SYSTEM)  # no answer: that is still owed
                hand_over(conversation, AI_UNAVAILABLE)
            again = now + timedelta(seconds=self._delay(claim.attempts, error.retry_after))
            jobs.postpone_job(session, claim, min(again, deadline) if now < deadline else again)
        self.note(error.upstream, claim.conversation_id)
        log.warning("answer postponed", extra={"upstream": error.upstream, "reason": error.reason, "late": late})
        if late:
            self.handover.tell(claim.account_id, claim.conversation_id, AI_UNAVAILABLE)

    def _delay(self, attempts: int, hint: float | None) -> float:
        """Seconds until the next try: 1, 2, 4 … up to 30, a random half of it, and no less than the upstream asks."""
        whole = min(_RETRY_CAP, 2.0 ** min(attempts - 1, 10))
        return max(self.rng.uniform(whole / 2, whole), min(hint or 0.0, 900.0))


#: Codes of a refusal that say more than "refused".
_PLAIN_REASONS = frozenset({"empty_answer", "daily_quota"})


def _scene(session: Session, conversation_id: UUID, now: datetime) -> _Scene | None:
    conversation = session.get(Conversation, conversation_id)
    if conversation is None:
        return None
    newest = (
        select(Message)
        .where(Message.conversation_id == conversation_id)
        .order_by(Message.timestamp.desc(), Message.id.desc())
        .limit(2 * MAX_HISTORY)
    )
    messages = sorted(session.execute(newest).scalars(), key=lambda message: message.position)
    contact = session.get_one(Contact, conversation.contact_id)
    return _Scene(
        conversation=conversation,
        customer_name=shown_name(contact),
        messages=messages,
        waiting=_unanswered(conversation, messages),
        profile_version=current_version(session, conversation.account_id),
        answers_this_hour=_answers_since(session, conversation_id, now - timedelta(hours=1)),
        now=now,
    )


def _unanswered(conversation: Conversation, messages: Sequence[Message]) -> list[Message]:
    """The customer's messages that came after the newest one anybody has answered."""
    through = conversation.answered_through
    return [message for message in messages if message.awaits_answer and message.position > through]


def _answers_since(session: Session, conversation_id: UUID, since: datetime) -> int:
    query = select(func.count()).where(
        Message.conversation_id == conversation_id, Message.timestamp >= since, Message.author_kind == Author.BOT
    )
    return session.execute(query).scalar_one()


def _worth_answering(scene: _Scene) -> bool:
    if not bot_may_answer(scene.conversation, scene.now):
        return False
    expires = window_expires_at(scene.conversation)
    if expires is None or expires <= scene.now:
        return False
    return bool(scene.waiting)


def _why_a_person(scene: _Scene, profile: ProfileContent) -> str | None:
    """The reason to hand over before asking the model at all."""
    if scene.answers_this_hour >= profile.max_answers_per_hour:
        return "answer_limit"
    for message in scene.waiting:
        if message.message_type not in READABLE_TYPES:
            return "unsupported_content"
    return None


def _unless_void(session: Session, claim: JobClaim, scene: _Scene, now: datetime) -> Conversation | None:
    """The conversation, locked. None when a person has acted since the bot began (I9), or when it took so long that
    the job went to somebody else, who may have answered."""
    query = select(Conversation).where(Conversation.id == claim.conversation_id).with_for_update()
    conversation = session.execute(query).scalar_one_or_none()
    if conversation is None or conversation.epoch != scene.conversation.epoch or jobs.held_job(session, claim) is None:
        return None
    return conversation if bot_may_answer(conversation, now) else None


def _say(session: Session, conversation: Conversation, text: str, now: datetime, author: Author) -> None:
    message = outbound_message(conversation, text, now, author=author, author_id=None, name=None)
    queue(session, conversation, message, now)
