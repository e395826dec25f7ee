"""Users, their roles and single permissions."""

from __future__ import annotations

from uuid import UUID

from flask import Blueprint, Response

from inbox.auth.access import Permission
from inbox.db.paging import Page
from inbox.errors import LastAdmin, UserExists
from inbox.users import catalogue, grants, service
from inbox.users.schemas import (
    InviteBody,
    NameBody,
    OverridesBody,
    PermissionInfo,
    RoleInfo,
    RolesBody,
    StatusBody,
    UserQuery,
    UserRow,
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
    newcomer = service.Newcomer(json.email, json.name, [each.grant for each in json.roles])
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
    """Name a user anew."""
    row = service.rename(runtime().db, access().principal, user_id, json.name)
    return answer(row)


@bp.post("/users/<uuid:user_id>/status")
@requires(Permission.USERS_MANAGE, everywhere=True)
@contract("users", {200: UserRow}, raises=[LastAdmin])
def set_user_status(user_id: UUID, json: StatusBody) -> Response:
    """Switch a user off, at once and everywhere, or on again. The last administrator stays."""
    row = service.set_status(runtime().db, access().principal, user_id, json.status)
    return answer(row)


@bp.put("/users/<uuid:user_id>/roles")
@requires(Permission.ROLES_MANAGE, everywhere=True)
@contract("users", {200: UserRow}, raises=[LastAdmin])
def set_user_roles(user_id: UUID, json: RolesBody) -> Response:
    """Replace the roles of a user. Nobody gives a permission that they do not hold everywhere themselves."""
    row = grants.set_roles(runtime().db, access().principal, user_id, [each.grant for each in json.roles])
    return answer(row)


@bp.put("/users/<uuid:user_id>/overrides")
@requires(Permission.ROLES_MANAGE, everywhere=True)
@contract("users", {200: UserRow}, raises=[LastAdmin])
def set_user_overrides(user_id: UUID, json: OverridesBody) -> Response:
    """Replace the single permissions that a user has beside their roles, or lacks in spite of them."""
    said = [each.override for each in json.overrides]
    row = grants.set_overrides(runtime().db, access().principal, user_id, said)
    return answer(row)


@bp.get("/permissions")
@requires(Permission.ROLES_MANAGE, everywhere=True)
@contract("users", {200: list[PermissionInfo]})
def list_permissions() -> Response:
    """Every permission there is."""
    return answer_page(PermissionInfo, Page(catalogue.permissions()))


@bp.get("/roles")
@requires(Permission.ROLES_MANAGE, everywhere=True)
@contract("users", {200: list[RoleInfo]})
def list_roles() -> Response:
    """Every role there is, with its permissions."""
    return answer_page(RoleInfo, Page(catalogue.roles()))
