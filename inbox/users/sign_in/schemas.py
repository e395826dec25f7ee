"""What the wire shows of the caller, and what signing in takes."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import ConfigDict, Field

from inbox.auth.access import Kind, Permission, Principal
from inbox.schemas import Body, Row, Time
from inbox.users.preferences import Preferences, preferences_of
from inbox.users.schemas import AssignmentRow, NewPassword, assignment_row


class PermissionSets(Row):
    """Codes, sorted. For an account that is named exactly these, for every other one the global ones."""

    model_config = ConfigDict(serialize_by_alias=True)

    everywhere: list[Permission] = Field(alias="global")
    accounts: dict[UUID, list[Permission]]


class Me(Row):
    """Who is calling, and what they may do."""

    id: str
    kind: Kind
    name: str
    email: str | None
    roles: list[AssignmentRow]
    permissions: PermissionSets
    expires_at: Time | None = Field(description="When the session or key ends; null: not of itself, or with its token.")
    preferences: Preferences | None = Field(description="What a user has chosen for themselves; a key has none.")
    has_password: bool = Field(description="Whether they sign in with a password of this inbox, which they may change.")
    csrf_token: str | None = Field(description="For X-CSRF-Token, when the session came in a cookie; else null.")


class SignInBody(Body):
    """What a user signs in with, here or at Supabase."""

    email: Annotated[str, Field(min_length=3, max_length=320, examples=["anna@example.com"])]
    password: Annotated[str, Field(min_length=1, max_length=1024)]


class PasswordBody(Body):
    """Another password of one's own."""

    current: Annotated[str, Field(min_length=1, max_length=1024, description="The one that holds until now.")]
    password: NewPassword


class SignedIn(Row):
    """The session came as a cookie as well; a program shows `token` as Authorization: Bearer instead."""

    status: Literal["ok"] = "ok"
    token: str
    expires_at: Time
    user: Me


class SignedOut(Row):
    """The session is over."""

    status: Literal["ok"] = "ok"


def me(principal: Principal, *, csrf_token: str | None) -> Me:
    """What a principal is told about themselves."""
    return Me(
        id=principal.id,
        kind=principal.kind,
        name=principal.name,
        email=principal.email,
        roles=[assignment_row(grant) for grant in principal.grants],
        permissions=PermissionSets.model_validate(
            {
                "global": sorted(principal.everywhere),
                "accounts": {each: sorted(these) for each, these in principal.by_account.items()},
            }
        ),
        expires_at=principal.expires_at,
        preferences=preferences_of(principal),
        has_password=principal.has_password,
        csrf_token=csrf_token,
    )
