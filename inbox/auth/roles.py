"""Roles as they are stored, read back as what they permit."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from inbox.auth.access import BUILT_IN, Permission, Role
from inbox.db import one_of
from inbox.models import RoleDefinition

_BUILT_IN = {role.id: role for role in BUILT_IN}


def role_of(row: RoleDefinition) -> Role:
    """What `row` permits. A permission that this release does not know permits nothing."""
    if row.id in _BUILT_IN:
        return _BUILT_IN[row.id]
    known = frozenset(each for each in Permission if each in (row.permissions or []))
    return Role(row.id, row.slug, row.name, row.description, known)


def all_roles(session: Session) -> list[Role]:
    """The built-in ones, the strongest first; then the installation's own, by name."""
    rows = session.execute(select(RoleDefinition).order_by(RoleDefinition.name, RoleDefinition.id)).scalars()
    own = [role_of(row) for row in rows if row.id not in _BUILT_IN]
    return [*BUILT_IN, *own]


def roles_by_id(session: Session, ids: Iterable[UUID]) -> dict[UUID, Role]:
    """Those that exist."""
    found: dict[UUID, Role] = {}
    for condition in one_of(session, RoleDefinition.id, set(ids)):
        rows = session.execute(select(RoleDefinition).where(condition)).scalars()
        found.update((row.id, role_of(row)) for row in rows)
    return found
