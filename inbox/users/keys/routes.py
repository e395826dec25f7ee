"""API keys over HTTP."""

from __future__ import annotations

from uuid import UUID

from flask import Blueprint, Response

from inbox.auth.access import Permission
from inbox.users.keys import service
from inbox.users.keys.schemas import KeyBody, KeyDone, KeyQuery, KeyRow, NewKeyRow
from inbox.web import access, answer, answer_page, contract, requires, runtime

bp = Blueprint("keys", __name__)


@bp.get("/keys")
@requires(Permission.ROLES_MANAGE, everywhere=True)
@contract("keys", {200: list[KeyRow]})
def list_keys(query: KeyQuery) -> Response:
    """API keys, newest first, also those that work no longer. Never the keys themselves."""
    return answer_page(KeyRow, service.list_keys(runtime().db, query))


@bp.post("/keys")
@requires(Permission.ROLES_MANAGE, everywhere=True)
@contract("keys", {201: NewKeyRow})
def create_key(json: KeyBody) -> Response:
    """Make a key. It is shown this once, and it can do no more than the caller can."""
    response = answer(service.create_key(runtime().db, access().principal, json), 201)
    response.headers["Cache-Control"] = "no-store"
    return response


@bp.delete("/keys/<uuid:key_id>")
@requires(Permission.ROLES_MANAGE, everywhere=True)
@contract("keys", {200: KeyDone})
def revoke_key(key_id: UUID) -> Response:
    """Revoke a key: in this process at once, in the others within a second."""
    service.revoke_key(runtime().db, access().principal, key_id)
    return answer(KeyDone())
