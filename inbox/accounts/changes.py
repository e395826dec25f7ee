"""Changing a number: its values, its token, and whether it sends."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from inbox.accounts.schemas import AccountPatch, AccountRow
from inbox.accounts.service import account_row, require_account
from inbox.auth import audit
from inbox.auth.access import OPERATOR, Access, Principal
from inbox.auth.hashing import token_hash
from inbox.cipher import TokenCipher, plain
from inbox.clock import rfc3339
from inbox.db import Database
from inbox.db.transactions import whole_transaction
from inbox.db.wake import Work, wake
from inbox.gateways.whatsapp.pauses import OF_TOKENS
from inbox.models import Account, Pause

log = logging.getLogger(__name__)


@whole_transaction(idempotent=True)
def update(db: Database, cipher: TokenCipher, access: Access, account_id: UUID, patch: AccountPatch) -> AccountRow:
    """Change what `patch` names. A token resumes a number that was paused for want of a good one.

    Raises AccountNotFound, PermissionDenied.
    """
    with db.writing() as session:
        account = require_account(session, access, account_id, lock=True)
        now = db.now(session)
        changed = _set(account, patch, cipher)
        if changed:
            account.updated_at = now
            _note(session, access.principal, "account.updated", account, now, fields=changed)
        wanted = patch.paused if "paused" in patch.model_fields_set else None
        if wanted:
            _pause(session, access.principal, account, now)
        elif wanted is False or (patch.access_token is not None and account.paused_reason in OF_TOKENS):
            _resume(session, access.principal, account, now, new_token=patch.access_token is not None)
        return account_row(account)


@whole_transaction(idempotent=True)
def resume(
    db: Database, cipher: TokenCipher, phone_number_id: str, token: str | None, *, actor: Principal = OPERATOR
) -> bool:
    """Let a paused number send again, with a new access token if one is given. False when there is no such number."""
    query = select(Account).where(Account.phone_number_id == phone_number_id, Account.deleted_at.is_(None))
    with db.writing() as session:
        account = session.execute(query.with_for_update(key_share=True)).scalar_one_or_none()
        if account is None:
            return False
        now = db.now(session)
        if token is not None:
            account.access_token_encrypted = cipher.encrypt(token)
            account.updated_at = now
            _note(session, actor, "account.updated", account, now, fields=["access_token"])
        _resume(session, actor, account, now, new_token=token is not None)
    return True


def _set(account: Account, patch: AccountPatch, cipher: TokenCipher) -> list[str]:
    """The names of the fields that are different now."""
    given = patch.model_fields_set
    values: dict[str, Any] = {
        name: getattr(patch, name)
        for name in ("name", "phone_number", "waba_id", "bot_auto_on", "auto_assign", "message_retention_days")
        if name in given
    }
    changed = [name for name, value in values.items() if getattr(account, name) != value]
    for name in changed:
        setattr(account, name, values[name])
    token, verify_token = plain(patch.access_token), plain(patch.verify_token)
    if "access_token" in given and not cipher.holds(account.access_token_encrypted, token):
        account.access_token_encrypted = None if token is None else cipher.encrypt(token)
        changed.append("access_token")
    hashed = None if verify_token is None else token_hash(verify_token)
    if "verify_token" in given and account.verify_token_hash != hashed:
        account.verify_token_hash = hashed
        changed.append("verify_token")
    return sorted(changed)


def _pause(session: Session, actor: Principal, account: Account, now: datetime) -> None:
    """Nothing is sent until somebody says so; a new token alone does not."""
    if account.paused_reason == Pause.BY_A_PERSON:
        return
    _note(session, actor, "account.paused", account, now, before=account.paused_reason)
    account.paused_reason = Pause.BY_A_PERSON
    account.paused_at = account.updated_at = now
    log.info("number paused", extra={"account_id": str(account.id)})


def _resume(session: Session, actor: Principal, account: Account, now: datetime, *, new_token: bool) -> None:
    if account.paused_reason is None:
        return
    since = rfc3339(account.paused_at) if account.paused_at is not None else None
    before = account.paused_reason
    _note(session, actor, "account.resumed", account, now, before=before, since=since, new_token=new_token)
    account.paused_reason = account.paused_at = None
    account.updated_at = now
    wake(session, Work.DELIVER)
    log.info("number resumed", extra={"account_id": str(account.id), "new_token": new_token})


def _note(session: Session, actor: Principal, action: str, account: Account, now: datetime, **details: Any) -> None:
    audit.record(session, actor, action, now, target=account.id, account_id=account.id, **details)
