"""The bot answers a conversation: read, think with no transaction open, then queue the answer if it still holds.

What makes an answer void: a person acted (epoch, I9), or what was asked was edited or revoked (the lease is taken).
While the customer writes on (revision) one answer to all is written instead, for as long as that may take. What makes
the bot stop and ask for a person: I10. A job ends only when nobody waits for the bot (I17).
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
from inbox.conversations.quotes import quoted_texts
from inbox.conversations.service import outbound_message, queue
from inbox.conversations.state import (
    AI_DAILY_QUOTA,
    AI_OUTAGES,
    AI_UNAVAILABLE,
    BOT_FAILED,
    WINDOW_CLOSED,
    hand_over,
    owes_answer,
    pause_ends,
    recount_waiting,
    window_expires_at,
)
from inbox.db import Database
from inbox.errors import UpstreamError, UpstreamRejected, Verdict
from inbox.gateways.gemini import Turn
from inbox.models import Author, Contact, Conversation, Message
from inbox.outbox import jobs
from inbox.outbox.jobs import JobClaim
from inbox.webhooks.parsing.content import says_something

log = logging.getLogger(__name__)

MAX_REWRITES = 3  # each is a call for nothing; then the answer leaves, and what came meanwhile gets the next
_RETRY_CAP = 30.0  # seconds between tries while the AI is away
_OWN_SHARE, _OWN_CAP = 0.25, 900.0  # of the wait so far, and seconds: while it may be this conversation that fails


@dataclass(frozen=True, slots=True)
class BotSettings:
    """From Config. Times are seconds."""

    debounce: float
    answer_deadline: float
    bot_stays_out: timedelta  #: how long the bot leaves a conversation to a person who has replied


@dataclass(frozen=True, slots=True)
class _Scene:
    """What the bot sees when it begins."""

    conversation: Conversation
    customer_name: str | None
    messages: Sequence[Message]  #: as the model sees them: what was said, then what awaits an answer
    quoted: dict[str, str]  #: what they quote and we hold: its text by wa id
    waiting: Sequence[Message]  #: those that await an answer, of the customer, at least one
    profile_version: int
    answers_this_hour: int
    now: datetime

    @property
    def newest(self) -> datetime:
        """When the customer wrote last."""
        return max(message.timestamp for message in self.waiting)


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
        history = turns(scene.messages, scene.customer_name, scene.quoted)
        reason = _why_a_person(scene, profile, history)
        if reason is not None:
            self._hand_over(claim, scene, reason)
            return
        self._show_typing(claim, scene)
        try:
            generated = self.models.generate(profile.model, system_text(profile), history, about=claim.conversation_id)
        except UpstreamRejected as error:
            log.warning("the bot cannot answer", extra={"upstream": error.upstream, "reason": error.reason})
            self._hand_over(claim, scene, _REFUSALS.get(str(error.code), BOT_FAILED))
        except UpstreamError as error:
            self._try_later(claim, scene, profile, error)
        else:
            answer = presentable(generated.text, profile)
            if answer:
                self._queue_answer(claim, scene, answer)
            else:  # a link that the business did not write, or nothing that anybody could see
                self._hand_over(claim, scene, "ai_empty_answer")

    def raised(self, claim: JobClaim) -> None:
        """Our own code failed at the claimed conversation: try again, and at last ask for a person, with the reason."""
        with self.db.writing() as session:
            now = self.db.now(session)
            conversation = _locked(session, claim)
            if conversation is None or jobs.note_raised(session, claim, now) or not owes_answer(conversation):
                return
            hand_over(conversation, BOT_FAILED, conversation.last_inbound_at)
            conversation.changed_at = now
        log.error("the bot gave up", extra={"conversation_id": str(claim.conversation_id), "reason": BOT_FAILED})
        self.handover.tell(claim.account_id, claim.conversation_id, BOT_FAILED)

    # --- before --------------------------------------------------------------------------------------------------

    def _look(self, claim: JobClaim) -> _Scene | None:
        """The scene. None when there is nothing to answer any more, or not yet: the job says so then."""
        with self.db.reading() as session:
            scene = _scene(session, claim.conversation_id, self.db.now(session), self.settings.bot_stays_out)
        if scene is None:
            with self.db.writing() as session:
                self._rest(session, claim, _locked(session, claim), self.db.now(session))
        return scene

    def _show_typing(self, claim: JobClaim, scene: _Scene) -> None:
        newest = scene.waiting[-1].wa_message_id
        if newest is None or claim.attempts > 1:
            return
        with self.db.writing() as session:
            jobs.request_receipt(session, claim.account_id, claim.conversation_id, newest, scene.now, typing=True)

    # --- after ---------------------------------------------------------------------------------------------------

    def _rest(self, session: Session, claim: JobClaim, conversation: Conversation | None, now: datetime) -> None:
        """End the job, or keep it for what still awaits an answer, until a person's pause ends (I17)."""
        if conversation is None:
            jobs.drop_job(session, claim)
            return
        recount_waiting(session, conversation)
        if not owes_answer(conversation):
            jobs.drop_job(session, claim)
            return
        since = pause_ends(conversation, now, self.settings.bot_stays_out)
        jobs.keep_job(session, claim, since, max(since, now + timedelta(seconds=self.settings.debounce)))

    def _still_holds(self, session: Session, claim: JobClaim, scene: _Scene, now: datetime) -> Conversation | None:
        """The conversation, locked. None when what was begun is void; then the job is at rest already.

        That is when a person has acted since (I9), what was asked has changed, or it took so long that the job went to
        another process, which may have answered.
        """
        conversation = _locked(session, claim)
        if (
            conversation is not None
            and conversation.epoch == scene.conversation.epoch
            and jobs.held_job(session, claim) is not None
            and _may_speak(conversation, now, self.settings.bot_stays_out)
        ):
            return conversation
        self._rest(session, claim, conversation, now)
        log.info("answer discarded", extra={"conversation_id": str(claim.conversation_id)})
        return None

    def _queue_answer(self, claim: JobClaim, scene: _Scene, text: str) -> None:
        with self.db.writing() as session:
            now = self.db.now(session)
            conversation = self._still_holds(session, claim, scene, now)
            if conversation is None or self._customer_writes_on(session, claim, now):
                return
            _say(session, conversation, text, now, Author.BOT)
            conversation.bot_last_reply_at = now
            conversation.answered_through = max(message.position for message in scene.waiting)
            if conversation.needs_human_reason in AI_OUTAGES:
                conversation.needs_human, conversation.needs_human_reason = False, None
            self._rest(session, claim, conversation, now)

    def _customer_writes_on(self, session: Session, claim: JobClaim, now: datetime) -> bool:
        """True when the answer is put off, to be one to all: but not for longer than the customer may have to wait."""
        job = jobs.held_job(session, claim)
        latest = claim.created_at + jobs.patience(self.settings.debounce)
        if job is None or job.revision == claim.revision or now >= latest or claim.attempts > MAX_REWRITES:
            return False
        quiet = timedelta(seconds=self.settings.debounce * 2**claim.attempts)  # this customer pauses for longer
        jobs.postpone_job(session, claim, min(now + quiet, latest))
        log.info("the customer wrote on, the answer is put off", extra={"conversation_id": str(claim.conversation_id)})
        return True

    def _hand_over(self, claim: JobClaim, scene: _Scene, reason: str) -> None:
        """The bot stops here; the reason is shown, and the backup number is told."""
        with self.db.writing() as session:
            now = self.db.now(session)
            conversation = self._still_holds(session, claim, scene, now)
            if conversation is None:
                return
            news = conversation.needs_human_reason != reason
            hand_over(conversation, reason, scene.newest)
            conversation.changed_at = now
            jobs.drop_job(session, claim)
        if news:
            self.handover.tell(claim.account_id, claim.conversation_id, reason)

    def _try_later(self, claim: JobClaim, scene: _Scene, profile: ProfileContent, error: UpstreamError) -> None:
        """The AI is away: keep the job, and after the deadline say so once and ask for a person (I10)."""
        with self.db.writing() as session:
            now = self.db.now(session)
            conversation = self._still_holds(session, claim, scene, now)
            if conversation is None:
                return
            deadline = claim.created_at + timedelta(seconds=self.settings.answer_deadline)
            late = now >= deadline and not conversation.needs_human
            if late:
                _say(session, conversation, fallback(profile), now, Author.SYSTEM)  # no answer: that is still owed
                hand_over(conversation, AI_UNAVAILABLE, scene.newest)
            again = now + timedelta(seconds=self._delay(claim.attempts, error, now - claim.created_at))
            jobs.postpone_job(session, claim, min(again, deadline) if now < deadline else again)
        self.note(error.upstream, claim.conversation_id)
        log.warning("answer postponed", extra={"upstream": error.upstream, "reason": error.reason, "late": late})
        if late:
            self.handover.tell(claim.account_id, claim.conversation_id, AI_UNAVAILABLE)

    def _delay(self, attempts: int, error: UpstreamError, waited: timedelta) -> float:
        """Seconds until the next try: 1, 2, 4 … up to 30, a random half of it, and no less than the upstream asks.

        Where the model was asked and failed, a quarter of the wait so far as well, up to 15 minutes. In a quiet inbox
        nobody can tell an outage from a conversation that it will always fail at, so this one comes ever more seldom,
        until WhatsApp's reply window ends it.
        """
        whole = min(_RETRY_CAP, 2.0 ** min(attempts - 1, 10))
        if error.sent and error.verdict is Verdict.FAILURE:
            whole = max(whole, min(_OWN_CAP, _OWN_SHARE * waited.total_seconds()))
        return max(self.rng.uniform(whole / 2, whole), min(error.retry_after or 0.0, 900.0))


