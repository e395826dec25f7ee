"""The bot answers a conversation: read, think with no transaction open, then queue the answer if it still holds.

What makes an answer void: a person acted (epoch, I9), or what was asked was edited or revoked (the lease is taken).
While the customer writes on (revision) one answer to all is written instead, for as long as that may take. What makes
the bot stop and ask for a person: I10. A job ends only when nobody waits for the bot (I17).
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from inbox.accounts.hours import bot_from
from inbox.bot.files import CustomerFiles, Seen
from inbox.bot.handover import HandOver
from inbox.bot.model import Models
from inbox.bot.phrases import fallback
from inbox.bot.presentable import presentable
from inbox.bot.profile_cache import ProfileCache
from inbox.bot.profiles import cached_profile
from inbox.bot.prompt import system_text, turns, with_files, with_passages
from inbox.bot.scene import Scene, may_speak, scenes_of
from inbox.bot.schemas import ProfileContent
from inbox.conversations.service import outbound_message, queue, queue_all
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
from inbox.conversations.writing import Written
from inbox.db import Database
from inbox.db.gathering import Gathering
from inbox.errors import UpstreamError, UpstreamRejected, Verdict
from inbox.gateways.gemini import Turn
from inbox.knowledge.finding import Passage, best_passages
from inbox.logs import request_id
from inbox.models import (
    Account,
    Author,
    Conversation,
    Job,
)
from inbox.outbox import jobs
from inbox.outbox.adding import Send
from inbox.outbox.jobs import JobClaim
from inbox.outbox.typing import TypingSign, TypingSigns
from inbox.webhooks.parsing.content import says_something

log = logging.getLogger(__name__)

KNOWLEDGE = "knowledge"  #: in an answer's payload: which passages it was written from
MAX_REWRITES = 3  # each is a call for nothing; then the answer leaves, and what came meanwhile gets the next
_RETRY_CAP = 30.0  # seconds between tries while the AI is away
UNSUPPORTED = "unsupported_content"
_FILE_WAITS, _FILE_WAIT = 2, 1.0  # times, and seconds at least, that an answer waits for a file to be kept
_OWN_SHARE, _OWN_CAP = 0.25, 900.0  # of the wait so far, and seconds: while it may be this conversation that fails


@dataclass(frozen=True, slots=True)
class BotSettings:
    """From Config. Times are seconds."""

    debounce: float
    answer_deadline: float
    bot_stays_out: timedelta  #: how long the bot leaves a conversation to a person who has replied


class Begun(NamedTuple):
    """An answer that a thread works on. `scene`: None when nobody has looked yet, or nothing was seen to answer."""

    claim: JobClaim
    scene: Scene | None = None


class _Answer(NamedTuple):
    """What is to be queued. `request_id`: of the job that wrote it."""

    claim: JobClaim
    scene: Scene
    content: Written
    request_id: str

    @property
    def through(self) -> int:
        """The position of the newest message that it answers."""
        return max(message.position for message in self.scene.waiting)


@dataclass(frozen=True, slots=True)
class Answering:
    """What answering needs. Answers that are there at the same time are queued in one transaction."""

    db: Database
    models: Models
    cache: ProfileCache
    handover: HandOver
    settings: BotSettings
    rng: random.Random
    note: Callable[[str, UUID], None]  #: told of conversations that have to wait because of an upstream
    signs: TypingSigns
    files: CustomerFiles
    answers: Gathering[_Answer] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "answers", Gathering(self._queue_together, self._queue_alone))

    def begun(self, claims: Sequence[JobClaim]) -> list[Begun]:
        """Claims of one time, looked at together. One that cannot be is looked at by its own thread."""
        if len(claims) < 2:
            return [Begun(claim) for claim in claims]
        try:
            with self.db.reading() as session:
                threads = [claim.conversation_id for claim in claims]
                scenes = scenes_of(session, threads, self.db.now(session), self.settings.bot_stays_out)
        except Exception:  # whichever it is: alone it holds up nobody else
            scenes = {}
        return [Begun(claim, scenes.get(claim.conversation_id)) for claim in claims]

    def run(self, claim: JobClaim, scene: Scene | None = None) -> None:
        """Answer the claimed conversation, hand it over, or try again later. `scene`: what has been seen of it."""
        scene = scene or self._look(claim)
        if scene is None:
            return
        profile = cached_profile(self.db, self.cache, claim.account_id, scene.profile_version)
        history = turns(scene.messages, scene.customer_name, scene.quoted)
        seen = self.files.seen_in(scene.waiting) if profile.reads_files else Seen()
        if seen.pending and claim.attempts <= _FILE_WAITS:
            self._wait_for_files(claim)
            return
        reason = _why_a_person(scene, profile, history, seen)
        if reason is not None:
            self._hand_over(claim, scene, reason)
            return
        self._show_typing(claim, scene)
        passages = self._passages(claim, scene) if scene.knows_more else []
        system = system_text(profile, knows_more=bool(passages), has_files=bool(seen.files))
        asked = with_files(with_passages(history, passages), seen.files)
        try:
            with self.answers.under_way():
                generated = self.models.generate(
                    profile.model, system, asked, about=claim.conversation_id, resting=scene.models_rest
                )
        except UpstreamRejected as error:
            log.warning("the bot cannot answer", extra={"upstream": error.upstream, "reason": error.reason})
            refused = UNSUPPORTED if seen.files and error.http_status == 400 else BOT_FAILED  # perhaps a file of theirs
            self._hand_over(claim, scene, _REFUSALS.get(str(error.code), refused))
        except UpstreamError as error:
            self._try_later(claim, scene, profile, error)
        else:
            answer = presentable(generated.text, profile, passages)
            if answer:
                payload = {KNOWLEDGE: [passage.reference for passage in passages]} if passages else {}
                self.answers.store(_Answer(claim, scene, Written("text", answer, payload), request_id()))
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
            conversation.touch()
        log.error("the bot gave up", extra={"conversation_id": str(claim.conversation_id), "reason": BOT_FAILED})
        self.handover.tell(claim.account_id, claim.conversation_id, BOT_FAILED)

    # --- before --------------------------------------------------------------------------------------------------

    def _look(self, claim: JobClaim) -> Scene | None:
        """The scene. None when there is nothing to answer any more, or not yet: the job says so then."""
        with self.db.reading() as session:
            scenes = scenes_of(session, [claim.conversation_id], self.db.now(session), self.settings.bot_stays_out)
        scene = scenes.get(claim.conversation_id)
        if scene is None:
            with self.db.writing() as session:
                self._rest(session, claim, _locked(session, claim), self.db.now(session))
        return scene

    def _show_typing(self, claim: JobClaim, scene: Scene) -> None:
        newest, number = scene.waiting[-1].wa_message_id, scene.number
        if newest is None or claim.attempts > 1 or number.paused_reason or not number.access_token_encrypted:
            return
        self.signs.show(TypingSign(number.id, number.phone_number_id, number.access_token_encrypted, newest))

    def _wait_for_files(self, claim: JobClaim) -> None:
        """What the customer sent is on its way from WhatsApp: it takes a moment."""
        with self.db.writing() as session:
            wait = timedelta(seconds=max(self.settings.debounce, _FILE_WAIT))
            jobs.postpone_job(session, claim, self.db.now(session) + wait)

    def _passages(self, claim: JobClaim, scene: Scene) -> list[Passage]:
        with self.db.reading() as session:
            return best_passages(session, claim.account_id, scene.question)

    # --- after ---------------------------------------------------------------------------------------------------

    def _rest(self, session: Session, claim: JobClaim, conversation: Conversation | None, now: datetime) -> None:
        """End the job, or keep it for what awaits an answer: until a person's pause ends, or the number opens (I17)."""
        if conversation is None:
            jobs.drop_job(session, claim)
            return
        recount_waiting(session, conversation)
        if not owes_answer(conversation):
            jobs.drop_job(session, claim)
            return
        number = session.get_one(Account, conversation.account_id)
        since = bot_from(number, pause_ends(conversation, now, self.settings.bot_stays_out))
        jobs.keep_job(session, claim, since, max(since, now + timedelta(seconds=self.settings.debounce)))

    def _still_holds(
        self, session: Session, claim: JobClaim, scene: Scene, now: datetime
    ) -> tuple[Conversation, Job] | None:
        """The conversation and the job, locked. None when what was begun is void; then the job is at rest already.

        That is when a person has acted since (I9), what was asked has changed, or it took so long that the job went to
        another process, which may have answered.
        """
        found = jobs.held_with_conversations(session, [claim]).get(claim.job_id)
        if found is not None and self._is_undisturbed(found[0], scene, now):
            return found
        self._rest(session, claim, found[0] if found else _locked(session, claim), now)
        log.info("answer discarded", extra={"conversation_id": str(claim.conversation_id)})
        return None

    def _is_undisturbed(self, conversation: Conversation, scene: Scene, now: datetime) -> bool:
        """True when no person has acted since it was seen (I9), and the bot may speak."""
        unchanged = conversation.epoch == scene.conversation.epoch
        return unchanged and may_speak(conversation, now, self.settings.bot_stays_out)

    def _queue_together(self, answers: Sequence[_Answer]) -> list[_Answer]:
        """Queue those that hold and leave nothing owed. The others are returned."""
        left = []
        sends: list[tuple[Conversation, Send]] = []
        with self.db.writing() as session:
            now = self.db.now(session)
            found = jobs.held_with_conversations(session, [answer.claim for answer in answers])
            for answer in answers:
                held = found.get(answer.claim.job_id)
                if held is None or not self._plainly_holds(answer, *held, now):
                    left.append(answer)
                else:
                    sends.append((held[0], _spoken(held[0], answer, now, withdraw_answers=True)))
            if sends:
                queue_all(session, sends, now)
            for conversation, _ in sends:
                conversation.waiting_since = None
        return left

    def _plainly_holds(self, answer: _Answer, conversation: Conversation, job: Job, now: datetime) -> bool:
        """True when nothing has happened since it was begun that an answer would have to heed."""
        return (
            self._is_undisturbed(conversation, answer.scene, now)
            and job.revision == answer.claim.revision
            and conversation.asked_through <= answer.through
        )

    def _queue_alone(self, answer: _Answer) -> None:
        claim, scene = answer.claim, answer.scene
        with self.db.writing() as session:
            now = self.db.now(session)
            held = self._still_holds(session, claim, scene, now)
            if held is None or self._customer_writes_on(session, claim, held[1], now):
                return
            conversation = held[0]
            send = _spoken(conversation, answer, now, withdraw_answers=conversation.asked_through <= answer.through)
            queue_all(session, [(conversation, send)], now)
            if send.withdraw_answers:
                conversation.waiting_since = None
            else:
                self._rest(session, claim, conversation, now)

    def _customer_writes_on(self, session: Session, claim: JobClaim, job: Job, now: datetime) -> bool:
        """True when the answer is put off, to be one to all: but not for longer than the customer may have to wait."""
        latest = claim.created_at + jobs.patience(self.settings.debounce)
        if job.revision == claim.revision or now >= latest or claim.attempts > MAX_REWRITES:
            return False
        quiet = timedelta(seconds=self.settings.debounce * 2**claim.attempts)  # this customer pauses for longer
        jobs.postpone_job(session, claim, min(now + quiet, latest))
        log.info("the customer wrote on, the answer is put off", extra={"conversation_id": str(claim.conversation_id)})
        return True

    def _hand_over(self, claim: JobClaim, scene: Scene, reason: str) -> None:
        """The bot stops here; the reason is shown, and the backup number is told."""
        with self.db.writing() as session:
            now = self.db.now(session)
            held = self._still_holds(session, claim, scene, now)
            if held is None:
                return
            conversation, job = held
            news = conversation.needs_human_reason != reason
            hand_over(conversation, reason, scene.newest)
            conversation.touch()
            session.delete(job)
        if news:
            self.handover.tell(claim.account_id, claim.conversation_id, reason)

    def _try_later(self, claim: JobClaim, scene: Scene, profile: ProfileContent, error: UpstreamError) -> None:
        """The AI is away: keep the job, and after the deadline say so once and ask for a person (I10)."""
        with self.db.writing() as session:
            now = self.db.now(session)
            held = self._still_holds(session, claim, scene, now)
            if held is None:
                return
            conversation = held[0]
            deadline = claim.created_at + timedelta(seconds=self.settings.answer_deadline)
            late = now >= deadline and not conversation.needs_human
            if late:
                text = fallback(profile, scene.said)
                said = outbound_message(conversation, text, now, author=Author.SYSTEM, author_id=None, name=None)
                queue(session, conversation, said, now)  # no answer: that is still owed
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


