"""What can happen around the outbox, each in one word: one transaction of ours, one request at WhatsApp, one webhook.

What runs at the same time in several processes is cut at those points, so that it can be shuffled. `which` picks one of
what there is; where there is nothing to pick, nothing happens. `dies`: the process is killed before its COMMIT.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal, TypeVar, cast
from uuid import UUID

from inbox.conversations import reading, service
from inbox.errors import ReplyWindowClosed, UpstreamError, UpstreamRejected, UpstreamUnavailable
from inbox.models import JobKind
from inbox.outbox.outcomes import Outcome, SendClaim
from tests.builders import status, text_message, webhook
from tests.outbox.fake_meta import FakeMeta, Fate, Send
from tests.outbox.fibers import Fiber
from tests.outbox.ledger import Ledger, Letter, News, Step
from tests.outbox.stage import AGENT, NUMBERS, WINDOW, Stage
from tests.outbox.talks import Talk, Talks, Thought, Webhook

T = TypeVar("T")

DEADLINE = timedelta(seconds=10)  # of a send: a request that has not left by then never does
MANY = 1000
_AI_ERRORS: dict[str, UpstreamError] = {
    "away": UpstreamUnavailable("gemini", "HTTP 503", http_status=503),
    "refused": UpstreamRejected("gemini", "SAFETY", code="refused"),
}
_EXCUSES = {"away": {"ai_unavailable"}, "refused": {"ai_refused"}}


@dataclass(slots=True)
class Delivering:
    """A claimed send in the hands of a dispatcher."""

    claim: SendClaim
    since: datetime
    fiber: Fiber


@dataclass(slots=True)
class Thinking:
    """A claimed answer."""

    thought: Thought
    fiber: Fiber


@dataclass(frozen=True, slots=True)
class Reply:
    """What an agent wrote, with its client key. `message_id` is None when the server died over it."""

    talk: Talk
    text: str
    key: str
    message_id: UUID | None


class Play:
    """Begins with three customers, two of them of one number, who have written once."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        stage.reset()
        self.ledger = Ledger(stage)
        self.talks = Talks(stage, self.ledger)
        self.delivering: list[Delivering] = []
        self.thinking: list[Thinking] = []
        self.held: list[Webhook] = []  #: webhooks that are late
        self.hooks: list[Webhook] = []  #: all there were
        self.replies: list[Reply] = []
        self._begin()
        for talk in self.talks.talks:
            self.talks.receive(self.talks.write(talk, 1))
        self._ingest(MANY)
        for talk in self.talks.talks:
            talk.conversation_id = stage.conversation_of(talk.number, talk.phone)
        self._done()

    @property
    def meta(self) -> FakeMeta:
        return self.stage.meta

    def _begin(self) -> None:
        self.stage.advance(0.001)  # no two things happen within one millisecond

    def _done(self, step: Step | None = None) -> None:
        self.ledger.look(step or Step())
        self.talks.look()

    # --- customers and webhooks ----------------------------------------------------------------------------------

    def customer_writes(self, who: int, count: int, arrival: str) -> None:
        self._begin()
        self._arrive(self.talks.write(self.talks.talks[who], count), arrival)
        self._done()

    def colleague_replies_in_the_phone_app(self, who: int, arrival: str) -> None:
        self._begin()
        self._arrive(self.talks.echo(self.talks.talks[who]), arrival)
        self._done()

    def customer_rewords(self, which: int, kind: Literal["edit", "revoke"], arrival: str) -> None:
        """Edits or revokes something written; it may not have reached us yet."""
        texts = [deed for hook in reversed(self.hooks) for deed in hook.deeds if deed.kind == "text"]
        if texts:
            self._begin()
            deed = pick(texts, which)
            self._arrive(self.talks.annotate(kind, deed.talk, deed.wa_id), arrival)
            self._done()

    def _arrive(self, hook: Webhook, arrival: str) -> None:
        self.hooks.append(hook)
        if arrival == "later":
            self.held.append(hook)
            return
        for _ in range(2 if arrival == "twice" else 1):
            self.talks.receive(hook)

    def late_webhook_comes(self, which: int) -> None:
        if self.held:
            self._begin()
            self.talks.receive(self.held.pop(which % len(self.held)))
            self._done()

    def webhook_comes_again(self, which: int) -> None:
        if self.hooks:
            self._begin()
            self.talks.receive(pick(self.hooks, which))
            self._done()

    def strange_webhook_comes(self, which: int) -> None:
        self._begin()
        stranger = webhook(number_id=NUMBERS[0], statuses=[status("sent", wa_id="wamid.stranger")])
        unknown = webhook(number_id="299", messages=[text_message(wa_id="wamid.lost")])
        self._arrive(
            pick([Webhook(stranger), Webhook(unknown, junk=1), Webhook(b'{"entry": 7}', junk=1)], which), "now"
        )
        self._done()

    def webhooks_are_ingested(self, limit: int, dies: bool) -> None:
        if self.talks.waiting:
            self._begin()
            self._done(Step("ingest", about=self._ingest(limit, dies=dies)))

    def _ingest(self, limit: int, *, dies: bool = False) -> frozenset[News]:
        wanted = min(limit, self.talks.waiting)
        with self.stage.life(dies=dies):
            assert self.stage.ingest(limit).events == wanted
            return self.talks.ingested(wanted)
        return frozenset()

    # --- people --------------------------------------------------------------------------------------------------

    def agent_replies(self, who: int, count: int, dies: bool) -> None:
        """Several times; perhaps the server dies over the last."""
        for left in reversed(range(count)):
            self._begin()
            number = len(self.replies)
            reply = Reply(self.talks.talks[who], f"reply {number}", f"key {number}", None)
            self.replies.append(self._reply(reply, dies=dies and not left))
            self._done(Step("write"))

    def agent_repeats_the_request(self, which: int) -> None:
        if self.replies:
            self._begin()
            index = which % len(self.replies)
            before = self.replies[index]
            after = self.replies[index] = self._reply(before)
            assert before.message_id in (None, after.message_id), "I5: the same client key made another message"
            self._done(Step("write") if before.message_id is None else None)

    def _reply(self, reply: Reply, *, dies: bool = False) -> Reply:
        with self.stage.life(dies=dies):
            try:
                made = self.stage.reply(reply.talk.conversation_id, reply.text, reply.key)
            except ReplyWindowClosed:
                return reply
            if reply.message_id is None:
                reply.talk.person_acts(self.stage.now, replied=True)
            return replace(reply, message_id=made)
        return reply

    def person_resends(self, which: int) -> None:
        letters = [letter for letter in self.ledger.letters.values() if letter.shown in ("failed", "unconfirmed")]
        if letters:
            self._begin()
            letter: Letter = pick(letters, which)
            try:
                self.stage.resend(letter.id)
            except ReplyWindowClosed:
                pass
            else:
                talk = next(talk for talk in self.talks.talks if talk.conversation_id == letter.conversation_id)
                talk.person_acts(self.stage.now, replied=True)
            self._done(Step("resend", letter.id))

    def person_switches_the_bot(self, which: int) -> None:
        self._begin()
        talk = pick(self.talks.talks, which // 2)
        talk.bot_on = bool(which % 2)
        service.set_bot(self.stage.db, AGENT, talk.conversation_id, enabled=talk.bot_on)
        talk.person_acts(self.stage.now, replied=False)
        self._done()

    def person_reads(self, which: int) -> None:
        self._begin()
        talk = pick(self.talks.talks, which)
        reading.mark_read(self.stage.db, AGENT, talk.conversation_id)
        talk.unread = 0
        self._done()

    # --- dispatchers ---------------------------------------------------------------------------------------------

    def dispatcher_claims(self, limit: int, dies: bool) -> None:
        self._begin()
        self._claim(limit, dies=dies)

    def _claim(self, limit: int, *, dies: bool = False) -> list[Delivering]:
        claims: list[SendClaim] = []
        with self.stage.life(dies=dies):
            claims = self.stage.claim_sends(limit)
        taken = [self._start(claim) for claim in claims]
        self.delivering += taken
        self._done(Step("claim", claims=tuple(claims), exhausted=limit == MANY and not dies))
        return taken

    def _start(self, claim: SendClaim) -> Delivering:
        fiber = Fiber(lambda: self.stage.delivery.send(claim))
        fiber.go()
        assert fiber.at == "post"
        return Delivering(claim, self.stage.now, fiber)

    def _at(self, where: str) -> list[Delivering]:
        return [one for one in self.delivering if one.fiber.at == where]

    def request_reaches_meta(self, which: int, fate: Fate, after: float | None, mute: bool) -> None:
        if waiting := self._at("post"):
            self._begin()
            pick(waiting, which).fiber.go((fate, after, mute))
            self._done()

    def slow_request_is_accepted(self, which: int) -> None:
        if self.meta.slow:
            self._begin()
            self.meta.slow.pop(which % len(self.meta.slow))()
            self._done()

    def dispatcher_records(self, which: int, dies: bool) -> None:
        if answered := self._at("answer"):
            self._begin()
            self._record(pick(answered, which), dies=dies)

    def _record(self, one: Delivering, *, dies: bool = False) -> None:
        self.delivering.remove(one)
        with self.stage.life(dies=dies):
            one.fiber.go()
        assert one.fiber.at is None
        outcome = cast("Outcome | None", one.fiber.result)
        self._done(Step("record", one.claim.message_id, one.claim, outcome) if outcome else None)

    def dispatcher_crashes(self, which: int) -> None:
        if self.delivering:
            self._begin()
            self._crash(pick(self.delivering, which))
            self._done()

    def _crash(self, one: Delivering) -> None:
        self.delivering.remove(one)
        one.fiber.kill()

    def dispatcher_works_undisturbed(self, fate: Fate, after: float | None, mute: bool, crashes: bool) -> None:
        """It sends all that is due; or dies each time when the request has reached WhatsApp."""
        self._begin()
        for one in self._claim(MANY):
            one.fiber.go((fate, after, mute))
            if crashes:
                self._crash(one)
            else:
                self._record(one)
        self._done()

    def others_are_heard_of(self) -> None:
        """All that waits is sent, one more to another customer with it, and of that a status comes back: evidence."""
        self.agent_replies(2, 1, dies=False)
        known = len(self.meta.sends)
        self.dispatcher_works_undisturbed(Fate.ACCEPTED, None, mute=False, crashes=False)
        for send in self.meta.sends[known:][-1:]:
            self._arrive(self._status(send, "sent", callback=True), "now")
            self._done(Step("ingest", about=self._ingest(MANY)))

    def confirm_window_passes(self) -> None:
        self.time_passes(WINDOW.total_seconds() + 1)
        self.unknown_outcomes_are_settled(dies=False)

    def unknown_outcomes_are_settled(self, dies: bool) -> None:
        self._begin()
        with self.stage.life(dies=dies):
            self.stage.settle()
        self._done(Step("settle"))

    # --- Meta ----------------------------------------------------------------------------------------------------

    def status_comes(self, which: int, kind: str, callback: bool, arrival: str, at_once: bool) -> None:
        """A new one, or one that was told before; those of messages with a history come first. `at_once`: it is
        ingested in the same moment."""
        sends = [send for send in reversed(self.meta.sends) if not send.mute]
        sends.sort(key=lambda send: self.ledger.letters[send.message_id].is_plain)
        if not sends:
            return
        self._begin()
        send = pick(sends, which)
        if send.becomes(kind, self.stage.now):
            self._arrive(self._status(send, kind, callback=callback), arrival)
        self._done(Step("ingest", about=self._ingest(MANY)) if at_once else None)

    def _status(self, send: Send, kind: str, *, callback: bool) -> Webhook:
        body = webhook(number_id=send.number_id, statuses=[send.status(kind, callback=callback)])
        return Webhook(body, statuses=((send, kind, callback),))

    def token_expires(self, which: int) -> None:
        self._begin()
        self.meta.tokens[pick(NUMBERS, which)] = None
        self._done()

    def number_is_resumed(self, which: int) -> None:
        """With a new token, whether or not it was paused."""
        self._begin()
        self._resume(pick(NUMBERS, which))
        self._done()

    def _resume(self, number: str) -> None:
        self.stage.resume(number)
        self.ledger.paused.discard(self.stage.accounts[number])

    # --- the bot -------------------------------------------------------------------------------------------------

    def bot_begins(self, dies: bool) -> None:
        self._begin()
        claims = []
        with self.stage.life(dies=dies):
            claims = self.stage.claim_jobs(JobKind.ANSWER, MANY)
        for claim in claims:
            thinking = Thinking(self.talks.begin(claim), Fiber(lambda claim=claim: self.stage.answering.run(claim)))
            thinking.fiber.go()
            if thinking.fiber.at is not None:
                self.thinking.append(thinking)
        self._done()

    def bot_has_thought(self, which: int, answer: str, dies: bool) -> None:
        if self.thinking:
            self._begin()
            self._answer(pick(self.thinking, which), answer, dies=dies)

    def _answer(self, one: Thinking, answer: str, *, dies: bool = False) -> None:
        self.thinking.remove(one)
        before = set(self.ledger.letters)
        one.thought.talk.excuses |= _EXCUSES.get(answer, set())
        with self.stage.life(dies=dies):
            one.fiber.go(_AI_ERRORS.get(answer, "an answer"))
        assert one.fiber.at is None
        for row in self.stage.outbound():
            if row.id not in before:
                assert row.conversation_id == one.thought.talk.conversation_id
                self.talks.answered(one.thought, row.author)
        self._done(Step("write"))

    def bot_crashes(self, which: int) -> None:
        if self.thinking:
            self._begin()
            self.thinking.pop(which % len(self.thinking)).fiber.kill()
            self._done()

    def receipts_are_sent(self) -> None:
        self._begin()
        for claim in self.stage.claim_jobs(JobKind.READ, MANY):
            self.stage.finish_job(claim)
        self._done()

    # --- time ----------------------------------------------------------------------------------------------------

    def time_passes(self, seconds: float) -> None:
        """A request that has not left within its deadline never leaves: the same as a crash."""
        self._begin()
        self.stage.advance(seconds)
        for one in self._at("post"):
            if self.stage.now - one.since > DEADLINE:
                self._crash(one)
        self._done()

    # --- the end -------------------------------------------------------------------------------------------------

    def close(self) -> None:
        for fiber in [one.fiber for one in (*self.delivering, *self.thinking)]:
            fiber.kill()

    def everything_settles(self) -> None:
        """Meta and Gemini are well, every webhook comes, time passes, until nothing moves; then nothing may be lost."""
        for one in self._at("post"):
            one.fiber.go((Fate.ACCEPTED, None, False))
        for one in list(self.delivering):
            self._record(one)
        while self.meta.slow:
            self.slow_request_is_accepted(0)
        while self.held:
            self.late_webhook_comes(0)
        for number in NUMBERS:
            self._resume(number)
        still = 0
        for _ in range(60):
            before = self._picture()
            self._work_once()
            still = still + 1 if self._picture() == before else 0
            if still == 3:
                break
            self.time_passes(901.0 if still else 121.0)  # longer than any cool-down, or than the confirm window
        assert still == 3, "it never comes to rest"
        assert not self.stage.other_jobs()
        self.ledger.check_the_end()
        self.talks.check_the_end()

    def _picture(self) -> object:
        states = [(row.id, row.state, row.status) for row in self.stage.outbound()]
        return states, self.talks.waiting, sorted(self.stage.other_jobs())

    def _work_once(self) -> None:
        for send in self.meta.sends:
            for kind in () if send.mute else send.facts:
                if not any(told.kind == kind and told.callback for told in self.ledger.told[send.wa_id]):
                    self.talks.receive(self._status(send, kind, callback=True))
        self.webhooks_are_ingested(MANY, dies=False)
        self.receipts_are_sent()
        self.bot_begins(dies=False)
        for one in list(self.thinking):
            self._answer(one, "answer")
        while self._claim(MANY):
            for sending in list(self.delivering):
                sending.fiber.go((Fate.ACCEPTED, None, False))
                self._record(sending)
        self.unknown_outcomes_are_settled(dies=False)


def pick(things: list[T] | tuple[T, ...], which: int) -> T:
    return things[which % len(things)]
