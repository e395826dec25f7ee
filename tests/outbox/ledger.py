"""An account of the sends, kept from outside: what was claimed, what WhatsApp did, what we were told of it.

After every step it is compared with the database. It knows the rules (I4 to I8, I12) and nothing of how they are kept.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, NamedTuple
from uuid import UUID

from inbox.outbox.outcomes import Accepted, Outcome, PauseNumber, Refused, RetryLater, Scope, SendClaim, Unknown
from tests.outbox.fake_meta import Send
from tests.outbox.stage import START, WINDOW, OutRow, Stage

LEASE = timedelta(seconds=20)
HOLD = timedelta(seconds=15)
LONGEST_COOL_DOWN = timedelta(minutes=15)
GIVE_UP = timedelta(hours=24)
_SHOWN_WHILE_WAITING = {"pending": "queued", "sending": "sending", "unknown": "unconfirmed"}
_RANK = {"queued": 0, "sending": 0, "unconfirmed": 0, "sent": 1, "failed": 2, "delivered": 3, "read": 4}


@dataclass(frozen=True, slots=True)
class Told:
    """A status that was ingested."""

    kind: str
    at: int  #: unix seconds
    callback: bool
    heard_at: datetime  #: when it was ingested


class News(NamedTuple):
    """A status with our callback data."""

    message_id: UUID
    wa_id: str
    kind: str


@dataclass(slots=True)
class Try:
    """One claim of a message. `result` is what was committed; `open`: its dispatcher has not recorded anything."""

    claimed_at: datetime
    place: int  #: of its message then
    result: Outcome | None = None
    open: bool = True


@dataclass(slots=True)
class Letter:
    """One outbound message."""

    id: UUID
    conversation_id: UUID
    account_id: UUID
    place: int  #: in its conversation's order
    queued_at: datetime
    state: str = "pending"
    shown: str = "queued"
    tries: list[Try] = field(default_factory=list)
    licensed_at: datetime | None = None  #: when a person or the policy last allowed another send
    repeats: int = 0  #: by the policy, since a person last queued it
    hold_until: datetime | None = None  #: of its newest unknown outcome
    first_hold_end: datetime | None = None
    refused: bool = False
    known: set[str] = field(default_factory=set)  #: acceptances we have proof of
    excused: set[str] = field(default_factory=set)  #: those known when a person sent it again all the same
    written_off: set[str] = field(default_factory=set)  #: those of them that had failed

    @property
    def is_plain(self) -> bool:
        """Settled at the first try."""
        return self.state == "gone" and len(self.tries) == 1


@dataclass(frozen=True, slots=True)
class Step:
    """What the machine has just done."""

    kind: Literal["write", "ingest", "claim", "record", "settle", "resend", "other"] = "other"
    message_id: UUID | None = None
    claim: SendClaim | None = None
    outcome: Outcome | None = None
    claims: tuple[SendClaim, ...] = ()
    exhausted: bool = False  #: of a claim: more would have been taken
    about: frozenset[News] = frozenset()  #: of an ingest


class Ledger:
    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.letters: dict[UUID, Letter] = {}
        self.told: defaultdict[str, list[Told]] = defaultdict(list)  #: by WhatsApp's id
        self.unread: list[tuple[Send, datetime]] = []  #: statuses received but not ingested, with the time of receipt
        self.paused: set[UUID] = set()
        self.cool_until: dict[UUID, datetime] = {}
        self._places: Counter[UUID] = Counter()
        self._sends_seen = 0

    # --- what happens outside ------------------------------------------------------------------------------------

    def tell(self, send: Send, kind: str, *, callback: bool) -> None:
        """A status of `send` has been ingested."""
        self.told[send.wa_id].append(Told(kind, send.facts[kind], callback, self._stage.now))
        if callback:
            self.letters[send.message_id].known.add(send.wa_id)

    def look(self, step: Step) -> None:
        """Compare the database with what may have come of `step`."""
        rows = self._stage.outbound()
        assert len(rows) >= len(self.letters), "lost: a message vanished"
        self._note(step)
        self._check_acceptances()
        for row in rows:
            self._follow(row, step)
        for row in rows:
            self._check_shown(row, step)
        if step.kind == "claim" and step.exhausted:
            self._check_nothing_is_stuck(rows)
        for account_id, paused, heard_of in self._stage.numbers():
            assert paused == (account_id in self.paused), "I12: paused for no reason of its own, or not paused"
            assert heard_of is None or heard_of <= self._newest_heard_of(account_id), "I7: evidence of nothing"

    def _note(self, step: Step) -> None:
        now = self._stage.now
        if step.kind != "record" or step.claim is None:
            return
        letter, claim, outcome = self.letters[step.claim.message_id], step.claim, step.outcome
        attempt = letter.tries[claim.attempt - 1]
        attempt.result, attempt.open = outcome, False
        if isinstance(outcome, Accepted):
            letter.known.add(outcome.wa_message_id)
        elif isinstance(outcome, PauseNumber) and self._is_current(claim):
            self.paused.add(claim.account_id)
        elif isinstance(outcome, RetryLater) and outcome.scope is Scope.NUMBER:
            pause = min(timedelta(seconds=5 if outcome.after is None else outcome.after), LONGEST_COOL_DOWN)
            self.cool_until[claim.account_id] = max(now + pause, self.cool_until.get(claim.account_id, now))

    def _is_current(self, claim: SendClaim) -> bool:
        token = self._stage.cipher.decrypt(claim.access_token_encrypted or "")
        return token == self._stage.tokens[claim.phone_number_id]

    def _check_acceptances(self) -> None:
        """In the order written, unless what came before had held its lane for its time (I6)."""
        sends = self._stage.meta.sends
        for send in sends[self._sends_seen :]:
            letter = self.letters[send.message_id]
            attempt = letter.tries[send.attempt - 1]
            for other in self._before(letter, attempt.place):
                if other.state == "gone" or any(earlier.message_id == other.id for earlier in sends):
                    continue
                held = other.first_hold_end is not None and other.first_hold_end <= attempt.claimed_at
                assert held, f"I6: {attempt.place} was accepted before {other.place}"
        self._sends_seen = len(sends)

    def _before(self, letter: Letter, place: int) -> list[Letter]:
        return [
            other
            for other in self.letters.values()
            if other.conversation_id == letter.conversation_id and other.place < place
        ]

    # --- how a message moves -------------------------------------------------------------------------------------

    def _follow(self, row: OutRow, step: Step) -> None:
        letter = self.letters.get(row.id)
        if letter is None:
            assert step.kind == "write", f"a message appeared by {step.kind}"
            account_id = self._stage.account_of(row.conversation_id)
            letter = Letter(row.id, row.conversation_id, account_id, self._next_place(row), self._stage.now)
            self.letters[row.id] = letter
            assert row.state == "pending", "I5: a message without its job"
            return
        before, letter.state = letter.state, row.state
        if before == row.state and row.id not in {claim.message_id for claim in step.claims}:
            return
        match before, row.state:
            case "pending", "sending":
                self._claimed(letter, row, step)
            case "sending", "unknown":
                self._became_unknown(letter, step)
            case (("sending" | "unknown"), "pending"):
                self._queued_again(letter, step)
            case "gone", "pending":
                assert (step.kind, step.message_id) == ("resend", row.id), f"I8: {step.kind} queued it again"
                letter.place = self._next_place(row)
                letter.repeats, letter.refused = 0, False
                self._sent_again_by_a_person(letter)
            case _, "gone":
                self._settled(letter, row, step)
            case _:
                raise AssertionError(f"{before} became {row.state} by {step.kind}")

    def _next_place(self, row: OutRow) -> int:
        self._places[row.conversation_id] += 1
        return self._places[row.conversation_id]

    def _claimed(self, letter: Letter, row: OutRow, step: Step) -> None:
        now = self._stage.now
        assert [claim.message_id for claim in step.claims].count(row.id) == 1, f"{step.kind} made it sending"
        assert letter.account_id not in self.paused, "I12: a paused number sends"
        assert self.cool_until.get(letter.account_id, now) <= now, "a number sends while it cools down"
        for other in self.letters.values():
            if other.conversation_id == letter.conversation_id:
                busy = any(attempt.open and attempt.claimed_at + LEASE > now for attempt in other.tries)
                assert not busy, "I6: two sends in flight in one conversation"
        for other in self._before(letter, letter.place):
            passed_over = other.state == "unknown" and other.hold_until is not None and other.hold_until <= now
            assert other.state == "gone" or passed_over, f"I6: {letter.place} left before {other.place}"
        if letter.tries:
            last = letter.tries[-1]
            never_accepted = isinstance(last.result, RetryLater | PauseNumber | Refused)
            allowed = letter.licensed_at is not None and letter.licensed_at >= last.claimed_at
            assert never_accepted or allowed, "I8: sent again without a reason"
        letter.tries.append(Try(now, letter.place))
        assert row.attempts == len(letter.tries)

    def _became_unknown(self, letter: Letter, step: Step) -> None:
        now, last = self._stage.now, letter.tries[-1]
        recorded = step.kind == "record" and last.result is step.outcome and isinstance(step.outcome, Unknown)
        expired = step.kind == "claim" and now >= last.claimed_at + LEASE
        assert recorded or expired, f"{step.kind} made it unknown"
        letter.hold_until = now + HOLD
        letter.first_hold_end = letter.first_hold_end or letter.hold_until

    def _queued_again(self, letter: Letter, step: Step) -> None:
        if step.kind == "record":
            assert step.message_id == letter.id
            assert isinstance(step.outcome, RetryLater | PauseNumber)
            assert letter.tries[-1].result is step.outcome, "an old attempt's result moved a newer one"
            return
        if step.kind == "settle":
            self._check_policy(letter)
            letter.repeats += 1
            letter.licensed_at = self._stage.now
            return
        else:
            assert (step.kind, step.message_id) == ("resend", letter.id), f"I8: {step.kind} queued it again"
        self._sent_again_by_a_person(letter)

    def _sent_again_by_a_person(self, letter: Letter) -> None:
        letter.licensed_at = letter.queued_at = self._stage.now
        letter.excused |= letter.known
        letter.written_off |= {send.wa_id for send in self._sends_of(letter) if not self._alive(send.wa_id)}

    def _check_policy(self, letter: Letter) -> None:
        """I7: the window passed, later sends were heard of, this one was not, and it is the first repeat."""
        last, number = letter.tries[-1], len(letter.tries)
        assert self._stage.now >= last.claimed_at + WINDOW, "I7: repeated before the confirm window passed"
        assert letter.repeats == 0, "I7: repeated twice"
        assert self._heard_of_later_sends(letter), "I7: repeated without evidence"
        for send, received_at in self.unread:
            mine = (send.message_id, send.attempt) == (letter.id, number)
            assert not mine or received_at > last.claimed_at + WINDOW, "I7: repeated although its status had come"
        for send in self._sends_of(letter):
            assert send.attempt != number or not any(told.callback for told in self.told[send.wa_id])

    def _heard_of_later_sends(self, letter: Letter) -> bool:
        return any(
            self.told[send.wa_id] and self._claimed_at(send) > letter.tries[-1].claimed_at
            for send in self._stage.meta.sends
            if self.letters[send.message_id].account_id == letter.account_id
        )

    def _newest_heard_of(self, account_id: UUID) -> datetime:
        """When the newest send was begun of which some status has come."""
        sends = [send for send in self._stage.meta.sends if self.told[send.wa_id]]
        mine = [send for send in sends if self.letters[send.message_id].account_id == account_id]
        return max(map(self._claimed_at, mine), default=START)

    def _claimed_at(self, send: Send) -> datetime:
        return self.letters[send.message_id].tries[send.attempt - 1].claimed_at

    def _sends_of(self, letter: Letter) -> list[Send]:
        return [send for send in self._stage.meta.sends if send.message_id == letter.id]

    def _settled(self, letter: Letter, row: OutRow, step: Step) -> None:
        if step.kind == "ingest":
            news = [news for news in step.about if news.message_id == row.id]
            assert news, "settled by nothing that was told"
            fresh = [one for one in news if one.wa_id not in letter.written_off or one.kind in ("delivered", "read")]
            assert fresh, "a resend was undone by what was told again of the send that failed"
            return
        assert (step.kind, step.message_id) == ("record", row.id), f"{step.kind} settled it"
        if isinstance(step.outcome, Accepted):
            assert step.outcome.wa_message_id not in letter.written_off, "a resend was undone by a send that failed"
            return
        assert letter.tries[-1].result is step.outcome, "an old attempt's result settled a newer one"
        gave_up = isinstance(step.outcome, RetryLater) and self._stage.now - letter.queued_at > GIVE_UP
        assert isinstance(step.outcome, Refused) or gave_up, f"I7: {step.outcome} is no end"
        letter.refused = True

    # --- what is shown -------------------------------------------------------------------------------------------

    def _check_shown(self, row: OutRow, step: Step) -> None:
        letter = self.letters[row.id]
        resent = step.kind == "resend" and step.message_id == row.id
        assert resent or _RANK[row.status] >= _RANK[letter.shown], f"I4: {letter.shown} became {row.status}"
        letter.shown = row.status
        sends = self._sends_of(letter)
        told = {send.wa_id: self.told[send.wa_id] for send in sends}
        every = {entry.kind for entries in told.values() for entry in entries}
        sure = [entry for wa_id, entries in told.items() for entry in entries if entry.callback or wa_id == row.wa_id]
        known = {wa_id for wa_id in letter.known if self._alive(wa_id)}
        furthest = max((_RANK[entry.kind] for entry in sure if entry.kind in ("delivered", "read")), default=0)
        assert _RANK[row.status] >= furthest, f"I4: {row.status} is shown, but more was told"
        if row.state != "gone":
            assert row.status == _SHOWN_WHILE_WAITING[row.state]
            assert not known - letter.excused, "I7: proof of acceptance was not heeded"
        elif row.status == "sent":
            assert known, "shown as sent, but every acceptance we know of failed"
        elif row.status == "failed":
            assert letter.refused or "failed" in every
            assert row.error, "a failure without its reason"
        else:
            assert row.status in every | {"delivered"} if "read" in every else row.status in every
        self._check_times(row, sure, told)
        ids = {send.wa_id for send in sends}
        assert ids.issuperset(filter(None, (row.wa_id, row.other_wa_id)))
        assert row.wa_id is None or row.wa_id != row.other_wa_id
        if len(known - letter.excused) > 1:
            assert row.other_wa_id, "the customer has it twice, and nothing says so"

    def has_failed(self, message_id: UUID) -> bool:
        """WhatsApp has refused it, or told of one of its sends that it failed."""
        letter = self.letters[message_id]
        kinds = {entry.kind for send in self._sends_of(letter) for entry in self.told[send.wa_id]}
        return letter.refused or "failed" in kinds

    def _alive(self, wa_id: str) -> bool:
        """Accepted, and not known to have failed since."""
        kinds = {entry.kind for entry in self.told[wa_id]}
        return "failed" not in kinds or bool(kinds & {"delivered", "read"})

    def _check_times(self, row: OutRow, sure: list[Told], told: dict[str, list[Told]]) -> None:
        """Every time shown was told, and none that was surely told is earlier."""
        for shown, kinds in ((row.delivered_at, {"delivered", "read"}), (row.read_at, {"read"})):
            every = {entry.at for entries in told.values() for entry in entries if entry.kind in kinds}
            known = [entry.at for entry in sure if entry.kind in kinds]
            assert shown is None or shown.timestamp() in every
            assert not known or (shown is not None and shown.timestamp() <= min(known))

    def _check_nothing_is_stuck(self, rows: list[OutRow] | tuple[OutRow, ...]) -> None:
        """After claiming all there is, no message that may leave is left."""
        now = self._stage.now
        for row in rows:
            letter = self.letters[row.id]
            if row.state != "pending" or row.due_at is None or row.due_at > now or letter.account_id in self.paused:
                continue
            talk = [other for other in self.letters.values() if other.conversation_id == letter.conversation_id]
            waits = (
                self.cool_until.get(letter.account_id, now) > now
                or any(other.state in ("pending", "sending") and other.place < letter.place for other in talk)
                or any(other.state == "sending" for other in talk)
                or any(other.state == "unknown" and other.hold_until and other.hold_until > now for other in talk)
                or any(attempt.open and attempt.claimed_at + LEASE > now for other in talk for attempt in other.tries)
            )
            assert waits, f"{letter.place} may leave, but nobody takes it"

    # --- at the end ----------------------------------------------------------------------------------------------

    def check_the_end(self) -> None:
        """Everything has settled: each message was sent, has failed with a reason, or nobody can know."""
        rows = self._stage.outbound()
        depth = self._stage.depth()
        assert (depth.waiting, depth.unconfirmed) == (0, sum(row.state == "unknown" for row in rows)), "I13"
        for row in rows:
            letter = self.letters[row.id]
            assert row.state in ("gone", "unknown"), f"lost: it stays {row.state}"
            if row.state == "gone":
                continue
            number = len(letter.tries)
            proof = [send for send in self._sends_of(letter) if self.told[send.wa_id] and send.attempt == number]
            assert not any(entry.callback for send in proof for entry in self.told[send.wa_id])
            assert letter.repeats or not self._sure_of_later_sends(letter), "I7: not repeated in spite of evidence"

    def _sure_of_later_sends(self, letter: Letter) -> bool:
        """As _heard_of_later_sends, within the confirm window: after one without a word it starts again, and is longer.

        Counts only statuses that name the attempt they are about.
        """
        until = letter.tries[-1].claimed_at + WINDOW
        return any(
            any(entry.callback and entry.heard_at <= until for entry in self.told[send.wa_id])
            and self._claimed_at(send) > letter.tries[-1].claimed_at
            and send.attempt == len(self.letters[send.message_id].tries)
            for send in self._stage.meta.sends
            if self.letters[send.message_id].account_id == letter.account_id
        )