def _why_a_person(scene: Scene, profile: ProfileContent, history: Sequence[Turn], seen: Seen) -> str | None:
    """The reason to hand over before asking the model at all."""
    expires = window_expires_at(scene.conversation)
    if expires is None or expires <= scene.now:
        return WINDOW_CLOSED
    if scene.answers_this_hour >= profile.max_answers_per_hour:
        return "answer_limit"
    readable = all(
        message.id in seen.of or says_something(message.message_type, message.content_text) for message in scene.waiting
    )
    if not history or not readable:
        return UNSUPPORTED
    return None


def _locked(session: Session, claim: JobClaim) -> Conversation | None:
    query = select(Conversation).where(Conversation.id == claim.conversation_id).with_for_update()
    return session.execute(query).scalar_one_or_none()


def _spoken(conversation: Conversation, answer: _Answer, now: datetime, *, withdraw_answers: bool) -> Send:
    """The answer as a message of the bot. The conversation shows that it is given."""
    scene = answer.scene
    conversation.bot_last_reply_at = now
    conversation.answered_through = answer.through
    if conversation.needs_human_reason in AI_OUTAGES:
        conversation.needs_human, conversation.needs_human_reason = False, None
    message = outbound_message(conversation, answer.content, now, author=Author.BOT, author_id=None, name=None)
    message.request_id = answer.request_id
    asked_at = min(message.timestamp for message in scene.waiting)
    return Send(message, asked_at=asked_at, withdraw_answers=withdraw_answers)
