"""Permissions and roles in words."""

from __future__ import annotations

from inbox.auth.access import PERMISSIONS, Permission, Role
from inbox.users.schemas import PermissionInfo, RoleInfo

_PERMISSIONS = {
    Permission.ACCOUNTS_VIEW: "See the business numbers.",
    Permission.ACCOUNTS_MANAGE: "Add, change and remove business numbers.",
    Permission.ACCOUNTS_ASSIGN: "Assign conversations to people.",
    Permission.CONVERSATIONS_VIEW: "See conversations.",
    Permission.MESSAGES_VIEW: "Read messages and open their files.",
    Permission.MESSAGES_SEND: "Write to customers, and switch the bot on and off.",
    Permission.CONTACTS_VIEW: "See contacts.",
    Permission.USERS_MANAGE: "Invite users, name them, switch them off and on.",
    Permission.ROLES_MANAGE: "Give and take roles and permissions; make API keys; operate the installation.",
    Permission.SETTINGS_MANAGE: "Write the bot's profile and try it.",
}
_ROLES = {
    Role.ADMIN: "Does everything.",
    Role.MANAGER: "Reads, and writes to customers.",
    Role.VIEWER: "Reads.",
}


def permissions() -> list[PermissionInfo]:
    """Every permission there is."""
    return [PermissionInfo(code=each, description=_PERMISSIONS[each]) for each in Permission]


def roles() -> list[RoleInfo]:
    """Every role there is, the strongest first."""
    return [RoleInfo(name=each, description=_ROLES[each], permissions=sorted(PERMISSIONS[each])) for each in Role]
