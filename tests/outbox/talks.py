"""An account of what customers wrote and of who answered, kept from outside (I2, I3, I9, I10, I12, I13, I17)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal
from uuid import UUID

from inbox.bot.answer import MAX_REWRITES
from inbox.models import Conversation
from inbox.outbox.jobs import PATIENCE, JobClaim
from tests.builders import text_message, webhook
from tests.outbox.fake_meta import Send
from tests.outbox.ledger import Ledger, News
from tests.outbox.stage import BOT_STAYS_OUT, NUMBERS, START, Stage

NOWHERE = UUID(int=0)
HOUR = timedelta(hours=1)
CLOCKS_DIFFER = timedelta(minutes=10)
WINDOW = timedelta(hours=24)  # in which WhatsApp takes free text
ANSWERS_AN_HOUR = 20
_ANSWERING = ("bot", "agent")


@dataclass(slots=True)
class Word:
    """A message of a customer that was ingested."""

    wa_id: str
    at: datetime
    waits: bool  #: nobody has answered it, and somebody should
    version: int = 0  #: +1 when it was edited or revoked


@dataclass(slots=True)
class Talk:
    """One customer of one number, as far as it was ingested."""

    number: str
    phone: str
    conversation_id: UUID = NOWHERE  #: until the first message is ingested
    acts: int = 0  #: of people: replies to all there was, switches, resends
    bot_on: bool = True
    quiet_until: datetime | None = None  #: the bot leaves a person's talk alone
    person_replied_at: datetime = START - WINDOW
    echoed_at: datetime = START - WINDOW  #: when a reply from the phone app was ingested last
    bot_replied_at: datetime = START - WINDOW
    words: list[Word] = field(default_factory=list)
    unread: int = 0
    excuses: set[str] = field(default_factory=set)  #: reasons for which the bot may have asked for a person

    @property
    def waiting(self) -> list[Word]:
        return [word for word in self.words if word.waits]

    def hears(self, wa_id: str, at: datetime, now: datetime) -> None:
        """A customer's message is ingested."""
        late = at < self.person_replied_at or (now - at > HOUR and at < self.bot_replied_at)
        self.words.append(Word(wa_id, at, waits=not late))
        self.unread += 1

    def person_acts(self, now: datetime, *, replied: bool) -> None:
        """Somebody replied here, had a message sent again, or switched the bot."""
        self.acts += 1
        self.quiet_until = now + BOT_STAYS_OUT if replied else None
        if replied:
            newest = max(word.at for word in self.words)
            self.person_replied_at = max(self.person_replied_at, newest, now - CLOCKS_DIFFER)
            self.settle(self.words)

    def person_typed_in_app(self, at: datetime) -> None:
        """Somebody replied in the phone app at `at`, and the echo is ingested."""
        self.person_replied_at = max(self.person_replied_at, at)
        self.quiet_until = max(self.quiet_until or at, at + BOT_STAYS_OUT)
        newer = sum(word.at > at for word in self.words)
        self.acts += not newer
        self.unread = min(self.unread, newer)
        self.settle(word for word in self.words if word.at <= at)

    def settle(self, words: Iterable[Word]) -> None:
        for word in words:
            word.waits = False

    def word(self, wa_id: str) -> Word | None:
        return next((word for word in self.words if word.wa_id == wa_id), None)


@dataclass(frozen=True, slots=True)
class Deed:
    """What a webhook says of a talk. `wa_id` is its own; `target` is the message it edits or revokes."""

    kind: Literal["text", "echo", "edit", "revoke"]
    wa_id: str
    talk: Talk
    at: datetime
    target: str = ""


@dataclass(frozen=True, slots=True)
class Webhook:
    """A body and what it says: deeds, statuses (send, kind, with callback data), junk."""

    body: bytes
    deeds: tuple[Deed, ...] = ()
    statuses: tuple[tuple[Send, str, bool], ...] = ()
    junk: int = 0  #: items that can only become dead letters


@dataclass(frozen=True, slots=True)
class Thought:
    """A bot's answer begun: how the talk stood then."""

    claim: JobClaim
    talk: Talk
    acts: int
    asked: tuple[tuple[Word, int], ...]  #: what waited, with its version


