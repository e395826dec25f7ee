"""Business numbers."""

from __future__ import annotations

import hashlib
import hmac
import logging
from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from inbox.accounts.tokens import TokenCipher
from inbox.auth.access import Access
from inbox.clock import new_id, utc_now
from inbox.config import Config
from inbox.db import Database
from inbox.models import Account

log = logging.getLogger(__name__)


def list_accounts(db: Database, access: Access) -> Sequence[Account]:
    """The numbers the caller may see, oldest first."""
    return [row for row in all_accounts(db) if access.allows(row.id)]


def require_account(session: Session, access: Access, account_id: UUID) -> Account:
    """The number, if it is in use and the caller may do this to it. Raises AccountNotFound, PermissionDenied."""
    account = session.get(Account, account_id)
    if account is None or account.deleted_at is not None:
        raise access.missing_account()
    access.require(account_id)
    return account


def all_accounts(db: Database) -> Sequence[Account]:
    """Every number in use, oldest first: for commands, which see all."""
    with db.reading() as session:
        query = select(Account).where(Account.deleted_at.is_(None)).order_by(Account.created_at, Account.id)
        return session.execute(query).scalars().all()


def resume(db: Database, cipher: TokenCipher, phone_number_id: str, token: str | None) -> bool:
    """Let a paused number send again, with a new access token if one is given. False when there is no such number."""
    with db.writing() as session:
        query = select(Account).where(Account.phone_number_id == phone_number_id).with_for_update()
        account = session.execute(query).scalar_one_or_none()
        if account is None:
            return False
        if token is not None:
            account.access_token_encrypted = cipher.encrypt(token)
        account.paused_reason = account.paused_at = None
        account.updated_at = db.now(session)
    log.info("number resumed", extra={"account_id": str(account.id), "new_token": token is not None})
    return True


def ensure_default(db: Database, config: Config, cipher: TokenCipher) -> bool:
    """Make or update the account that WHATSAPP_PHONE_NUMBER_ID describes. True when something changed."""
    if not config.whatsapp_phone_number_id or not config.whatsapp_access_token:
        return False
    now = utc_now()
    with db.writing() as session:
        query = select(Account).where(Account.phone_number_id == config.whatsapp_phone_number_id)
        account = session.execute(query.with_for_update()).scalar_one_or_none()
        if account is None:
            account = Account(
                id=new_id(),
                name=config.whatsapp_phone_number or config.whatsapp_phone_number_id,
                phone_number_id=config.whatsapp_phone_number_id,
                bot_auto_on=config.whatsapp_bot_auto_on,
                created_at=now,
                updated_at=now,
            )
            session.add(account)
        elif _same(account, config, cipher):
            return False
        account.phone_number = config.whatsapp_phone_number
        account.bot_auto_on = config.whatsapp_bot_auto_on
        account.access_token_encrypted = cipher.encrypt(config.whatsapp_access_token)
        account.paused_reason = account.paused_at = None  # what paused it was the old token or number
        account.updated_at = now
    log.info("default account set from the environment", extra={"account_id": str(account.id)})
    return True


def _same(account: Account, config: Config, cipher: TokenCipher) -> bool:
    token = cipher.decrypt(account.access_token_encrypted) if account.access_token_encrypted else ""
    return (
        hmac.compare_digest(token.encode(), (config.whatsapp_access_token or "").encode())
        and account.phone_number == config.whatsapp_phone_number
        and account.bot_auto_on == config.whatsapp_bot_auto_on
    )


def verify_token_matches(db: Database, config: Config, given: str) -> bool:
    """True when `given` is the verify token of the app or of one of the numbers. Compared in constant time."""
    digest = hashlib.sha256(given.encode("utf-8", "surrogatepass")).hexdigest()
    with db.reading() as session:
        stored = session.execute(select(Account.verify_token_hash).where(Account.verify_token_hash.is_not(None)))
        known = [value for value in stored.scalars() if value]
    if config.whatsapp_verify_token:
        known.append(hashlib.sha256(config.whatsapp_verify_token.encode()).hexdigest())
    return sum(hmac.compare_digest(digest, candidate) for candidate in known) > 0  # all of them, whichever matches
