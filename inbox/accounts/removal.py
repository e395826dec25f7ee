"""Removing a business number, bringing it back, and forgetting it for good.

DELETE puts a number out of use at once: its tokens are erased, nothing of it is sent, nobody sees it or anything of
it, and WhatsApp's webhooks for it become dead letters as those of a number that never was. Its conversations, contacts
and bot profile are kept, unseen, for ACCOUNT_RETENTION_DAYS. Until then adding the same phone_number_id brings them
back, and what was waiting to be sent stays unsent. After that they are deleted for good, a thousand rows at a time,
and the phone_number_id is free for an account of its own.

What remains is an empty row: to delete that too, the database would have to look through every message of every other
number. Roles and API keys that name it stay as well, and give nothing.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, exists, select
from sqlalchemy import delete as delete_rows
from sqlalchemy.orm import InstrumentedAttribute, Session

from inbox.accounts.service import require_account
from inbox.auth import audit
from inbox.auth.access import Access, Principal
from inbox.auth.generation import rights_changed
from inbox.db import Database, one_of
from inbox.db.transactions import whole_transaction
from inbox.errors import AccountBeingRemoved, DatabaseUnavailable
from inbox.models import (
    Account,
    Annotation,
    AssignmentTurn,
    BotProfile,
    BotProfileVersion,
    BotQuestion,
    CannedReply,
    Contact,
    ContactField,
    Conversation,
    Job,
    KnowledgePassage,
    KnowledgeSource,
    Label,
    Message,
    MessageTemplate,
    ParkedStatus,
    ReportDay,
    TemplateSync,
    WebhookDelivery,
    WebhookEndpoint,
)
from inbox.outbox.withdraw import BATCH, withdraw

log = logging.getLogger(__name__)

RETENTION = Principal(id="", name="retention", everywhere=frozenset(), kind="command")
_CONVERSATIONS, _ROWS = 50, 1000  # in one transaction
_ROUNDS = 5  # transactions at a time
#: What is deleted when no conversation is left, which has taken along its notes, drafts and labels.
_LAST: tuple[tuple[str, Any], ...] = (
    ("contacts", Contact),
    ("annotations", Annotation),
    ("parked", ParkedStatus),
    ("labels", Label),
    ("contact_fields", ContactField),
    ("webhook_deliveries", WebhookDelivery),
    ("webhook_endpoints", WebhookEndpoint),
    ("knowledge_passages", KnowledgePassage),
    ("knowledge_sources", KnowledgeSource),
    ("canned_replies", CannedReply),
    ("templates", MessageTemplate),
)


# --- out of use --------------------------------------------------------------------------------------------------


def delete(db: Database, access: Access, account_id: UUID, retention: timedelta) -> datetime:
    """Put a number out of use. Until when it can be brought back. Raises AccountNotFound, PermissionDenied."""
    until = _put_out_of_use(db, access, account_id) + retention
    try:
        _withdraw(db, account_id)
    except DatabaseUnavailable:
        log.warning("a removed number's sends are not withdrawn yet", extra={"account_id": str(account_id)})
    return until


@whole_transaction
def _put_out_of_use(db: Database, access: Access, account_id: UUID) -> datetime:
    with db.writing() as session:
        account = require_account(session, access, account_id, lock=True)
        now = db.now(session)
        account.deleted_at = account.updated_at = now
        account.access_token_encrypted = account.verify_token_hash = None
        shown = {"name": account.name, "phone_number_id": account.phone_number_id}
        audit.record(
            session, access.principal, "account.deleted", now, target=account_id, account_id=account_id, **shown
        )
        rights_changed(session)
    log.info("number removed", extra={"account_id": str(account_id)})
    return now


@whole_transaction(idempotent=True)
def _withdraw(db: Database, account_id: UUID) -> bool:
    """Take back some of what a removed number had to do. True when there may be more.

    In transactions of its own, after the number is marked: a send locks conversations first and numbers last.
    """
    with db.writing() as session:
        # Shared, so that it does not come back meanwhile, and what is sent then is not taken for what was left.
        account = session.get_one(Account, account_id, with_for_update={"read": True})
        if account.deleted_at is None:
            return False
        count = withdraw(session, account_id, db.now(session), BATCH)
    if count:
        log.info("withdrawn from a removed number", extra={"account_id": str(account_id), "jobs": count})
    return count >= BATCH


# --- back --------------------------------------------------------------------------------------------------------


def clear_the_way(db: Database, phone_number_id: str) -> None:
    """Before a removed number comes back: take back what may be left of its work."""
    query = select(Account.id).where(Account.phone_number_id == phone_number_id, Account.deleted_at.is_not(None))
    with db.reading() as session:
        account_id = session.execute(query).scalar_one_or_none()
    if account_id is not None:
        _withdraw(db, account_id)


def require_withdrawn(session: Session, account: Account) -> None:
    """Raises AccountBeingRemoved while there is something that would be sent if the number came back."""
    if session.execute(select(exists().where(Job.account_id == account.id))).scalar_one():
        raise AccountBeingRemoved


def is_over(deleted_at: datetime, retention: timedelta, now: datetime) -> bool:
    """True when a number removed then cannot come back any more."""
    return deleted_at + retention <= now


def retire(session: Session, account: Account) -> None:
    """From here on there is no way back: the phone_number_id is free. The caller holds the row."""
    account.phone_number_id = f"removed-{account.id.hex}"
    session.flush()


# --- for good ----------------------------------------------------------------------------------------------------


def continue_removals(db: Database, retention: timedelta) -> bool:
    """Go on removing numbers: withdraw what may have slipped in, purge what was kept long enough.

    True when there is more to do at once. A few short transactions; what another process is removing is left to it.
    """
    query = select(Account.id, Account.deleted_at).where(Account.deleted_at.is_not(None), Account.purged_at.is_(None))
    with db.reading() as session:
        now = db.now(session)
        removed = session.execute(query.order_by(Account.deleted_at)).all()
        at_work = {
            row.id for row in removed if session.execute(select(exists().where(Job.account_id == row.id))).scalar()
        }
    over = [row.id for row in removed if is_over(row.deleted_at, retention, now)]
    more = any(_withdraw(db, account_id) for account_id in at_work)
    for _ in range(_ROUNDS if over else 0):
        if not _purge(db, over[0], retention):
            return more or len(over) > 1
    return more or bool(over)


def _purge(db: Database, account_id: UUID, retention: timedelta) -> bool:
    """Delete some of what belonged to a number. True when there may be more."""
    with db.writing() as session:
        query = select(Account).where(Account.id == account_id).with_for_update(key_share=True, skip_locked=True)
        account = session.execute(query).scalar_one_or_none()
        if account is None or account.deleted_at is None or account.purged_at is not None:
            return False
        now = db.now(session)
        if not is_over(account.deleted_at, retention, now):
            return False
        retire(session, account)
        gone = _delete_some(session, account_id)
        if not gone:
            _empty(session, account, now)
    log.info("purging a removed number", extra={"account_id": str(account_id), "finished": not gone, **gone})
    return bool(gone)


def _delete_some(session: Session, account_id: UUID) -> Counter[str]:
    """Delete up to _ROWS rows, conversations first. How many of each kind; nothing when none are left."""
    newest = select(Conversation.id).where(Conversation.account_id == account_id)
    conversations = (
        session.execute(newest.order_by(Conversation.updated_at, Conversation.id).limit(_CONVERSATIONS)).scalars().all()
    )
    if conversations:
        return _delete_conversations(session, account_id, conversations)
    for kind, table in _LAST:
        ids = session.execute(select(table.id).where(table.account_id == account_id).limit(_ROWS)).scalars().all()
        if ids:
            return Counter({kind: _delete(session, table.id, ids)})
    return Counter()


def _delete_conversations(session: Session, account_id: UUID, conversations: Sequence[UUID]) -> Counter[str]:
    """Messages before their conversations, which would take any number of them along."""
    found: list[Row[UUID, str | None]] = []
    empty: list[UUID] = []
    for conversation in conversations:
        # One by one, in the order of the index: for many PostgreSQL reads the table from its start, past all that
        # was deleted, or sorts a thread of any length (measured: 200 ms for what takes 10).
        thread = select(Message.id, Message.wa_message_id).where(Message.conversation_id == conversation)
        in_order = thread.order_by(Message.timestamp, Message.id).limit(_ROWS - len(found))
        found += session.execute(in_order).all()
        if len(found) == _ROWS:
            break
        empty.append(conversation)
    targets = [row.wa_message_id for row in found if row.wa_message_id is not None]
    return Counter(
        annotations=_delete(session, Annotation.target_wa_id, targets, Annotation.account_id == account_id),
        messages=_delete(session, Message.id, [row.id for row in found]),
        conversations=_delete(session, Conversation.id, empty),
    )


def _delete(session: Session, column: InstrumentedAttribute[Any], values: Iterable[Any], *conditions: Any) -> int:
    count = 0
    for condition in one_of(session, column, list(values)):
        statement = delete_rows(column.class_).where(condition, *conditions).returning(column)
        count += len(session.execute(statement, execution_options={"synchronize_session": False}).all())
    return count


def _empty(session: Session, account: Account, now: datetime) -> None:
    """Nothing is left but the row itself."""
    for table in (BotProfile, BotProfileVersion, BotQuestion, TemplateSync, AssignmentTurn, ReportDay):
        session.execute(delete_rows(table).where(table.account_id == account.id))
    audit.record(session, RETENTION, "account.purged", now, target=account.id, account_id=account.id)
    account.name, account.hours = "", None
    account.hook_events = []
    account.phone_number = account.waba_id = account.paused_reason = account.paused_at = None
    account.reputation = None
    account.updated_at = account.purged_at = now
