"""Users, their roles and single permissions."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from flask import Blueprint, Response

from inbox.auth.access import Override, Permission
from inbox.db.paging import Page
from inbox.errors import HasNoPassword, LastAdmin, RoleBuiltIn, RoleExists, RoleInUse, UserExists
from inbox.users import grants, roles, service
from inbox.users.schemas import (
    LABELS,
    AssignmentBody,
    InviteBody,
    NameBody,
    NewPasswordBody,
    OverridesBody,
    PermissionRow,
    RoleBody,
    RoleDone,
    RoleRow,
    RolesBody,
    StatusBody,
    UserQuery,
    UserRow,
    role_row,
)
from inbox.web import access, answer, answer_page, contract, idempotency_key, requires, runtime

bp = Blueprint("users", __name__)


@bp.get("/users")
@requires(Permission.USERS_MANAGE, everywhere=True)
@contract("users", {200: list[UserRow]})
def list_users(query: UserQuery) -> Response:
    """Users, newest first."""
    return answer_page(UserRow, service.list_users(runtime().db, query))


@bp.post("/users")
@requires(Permission.USERS_MANAGE, everywhere=True)
@contract("users", {200: UserRow, 201: UserRow}, raises=[UserExists])
def invite_user(json: InviteBody) -> Response:
    """Invite somebody: they come in at their first sign-in with this address. The same again is answered 200.

    Roles are given by those who may manage them, and who hold what they give.
    """
    idempotency_key(None)  # the address is the key; one in the header has to be well-formed all the same
    newcomer = service.Newcomer(json.email, json.name, _assignments(json.assignments))
    row, made = service.invite(runtime().db, access().principal, newcomer)
    return answer(row, 201 if made else 200)


@bp.get("/users/<uuid:user_id>")
@requires(Permission.USERS_MANAGE, everywhere=True)
@contract("users", {200: UserRow})
def get_user(user_id: UUID) -> Response:
    """One user."""
    return answer(service.get_user(runtime().db, user_id))


@bp.patch("/users/<uuid:user_id>")
@requires(Permission.USERS_MANAGE, everywhere=True)
@contract("users", {200: UserRow})
def rename_user(user_id: UUID, json: NameBody) -> Response:
    """Rename a user."""
    row = service.rename(runtime().db, access().principal, user_id, json.name)
    return answer(row)


@bp.post("/users/<uuid:user_id>/status")
@requires(Permission.USERS_MANAGE, everywhere=True)
@contract("users", {200: UserRow}, raises=[LastAdmin])
def set_user_status(user_id: UUID, json: StatusBody) -> Response:
    """Disable a user, at once and everywhere, or enable one again. The last administrator cannot be disabled."""
    row = service.set_active(runtime().db, access().principal, user_id, active=json.is_active)
    return answer(row)


@bp.put("/users/<uuid:user_id>/password")
@requires(Permission.USERS_MANAGE, everywhere=True)
@contract("users", {200: UserRow}, raises=[HasNoPassword])
def set_user_password(user_id: UUID, json: NewPasswordBody) -> Response:
    """Give somebody else a password of this inbox: one who was invited signs in with it, and may change it.

    All their sessions end. Only who holds all that they hold may do it; one's own is changed by PUT /auth/password.
    """
    row = service.change_password(runtime().db, access().principal, user_id, json.password)
    return answer(row)


@bp.put("/users/<uuid:user_id>/roles")
@requires(Permission.ROLES_MANAGE, everywhere=True)
@contract("users", {200: UserRow}, raises=[LastAdmin])
def set_user_roles(user_id: UUID, json: RolesBody) -> Response:
    """Replace the roles of a user. Nobody gives a permission that they do not hold everywhere themselves."""
    row = grants.set_roles(runtime().db, access().principal, user_id, _assignments(json.assignments))
    return answer(row)


@bp.put("/users/<uuid:user_id>/overrides")
@requires(Permission.ROLES_MANAGE, everywhere=True)
@contract("users", {200: UserRow}, raises=[LastAdmin])
def set_user_overrides(user_id: UUID, json: OverridesBody) -> Response:
    """Replace the permissions that are granted or denied to a user regardless of their roles."""
    said = [Override(each.permission_code, each.is_allowed, each.account_id) for each in json.overrides]
    row = grants.set_overrides(runtime().db, access().principal, user_id, said)
    return answer(row)


def _assignments(given: Sequence[AssignmentBody]) -> list[grants.Assignment]:
    return [grants.Assignment(each.role_id, each.account_id) for each in given]


# --- roles -------------------------------------------------------------------------------------------------------


@bp.get("/permissions")
@requires(Permission.ROLES_MANAGE, everywhere=True)
@contract("users", {200: list[PermissionRow]})
def list_permissions() -> Response:
    """Every permission there is."""
    return answer_page(PermissionRow, Page([PermissionRow(code=each, label=LABELS[each]) for each in Permission]))


@bp.get("/roles")
@requires(Permission.ROLES_MANAGE, everywhere=True)
@contract("users", {200: list[RoleRow]})
def list_roles() -> Response:
    """Every role there is, with its permissions: the built-in ones first, then your own by name."""
    return answer_page(RoleRow, Page([role_row(each) for each in roles.list_roles(runtime().db)]))


@bp.post("/roles")
@requires(Permission.ROLES_MANAGE, everywhere=True)
@contract("users", {201: RoleRow}, raises=[RoleExists])
def create_role(json: RoleBody) -> Response:
    """Make a role. Nobody puts a permission into it that they do not hold everywhere themselves."""
    return answer(role_row(roles.create_role(runtime().db, access().principal, _wanted(json))), 201)


@bp.put("/roles/<uuid:role_id>")
@requires(Permission.ROLES_MANAGE, everywhere=True)
@contract("users", {200: RoleRow}, raises=[RoleExists, RoleBuiltIn, LastAdmin])
def change_role(role_id: UUID, json: RoleBody) -> Response:
    """Change a role, at once for everybody who has it. The built-in ones stay as they are."""
    role = roles.change_role(runtime().db, access().principal, role_id, _wanted(json))
    return answer(role_row(role))


@bp.delete("/roles/<uuid:role_id>")
@requires(Permission.ROLES_MANAGE, everywhere=True)
@contract("users", {200: RoleDone}, raises=[RoleBuiltIn, RoleInUse])
def delete_role(role_id: UUID) -> Response:
    """Delete a role that nobody has. While somebody has it, the answer names some of them."""
    roles.delete_role(runtime().db, access().principal, role_id)
    return answer(RoleDone())


def _wanted(body: RoleBody) -> roles.Wanted:
    return roles.Wanted(body.slug, body.name, body.description or "", body.permissions)
