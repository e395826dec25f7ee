"""Which crews a dispatcher has, and what each of them does."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import delete, select

from inbox.accounts.removal import continue_removals
from inbox.clock import first_id
from inbox.db.wake import Work
from inbox.errors import UpstreamError, UpstreamMisconfigured, UpstreamRejected
from inbox.models import Account, EventState, JobKind, ParkedStatus, WebhookEvent
from inbox.outbox import jobs, settle, store
from inbox.outbox.deliver import Delivery
from inbox.outbox.jobs import MAX_READ_ATTEMPTS, JobClaim
from inbox.outbox.outcomes import SendClaim
from inbox.resilience import WHATSAPP
from inbox.webhooks.ingest import LEAD, events_pending, ingest_batch
from inbox.worker.dispatcher import Crew, Dispatcher

if TYPE_CHECKING:
    from inbox.runtime import Services

log = logging.getLogger(__name__)

PARKED_FOR = timedelta(hours=24)
_WORTH_IT = 200  # events
_GATHER = 0.03  # seconds, or as long as the batch took: events gather (a batch of 500 costs a third per event of one of
# 20), and on SQLite the webhooks get the write lock for half of the time
_PRUNE_EVERY = 60.0  # seconds
_PRUNE_ROWS = 5000  # per pass: short transactions
_REMOVE_EVERY = 1.0  # seconds, while a removed number is being purged; receipts and evidence come between


def build_dispatcher(services: Services) -> Dispatcher:
    """All crews over these services."""
    config, wakeups = services.config, services.wakeups
    hands = _Hands(services)
    crews = [
        Crew(Work.INGEST, 1, hands.ingest_claim, hands.ingest, wakeups),
        Crew(Work.DELIVER, config.deliver_threads, hands.sends, hands.deliver, wakeups),
        Crew(Work.ANSWER, config.answer_threads, hands.answers, services.answering.run, wakeups),
        Crew(Work.REST, 1, hands.rest_claim, hands.rest, wakeups),
    ]
    return Dispatcher(cast("Sequence[Crew[Any]]", crews), wakeups)


class _Hands:
    """The claim and handle functions of the crews."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._db = services.db
        self._rng = random.Random()  # noqa: S311 (jitter, no secret)
        self._delivery = Delivery(
            self._db, services.whatsapp, services.cipher, self._rng, services.stopping, services.watch.note
        )
        self._pruned = self._removed = 0.0
        self._removing = False

    # --- ingest --------------------------------------------------------------------------------------------------

    def ingest_claim(self, _hands: int) -> Sequence[str]:
        with self._db.reading() as session:
            return ["events"] if events_pending(session) else []

    def ingest(self, _task: str) -> None:
        began = time.monotonic()
        done = ingest_batch(self._db, settings=self._services.ingest_settings)
        if done.busy or done.events < _WORTH_IT:
            self._services.stopping.wait(LEAD / 2 if done.busy else max(_GATHER, time.monotonic() - began))
        if done.answers:
            self._services.wakeups.ring(Work.ANSWER)
        if done.settled:
            self._services.wakeups.ring(Work.DELIVER)

    # --- deliver -------------------------------------------------------------------------------------------------

    def sends(self, hands: int) -> Sequence[SendClaim]:
        """Claim no more than the breaker will let through: what waits stays queued, and its lane untouched."""
        room = WHATSAPP.breaker.room
        hands = hands if room is None else min(hands, room)
        if not hands:
            return []
        with self._db.reading() as session:
            if not store.sends_due(session, self._db.now(session)):
                return []
        with self._db.writing() as session:
            return store.claim_sends(session, self._db.now(session), hands)

    def deliver(self, claim: SendClaim) -> None:
        self._delivery.send(claim)

    # --- answer --------------------------------------------------------------------------------------------------

    def answers(self, hands: int) -> Sequence[JobClaim]:
        return self._claim_jobs(JobKind.ANSWER, hands)

    def _claim_jobs(self, kind: JobKind, hands: int) -> Sequence[JobClaim]:
        with self._db.reading() as session:
            if not jobs.jobs_due(session, kind, self._db.now(session)):
                return []
        with self._db.writing() as session:
            return jobs.claim_jobs(session, kind, self._db.now(session), hands)

    # --- the rest: receipts, unknown outcomes, pruning -----------------------------------------------------------

    def rest_claim(self, hands: int) -> Sequence[JobClaim]:
        self._settle_unknown()
        if time.monotonic() - self._pruned > _PRUNE_EVERY:
            self._pruned = time.monotonic()
            self._prune()
        self._remove()
        return self._claim_jobs(JobKind.READ, hands)

    def rest(self, claim: JobClaim) -> None:
        """Send one read receipt. It may fail: nothing depends on it."""
        with self._db.reading() as session:
            account = session.get(Account, claim.account_id)
        silent = account is None or account.paused_reason is not None or account.access_token_encrypted is None
        if account is None or silent or claim.attempts > MAX_READ_ATTEMPTS:
            self._finish(claim)
            return
        try:
            self._services.whatsapp.mark_read(
                phone_number_id=account.phone_number_id,
                token=self._services.cipher.decrypt(account.access_token_encrypted or ""),
                wa_message_id=claim.payload["wa_message_id"],
                typing=bool(claim.payload.get("typing")),
            )
        except (UpstreamRejected, UpstreamMisconfigured) as error:
            log.warning("read receipt refused", extra={"reason": error.reason})
        except UpstreamError as error:
            log.info("read receipt failed", extra={"reason": error.reason})
            with self._db.writing() as session:
                jobs.postpone_job(session, claim, self._db.now(session) + timedelta(seconds=2.0**claim.attempts))
            return
        self._finish(claim)

    def _finish(self, claim: JobClaim) -> None:
        with self._db.writing() as session:
            jobs.finish_job(session, claim, self._db.now(session))

    def _settle_unknown(self) -> None:
        with self._db.reading() as session:
            if not settle.unknown_due(session, self._db.now(session)):
                return
        with self._db.writing() as session:
            resent = settle.settle_unknown(session, self._db.now(session), self._services.config.confirm_window)
        if resent:
            self._services.wakeups.ring(Work.DELIVER)

    def _remove(self) -> None:
        """Go on removing numbers: a step every minute, and every second while there is more."""
        began = time.monotonic()
        if began - self._removed > (_REMOVE_EVERY if self._removing else _PRUNE_EVERY):
            self._removed = began
            retention = timedelta(days=self._services.config.account_retention_days)
            self._removing = continue_removals(self._db, retention)

    def _prune(self) -> None:
        """Forget handled webhooks after the retention and statuses that nobody claimed within a day."""
        with self._db.writing() as session:
            now = self._db.now(session)
            kept_from = now - timedelta(days=self._services.config.event_retention_days)
            old = (
                select(WebhookEvent.id)
                .where(WebhookEvent.id < first_id(kept_from), WebhookEvent.state == EventState.DONE)
                .order_by(WebhookEvent.id)  # or a plan for any id reads all events, to find that none is old
                .limit(_PRUNE_ROWS)
            )
            session.execute(delete(WebhookEvent).where(WebhookEvent.id.in_(old)))
            session.execute(delete(ParkedStatus).where(ParkedStatus.parked_at < now - PARKED_FOR))
