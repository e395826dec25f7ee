"""Users as they are shown."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from inbox.auth.access import Role
from inbox.db import one_of
from inbox.models import Account, PermissionOverride, RoleGrant, User
from inbox.users.schemas import GrantRow, Kind, OverrideRow, Status, UserRow


def user_rows(session: Session, users: Sequence[User]) -> list[UserRow]:
    """Users with what was given to them, in the same order."""
    roles = _by_user(session, RoleGrant.user_id, _roles(), users)
    overrides = _by_user(session, PermissionOverride.user_id, _overrides(), users)
    return [_row(user, roles[user.id], overrides[user.id]) for user in users]


def user_row(session: Session, user: User) -> UserRow:
    return user_rows(session, [user])[0]


def _row(user: User, roles: Sequence[Any], overrides: Sequence[Any]) -> UserRow:
    return UserRow(
        id=user.id,
        email=user.email,
        name=user.name,
        kind=_kind(user),
        status=_status(user),
        roles=[GrantRow(role=Role(row.role), account_id=row.account_id) for row in roles],
        overrides=[OverrideRow.model_validate(row) for row in overrides],
        signed_in_at=user.signed_in_at,
        created_at=user.created_at,
    )


def _kind(user: User) -> Kind:
    if user.subject is not None:
        return "supabase"
    return "local" if user.password_hash is not None else "invited"


def _status(user: User) -> Status:
    if user.disabled_at is not None:
        return "disabled"
    return "invited" if _kind(user) == "invited" else "active"


def has_status(status: Status) -> Any:
    """The users whose row shows this status."""
    known = or_(User.subject.is_not(None), User.password_hash.is_not(None))
    if status == "disabled":
        return User.disabled_at.is_not(None)
    return and_(User.disabled_at.is_(None), known if status == "active" else ~known)


# What belongs to a deleted account is as gone as the account: it is not shown, so that what is shown can be put back.


def _roles() -> Any:
    rows = select(RoleGrant.user_id, RoleGrant.role, RoleGrant.account_id)
    return _of_accounts_in_use(rows, RoleGrant.account_id).order_by(RoleGrant.role, RoleGrant.account_id)


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
