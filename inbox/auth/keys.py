"""API keys: 256 random bits, shown once, stored as a hash, revocable."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select, update

from inbox.auth.access import PERMISSIONS, Principal, Role
from inbox.clock import new_id, utc_now
from inbox.db import Database
from inbox.errors import InvalidCredentials
from inbox.models import ApiKey

PREFIX = "inbox_"


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key just made. `secret` cannot be had again."""

    id: UUID
    secret: str


def create(db: Database, *, name: str, role: Role) -> NewKey:
    """Make and store a key."""
    secret = PREFIX + secrets.token_urlsafe(32)
    row = ApiKey(
        id=new_id(), name=name, prefix=secret[: len(PREFIX) + 6], hash=_hash(secret), role=role, created_at=utc_now()
    )
    with db.writing() as session:
        session.add(row)
    return NewKey(row.id, secret)


def revoke(db: Database, prefix: str) -> int:
    """Revoke the keys whose shown part is `prefix`. How many were."""
    with db.writing() as session:
        statement = update(ApiKey).where(ApiKey.prefix == prefix, ApiKey.revoked_at.is_(None))
        return len(session.execute(statement.values(revoked_at=utc_now()).returning(ApiKey.id)).all())


def listed(db: Database) -> Sequence[ApiKey]:
    """All keys, oldest first."""
    with db.reading() as session:
        return session.execute(select(ApiKey).order_by(ApiKey.created_at, ApiKey.id)).scalars().all()


def identify(db: Database, secret: str) -> Principal:
    """Who holds this key. Raises InvalidCredentials; DatabaseUnavailable when we cannot tell."""
    with db.reading() as session:
        query = select(ApiKey.id, ApiKey.name, ApiKey.role)
        row = session.execute(query.where(ApiKey.hash == _hash(secret), ApiKey.revoked_at.is_(None))).one_or_none()
    if row is None:
        raise InvalidCredentials
    return Principal(id=str(row.id), name=row.name, permissions=PERMISSIONS[Role(row.role)])


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
