"""Members in the states that tests need."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from datetime import timedelta
from uuid import UUID

from inbox.auth.access import Grant, Override
from inbox.auth.hashing import token_hash
from inbox.auth.identities import SESSION_PREFIX
from inbox.auth.passwords import set_password
from inbox.clock import new_id
from inbox.db import Database
from inbox.models import PermissionOverride, RoleGrant, User, UserSession

PASSWORD = "correct horse battery staple"


def local_user(
    db: Database,
    email: str,
    grants: Iterable[Grant],
    *,
    overrides: Iterable[Override] = (),
    password: str | None = PASSWORD,
) -> User:
    """A user who signs in with a password, or who only has been invited; hashing one takes its time."""
    with db.writing() as session:
        now = db.now(session)
        user = User(id=new_id(), email=email, name=email.partition("@")[0].title(), created_at=now, updated_at=now)
        session.add(user)
        session.flush()
        if password is not None:
            set_password(session, user, password, now)
        for grant in grants:
            session.add(RoleGrant(id=new_id(), user_id=user.id, role_id=grant.role.id, account_id=grant.account_id))
        for each in overrides:
            session.add(
                PermissionOverride(
                    id=new_id(),
                    user_id=user.id,
                    permission=each.permission,
                    allowed=each.allowed,
                    account_id=each.account_id,
                )
            )
    return user


def session_of(db: Database, user_id: UUID) -> str:
    """The token of a session that this user has begun."""
    token = SESSION_PREFIX + secrets.token_urlsafe(32)
    with db.writing() as session:
        now = db.now(session)
        expires_at = now + timedelta(hours=1)
        session.add(
            UserSession(id=new_id(), user_id=user_id, hash=token_hash(token), created_at=now, expires_at=expires_at)
        )
    return token
