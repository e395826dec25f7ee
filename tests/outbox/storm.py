"""A kill storm in accelerated time: real rows, real rules, and a Meta that repeats webhooks as WhatsApp does.

Web processes are killed, stopped and started, shed and refuse; the worker is killed in the middle of sends. WhatsApp
repeats what was not taken at once, then after minutes that grow, and takes messages whose answers never reach us.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from sqlalchemy import event, select

from inbox.models import Conversation, Message, MessageStatus, WebhookEvent
from inbox.operations import processes
from inbox.operations.processes import Identity, Report
from inbox.outbox import settle
from inbox.outbox.due import next_send
from inbox.outbox.outcomes import Accepted, Outcome, SendClaim, Unknown, parse_callback
from inbox.webhooks.ingest import ingest_batch
from inbox.webhooks.missed import Missed
from tests.builders import status, webhook
from tests.outbox.world import World

WINDOW = 120.0  # seconds, the default
STORM, CALM = 600, 5400  # seconds
_CUSTOMERS = 12
_LOOK = 10  # seconds between two looks at unknown outcomes


@dataclass
class Web:
    """A web process. `alive` ends when it is killed, with the requests that it holds."""

    who: Identity
    missed: Missed
    alive: bool = True


@dataclass
class Storm:
    """One story, told by its seed. run() tells it."""

    world: World
    seed: int
    kills: int = 30
    accepted: Counter[UUID] = field(default_factory=Counter)  #: by WhatsApp, by message
    repeated: int = 0  #: sends that the rule made again by itself

    def __post_init__(self) -> None:
        db = self.world.db
        if not db.is_postgres:  # a power cut is not in the story
            event.listen(db.engine, "connect", lambda connection, _: connection.execute("PRAGMA synchronous=OFF"))
            db.engine.dispose()
        self.rng = random.Random(self.seed)
        self.at = 0.0  # seconds since the start
        self._start = self.world.now
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._webs: list[Web] = []
        self._worker = 0  # its generation: what an earlier one held is gone
        self._first_delay = self.rng.uniform(20, 300)

    @property
    def stormy(self) -> bool:
        return self.at < STORM

    def after(self, seconds: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._events, (self.at + seconds, next(self._order), act))

    def run(self) -> None:
        """The storm, then the calm."""
        self._start_web()
        self._start_web()
        for _n in range(self.kills):
            self.after(self.rng.uniform(5, STORM), self.rng.choice([self._kill_web, self._kill_web, self._kill_worker]))
        self._write(0)
        self._housekeeping()
        while self._events and self._events[0][0] <= STORM + CALM:
            self.at, _, act = heapq.heappop(self._events)
            self.world.now = self._start + timedelta(seconds=self.at)
            act()

    # --- the business ------------------------------------------------------------------------------------------------

    def _write(self, number: int) -> None:
        self.world.queue(f"message {number}", to=f"customer {self.rng.randrange(_CUSTOMERS)}")
        self.after(
            self.rng.uniform(1, 8) if self.stormy else self.rng.uniform(60, 300), lambda: self._write(number + 1)
        )

    def _start_web(self) -> None:
        who = Identity(UUID(int=self.rng.getrandbits(128)), "web", "host", 1, self.world.now)
        web = Web(who, Missed(clock=lambda: self.at))
        self._webs.append(web)
        self._report(web)

    def _report(self, web: Web) -> None:
        with self.world.db.writing() as session:
            processes.save(session, web.who, Report(), self.world.now, web.missed.ago())
            processes.prune(session, self.world.now)

    def _kill_web(self) -> None:
        """Sometimes it says goodbye. Another one is started, now and then two."""
        alive = [web for web in self._webs if web.alive]
        if not alive:
            return
        victim = self.rng.choice(alive)
        victim.alive = False
        self._webs.remove(victim)
        if self.rng.random() < 0.2:
            with self.world.db.writing() as session:
                processes.stop(session, victim.who, self.world.now)
        for _ in range(self.rng.choice([1, 1, 1, 2]) if len(alive) == 1 else self.rng.choice([0, 1])):
            self.after(self.rng.uniform(0.5, 20), self._start_web)

    def _kill_worker(self) -> None:
        """Nothing is recorded of what it has in hand. Another one is there soon."""
        self._worker += 1

    def _work(self) -> None:
        """The worker is awake: it claims what is due."""
        with self.world.db.reading() as session:
            due = (next_send(session) or self.world.now + timedelta(days=1)) <= self.world.now
        for claim in self.world.claim() if due else ():
            self._send(claim, self._worker)

    def _housekeeping(self) -> None:
        """Reports are written when they are looked at: as good, and there are thousands of them."""
        with self.world.db.reading() as session:
            due = (session.scalar(settle.first_due()) or self.world.now + timedelta(days=1)) <= self.world.now
        if due:
            for web in self._webs:
                self._report(web)
            self.repeated += self.world.settle(WINDOW)
        self._work()
        self.after(_LOOK, self._housekeeping)

    # --- WhatsApp ----------------------------------------------------------------------------------------------------

    def _send(self, claim: SendClaim, generation: int) -> None:
        fate = self.rng.choices(["well", "lost", "broken"], [6, 3, 1])[0] if self.stormy else "well"

        def post() -> None:
            if generation != self._worker or fate == "broken":
                return self._answer(claim, generation, Unknown("reset"))
            wa_id = f"wamid.{claim.message_id.hex}.{claim.attempt}"
            self._accept(claim, wa_id)
            return self._answer(claim, generation, Unknown("reset") if fate == "lost" else Accepted(wa_id))

        self.after(self.rng.uniform(0.05, 1), post)

    def _answer(self, claim: SendClaim, generation: int, outcome: Outcome) -> None:
        def record() -> None:
            if generation == self._worker:
                self.world.record(claim, outcome)
                self._work()

        self.after(self.rng.uniform(0.05, 1), record)

    def _accept(self, claim: SendClaim, wa_id: str) -> None:
        self.accepted[claim.message_id] += 1
        assert parse_callback(claim.callback_data) == (claim.message_id, claim.attempt)
        for kind, seconds in (("sent", 0.5), ("delivered", 2.0)):
            at = int(self.world.now.timestamp())
            body = webhook(statuses=[status(kind, wa_id=wa_id, at=at, callback=claim.callback_data)])
            self.after(self.rng.uniform(0.2, 1) + seconds, lambda body=body: self._deliver(body, 0))

    def _deliver(self, body: bytes, tries: int) -> None:
        web = self.rng.choice(self._webs) if self._webs else None
        if web is None or (self.stormy and self.rng.random() < 0.1):
            if web is not None:
                web.missed.note()  # shed, or the database was away
            self._repeat(body, tries)
            return

        def take() -> None:
            if not web.alive:
                self._repeat(body, tries)
                return
            row = {"id": UUID(int=next(self._order) | 7 << 76), "body": body, "size": len(body)}
            self.world.db.insert_alone(WebhookEvent, {**row, "received_at": self.world.now})
            ingest_batch(self.world.db, settings=self.world.runtime.ingest_settings)

        self.after(self.rng.uniform(0.01, 0.8), take)

    def _repeat(self, body: bytes, tries: int) -> None:
        """At once, then ever less often: minutes that grow."""
        delay = 0.2 if tries == 0 else self._first_delay * 2.0 ** (tries - 1) * self.rng.uniform(0.8, 1.0)
        self.after(delay, lambda: self._deliver(body, tries + 1))

    # --- how it ends -------------------------------------------------------------------------------------------------

    def doubled(self) -> int:
        return sum(count > 1 for count in self.accepted.values())

    def unconfirmed(self) -> list[Message]:
        """Messages of which nobody knows; each must be shown to people."""
        with self.world.db.reading() as session:
            query = select(Message).where(Message.status == MessageStatus.UNCONFIRMED)
            messages = list(session.execute(query).scalars())
            for message in messages:
                conversation = session.get_one(Conversation, message.conversation_id)
                assert conversation.needs_human, "a message of which nobody knows is shown to nobody"
        return messages

    def people_look(self) -> None:
        """They ask the customers, and send again what did not arrive."""
        for message in self.unconfirmed():
            if not self.accepted[message.id]:
                self.world.resend(message.id)
        horizon = self.at + 600
        while self._events and self._events[0][0] <= horizon:
            self.at, _, act = heapq.heappop(self._events)
            self.world.now = self._start + timedelta(seconds=self.at)
            act()
