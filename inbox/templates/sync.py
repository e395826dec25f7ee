"""Keeping the templates of a number as WhatsApp has them: hourly, when somebody asks, and when a webhook says so."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, delete, exists, or_, select, update
from sqlalchemy.orm import Session

from inbox.cipher import TokenCipher
from inbox.clock import new_id
from inbox.db import Database, insert
from inbox.db.wake import Work, wake
from inbox.errors import ConfigError, UpstreamError
from inbox.gateways.whatsapp.templates import Told, WhatsAppTemplates
from inbox.models import Account, MessageTemplate, TemplateSync

log = logging.getLogger(__name__)

EVERY = timedelta(hours=1)
AFTER_FAILURE = timedelta(minutes=5)
FIRST = timedelta(minutes=1)  # after a number is known: it has more urgent things to do when it begins
AT_MOST = timedelta(seconds=20)  # between two times, whoever asks: WhatsApp counts such questions (200 an hour)
_LEASE = timedelta(minutes=2)
MOST_TEMPLATES = 2000  # of a number that are kept; WhatsApp allows 250, and 6,000 for a verified business

#: Webhook fields that are about templates, and the one that names the new state.
STATUS_FIELD = "message_template_status_update"
FIELDS = frozenset(
    {STATUS_FIELD, "message_template_components_update", "message_template_quality_update", "template_category_update"}
)
_BACK = frozenset({"REINSTATED", "UNARCHIVED"})  # events after which a template is approved again


@dataclass(frozen=True, slots=True)
class SyncClaim:
    """A number whose templates are to be asked for now; `at`: the server's time."""

    account_id: UUID
    at: datetime
    waba_id: str
    access_token_encrypted: str = field(repr=False)


def _askable() -> tuple[ColumnElement[bool], ...]:
    """Numbers in use that WhatsApp can be asked about."""
    return Account.deleted_at.is_(None), Account.waba_id.is_not(None), Account.access_token_encrypted.is_not(None)


def first_due() -> Select[datetime]:
    """Asks when claim() will find something. No row: there is nothing to ask for."""
    due = select(TemplateSync.due_at).join(Account, Account.id == TemplateSync.account_id).where(*_askable())
    return due.order_by(TemplateSync.due_at).limit(1)


def plan(session: Session, now: datetime) -> None:
    """Let the templates of numbers that are new here be asked for, soon."""
    planned = exists().where(TemplateSync.account_id == Account.id)
    for account_id in session.execute(select(Account.id).where(*_askable(), ~planned)).scalars().all():
        values = insert(session, TemplateSync).values(account_id=account_id, due_at=now + FIRST)
        session.execute(values.on_conflict_do_nothing())


def make_due(session: Session, account_ids: Iterable[UUID], now: datetime) -> None:
    """Let the templates of these numbers be asked for at once, or as soon as they may be again."""
    for account_id in sorted(account_ids):
        statement = insert(session, TemplateSync).values(account_id=account_id, due_at=now)
        session.execute(statement.on_conflict_do_nothing())
        row = session.get_one(TemplateSync, account_id, with_for_update=True)
        row.due_at = min(row.due_at, max(now, row.synced_at + AT_MOST if row.synced_at else now))
        wake(session, Work.HOUSEKEEPING, row.due_at)


def claim(session: Session, now: datetime) -> SyncClaim | None:
    """The number that has waited longest, leased. None: none is due."""
    due = (
        select(TemplateSync, Account)
        .join(Account, Account.id == TemplateSync.account_id)
        .where(*_askable(), TemplateSync.due_at <= now)
        .order_by(TemplateSync.due_at)
        .limit(1)
        .with_for_update(of=TemplateSync, skip_locked=True)
    )
    found = session.execute(due).one_or_none()
    if found is None:
        return None
    found[0].due_at = now + _LEASE
    return SyncClaim(found[1].id, now, str(found[1].waba_id), str(found[1].access_token_encrypted))


def run(db: Database, gateway: WhatsAppTemplates, cipher: TokenCipher, asked: SyncClaim) -> None:
    """Ask for the templates of a claimed number, and keep what came or why nothing did. No transaction is open."""
    try:
        told = gateway.all_of(asked.waba_id, cipher.decrypt(asked.access_token_encrypted), MOST_TEMPLATES)
    except (UpstreamError, ConfigError) as error:
        words = error.reason if isinstance(error, UpstreamError) else str(error)
        log.warning("templates not synced", extra={"account_id": str(asked.account_id), "reason": words})
        older = or_(TemplateSync.synced_at.is_(None), TemplateSync.synced_at <= asked.at)  # else one came through
        with db.writing() as session:
            _end(session, asked.account_id, db.now(session) + AFTER_FAILURE, older, error=words)
        return
    with db.writing() as session:
        now = db.now(session)
        session.get(TemplateSync, asked.account_id, with_for_update=True)  # who was made due meanwhile waits its turn
        store(session, asked.account_id, told)
        _end(session, asked.account_id, now + EVERY, synced_at=now, error=None)
    log.info("templates synced", extra={"account_id": str(asked.account_id), "templates": len(told)})


def _end(session: Session, account_id: UUID, due: datetime, *where: ColumnElement[bool], **values: Any) -> None:
    mine = TemplateSync.account_id == account_id, *where
    session.execute(update(TemplateSync).where(*mine).values(due_at=due, **values))


def store(session: Session, account_id: UUID, told: Sequence[Told]) -> None:
    """Make the kept templates of a number those that WhatsApp told. Their ids stay while name and language do."""
    query = select(MessageTemplate).where(MessageTemplate.account_id == account_id).with_for_update()
    kept = {(row.name, row.language): row for row in session.execute(query).scalars()}
    for each in told:
        row = kept.pop((each.name, each.language), None)
        if row is None:
            row = MessageTemplate(
                id=new_id(), account_id=account_id, name=each.name, language=each.language, reason=None
            )
            session.add(row)
        elif row.status != each.status:
            row.reason = None  # the reason belonged to another state
        row.wa_template_id, row.status, row.category, row.named = each.id, each.status, each.category, each.named
        row.definition = {"components": each.components}
    for gone in kept.values():
        session.delete(gone)
    session.flush()


def note_change(session: Session, waba_id: str, name: str, value: Mapping[str, Any], now: datetime) -> None:
    """A webhook tells that a template has changed: take its state at once, and ask WhatsApp for the rest.

    `name` is the webhook's field, `value` its value.
    """
    query = select(Account.id).where(Account.waba_id == waba_id, *_askable())
    accounts = session.execute(query).scalars().all()
    event = str(value.get("event") or "").upper()[:32]
    if name == STATUS_FIELD and event:
        one = MessageTemplate.account_id.in_(accounts), _is(value)
        if event == "DELETED":
            session.execute(delete(MessageTemplate).where(*one))
        else:
            reason = value.get("reason")
            told = str(reason)[:500] if reason and str(reason).upper() != "NONE" else None
            status = "APPROVED" if event in _BACK else event
            session.execute(update(MessageTemplate).where(*one).values(status=status, reason=told))
    make_due(session, accounts, now)


def _is(value: Mapping[str, Any]) -> ColumnElement[bool]:
    """The template that a webhook is about: its id is a number there, and text everywhere else."""
    return MessageTemplate.wa_template_id == str(value.get("message_template_id"))
