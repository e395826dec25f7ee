"""API keys: 256 random bits, shown once, stored as a hash, for some accounts or all, revocable."""

from __future__ import annotations

import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, select
from sqlalchemy.orm import Session

from inbox.auth import audit
from inbox.auth.access import OPERATOR, Grant, Principal, Role, resolve
from inbox.auth.generation import rights_changed
from inbox.auth.hashing import token_hash
from inbox.auth.roles import role_of
from inbox.clock import new_id, rfc3339
from inbox.db import Database
from inbox.errors import InvalidCredentials
from inbox.models import ApiKey, RoleDefinition

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
        role_id=role.id,
        account_ids=None if accounts is None else sorted(map(str, accounts)),
        expires_at=expires_at,
        created_at=now,
    )
    session.add(row)
    until = None if expires_at is None else rfc3339(expires_at)
    shown: dict[str, Any] = {"name": name, "role": role.slug, "accounts": row.account_ids, "expires_at": until}
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


def listed(db: Database) -> list[tuple[ApiKey, Role | None]]:
    """All keys with their roles, oldest first."""
    with db.reading() as session:
        found = session.execute(with_roles().order_by(ApiKey.created_at, ApiKey.id))
        return [(key, None if role is None else role_of(role)) for key, role in found]


def with_roles() -> Select[ApiKey, RoleDefinition | None]:
    """Keys, each with its role; None: deleted since, when nobody could use the key any more."""
    return select(ApiKey, RoleDefinition).outerjoin(RoleDefinition, RoleDefinition.id == ApiKey.role_id)


def load(session: Session, hash_: str) -> Principal:
    """Who holds the key with this hash. Raises InvalidCredentials."""
    return _holder(session, ApiKey.hash == hash_)


def reload(session: Session, key_id: UUID) -> Principal:
    """Who holds this key, as it stands now. Raises InvalidCredentials."""
    return _holder(session, ApiKey.id == key_id)


def _holder(session: Session, wanted: ColumnElement[bool]) -> Principal:
    query = with_roles().where(wanted, ApiKey.revoked_at.is_(None)).execution_options(populate_existing=True)
    key, role = session.execute(query).one_or_none() or (None, None)
    if key is None or role is None:
        raise InvalidCredentials
    accounts = [None] if key.account_ids is None else [UUID(each) for each in key.account_ids]
    grants = tuple(Grant(role_of(role), account_id) for account_id in accounts)
    everywhere, by_account = resolve(grants, ())
    return Principal(
        id=str(key.id),
        name=key.name,
        everywhere=everywhere,
        by_account=by_account,
        kind="key",
        grants=grants,
        expires_at=key.expires_at,
    )
