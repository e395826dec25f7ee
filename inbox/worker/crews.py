"""Which crews a dispatcher has, and what each of them does."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from threading import Event
from typing import Any, cast
from uuid import UUID

from sqlalchemy.orm import Session

from inbox.bot.answer import Answering
from inbox.db import Database
from inbox.db.schema import SchemaGate
from inbox.db.wake import GATHER, Wakeups, Work
from inbox.hooks.delivering import Delivering
from inbox.knowledge.reading import Reading
from inbox.media.keeping import Keeping
from inbox.metrics import meters
from inbox.models import JobKind
from inbox.outbox import jobs, store
from inbox.outbox.deliver import Delivery
from inbox.outbox.due import next_send
from inbox.outbox.jobs import JobClaim
from inbox.outbox.outcomes import SendClaim
from inbox.outbox.trouble import HANGS
from inbox.resilience import WHATSAPP
from inbox.webhooks.applying.placed import IngestSettings
from inbox.webhooks.ingest import events_pending, ingest_batch
from inbox.worker.dispatcher import Claim, Crew, Dispatcher
from inbox.worker.housekeeping import Housekeeping

_FILES = 2  # threads that keep files: people who wait for one take turns with them
_HOOKS = 4  # threads for webhooks to others, at most two of them at one endpoint
_RECEIPTS = 4  # threads for read receipts and typing signs
_STATUSES_APART = 0.5  # seconds: messages are ingested more often (GATHER), and statuses cost less in one batch


@dataclass
class Turn:
    """When something had its turn last, by time.monotonic()."""

    at: float = -math.inf


@dataclass(frozen=True, kw_only=True)
class Crews:
    """The claim and handle functions of the crews of one process."""

    db: Database
    wakeups: Wakeups
    schema: SchemaGate
    ingesting: IngestSettings
    delivery: Delivery
    answering: Answering
    keeping: Keeping
    hooks: Delivering
    reading: Reading
    housekeeping: Housekeeping
    stopping: Event
    statuses: Turn = field(default_factory=Turn)  #: of webhooks that hold nothing else

    def dispatcher(self, *, deliver_threads: int, answer_threads: int) -> Dispatcher:
        """All crews, not started yet."""
        crews = [
            Crew(
                Work.INGEST,
                1,
                self.gated(lambda _threads: ("events",)),  # the ingester takes a whole batch, by itself
                self.ingest,
                self.wakeups,
                next_due=self.next_events,
                refills=False,
            ),
            Crew(
                Work.DELIVER,
                deliver_threads,
                self.gated(self.sends),
                self.deliver,
                self.wakeups,
                next_due=self.next_send,
                gather=GATHER,
            ),
            Crew(
                Work.SPARE,
                1,
                partial(self.spare_sends, deliver_threads),
                partial(self.deliver, spare=True),
                self.wakeups,
                next_due=partial(self.delivery.trouble.hangs_in, deliver_threads),
            ),
            Crew(
                Work.ANSWER,
                answer_threads,
                self.gated(lambda threads: self.answering.begun(self.answers(threads))),
                lambda begun: self.answering.run(*begun),
                self.wakeups,
                next_due=self.next_answer,
                gather=GATHER,
                raised=lambda begun: self.answering.raised(begun.claim),
                give_back=lambda begun: self.give_back(begun.claim),
            ),
            Crew(
                Work.MEDIA,
                _FILES,
                self.gated(self.keeping.claims),
                self.keeping.work,
                self.wakeups,
                next_due=self.keeping.next_due,
            ),
            Crew(
                Work.HOOKS,
                _HOOKS,
                self.gated(self.hooks.claims),
                self.hooks.deliver,
                self.wakeups,
                next_due=self.hooks.next_due,
            ),
            Crew(
                Work.KNOWLEDGE,
                1,
                self.gated(self.reading.claims),
                self.reading.read,
                self.wakeups,
                next_due=self.reading.next_due,
                raised=self.reading.raised,
            ),
            Crew(
                Work.HOUSEKEEPING,
                _RECEIPTS,
                self.gated(self.housekeeping.receipts),
                self.housekeeping.work,
                self.wakeups,
                next_due=self.housekeeping.next_due,
                tells=False,  # typing signs are of this process
            ),
        ]
        return Dispatcher(cast("Sequence[Crew[Any]]", crews), self.wakeups)

    def gated(self, claim: Callable[[int], Sequence[Claim]]) -> Callable[[int], Sequence[Claim]]:
        """`claim`, except that nothing is claimed while the schema is another release's."""
        return lambda threads: claim(threads) if self.schema.is_open() else ()

    def next_events(self) -> float | None:
        with self.db.reading() as session:
            return 0.0 if events_pending(session) else None

    def ingest(self, _task: str) -> None:
        """Ingest until nothing is left. Another process that leads is left alone until its lease ends."""
        more = False
        while not self.stopping.is_set():
            began = time.monotonic()
            statuses = more or began - self.statuses.at >= _STATUSES_APART
            done = ingest_batch(self.db, settings=self.ingesting, statuses=statuses)
            meters.ingested(done.events, done.counts)
            if statuses:
                self.statuses.at = began
            if done.busy_for is not None:
                self.wakeups.ring_here(Work.INGEST, done.busy_for)
                return
            more = done.more
            if not more:
                if done.events:
                    self._let_gather(time.monotonic() - began)
                return

    def _let_gather(self, took: float) -> None:
        """Until the next batch: one of 500 events costs a third per event of one of 20.

        On SQLite it is a pause, of as long as the batch took if that was longer: so webhooks get the write lock half of
        the time.
        """
        self.stopping.wait(GATHER - took if self.db.is_postgres else max(GATHER, took))

    def sends(self, threads: int) -> Sequence[SendClaim]:
        """Claim no more than the breaker will let through: what waits stays queued, and its lane untouched."""
        room = WHATSAPP.breaker.room
        threads = threads if room is None else min(threads, room)
        if not threads:
            return []
        claims = self._claim(threads, self.delivery.trouble.most())
        for claim in claims:
            self.delivery.trouble.begin(claim.account_id)
        if len(claims) == threads:  # as far as can be seen all places are held
            self.wakeups.ring_here(Work.SPARE, HANGS)
        return claims

    def spare_sends(self, places: int, _threads: int) -> Sequence[SendClaim]:
        """A send of a number that holds no place, when all `places` have been held for too long (I12)."""
        trouble = self.delivery.trouble
        if trouble.hangs_in(places) != 0.0 or WHATSAPP.breaker.room is not None or not self.schema.is_open():
            return []
        claims = self._claim(1, trouble.others())
        for claim in claims:
            trouble.begin(claim.account_id, spare=True)
        return claims

    def _claim(self, threads: int, most: Mapping[UUID, int]) -> Sequence[SendClaim]:
        with self.db.writing() as session:
            return store.claim_sends(session, self.db.now(session), threads, most)

    def next_send(self) -> float | None:
        return self._until(next_send)

    def deliver(self, claim: SendClaim, *, spare: bool = False) -> None:
        held_back = self._holds_back(claim)
        try:
            self.delivery.send(claim)
        finally:
            self.delivery.trouble.end(claim.account_id, spare=spare)
            if held_back or self._holds_back(claim):  # others may have waited for what became of this one
                self.wakeups.ring_here(Work.DELIVER)

    def _holds_back(self, claim: SendClaim) -> bool:
        return WHATSAPP.breaker.room is not None or self.delivery.trouble.is_troubled(claim.account_id)

    def next_answer(self) -> float | None:
        return self._until(lambda session: session.scalar(jobs.first_due(JobKind.ANSWER)))

    def _until(self, due: Callable[[Session], datetime | None]) -> float | None:
        """Seconds until what `due` finds; None when it finds nothing."""
        with self.db.reading() as session:
            at = due(session)
            return None if at is None else (at - self.db.now(session)).total_seconds()

    def give_back(self, claim: JobClaim) -> None:
        """An answer is not there in time: another process may begin it at once."""
        with self.db.writing() as session:
            jobs.postpone_job(session, claim, self.db.now(session))
        self.wakeups.ring_others(Work.ANSWER)

    def answers(self, threads: int) -> Sequence[JobClaim]:
        """Answers that are due, at most one for each free thread."""
        return jobs.claim_due(self.db, JobKind.ANSWER, threads)
