"""What the wire shows of users and their rights, and what it takes."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, Field, StrictBool, StringConstraints

from inbox.auth.access import BUILT_IN, Grant, Permission, Role
from inbox.auth.addresses import LONGEST, normal_email
from inbox.errors import BadValue
from inbox.schemas import Body, OpenBody, Query, Row, Time, printable

MAX_NAME = 200  # characters
MAX_DESCRIPTION = 500  # characters
MAX_RIGHTS = 500  # roles, or overrides, of one user

Kind = Literal["supabase", "local", "invited"]


Email = Annotated[
    str,
    StringConstraints(max_length=LONGEST),
    AfterValidator(normal_email),
    Field(json_schema_extra={"format": "email"}),
]


def _deliverable(address: str) -> str:
    """`address`, if mail can reach it: somebody who is invited has to confirm it elsewhere. Raises BadValue."""
    if "." not in address.rpartition("@")[2]:
        raise BadValue("no_domain", "has no domain, such as example.com")
    return address


Name = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_NAME), AfterValidator(printable)
]


NewPassword = Annotated[str, Field(min_length=1, max_length=1024, description="12 characters or more, hard to guess.")]


class PermissionRow(Row):
    """One thing that can be allowed."""

    code: Permission
    label: str


class RoleRow(Row):
    """Permissions under a name. Those that are built in never change."""

    id: UUID
    slug: str
    name: str
    description: str
    permissions: list[Permission]
    is_built_in: bool


class AssignmentRow(Row):
    """A role that somebody has."""

    role_id: UUID
    role_slug: str
    role_name: str
    account_id: UUID | None = Field(description="null: for all accounts.")


class OverrideRow(Row):
    """One permission, granted or denied to a user regardless of their roles."""

    permission_code: Permission
    is_allowed: bool
    account_id: UUID | None = Field(description="null: for all accounts.")


class UserRow(Row):
    """Somebody of the business."""

    user_id: UUID
    email: str | None
    name: str | None
    kind: Kind = Field(description="How they sign in; invited: not yet.")
    is_active: bool = Field(description="false: switched off by an administrator.")
    roles: list[AssignmentRow]
    overrides: list[OverrideRow]
    signed_in_at: Time | None
    created_at: Time


class UserQuery(Query):
    """Which users."""

    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: str | None = None
    q: Annotated[str | None, Field(max_length=200, description="Part of the name or the e-mail address.")] = None
    is_active: bool | None = None
    kind: Kind | None = None


class RoleBody(OpenBody):
    """A role as it is to be."""

    slug: Annotated[
        str,
        StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$"),
        Field(description="For commands and the audit log: small letters, digits, - and _."),
    ]
    name: Name
    description: Annotated[str | None, Field(max_length=MAX_DESCRIPTION)] = None
    permissions: Annotated[list[Permission], Field(max_length=len(Permission), json_schema_extra={"uniqueItems": True})]


class RoleDone(Row):
    """The role was deleted."""

    status: Literal["ok"] = "ok"


class AssignmentBody(OpenBody):
    """A role to be given."""

    role_id: UUID
    account_id: UUID | None = None


class OverrideBody(OpenBody):
    """One permission to be added to the roles, or taken from them."""

    permission_code: Permission
    is_allowed: StrictBool
    account_id: UUID | None = None


_Assignments = Annotated[list[AssignmentBody], Field(max_length=MAX_RIGHTS, json_schema_extra={"uniqueItems": True})]


class InviteBody(Body):
    """Somebody who is to come in."""

    email: Annotated[Email, AfterValidator(_deliverable)]
    name: Name | None = None
    assignments: _Assignments = Field(default_factory=list)


class NameBody(Body):
    """How others see somebody; null: no name."""

    name: Name | None


class StatusBody(OpenBody):
    """false switches somebody off, at once and everywhere."""

    is_active: StrictBool


class NewPasswordBody(Body):
    """What somebody is to sign in with."""

    password: NewPassword


class RolesBody(OpenBody):
    """All roles that somebody is to have."""

    assignments: _Assignments


class OverridesBody(OpenBody):
    """All single permissions that somebody is to have or to lack."""

    overrides: Annotated[list[OverrideBody], Field(max_length=MAX_RIGHTS, json_schema_extra={"uniqueItems": True})]


def assignment_row(grant: Grant) -> AssignmentRow:
    role = grant.role
    return AssignmentRow(role_id=role.id, role_slug=role.slug, role_name=role.name, account_id=grant.account_id)


def role_row(role: Role) -> RoleRow:
    return RoleRow(
        id=role.id,
        slug=role.slug,
        name=role.name,
        description=role.description,
        permissions=sorted(role.permissions),
        is_built_in=role in BUILT_IN,
    )


#: What each permission allows, for those who give it.
LABELS = {
    Permission.ACCOUNTS_VIEW: "See the business numbers.",
    Permission.ACCOUNTS_MANAGE: "Add, change and remove business numbers.",
    Permission.ACCOUNTS_ASSIGN: "Assign conversations to people.",
    Permission.CONVERSATIONS_VIEW: "See conversations.",
    Permission.MESSAGES_VIEW: "Read messages and open their files.",
    Permission.MESSAGES_SEND: "Write to customers, and switch the bot on and off.",
    Permission.CONTACTS_VIEW: "See contacts.",
    Permission.USERS_MANAGE: "Invite users, name them, switch them off and on.",
    Permission.ROLES_MANAGE: "Give and take roles and permissions; make roles and API keys; operate the installation.",
    Permission.SETTINGS_MANAGE: "Write the bot's profile and try it.",
}
