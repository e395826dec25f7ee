"""Who is calling and what they may do: the one place where a permission is decided."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from uuid import UUID

from inbox.errors import PermissionDenied


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


class Role(enum.StrEnum):
    ADMIN = "admin"
    MANAGER = "manager"
    VIEWER = "viewer"


_SEES = frozenset(
    {Permission.ACCOUNTS_VIEW, Permission.CONVERSATIONS_VIEW, Permission.MESSAGES_VIEW, Permission.CONTACTS_VIEW}
)
PERMISSIONS: dict[Role, frozenset[Permission]] = {
    Role.ADMIN: frozenset(Permission),
    Role.MANAGER: _SEES | {Permission.MESSAGES_SEND},
    Role.VIEWER: _SEES,
}


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody known. `accounts` are the ones they may touch; None means all."""

    id: str
    name: str
    permissions: frozenset[Permission]
    accounts: frozenset[UUID] | None = None

    def may(self, permission: Permission, account_id: UUID | None = None) -> bool:
        """True when they may do this, to this account if one is named."""
        if permission not in self.permissions:
            return False
        return account_id is None or self.accounts is None or account_id in self.accounts


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
            raise PermissionDenied