#: The model's own refusals, by their codes. Anything else that was rejected is our mistake, and told as one.
_REFUSALS = {
    "refused": "ai_refused",
    "empty_answer": "ai_empty_answer",
    "failed": "ai_failed",
    "daily_quota": AI_DAILY_QUOTA,
}


def _scene(session: Session, conversation_id: UUID, now: datetime, bot_stays_out: timedelta) -> _Scene | None:
    """None when nothing awaits an answer that the bot may give now."""
    conversation = session.get(Conversation, conversation_id)
    if conversation is None or not _may_speak(conversation, now, bot_stays_out):
        return None
    waiting = _waiting(session, conversation)
    if not waiting:
        return None
    messages = [*_before(session, conversation, waiting), *waiting]
    contact = session.get_one(Contact, conversation.contact_id)
    return _Scene(
        conversation=conversation,
        customer_name=shown_name(contact),
        messages=messages,
        quoted=quoted_texts(session, conversation.account_id, messages),
        waiting=waiting,
        profile_version=current_version(session, conversation.account_id),
        answers_this_hour=_answers_since(session, conversation_id, now - timedelta(hours=1)),
        now=now,
    )


def _may_speak(conversation: Conversation, now: datetime, bot_stays_out: timedelta) -> bool:
    return owes_answer(conversation) and pause_ends(conversation, now, bot_stays_out) <= now


