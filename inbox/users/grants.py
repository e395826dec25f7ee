"""Roles and overrides: each call replaces the whole set of one user."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete
from sqlalchemy.orm import Session

from inbox.auth import audit
from inbox.auth.access import Grant, Override, Permission, Principal, resolve
from inbox.auth.generation import rights_changed
from inbox.auth.identities import grants_of, overrides_of
from inbox.auth.roles import roles_by_id
from inbox.clock import new_id
from inbox.db import Database
from inbox.db.transactions import whole_transaction
from inbox.errors import FieldProblem, InvalidRequest, UserNotFound
from inbox.models import PermissionOverride, RoleGrant, User
from inbox.users.rights import Held, administering, check_accounts, check_gift, check_once, somebody_remains
from inbox.users.rows import user_row
from inbox.users.schemas import UserRow


@dataclass(frozen=True, slots=True)
class Assignment:
    """A role that is to be given, for one account or, without one, for all."""

    role_id: UUID
    account_id: UUID | None = None


@whole_transaction(idempotent=True)
def set_roles(db: Database, actor: Principal, user_id: UUID, assignments: Sequence[Assignment]) -> UserRow:
    """Give a user these roles and no others.

    Raises UserNotFound, InvalidRequest (a role twice, no such role, an account that is not in use), PermissionDenied,
    LastAdmin.
    """
    check_once(assignments, "/assignments")
    with administering(db, actor, Permission.ROLES_MANAGE) as (session, actor):
        user = require_user(session, user_id)
        _replace_roles(session, actor, user, chosen(session, assignments), db.now(session))
        return user_row(session, user)


@whole_transaction(idempotent=True)
def change_roles(
    db: Database, actor: Principal, user_id: UUID, assignments: Sequence[Assignment], *, remove: bool
) -> bool:
    """Add these roles to a user's, or take them away; False when there was nothing to change. Raises as set_roles."""
    with administering(db, actor, Permission.ROLES_MANAGE) as (session, actor):
        user = require_user(session, user_id)
        before, named = set(grants_of(session, user.id)), set(chosen(session, assignments))
        after = before - named if remove else before | named
        _replace_roles(session, actor, user, list(after), db.now(session))
        return after != before


@whole_transaction(idempotent=True)
def set_overrides(db: Database, actor: Principal, user_id: UUID, overrides: Sequence[Override]) -> UserRow:
    """Give and take these single permissions and no others. Raises as set_roles."""
    check_once([(each.permission, each.account_id) for each in overrides], "/overrides")
    with administering(db, actor, Permission.ROLES_MANAGE) as (session, actor):
        user = require_user(session, user_id)
        check_accounts(session, [each.account_id for each in overrides], "/overrides/{}/account_id")
        _replace_overrides(session, actor, user, overrides, db.now(session))
        return user_row(session, user)


def chosen(session: Session, assignments: Sequence[Assignment]) -> list[Grant]:
    """What is to be given. Raises InvalidRequest for a role that there is not, or an account that is not in use."""
    roles = roles_by_id(session, [each.role_id for each in assignments])
    unknown = [
        FieldProblem(f"/assignments/{number}/role_id", "unknown_role", "there is no such role")
        for number, each in enumerate(assignments)
        if each.role_id not in roles
    ]
    if unknown:
        raise InvalidRequest(unknown)
    check_accounts(session, [each.account_id for each in assignments], "/assignments/{}/account_id")
    return [Grant(roles[each.role_id], each.account_id) for each in assignments]


def require_user(session: Session, user_id: UUID) -> User:
    """Raises UserNotFound. The caller holds `lock_users`, so nobody else changes the row."""
    user = session.get(User, user_id)
    if user is None:
        raise UserNotFound
    return user


def held_by(session: Session, user: User) -> Held:
    """What a user may do, or might if they were not disabled."""
    return resolve(grants_of(session, user.id), overrides_of(session, user.id))


def add_roles(session: Session, user: User, grants: Iterable[Grant]) -> None:
    """The rows alone: the caller has checked who gives what."""
    session.add_all(
        RoleGrant(id=new_id(), user_id=user.id, role_id=each.role.id, account_id=each.account_id) for each in grants
    )


def add_overrides(session: Session, user: User, overrides: Iterable[Override]) -> None:
    """As add_roles."""
    session.add_all(
        PermissionOverride(
            id=new_id(),
            user_id=user.id,
            permission=override.permission,
            allowed=override.allowed,
            account_id=override.account_id,
        )
        for override in overrides
    )


def _replace_roles(session: Session, actor: Principal, user: User, grants: Sequence[Grant], now: datetime) -> None:
    before, said = grants_of(session, user.id), overrides_of(session, user.id)
    if set(before) == set(grants):
        return
    check_gift(actor, resolve(before, said), resolve(grants, said))
    with somebody_remains(session):
        session.execute(delete(RoleGrant).where(RoleGrant.user_id == user.id))
        add_roles(session, user, grants)
    user.updated_at = now
    rights_changed(session)
    audit.record(
        session, actor, "user.roles_changed", now, target=user.id, before=as_details(before), after=as_details(grants)
    )


def _replace_overrides(
    session: Session, actor: Principal, user: User, overrides: Sequence[Override], now: datetime
) -> None:
    before, granted = overrides_of(session, user.id), grants_of(session, user.id)
    if set(before) == set(overrides):
        return
    check_gift(actor, resolve(granted, before), resolve(granted, overrides))
    with somebody_remains(session):
        session.execute(delete(PermissionOverride).where(PermissionOverride.user_id == user.id))
        add_overrides(session, user, overrides)
    user.updated_at = now
    rights_changed(session)
    audit.record(
        session,
        actor,
        "user.overrides_changed",
        now,
        target=user.id,
        before=as_details(before),
        after=as_details(overrides),
    )


def as_details(rights: Collection[Grant | Override]) -> list[str]:
    """Rights as the audit log tells them: "manager", "viewer of <account>", "not messages.send of <account>"."""
    return sorted(map(_in_words, rights))


def _in_words(right: Grant | Override) -> str:
    what = right.role.slug if isinstance(right, Grant) else f"{'' if right.allowed else 'not '}{right.permission}"
    return what if right.account_id is None else f"{what} of {right.account_id}"
