"""API keys: 256 random bits, shown once, stored as a hash, for some accounts or all, revocable."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from inbox.auth import audit
from inbox.auth.access import OPERATOR, Grant, Principal, Role, resolve
from inbox.auth.generation import rights_changed
from inbox.auth.hashing import token_hash
from inbox.clock import new_id, rfc3339
from inbox.db import Database
from inbox.errors import InvalidCredentials
from inbox.models import ApiKey

PREFIX = "inbox_"


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key just made. `secret` cannot be had again."""

    id: UUID
    secret: str


def create(
    db: Database,
    *,
    name: str,
    role: Role,
    accounts: Collection[UUID] | None = None,
    expires_at: datetime | None = None,
    actor: Principal = OPERATOR,
) -> NewKey:
    """Make and store a key, for all accounts unless some are named."""
    with db.writing() as session:
        row, secret = add(session, name, role, accounts, expires_at, actor=actor, now=db.now(session))
    return NewKey(row.id, secret)


def add(
    session: Session,
    name: str,
    role: Role,
    accounts: Collection[UUID] | None,
    expires_at: datetime | None,
    *,
    actor: Principal,
    now: datetime,
) -> tuple[ApiKey, str]:
    """Add a key to this transaction; its row and the key itself."""
    secret = PREFIX + secrets.token_urlsafe(32)
    row = ApiKey(
        id=new_id(),
        name=name,
        prefix=secret[: len(PREFIX) + 6],
        hash=token_hash(secret),
        role=role,
        account_ids=None if accounts is None else sorted(map(str, accounts)),
        expires_at=expires_at,
        created_at=now,
    )
    session.add(row)
    until = None if expires_at is None else rfc3339(expires_at)
    shown: dict[str, Any] = {"name": name, "role": role, "accounts": row.account_ids, "expires_at": until}
    audit.record(session, actor, "key.created", now, target=row.id, **shown)
    return row, secret


def revoke(db: Database, prefix: str, *, actor: Principal = OPERATOR) -> int:
    """Revoke the keys whose shown part is `prefix`. How many were."""
    with db.writing() as session:
        query = select(ApiKey).where(ApiKey.prefix == prefix, ApiKey.revoked_at.is_(None)).with_for_update()
        rows = session.execute(query).scalars().all()
        now = db.now(session)
        for row in rows:
            end(session, row, actor, now)
        return len(rows)


def end(session: Session, row: ApiKey, actor: Principal, now: datetime) -> None:
    """Revoke one key, whose row the caller has locked."""
    row.revoked_at = now
    rights_changed(session)
    audit.record(session, actor, "key.revoked", now, target=row.id, name=row.name)


def listed(db: Database) -> Sequence[ApiKey]:
    """All keys, oldest first."""
    with db.reading() as session:
        return session.execute(select(ApiKey).order_by(ApiKey.created_at, ApiKey.id)).scalars().all()


def load(session: Session, hash_: str) -> Principal:
    """Who holds the key with this hash. Raises InvalidCredentials."""
    row = session.execute(select(ApiKey).where(ApiKey.hash == hash_, ApiKey.revoked_at.is_(None))).scalar_one_or_none()
    if row is None:
        raise InvalidCredentials
    return principal_of(row)


def principal_of(row: ApiKey) -> Principal:
    """What the holder of a key may do."""
    accounts = [None] if row.account_ids is None else [UUID(each) for each in row.account_ids]
    grants = tuple(Grant(Role(row.role), account_id) for account_id in accounts)
    everywhere, by_account = resolve(grants, ())
    return Principal(
        id=str(row.id),
        name=row.name,
        everywhere=everywhere,
        by_account=by_account,
        kind="key",
        grants=grants,
        expires_at=row.expires_at,
    )
