"""What the wire shows of users and their rights, and what it takes."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BeforeValidator, Field, StrictBool, StringConstraints

from inbox.auth.access import Grant, Override, Permission, Role
from inbox.auth.addresses import LONGEST, normal_email
from inbox.schemas import Body, Query, Row, Time

MAX_NAME = 200  # characters
MAX_RIGHTS = 500  # roles, or overrides, of one user

Kind = Literal["supabase", "local", "invited"]
Status = Literal["active", "disabled", "invited"]


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("must be one line of printable characters")
    return text


def _named(value: Any) -> Any:
    """A role alone, as older clients send it, is meant everywhere."""
    return {"role": value} if isinstance(value, str) else value


Email = Annotated[
    str,
    StringConstraints(max_length=LONGEST),
    AfterValidator(normal_email),
    Field(json_schema_extra={"format": "email"}),
]
Name = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_NAME), AfterValidator(_printable)
]


class PermissionInfo(Row):
    code: Permission
    description: str


class RoleInfo(Row):
    name: Role
    description: str
    permissions: list[Permission]


class GrantRow(Row):
    role: Role
    account_id: UUID | None = Field(description="null: for all accounts.")


class OverrideRow(Row):
    permission: Permission
    allowed: bool
    account_id: UUID | None = Field(description="null: for all accounts.")


class UserRow(Row):
    id: UUID
    email: str | None
    name: str | None
    kind: Kind = Field(description="How they sign in; invited: not yet.")
    status: Status
    roles: list[GrantRow]
    overrides: list[OverrideRow]
    signed_in_at: Time | None
    created_at: Time


class UserQuery(Query):
    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: str | None = None
    q: Annotated[str | None, Field(max_length=200, description="Part of the name or the e-mail address.")] = None
    status: Status | None = None


class GrantBody(Body):
    role: Role
    account_id: UUID | None = None

    @property
    def grant(self) -> Grant:
        return Grant(self.role, self.account_id)


class OverrideBody(Body):
    permission: Permission
    allowed: StrictBool
    account_id: UUID | None = None

    @property
    def override(self) -> Override:
        return Override(self.permission, self.allowed, self.account_id)


_GivenRole = Annotated[GrantBody, BeforeValidator(_named, json_schema_input_type=GrantBody | Role)]
_Roles = Annotated[
    list[_GivenRole],
    Field(
        max_length=MAX_RIGHTS,
        description="A role's name alone means everywhere.",
        json_schema_extra={"uniqueItems": True},
    ),
]


class InviteBody(Body):
    email: Email
    name: Name | None = None
    roles: _Roles = Field(default_factory=list)


class NameBody(Body):
    name: Name | None


class StatusBody(Body):
    status: Literal["active", "disabled"]


class RolesBody(Body):
    roles: _Roles


class OverridesBody(Body):
    overrides: Annotated[list[OverrideBody], Field(max_length=MAX_RIGHTS, json_schema_extra={"uniqueItems": True})]
