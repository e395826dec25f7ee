"""Users as they are shown."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from inbox.auth.access import Grant
from inbox.auth.roles import role_of
from inbox.db import one_of
from inbox.models import Account, PermissionOverride, RoleDefinition, RoleGrant, User
from inbox.users.schemas import Kind, OverrideRow, UserRow, assignment_row


def user_rows(session: Session, users: Sequence[User]) -> list[UserRow]:
    """Users with what was given to them, in the same order."""
    roles = _by_user(session, RoleGrant.user_id, _roles(), users)
    overrides = _by_user(session, PermissionOverride.user_id, _overrides(), users)
    return [_row(user, roles[user.id], overrides[user.id]) for user in users]


def user_row(session: Session, user: User) -> UserRow:
    return user_rows(session, [user])[0]


def _row(user: User, roles: Sequence[Any], overrides: Sequence[Any]) -> UserRow:
    return UserRow(
        user_id=user.id,
        email=user.email,
        name=user.name,
        kind=_kind(user),
        is_active=user.disabled_at is None,
        roles=[assignment_row(Grant(role_of(row[0]), row.account_id)) for row in roles],
        overrides=[
            OverrideRow(permission_code=row.permission, is_allowed=row.allowed, account_id=row.account_id)
            for row in overrides
        ],
        signed_in_at=user.signed_in_at,
        created_at=user.created_at,
    )


def _kind(user: User) -> Kind:
    if user.subject is not None:
        return "supabase"
    return "local" if user.password_hash is not None else "invited"


def of_kind(kind: Kind) -> ColumnElement[bool]:
    """The users whose row shows this kind."""
    if kind == "supabase":
        return User.subject.is_not(None)
    local = User.password_hash.is_not(None) if kind == "local" else User.password_hash.is_(None)
    return and_(User.subject.is_(None), local)


# What belongs to a deleted account is as gone as the account: it is not shown, so that what is shown can be put back.


def _roles() -> Any:
    rows = select(RoleDefinition, RoleGrant.user_id, RoleGrant.account_id)
    rows = rows.join(RoleGrant, RoleGrant.role_id == RoleDefinition.id)
    return _of_accounts_in_use(rows, RoleGrant.account_id).order_by(RoleDefinition.slug, RoleGrant.account_id)


def _overrides() -> Any:
    table = PermissionOverride
    rows = select(table.user_id, table.permission, table.allowed, table.account_id)
    return _of_accounts_in_use(rows, table.account_id).order_by(table.permission, table.account_id)


def _of_accounts_in_use(rows: Any, account_id: InstrumentedAttribute[UUID | None]) -> Any:
    with_account = rows.outerjoin(Account, Account.id == account_id)
    return with_account.where(or_(account_id.is_(None), Account.deleted_at.is_(None)))


def _by_user(
    session: Session, user_id: InstrumentedAttribute[UUID], rows: Any, users: Sequence[User]
) -> dict[UUID, list[Any]]:
    found = defaultdict(list)
    for condition in one_of(session, user_id, [user.id for user in users]):
        for row in session.execute(rows.where(condition)):
            found[row.user_id].append(row)
    return found