def _waiting(session: Session, conversation: Conversation) -> Sequence[Message]:
    """The customer's messages that nobody has answered, in the order they were written."""
    newest = (
        select(Message)
        .where(
            Message.conversation_id == conversation.id,
            Message.awaits_answer,
            Message.position > conversation.answered_through,
        )
        .order_by(Message.position.desc())
        .limit(2 * MAX_HISTORY)
    )
    found = session.execute(newest).scalars()
    return sorted(found, key=lambda message: (message.timestamp, message.position))


def _before(session: Session, conversation: Conversation, waiting: Sequence[Message]) -> Sequence[Message]:
    """What was said around it, in the order of the thread: a prompt ends with what awaits an answer."""
    newest = (
        select(Message)
        .where(Message.conversation_id == conversation.id)
        .order_by(Message.timestamp.desc(), Message.id.desc())
        .limit(2 * MAX_HISTORY)
    )
    apart = {message.id for message in waiting}
    said = [message for message in session.execute(newest).scalars() if message.id not in apart]
    return [message for message in reversed(said) if not message.payload.get("revoked")]


def _answers_since(session: Session, conversation_id: UUID, since: datetime) -> int:
    query = select(func.count()).where(
        Message.conversation_id == conversation_id, Message.timestamp >= since, Message.author_kind == Author.BOT
    )
    return session.execute(query).scalar_one()


def _why_a_person(scene: _Scene, profile: ProfileContent, history: Sequence[Turn]) -> str | None:
    """The reason to hand over before asking the model at all."""
    expires = window_expires_at(scene.conversation)
    if expires is None or expires <= scene.now:
        return WINDOW_CLOSED
    if scene.answers_this_hour >= profile.max_answers_per_hour:
        return "answer_limit"
    readable = all(says_something(message.message_type, message.content_text) for message in scene.waiting)
    if not history or not readable:
        return "unsupported_content"
    return None


def _locked(session: Session, claim: JobClaim) -> Conversation | None:
    query = select(Conversation).where(Conversation.id == claim.conversation_id).with_for_update()
    return session.execute(query).scalar_one_or_none()


def _say(session: Session, conversation: Conversation, text: str, now: datetime, author: Author) -> None:
    message = outbound_message(conversation, text, now, author=author, author_id=None, name=None)
    queue(session, conversation, message, now)
