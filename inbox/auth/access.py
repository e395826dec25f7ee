"""Roles, permissions, and what they come to for somebody: the one place where a permission is decided."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Literal
from uuid import UUID

from inbox.errors import AccountNotFound, PermissionDenied


class Permission(enum.StrEnum):
    ACCOUNTS_VIEW = "accounts.view"
    ACCOUNTS_MANAGE = "accounts.manage"
    ACCOUNTS_ASSIGN = "accounts.assign"
    CONVERSATIONS_VIEW = "conversations.view"
    MESSAGES_VIEW = "messages.view"
    MESSAGES_SEND = "messages.send"
    CONTACTS_VIEW = "contacts.view"
    USERS_MANAGE = "users.manage"
    ROLES_MANAGE = "roles.manage"
    SETTINGS_MANAGE = "settings.manage"


@dataclass(frozen=True, slots=True)
class Role:
    """Permissions under a name. Two with one id are the same role, as it was read at two moments."""

    id: UUID
    slug: str = field(compare=False)  #: the name in commands and in the audit log
    name: str = field(compare=False)
    description: str = field(compare=False)
    permissions: frozenset[Permission] = field(compare=False)

    ADMIN: ClassVar[Role]
    MANAGER: ClassVar[Role]
    VIEWER: ClassVar[Role]


_SEES = frozenset(
    {Permission.ACCOUNTS_VIEW, Permission.CONVERSATIONS_VIEW, Permission.MESSAGES_VIEW, Permission.CONTACTS_VIEW}
)


def _built_in(number: int, slug: str, description: str, permissions: frozenset[Permission]) -> Role:
    """The id is part of the schema: migration 0009 puts the rows there that grants refer to."""
    return Role(UUID(f"01900000-0000-7000-8000-{number:012}"), slug, slug.title(), description, permissions)


Role.ADMIN = _built_in(1, "admin", "Does everything.", frozenset(Permission))
Role.MANAGER = _built_in(2, "manager", "Reads, and writes to customers.", _SEES | {Permission.MESSAGES_SEND})
Role.VIEWER = _built_in(3, "viewer", "Reads.", _SEES)
#: What is always there and never changes, the strongest first. Other roles are the installation's own.
BUILT_IN = (Role.ADMIN, Role.MANAGER, Role.VIEWER)


Kind = Literal["user", "key", "command"]
_NOTHING: frozenset[Permission] = frozenset()


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody known, and what they may do: `by_account` for the accounts it names, `everywhere` for all others."""

    id: str
    name: str
    everywhere: frozenset[Permission]
    by_account: Mapping[UUID, frozenset[Permission]] = field(default_factory=dict)
    kind: Kind = "user"
    email: str | None = None
    grants: tuple[Grant, ...] = ()
    expires_at: datetime | None = None  #: of the session or the key; None: not of itself
    preferences: Mapping[str, Any] = field(default_factory=dict)  #: as stored; `users.preferences` reads them
    has_password: bool = False  #: one of ours, which they may change

    @property
    def user_id(self) -> UUID | None:
        """Of a person; None for a key or a command."""
        return UUID(self.id) if self.kind == "user" else None

    def may(self, permission: Permission, account_id: UUID) -> bool:
        """True when they may do this to this account."""
        return permission in self.by_account.get(account_id, self.everywhere)

    def may_somewhere(self, permission: Permission) -> bool:
        """True when they may do this to one account at least, existing or to come."""
        return self.may_everywhere(permission) or any(permission in these for these in self.by_account.values())

    def may_everywhere(self, permission: Permission) -> bool:
        """True when they may do this without an account being named: to what belongs to the whole installation."""
        return permission in self.everywhere


#: Who a command of the operator acts as: running one takes the machine, so it may do everything.
OPERATOR = Principal(id="", name="command line", everywhere=frozenset(Permission), kind="command")


@dataclass(frozen=True, slots=True)
class Grant:
    """A role, for one account or, without one, for all."""

    role: Role
    account_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Override:
    """One permission added to the roles or taken from them, for one account or, without one, for all."""

    permission: Permission
    allowed: bool
    account_id: UUID | None = None


def resolve(
    grants: Iterable[Grant], overrides: Iterable[Override]
) -> tuple[frozenset[Permission], dict[UUID, frozenset[Permission]]]:
    """What roles and overrides come to: `everywhere` and `by_account` of a principal.

    What is said of one account beats what is said of all, and an override beats a role.
    """
    grants, overrides = list(grants), list(overrides)
    places = {grant.account_id for grant in grants} | {override.account_id for override in overrides}
    everywhere = _apply(_of_roles(grants, None), overrides, None)
    return everywhere, {
        account_id: _apply(
            _apply(_of_roles(grants, None) | _of_roles(grants, account_id), overrides, None), overrides, account_id
        )
        for account_id in places
        if account_id is not None
    }


def _of_roles(grants: Iterable[Grant], account_id: UUID | None) -> frozenset[Permission]:
    return _NOTHING.union(*(grant.role.permissions for grant in grants if grant.account_id == account_id))


def _apply(
    permissions: frozenset[Permission], overrides: Iterable[Override], account_id: UUID | None
) -> frozenset[Permission]:
    mine = [override for override in overrides if override.account_id == account_id]
    added = {override.permission for override in mine if override.allowed}
    return (permissions | added) - {override.permission for override in mine if not override.allowed}


@dataclass(frozen=True, slots=True)
class Access:
    """A caller with the permission their request needs: what a service asks before it shows or changes a row."""

    principal: Principal
    permission: Permission

    def allows(self, account_id: UUID) -> bool:
        """True when rows of this account exist for the caller; others are not to be told from missing ones."""
        return self.principal.may(self.permission, account_id)

    def require(self, account_id: UUID) -> None:
        """For the account itself. Raises PermissionDenied."""
        if not self.allows(account_id):
            raise PermissionDenied.of(self.permission)

    def missing_account(self) -> AccountNotFound | PermissionDenied:
        """What to raise for an account that is not there: who may not see every account cannot tell which are."""
        whole = self.principal.may_everywhere(self.permission)
        return AccountNotFound() if whole else PermissionDenied.of(self.permission)
