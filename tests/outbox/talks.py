"""An account of what customers wrote and of who answered, kept from outside (I2, I9, I12, I13)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from inbox.bot.answer import MAX_REWRITES
from inbox.outbox.jobs import JobClaim
from tests.builders import text_message, webhook
from tests.outbox.fake_meta import Send
from tests.outbox.ledger import Ledger, News
from tests.outbox.stage import BOT_STAYS_OUT, NUMBERS, Stage

NOWHERE = UUID(int=0)


@dataclass(slots=True)
class Talk:
    """One customer of one number. The counts are of messages that were ingested."""

    number: str
    phone: str
    conversation_id: UUID = NOWHERE  #: until the first message is ingested
    acts: int = 0  #: of people: replies, switches, resends
    bot_on: bool = True
    quiet_until: datetime | None = None  #: the bot leaves a person's talk alone
    heard: int = 0
    answered: int = 0
    unread: int = 0

    def person_acts(self, now: datetime, *, replied: bool) -> None:
        self.acts += 1
        self.quiet_until = now + BOT_STAYS_OUT if replied else None
        if replied:
            self.answered = self.heard


@dataclass(frozen=True, slots=True)
class Webhook:
    """A body and what it says: messages (WhatsApp's id, whose), statuses (send, kind, with callback data), junk."""

    body: bytes
    messages: tuple[tuple[str, Talk], ...] = ()
    statuses: tuple[tuple[Send, str, bool], ...] = ()
    junk: int = 0  #: items that can only become dead letters


@dataclass(frozen=True, slots=True)
class Thought:
    """A bot's answer begun: how the talk stood then."""

    claim: JobClaim
    talk: Talk
    acts: int
    heard: int


class Talks:
    def __init__(self, stage: Stage, ledger: Ledger) -> None:
        self._stage = stage
        self._ledger = ledger
        self.talks = [Talk(number, f"3360000000{n}") for n, number in enumerate((*NUMBERS, NUMBERS[0]))]
        self._waiting: list[Webhook] = []
        self._stored: set[str] = set()
        self._sums: Counter[str] = Counter()
        self._written = 0

    # --- in ------------------------------------------------------------------------------------------------------

    def write(self, talk: Talk, count: int) -> Webhook:
        """A customer writes: one webhook with `count` messages."""
        at = int(self._stage.now.timestamp())
        ids = [f"wamid.in{self._written + n}" for n in range(count)]
        self._written += count
        messages = [text_message("hello", wa_id=wa_id, phone=talk.phone, at=at) for wa_id in ids]
        return Webhook(webhook(number_id=talk.number, messages=messages), tuple((wa_id, talk) for wa_id in ids))

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
        for hook in done:
            self._sums["done"] += 1
            self._sums["items"] += len(hook.messages) + hook.junk
            self._sums["dead"] += hook.junk
            for wa_id, talk in hook.messages:
                self._heard(wa_id, talk)
            for send, kind, callback in hook.statuses:
                del self._ledger.unread[0]
                self._ledger.tell(send, kind, callback=callback)
                if callback:
                    about.add(News(send.message_id, send.wa_id, kind))
        return frozenset(about)

    def _heard(self, wa_id: str, talk: Talk) -> None:
        if wa_id in self._stored:
            self._sums["duplicates"] += 1
            return
        self._stored.add(wa_id)
        self._sums["stored"] += 1
        talk.heard += 1
        talk.unread += 1

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    # --- the bot -------------------------------------------------------------------------------------------------

    def begin(self, claim: JobClaim) -> Thought:
        talk = next(talk for talk in self.talks if talk.conversation_id == claim.conversation_id)
        return Thought(claim, talk, talk.acts, talk.heard)

    def answered(self, thought: Thought, author: str) -> None:
        """A message of the bot was queued: may it have been?"""
        talk, now = thought.talk, self._stage.now
        assert talk.acts == thought.acts, "I9: an answer begun before a person acted was queued"
        assert talk.bot_on, "I9: the bot answers although it is off"
        assert talk.quiet_until is None or talk.quiet_until <= now, "I9: the bot answers in a person's talk"
        assert talk.answered < thought.heard, "I9: answered twice"
        if author == "bot":
            patient = thought.claim.attempts <= MAX_REWRITES
            assert not patient or talk.heard == thought.heard, "I9: the customer wrote on, and got an answer to less"
            talk.answered = thought.heard

    # --- what must hold ------------------------------------------------------------------------------------------

    def look(self) -> None:
        """Every message is stored exactly once, and the terms of I13 add up."""
        assert self._stage.inbound() == sorted(self._stored), "I2: a customer's message is missing or stored twice"
        sums, events = self._sums, self._stage.events()
        done, items, stored, duplicates, dead = events.get("done", (0,) * 5)
        assert events.keys() <= {"done", "pending"}
        assert done == sums["done"], "I13: an event is missing"
        assert events.get("pending", (0,))[0] == sums["events"] - done == len(self._waiting)
        wanted = (sums["items"], sums["stored"], sums["duplicates"], sums["dead"])
        assert (items, stored, duplicates, dead) == wanted, "I13: the terms do not add up"
        assert items == stored + duplicates + dead
        unread = self._stage.unread()
        for talk in self.talks:
            if talk.conversation_id != NOWHERE:
                assert unread[talk.conversation_id] == talk.unread, "I2: unread"