class Talks:
    def __init__(self, stage: Stage, ledger: Ledger) -> None:
        self._stage = stage
        self._ledger = ledger
        self.talks = [Talk(number, f"3360000000{n}") for n, number in enumerate((*NUMBERS, NUMBERS[0]))]
        self._waiting: list[Webhook] = []
        self._stored: set[str] = set()
        self._notes: dict[str, list[Deed]] = {}  #: edits and revocations by their target
        self._together: set[str] = set()  #: what customers wrote of the webhooks that were ingested in one go
        self._sums: Counter[str] = Counter()
        self._written = 0
        self._failed: set[UUID] = set()  #: answers that had failed when we looked last

    # --- in ------------------------------------------------------------------------------------------------------

    def write(self, talk: Talk, count: int) -> Webhook:
        """A customer writes: one webhook with `count` messages."""
        deeds = [self._deed("text", talk) for _ in range(count)]
        messages = [text_message("hello", wa_id=each.wa_id, phone=talk.phone, at=_unix(each)) for each in deeds]
        return Webhook(webhook(number_id=talk.number, messages=messages), tuple(deeds))

    def echo(self, talk: Talk) -> Webhook:
        """A colleague replies in the phone app."""
        deed = self._deed("echo", talk)
        message = {**text_message("from the app", wa_id=deed.wa_id, at=_unix(deed)), "to": talk.phone, "from": "337"}
        body = webhook(number_id=talk.number, field="smb_message_echoes", message_echoes=[message])
        return Webhook(body, (deed,))

    def annotate(self, kind: Literal["edit", "revoke"], talk: Talk, target: str) -> Webhook:
        """The customer edits or revokes what they wrote."""
        deed = self._deed(kind, talk, target)
        inner = {"original_message_id": target}
        message = {"type": "text", "text": {"body": f"other words {self._written}"}}
        body = {kind: {**inner, "message": message} if kind == "edit" else inner}
        head = {"from": talk.phone, "id": deed.wa_id, "timestamp": str(_unix(deed)), "type": kind}
        return Webhook(webhook(number_id=talk.number, messages=[head | body]), (deed,))

    def _deed(self, kind: Literal["text", "echo", "edit", "revoke"], talk: Talk, target: str = "") -> Deed:
        self._written += 1
        at = datetime.fromtimestamp(int(self._stage.now.timestamp()), UTC)
        return Deed(kind, f"wamid.in{self._written}", talk, at, target)

    def receive(self, hook: Webhook) -> None:
        """The webhook reaches us."""
        self._stage.webhook(hook.body)
        self._sums["events"] += 1
        self._waiting.append(hook)
        self._ledger.unread += [(send, self._stage.now) for send, _, _ in hook.statuses]

    def ingested(self, count: int) -> frozenset[News]:
        """The oldest `count` webhooks were ingested. What statuses with callback data told."""
        done, self._waiting = self._waiting[:count], self._waiting[count:]
        about: set[News] = set()
        self._together = {deed.wa_id for hook in done for deed in hook.deeds if deed.kind == "text"}
        for hook in done:
            self._sums["done"] += 1
            self._sums["items"] += len(hook.deeds) + hook.junk
            self._sums["dead"] += hook.junk
            for deed in hook.deeds:
                self._heard(deed)
            for send, kind, callback in hook.statuses:
                del self._ledger.unread[0]
                self._ledger.tell(send, kind, callback=callback)
                if callback:
                    about.add(News(send.message_id, send.wa_id, kind))
        return frozenset(about)

    def _heard(self, deed: Deed) -> None:
        if deed.wa_id in self._stored:
            self._sums["duplicates"] += 1
            self._original_comes(deed)
            return
        self._stored.add(deed.wa_id)
        self._sums["stored"] += 1
        match deed.kind:
            case "text":
                self._hear(deed.talk, deed.wa_id, deed.at)
            case "echo":
                deed.talk.person_typed_in_app(deed.at)
                deed.talk.echoed_at = self._stage.now
            case _:
                self._notes.setdefault(deed.target, []).append(deed)
                alone = deed.target not in self._together and deed.talk.word(deed.target) is None
                if deed.kind == "edit" and alone:  # it is shown as the message
                    self._stored.add(deed.target)
                    self._hear(deed.talk, deed.target, deed.at)
                else:
                    self._reword(deed)

    def _hear(self, talk: Talk, wa_id: str, at: datetime) -> None:
        talk.hears(wa_id, at, self._stage.now)
        for note in self._notes.get(wa_id, []):
            self._reword(note)

    def _original_comes(self, deed: Deed) -> None:
        """Of what only an edit had told: it is given its own time."""
        word = deed.talk.word(deed.wa_id)
        if deed.kind == "text" and word is not None and word.at != deed.at:
            word.at = deed.at
            word.version += 1

    def _reword(self, note: Deed) -> None:
        word = note.talk.word(note.target)
        if word is not None:
            word.version += 1
            word.waits = word.waits and note.kind != "revoke"

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    # --- the bot -------------------------------------------------------------------------------------------------

    def begin(self, claim: JobClaim) -> Thought:
        talk = next(talk for talk in self.talks if talk.conversation_id == claim.conversation_id)
        return Thought(claim, talk, talk.acts, tuple((word, word.version) for word in talk.waiting))

    def answered(self, thought: Thought, author: str) -> None:
        """A message of the bot was queued: may it have been?"""
        talk, now = thought.talk, self._stage.now
        assert talk.acts == thought.acts, "I9: an answer begun before a person acted was queued"
        assert talk.bot_on, "I9: the bot answers although it is off"
        assert talk.quiet_until is None or talk.quiet_until <= now, "I9: the bot answers in a person's talk"
        assert any(word.waits for word, _ in thought.asked), "I9: answered twice"
        assert all(word.version == version for word, version in thought.asked), "an answer to what was reworded"
        if author == "bot":
            asked = [word for word, _ in thought.asked]
            patient = thought.claim.attempts <= MAX_REWRITES and now < thought.claim.created_at + PATIENCE
            wrote_on = [word for word in talk.waiting if word not in asked]
            assert not patient or not wrote_on, "I9: the customer wrote on, and got an answer to less"
            talk.bot_replied_at = now
            talk.settle(asked)

    # --- what must hold ------------------------------------------------------------------------------------------

    def look(self) -> None:
        """Every message is stored exactly once, the terms of I13 add up, and nobody is forgotten."""
        texts = {deed for deed in self._stored if deed in self._words()}
        assert self._stage.inbound() == sorted(texts), "I2: a customer's message is missing or stored twice"
        self._check_sums()
        answers, rows = self._stage.answers(), {row.id: row for row in self._stage.talks()}
        since = self._stage.waiting_since()
        for talk in self.talks:
            if talk.conversation_id == NOWHERE:
                continue
            row = rows[talk.conversation_id]
            assert row.unread_count == talk.unread, "I2: unread"
            assert row.waiting_since == since.get(row.id), "somebody waits, or does not, and the row says otherwise"
            assert not row.needs_human or self._may_ask(talk, row.needs_human_reason), f"I10: {row.needs_human_reason}"
            cared_for = row.needs_human or not talk.bot_on or talk.conversation_id in answers
            assert cared_for or not talk.waiting, "I17: a customer's last word is forgotten"
        self._check_failures(rows)

    def _check_failures(self, rows: Mapping[UUID, Conversation]) -> None:
        """An answer that has just failed asks for a person, unless a person's later reply may still arrive."""
        ours = [row for row in self._stage.outbound() if row.author in _ANSWERING]
        failed = {row.id for row in ours if row.status == "failed"}
        replies = [self._ledger.letters[row.id] for row in ours if row.author == "agent" and row.id not in failed]
        for letter in (self._ledger.letters[each] for each in failed - self._failed):
            mine = [talk.echoed_at for talk in self.talks if talk.conversation_id == letter.conversation_id]
            mine += [other.queued_at for other in replies if other.conversation_id == letter.conversation_id]
            asks = rows[letter.conversation_id].needs_human
            assert asks or max(mine) > letter.queued_at, "I17: an answer failed, and nobody is asked for"
        self._failed = failed

    def check_the_end(self) -> None:
        """The last question is answered, or a person was asked for, or has switched the bot off."""
        rows = {row.id: row for row in self._stage.talks()}
        for talk in self.talks:
            open_end = rows[talk.conversation_id].needs_human or not talk.bot_on
            assert open_end or not talk.waiting, "I17: the last question stays unanswered"

    def _words(self) -> set[str]:
        return {word.wa_id for talk in self.talks for word in talk.words}

    def _check_sums(self) -> None:
        sums, events = self._sums, self._stage.events()
        done, items, stored, duplicates, dead = events.get("done", (0,) * 5)
        assert events.keys() <= {"done", "pending"}
        assert done == sums["done"], "I13: an event is missing"
        assert events.get("pending", (0,))[0] == sums["events"] - done == len(self._waiting)
        wanted = (sums["items"], sums["stored"], sums["duplicates"], sums["dead"])
        assert (items, stored, duplicates, dead) == wanted, "I13: the terms do not add up"
        assert items == stored + duplicates + dead

    def _may_ask(self, talk: Talk, reason: str | None) -> bool:
        """A reason that a person would accept: it really happened in this talk."""
        if reason == "reply_window_closed":
            return any(self._stage.now - word.at >= WINDOW for word in talk.words)
        mine = [row for row in self._stage.outbound() if row.conversation_id == talk.conversation_id]
        if reason == "answer_limit":
            return sum(row.author == "bot" for row in mine) >= ANSWERS_AN_HOUR
        if reason == "answer_failed":
            return any(row.author in _ANSWERING and self._ledger.has_failed(row.id) for row in mine)
        if reason == "unconfirmed":
            return any(row.state == "unknown" for row in mine)
        return reason in talk.excuses


def _unix(deed: Deed) -> int:
    return int(deed.at.timestamp())
