"""Members in the states that tests need."""

from __future__ import annotations

from collections.abc import Iterable

from inbox.auth.access import Grant, Override
from inbox.auth.passwords import set_password
from inbox.clock import new_id
from inbox.db import Database
from inbox.models import PermissionOverride, RoleGrant, User

PASSWORD = "correct horse battery staple"


def local_user(
    db: Database, email: str, grants: Iterable[Grant], *, overrides: Iterable[Override] = (), password: str = PASSWORD
) -> User:
    """A user who signs in with a password."""
    with db.writing() as session:
        now = db.now(session)
        user = User(id=new_id(), email=email, name=email.partition("@")[0].title(), created_at=now, updated_at=now)
        session.add(user)
        session.flush()
        set_password(session, user, password, now)
        for grant in grants:
            session.add(RoleGrant(id=new_id(), user_id=user.id, role=grant.role, account_id=grant.account_id))
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
