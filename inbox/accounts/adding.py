"""How a number is added: over HTTP, or by the environment. One that was removed comes back (see `accounts.removal`)."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from inbox.accounts import removal
from inbox.accounts.schemas import AccountBody, AccountRow
from inbox.accounts.service import account_row
from inbox.auth import audit
from inbox.auth.access import Access, Principal
from inbox.auth.generation import rights_changed
from inbox.auth.hashing import token_hash
from inbox.cipher import TokenCipher, plain
from inbox.clock import new_id
from inbox.config import Config
from inbox.db import Database, insert
from inbox.db.transactions import whole_transaction
from inbox.db.wake import Work, wake
from inbox.errors import AccountExists
from inbox.models import Account, Pause

log = logging.getLogger(__name__)

ENVIRONMENT = Principal(id="", name="environment", everywhere=frozenset(), kind="command")


@dataclass(frozen=True, slots=True)
class Made:
    """A number that was asked for. `created`: it is new, or (`restored`) it had been removed and is back."""

    row: AccountRow
    created: bool
    restored: bool


def create(
    db: Database,
    cipher: TokenCipher,
    access: Access,
    body: AccountBody,
    retention: timedelta,
    *,
    account_id: UUID | None = None,
    paused: bool = False,
) -> Made:
    """Add a number; the same one once more changes nothing. One that was removed comes back as `body` describes it.

    `account_id` is one that it had elsewhere; `paused`: a new one sends nothing until somebody says so. Raises
    AccountExists when it is there with other values, AccountBeingRemoved while it still is.
    """
    removal.clear_the_way(db, body.phone_number_id)
    return _create(db, cipher, access, body, retention, account_id or new_id(), paused)


@whole_transaction(idempotent=True)
def _create(
    db: Database,
    cipher: TokenCipher,
    access: Access,
    body: AccountBody,
    retention: timedelta,
    account_id: UUID,
    paused: bool,
) -> Made:
    with db.writing() as session:
        place = _take_place(db, session, body.phone_number_id, account_id, _values(body, cipher), retention)
        account = place.account
        mine = account.id == account_id  # also if an earlier attempt at this call made it
        if place.found and not mine and not (access.allows(account.id) and _is_as(account, body, cipher)):
            raise AccountExists
        if not place.found:
            if paused:
                account.paused_reason, account.paused_at = Pause.BY_A_PERSON, place.now
            _note(session, access.principal, "restored" if place.restored else "created", place)
            wake(session, Work.HOUSEKEEPING)  # to take in what came for it before
        return Made(account_row(account), created=mine or place.restored, restored=place.restored)


def _values(body: AccountBody, cipher: TokenCipher) -> dict[str, Any]:
    """Columns of a new number."""
    token, verify_token = plain(body.access_token), plain(body.verify_token)
    return {
        "name": body.name,
        "phone_number": body.phone_number,
        "waba_id": body.waba_id,
        "bot_auto_on": body.bot_auto_on,
        "access_token_encrypted": None if token is None else cipher.encrypt(token),
        "verify_token_hash": None if verify_token is None else token_hash(verify_token),
    }


def _is_as(account: Account, body: AccountBody, cipher: TokenCipher) -> bool:
    """True when the body would make just this number. Its waba_id may have been learned since."""
    return (
        (account.name, account.phone_number, account.bot_auto_on) == (body.name, body.phone_number, body.bot_auto_on)
        and body.waba_id in (None, account.waba_id)
        and cipher.holds(account.access_token_encrypted, plain(body.access_token))
        and account.verify_token_hash == _values(body, cipher)["verify_token_hash"]
    )


# --- by the environment ------------------------------------------------------------------------------------------


@whole_transaction(idempotent=True)
def ensure_default(db: Database, config: Config, cipher: TokenCipher) -> bool:
    """Make or update the account that WHATSAPP_PHONE_NUMBER_ID describes. True when something changed.

    The environment wins over what was changed over HTTP; so a removed number that it still names comes back.
    """
    number_id, token = config.whatsapp_phone_number_id, config.whatsapp_access_token
    if not number_id or not token:
        return False
    removal.clear_the_way(db, number_id)
    described = {"phone_number": config.whatsapp_phone_number, "bot_auto_on": config.whatsapp_bot_auto_on}
    values = described | {"access_token_encrypted": cipher.encrypt(token)}
    new = values | {"name": config.whatsapp_phone_number or number_id}
    retention = timedelta(days=config.account_retention_days)
    with db.writing() as session:
        place = _take_place(db, session, number_id, new_id(), new, retention)
        account = place.account
        changed = [name for name, value in described.items() if getattr(account, name) != value]
        if not cipher.holds(account.access_token_encrypted, token):
            changed.append("access_token")
        if place.found and not changed:
            return False
        if place.found:
            _update(account, values, place.now)
            wake(session, Work.DELIVER)  # what waited for another token
            _note(session, ENVIRONMENT, "updated", place, fields=sorted(changed))
        else:
            _note(session, ENVIRONMENT, "restored" if place.restored else "created", place)
            wake(session, Work.HOUSEKEEPING)
    return True


def _update(account: Account, values: Mapping[str, Any], now: datetime) -> None:
    for name, value in values.items():
        setattr(account, name, value)
    if account.paused_reason != Pause.BY_A_PERSON:
        account.paused_reason = account.paused_at = None  # what paused it was the old token or number
    account.updated_at = now


# --- both --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Place:
    """The locked row of a phone_number_id. `found`: it was in use already, and nothing was changed."""

    account: Account
    now: datetime
    found: bool = False
    restored: bool = False


def _take_place(
    db: Database, session: Session, number_id: str, account_id: UUID, values: Mapping[str, Any], retention: timedelta
) -> _Place:
    """The number that is there, or one made with these values, or a removed one brought back with them."""
    now = db.now(session)
    account = _locked(session, number_id)
    if account is not None and account.deleted_at is not None and removal.is_over(account.deleted_at, retention, now):
        removal.retire(session, account)
        account = None
    if account is None:
        row = {"id": account_id, "phone_number_id": number_id, "created_at": now, "updated_at": now, **values}
        # Of two at once the second waits here for the first, and makes nothing.
        statement = (
            insert(session, Account).values(row).on_conflict_do_nothing(index_elements=[Account.phone_number_id])
        )
        made = session.execute(statement.returning(Account.id)).scalar_one_or_none()
        account = _locked(session, number_id)
        assert account is not None
        if made is not None:
            return _Place(account, now)
    if account.deleted_at is None:
        return _Place(account, now, found=True)
    removal.require_withdrawn(session, account)
    _restore(account, values, now)
    return _Place(account, now, restored=True)


def _locked(session: Session, number_id: str) -> Account | None:
    query = select(Account).where(Account.phone_number_id == number_id)
    return session.execute(query.with_for_update(key_share=True)).scalar_one_or_none()


def _restore(account: Account, values: Mapping[str, Any], now: datetime) -> None:
    for name, value in values.items():
        if name != "waba_id" or value is not None:  # what was learned is still true
            setattr(account, name, value)
    account.deleted_at = account.paused_reason = account.paused_at = None
    account.updated_at = now


def _note(session: Session, actor: Principal, verb: str, place: _Place, **details: Any) -> None:
    account = place.account
    shown = {"name": account.name, "phone_number_id": account.phone_number_id, **details}
    audit.record(session, actor, f"account.{verb}", place.now, target=account.id, account_id=account.id, **shown)
    rights_changed(session)
    log.info("number %s", verb, extra={"account_id": str(account.id), "by": actor.kind})
