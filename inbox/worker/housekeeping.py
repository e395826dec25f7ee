"""What nobody waits for: read receipts, sends of unknown outcome, pruning, and removed numbers."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import delete, select

from inbox.accounts.removal import continue_removals
from inbox.cipher import TokenCipher
from inbox.clock import first_id
from inbox.config import Config
from inbox.db import Database
from inbox.errors import DatabaseUnavailable, UpstreamError, UpstreamMisconfigured, UpstreamRejected
from inbox.gateways.whatsapp.messages import WhatsApp
from inbox.models import Account, EventState, JobKind, ParkedStatus, WebhookEvent
from inbox.outbox import clocks, jobs, settle
from inbox.outbox.jobs import MAX_READ_ATTEMPTS, JobClaim
from inbox.webhooks.replay import adopt

log = logging.getLogger(__name__)

PARKED_FOR = timedelta(hours=24)
_PRUNE_EVERY = 60.0  # seconds
_PRUNE_ROWS = 5000  # per pass: short transactions
_ADOPT_EVERY = 5.0  # seconds
_REMOVE_EVERY = 1.0  # seconds, while a removed number is being purged; receipts and evidence come between


class Housekeeping:
    """Of one process. One thread at a time calls it."""

    def __init__(self, db: Database, config: Config, whatsapp: WhatsApp, cipher: TokenCipher) -> None:
        self._db = db
        self._config = config
        self._whatsapp = whatsapp
        self._cipher = cipher
        self._pruned = self._removed = self._looked = self._adopted = 0.0
        self._numbers: frozenset[str] = frozenset()  # whose dead letters have been looked for by this process
        self._removing = False
        self._clock: datetime | None = None  # the database's, when it was last looked at

    def receipts(self, threads: int) -> Sequence[JobClaim]:
        """Do what is due by itself, then claim read receipts. One that raises must not hold up the others."""
        for chore in (self._settle_unknown, self._prune, self._bring_back, self._remove, self._adopt):
            try:
                chore()
            except DatabaseUnavailable:
                raise
            except Exception:
                log.exception("housekeeping failed", extra={"what": chore.__name__.strip("_")})
        return jobs.claim_due(self._db, JobKind.READ, threads)

    def send_receipt(self, claim: JobClaim) -> None:
        """Send one read receipt. It may fail: nothing depends on it."""
        with self._db.reading() as session:
            account = session.get(Account, claim.account_id)
        silent = account is None or account.paused_reason is not None or account.access_token_encrypted is None
        if account is None or silent or claim.attempts > MAX_READ_ATTEMPTS:
            self._finish(claim)
            return
        try:
            self._whatsapp.mark_read(
                phone_number_id=account.phone_number_id,
                token=self._cipher.decrypt(account.access_token_encrypted or ""),
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
            settle.settle_unknown(session, self._db.now(session), self._config.confirm_window)

    def _remove(self) -> None:
        """Go on removing numbers: a step every minute, and every second while there is more."""
        began = time.monotonic()
        if began - self._removed > (_REMOVE_EVERY if self._removing else _PRUNE_EVERY):
            self._removed = began
            retention = timedelta(days=self._config.account_retention_days)
            self._removing = continue_removals(self._db, retention)

    def _bring_back(self) -> None:
        """Let nothing wait for a time that a wrong clock has set.

        Looking reads all that waits, so it is done when the process begins and when the clock has gone back since.
        """
        if time.monotonic() - self._looked <= _PRUNE_EVERY:
            return
        self._looked = time.monotonic()
        with self._db.reading() as session:
            now, before = self._db.now(session), self._clock
        self._clock = now
        if before is not None and now >= before:
            return
        config = self._config
        longest = max(config.bot_resume_after, config.bot_debounce, config.confirm_window)
        with self._db.writing() as session:
            clocks.bring_back(session, now, timedelta(seconds=longest))

    def _adopt(self) -> None:
        """Take in what came for a number before it was added, or while it was removed."""
        if time.monotonic() - self._adopted <= _ADOPT_EVERY:
            return
        self._adopted = time.monotonic()
        with self._db.reading() as session:
            query = select(Account.phone_number_id).where(Account.deleted_at.is_(None))
            numbers = frozenset(session.execute(query).scalars())
        new = numbers - self._numbers
        if new and (adopted := adopt(self._db, new)):
            log.info("taken in what came for numbers before they were added", extra={"items": adopted})
        self._numbers = numbers

    def _prune(self) -> None:
        """Forget handled webhooks after the retention and statuses that nobody claimed within a day: once a minute."""
        if time.monotonic() - self._pruned <= _PRUNE_EVERY:
            return
        self._pruned = time.monotonic()
        with self._db.writing() as session:
            now = self._db.now(session)
            kept_from = now - timedelta(days=self._config.event_retention_days)
            old = (
                select(WebhookEvent.id)
                .where(WebhookEvent.id < first_id(kept_from), WebhookEvent.state == EventState.DONE)
                .order_by(WebhookEvent.id)  # or a plan for any id reads all events, to find that none is old
                .limit(_PRUNE_ROWS)
            )
            session.execute(delete(WebhookEvent).where(WebhookEvent.id.in_(old)))
            session.execute(delete(ParkedStatus).where(ParkedStatus.parked_at < now - PARKED_FOR))
