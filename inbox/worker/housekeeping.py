"""What nobody waits for: read receipts, sends of unknown outcome, templates, pruning, and removed numbers."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import CursorResult, delete, select
from sqlalchemy.orm import Session

from inbox.accounts import asking
from inbox.accounts.removal import continue_removals
from inbox.cipher import TokenCipher
from inbox.clock import first_id
from inbox.config import Config
from inbox.db import Database
from inbox.errors import DatabaseUnavailable, UpstreamError, UpstreamMisconfigured, UpstreamRejected
from inbox.gateways.whatsapp.messages import WhatsApp
from inbox.gateways.whatsapp.templates import WhatsAppTemplates
from inbox.live.changes import KEPT
from inbox.live.watcher import GONE_AFTER
from inbox.models import (
    Account,
    EventState,
    GoneConversation,
    JobKind,
    ParkedStatus,
    Presence,
    SavedDraft,
    WebhookDelivery,
    WebhookEvent,
)
from inbox.outbox import clocks, jobs, settle, window
from inbox.outbox.jobs import MAX_READ_ATTEMPTS, JobClaim
from inbox.outbox.typing import TypingSign, TypingSigns
from inbox.privacy.erasing import continue_erasures
from inbox.privacy.retention import Retention
from inbox.reports.rolling import roll_up
from inbox.team import drafts
from inbox.templates import sync
from inbox.templates.sync import SyncClaim
from inbox.webhooks.replay import adopt

log = logging.getLogger(__name__)

PARKED_FOR = timedelta(hours=24)
_MINUTE = 60.0  # seconds: most of what nobody rings for
_PRUNE_EVERY = 300.0  # seconds
_REPORT_EVERY = 600.0  # seconds
_PRUNE_ROWS = 5000  # per pass: short transactions
_ROUND = 30.0  # seconds between two rounds of what nobody rings for
_FORGET_FOR = 1.0  # seconds of a round, so that receipts and evidence come between
_REMOVE_EVERY = 1.0  # seconds, while a removed number is being purged; receipts and evidence come between


@dataclass(frozen=True, slots=True)
class _Due:
    """Seconds until a receipt, an unknown outcome, and templates to be asked for; infinite when there is none."""

    receipt: float
    unknown: float
    templates: float

    @classmethod
    def of(cls, session: Session, now: datetime) -> _Due:
        """By one statement: a quiet process does little else."""
        first = jobs.first_due(JobKind.READ), settle.first_due(), sync.first_due()
        times = session.execute(select(*(each.scalar_subquery() for each in first))).one()
        return cls(*(math.inf if at is None else (at - now).total_seconds() for at in times))


class Housekeeping:
    """Of one process. One thread at a time claims; several may send receipts."""

    def __init__(
        self, db: Database, config: Config, whatsapp: WhatsApp, cipher: TokenCipher, signs: TypingSigns
    ) -> None:
        self._signs = signs
        self._db = db
        self._config = config
        self._whatsapp = whatsapp
        self._templates = WhatsAppTemplates(config.whatsapp_api_url)
        self._cipher = cipher
        self._pruned = self._removed = self._looked = self._planned = self._watched = self._round = -math.inf
        self._reported = -math.inf
        self._adopted: dict[str, datetime] = {}  # numbers whose dead letters this process has looked for, as they were
        self._removing = False
        self._retention = Retention(db)
        self._clock: datetime | None = None  # the database's, when it was last looked at

    def receipts(self, threads: int) -> Sequence[JobClaim | TypingSign | SyncClaim]:
        """Typing signs that are to be shown; else do what is due by itself, and claim templates and read receipts."""
        if signs := self._signs.take(threads):
            return signs
        due = self._look()
        chores: list[Callable[[], None]] = [self._adopt]
        if due.unknown <= 0:
            chores.append(self._settle_unknown)
        if self._removing or time.monotonic() - self._round > _ROUND:
            self._round = time.monotonic()
            chores += [self._prune, self._bring_back, self._remove, self._forget]
            chores += [self._plan_templates, self._watch_windows, self._report]
        for chore in chores:  # one that raises must not hold up the others
            try:
                chore()
            except DatabaseUnavailable:
                raise
            except Exception:
                log.exception("housekeeping failed", extra={"what": chore.__name__.strip("_")})
        if due.templates <= 0 and (asked := self._claim_templates()) is not None:
            return [asked]
        return jobs.claim_due(self._db, JobKind.READ, threads) if due.receipt <= 0 else []

    def next_due(self) -> float | None:
        """Seconds until there is something to do."""
        due = self._look()
        round_in = 0.0 if self._removing else self._round + _ROUND - time.monotonic()
        seconds = min(due.receipt, due.unknown, due.templates, 0.0 if round_in <= 0 else math.inf)
        return None if seconds == math.inf else seconds

    def _look(self) -> _Due:
        with self._db.reading() as session:
            return _Due.of(session, self._db.now(session))

    def work(self, claim: JobClaim | TypingSign | SyncClaim) -> None:
        """Send one read receipt, show one sign, or ask for templates. It may fail: nothing depends on it."""
        if isinstance(claim, SyncClaim):
            sync.run(self._db, self._templates, self._cipher, claim)
            asking.ask(self._db, self._config.whatsapp_api_url, self._cipher, claim.account_id)
            return
        if isinstance(claim, TypingSign):
            self._mark_read(claim.phone_number_id, claim.access_token_encrypted, claim.wa_message_id, typing=True)
            return
        with self._db.reading() as session:
            account = session.get(Account, claim.account_id)
        silent = account is None or account.paused_reason is not None or account.access_token_encrypted is None
        if account is None or silent or claim.attempts > MAX_READ_ATTEMPTS:
            self._finish(claim)
            return
        token = account.access_token_encrypted or ""
        if self._mark_read(account.phone_number_id, token, claim.payload["wa_message_id"], typing=False):
            self._finish(claim)
            return
        with self._db.writing() as session:
            now = self._db.now(session)
            jobs.postpone_job(session, claim, now + timedelta(seconds=2.0**claim.attempts))

    def _mark_read(self, phone_number_id: str, token: str, wa_message_id: str, *, typing: bool) -> bool:
        """False when it may be tried again."""
        try:
            self._whatsapp.mark_read(
                phone_number_id=phone_number_id,
                token=self._cipher.decrypt(token),
                wa_message_id=wa_message_id,
                typing=typing,
            )
        except (UpstreamRejected, UpstreamMisconfigured) as error:
            log.warning("read receipt refused", extra={"reason": error.reason})
        except UpstreamError as error:
            log.info("read receipt failed", extra={"reason": error.reason})
            return False
        return True

    def _finish(self, claim: JobClaim) -> None:
        with self._db.writing() as session:
            jobs.finish_job(session, claim, self._db.now(session))

    def _claim_templates(self) -> SyncClaim | None:
        with self._db.writing_once() as session:
            return sync.claim(session, self._db.now(session))

    def _plan_templates(self) -> None:
        """Once a minute: let the templates of numbers that are new be asked for."""
        if time.monotonic() - self._planned > _MINUTE:
            self._planned = time.monotonic()
            with self._db.writing() as session:
                sync.plan(session, self._db.now(session))

    def _watch_windows(self) -> None:
        """Once a minute: tell authors of replies whose window closes, and end those that are too late."""
        if time.monotonic() - self._watched > _MINUTE:
            self._watched = time.monotonic()
            with self._db.writing() as session:
                ended = window.watch_windows(session, self._db.now(session))
            if ended:
                log.warning("replies waited until the reply window was closed", extra={"conversations": ended})

    def _report(self) -> None:
        """Every ten minutes: write down the days that are over."""
        if time.monotonic() - self._reported > _REPORT_EVERY:
            self._reported = time.monotonic()
            roll_up(self._db)

    def _settle_unknown(self) -> None:
        with self._db.writing() as session:
            settle.settle_unknown(session, self._db.now(session), self._config.confirm_window)

    def _remove(self) -> None:
        """Go on removing numbers: a step every minute, and every second while there is more."""
        began = time.monotonic()
        if began - self._removed > (_REMOVE_EVERY if self._removing else _MINUTE):
            self._removed = began
            retention = timedelta(days=self._config.account_retention_days)
            self._removing = continue_removals(self._db, retention)

    def _forget(self) -> None:
        """Go on with erasures, and with messages that a number does not keep any longer."""
        continue_erasures(self._db)
        _for_a_while(self._retention.step)

    def _bring_back(self) -> None:
        """Let nothing wait for a time that a wrong clock has set.

        Looking reads all that waits, so it is done when the process begins and when the clock has gone back since.
        """
        if time.monotonic() - self._looked <= _MINUTE:
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
        with self._db.reading() as session:
            query = select(Account.phone_number_id, Account.updated_at).where(Account.deleted_at.is_(None))
            numbers = {row.phone_number_id: row.updated_at for row in session.execute(query)}
        # By when they were changed: one may have been removed and be back between two looks.
        new = {number for number, at in numbers.items() if self._adopted.get(number) != at}
        if new and (adopted := adopt(self._db, new)):
            log.info("taken in what came for numbers before they were added", extra={"items": adopted})
        self._adopted = numbers

    def _prune(self) -> None:
        """Every five minutes, and on while there is more: forget handled webhooks, and what else is too old.

        Webhooks to others as well, those for a paused endpoint included: they hold what customers wrote.
        """
        if time.monotonic() - self._pruned <= _PRUNE_EVERY:
            return
        if not _for_a_while(self._prune_some):
            self._pruned = time.monotonic()

    def _prune_some(self) -> bool:
        """True when there is more."""
        with self._db.writing() as session:
            now = self._db.now(session)
            kept_from = now - timedelta(days=self._config.event_retention_days)
            old = (
                select(WebhookEvent.id)
                .where(WebhookEvent.id < first_id(kept_from), WebhookEvent.state == EventState.DONE)
                .order_by(WebhookEvent.id)  # or a plan for any id reads all events, to find that none is old
                .limit(_PRUNE_ROWS)
            )
            told = (
                select(WebhookDelivery.seq)
                .where(WebhookDelivery.created_at < kept_from)
                .order_by(WebhookDelivery.created_at)
                .limit(_PRUNE_ROWS)
            )
            gone = [
                session.execute(delete(WebhookEvent).where(WebhookEvent.id.in_(old))),
                session.execute(delete(WebhookDelivery).where(WebhookDelivery.seq.in_(told))),
            ]
            session.execute(delete(GoneConversation).where(GoneConversation.changed_at < now - 2 * KEPT))
            session.execute(delete(ParkedStatus).where(ParkedStatus.parked_at < now - PARKED_FOR))
            session.execute(delete(SavedDraft).where(SavedDraft.changed_at < now - drafts.KEPT))
            session.execute(delete(Presence).where(Presence.said_at < now - GONE_AFTER))
            return any(cast("CursorResult[Any]", each).rowcount >= _PRUNE_ROWS for each in gone)


def _for_a_while(step: Callable[[], bool]) -> bool:
    """Take steps until one says that there is no more, or until _FORGET_FOR is over. True when there is more."""
    until = time.monotonic() + _FORGET_FOR
    while more := step():
        if time.monotonic() >= until:
            break
    return more
