"""Which crews a dispatcher has, and what each of them does."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Event
from typing import Any, cast

from inbox.bot.answer import Answering
from inbox.db import Database
from inbox.db.schema import SchemaGate
from inbox.db.wake import Wakeups, Work
from inbox.models import JobKind
from inbox.outbox import jobs, store
from inbox.outbox.deliver import Delivery
from inbox.outbox.jobs import JobClaim
from inbox.outbox.outcomes import SendClaim
from inbox.resilience import WHATSAPP
from inbox.webhooks.applying.placed import IngestSettings
from inbox.webhooks.ingest import LEAD, events_pending, ingest_batch
from inbox.worker.dispatcher import Claim, Crew, Dispatcher
from inbox.worker.housekeeping import Housekeeping

_WORTH_IT = 200  # events
_GATHER = 0.03  # seconds, or as long as the batch took: events gather (a batch of 500 costs a third per event of one of
# 20), and on SQLite the webhooks get the write lock for half of the time


@dataclass(frozen=True, kw_only=True)
class Crews:
    """The claim and handle functions of the crews of one process."""

    db: Database
    wakeups: Wakeups
    schema: SchemaGate
    ingesting: IngestSettings
    delivery: Delivery
    answering: Answering
    housekeeping: Housekeeping
    stopping: Event

    def dispatcher(self, *, deliver_threads: int, answer_threads: int) -> Dispatcher:
        """All crews, not started yet."""
        crews = [
            Crew(Work.INGEST, 1, self.gated(self.events), self.ingest, self.wakeups),
            Crew(Work.DELIVER, deliver_threads, self.gated(self.sends), self.deliver, self.wakeups),
            Crew(
                Work.ANSWER,
                answer_threads,
                self.gated(self.answers),
                self.answering.run,
                self.wakeups,
                raised=self.answering.raised,
            ),
            Crew(
                Work.HOUSEKEEPING,
                1,
                self.gated(self.housekeeping.receipts),
                self.housekeeping.send_receipt,
                self.wakeups,
            ),
        ]
        return Dispatcher(cast("Sequence[Crew[Any]]", crews), self.wakeups)

    def gated(self, claim: Callable[[int], Sequence[Claim]]) -> Callable[[int], Sequence[Claim]]:
        """`claim`, except that nothing is claimed while the schema is another release's."""
        return lambda threads: claim(threads) if self.schema.is_open() else ()

    def events(self, _threads: int) -> Sequence[str]:
        """One task when events are pending: the ingester takes a whole batch, under leadership, by itself."""
        with self.db.reading() as session:
            return ["events"] if events_pending(session) else []

    def ingest(self, _task: str) -> None:
        began = time.monotonic()
        done = ingest_batch(self.db, settings=self.ingesting)
        if done.busy or done.events < _WORTH_IT:
            self.stopping.wait(LEAD / 2 if done.busy else max(_GATHER, time.monotonic() - began))

    def sends(self, threads: int) -> Sequence[SendClaim]:
        """Claim no more than the breaker will let through: what waits stays queued, and its lane untouched."""
        room = WHATSAPP.breaker.room
        threads = threads if room is None else min(threads, room)
        if not threads:
            return []
        with self.db.reading() as session:
            if not store.sends_due(session, self.db.now(session)):
                return []
        trouble = self.delivery.trouble
        with self.db.writing() as session:
            claims = store.claim_sends(session, self.db.now(session), threads, trouble.places)
        for claim in claims:
            trouble.begin(claim.account_id)
        return claims

    def deliver(self, claim: SendClaim) -> None:
        try:
            self.delivery.send(claim)
        finally:
            self.delivery.trouble.end(claim.account_id)

    def answers(self, threads: int) -> Sequence[JobClaim]:
        """Answers that are due, at most one for each free thread."""
        return jobs.claim_due(self.db, JobKind.ANSWER, threads)
