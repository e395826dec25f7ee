"""Roles: the built-in ones, and those that the installation makes for itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from inbox.auth import audit
from inbox.auth.access import BUILT_IN, Permission, Principal, Role
from inbox.auth.generation import rights_changed
from inbox.auth.roles import all_roles, role_of
from inbox.clock import new_id
from inbox.db import Database
from inbox.db.transactions import whole_transaction
from inbox.errors import RoleBuiltIn, RoleExists, RoleInUse, RoleNotFound
from inbox.models import ApiKey, RoleDefinition, RoleGrant, User
from inbox.users.rights import NOTHING, administering, check_gift, check_once, somebody_remains

_NAMED = 10  # of the users and keys that stand in the way of a deletion


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a role is to be."""

    slug: str
    name: str
    description: str
    permissions: Sequence[Permission]


def list_roles(db: Database) -> list[Role]:
    """Every role there is."""
    with db.reading() as session:
        return all_roles(session)


def find_role(db: Database, slug: str) -> Role:
    """Raises RoleNotFound, which names those there are: for commands."""
    roles = list_roles(db)
    for role in roles:
        if role.slug == slug:
            return role
    raise RoleNotFound(f"There is no role {slug}. There are: {', '.join(role.slug for role in roles)}.")


@whole_transaction
def create_role(db: Database, actor: Principal, wanted: Wanted, *, role_id: UUID | None = None) -> Role:
    """Make a role, of permissions that its maker holds everywhere. `role_id`: one that it had elsewhere.

    Raises InvalidRequest (a permission twice), RoleExists, PermissionDenied.
    """
    check_once(wanted.permissions, "/permissions")
    with administering(db, actor, Permission.ROLES_MANAGE) as (session, actor):
        check_gift(actor, NOTHING, (frozenset(wanted.permissions), {}))
        _check_slug(session, wanted.slug, None)
        now = db.now(session)
        row = RoleDefinition(id=role_id or new_id(), created_at=now, **_columns(wanted, now))
        session.add(row)
        session.flush()
        audit.record(session, actor, "role.created", now, target=row.id, **_details(role_of(row)))
        return role_of(row)


@whole_transaction(idempotent=True)
def change_role(db: Database, actor: Principal, role_id: UUID, wanted: Wanted) -> Role:
    """Make a role another one, for all who have it. Nobody adds a permission that they do not hold everywhere.

    Raises as create_role, and RoleNotFound, RoleBuiltIn, LastAdmin.
    """
    check_once(wanted.permissions, "/permissions")
    with administering(db, actor, Permission.ROLES_MANAGE) as (session, actor):
        row = _own(session, role_id)
        before = role_of(row)
        check_gift(actor, (before.permissions, {}), (frozenset(wanted.permissions), {}))
        _check_slug(session, wanted.slug, role_id)
        now = db.now(session)
        with somebody_remains(session):
            for name, value in _columns(wanted, now).items():
                setattr(row, name, value)
        rights_changed(session)
        after = _details(role_of(row))
        if after != _details(before):
            audit.record(session, actor, "role.changed", now, target=row.id, before=_details(before), after=after)
        return role_of(row)


@whole_transaction
def delete_role(db: Database, actor: Principal, role_id: UUID) -> None:
    """Delete a role that nobody has. Raises RoleNotFound, RoleBuiltIn, RoleInUse, PermissionDenied."""
    with administering(db, actor, Permission.ROLES_MANAGE) as (session, actor):
        row = _own(session, role_id)
        now = db.now(session)
        _check_unused(session, role_id, now)
        audit.record(session, actor, "role.deleted", now, target=row.id, **_details(role_of(row)))
        session.delete(row)


def _own(session: Session, role_id: UUID) -> RoleDefinition:
    """The row of a role that is not built in."""
    row = session.get(RoleDefinition, role_id, with_for_update=True)
    if row is None:
        raise RoleNotFound
    if row.id in {role.id for role in BUILT_IN}:
        raise RoleBuiltIn
    return row


def _check_slug(session: Session, slug: str, own: UUID | None) -> None:
    found = session.execute(select(RoleDefinition.id).where(RoleDefinition.slug == slug)).scalar_one_or_none()
    if found not in (None, own):
        raise RoleExists


def _check_unused(session: Session, role_id: UUID, now: datetime) -> None:
    """Keys that work no longer are in nobody's way: they lose their role."""
    of_users = select(User.email, User.name, User.id).join(RoleGrant, RoleGrant.user_id == User.id)
    people = session.execute(of_users.where(RoleGrant.role_id == role_id).distinct().limit(_NAMED)).all()
    working = ApiKey.revoked_at.is_(None), or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > now)
    keys = session.execute(select(ApiKey.name).where(ApiKey.role_id == role_id, *working).limit(_NAMED)).scalars().all()
    if people or keys:
        users = [email or name or str(user_id) for email, name, user_id in people]
        raise RoleInUse(extra={"users": users, "keys": list(keys)})


def _columns(wanted: Wanted, now: datetime) -> dict[str, Any]:
    return {
        "slug": wanted.slug,
        "name": wanted.name,
        "description": wanted.description,
        "permissions": sorted(wanted.permissions),
        "updated_at": now,
    }


def _details(role: Role) -> dict[str, Any]:
    """A role as the audit log tells it."""
    return {"slug": role.slug, "role_name": role.name, "permissions": sorted(role.permissions)}
