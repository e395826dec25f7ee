"""API keys: what an administrator sees, makes and revokes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from inbox.auth import keys
from inbox.auth.access import Grant, Permission, Principal, Role, resolve
from inbox.auth.roles import role_of, roles_by_id
from inbox.db import Database
from inbox.db.paging import Cursor, Page, newest_first
from inbox.db.transactions import whole_transaction
from inbox.errors import FieldProblem, InvalidRequest, KeyNotFound
from inbox.models import ApiKey
from inbox.users.keys.schemas import KeyBody, KeyQuery, KeyRow, NewKeyRow, key_row
from inbox.users.rights import NOTHING, administering, check_accounts, check_gift, check_once


def list_keys(db: Database, query: KeyQuery) -> Page[KeyRow]:
    """Newest first, also those that work no longer."""
    with db.reading() as session:
        wanted, cursor = keys.with_roles(), Cursor.decode(query.cursor)
        page = newest_first(session, wanted, ApiKey.created_at, ApiKey.id, limit=query.limit, cursor=cursor)
        now = db.now(session)
    return Page([key_row(key, None if role is None else role_of(role), now) for key, role, *_ in page.rows], page.next)


@whole_transaction
def create_key(db: Database, actor: Principal, body: KeyBody) -> NewKeyRow:
    """A new key, with its secret. It can do no more than its maker, and lives no longer than a key that makes it.

    Raises InvalidRequest, PermissionDenied.
    """
    accounts = body.accounts
    check_once(accounts or [], "/accounts")
    with administering(db, actor, Permission.ROLES_MANAGE) as (session, actor):
        check_accounts(session, accounts or [], "/accounts/{}")
        role = _role(session, body.role_id)
        now = db.now(session)
        _check_end(actor, body.expires_at, now)
        places: Sequence[UUID | None] = accounts or [None]
        check_gift(actor, NOTHING, resolve([Grant(role, each) for each in places], ()))
        row, secret = keys.add(session, body.name, role, accounts, body.expires_at, actor=actor, now=now)
        session.flush()
        return NewKeyRow(**key_row(row, role, now).model_dump(), secret=secret)


def _role(session: Session, role_id: UUID) -> Role:
    role = roles_by_id(session, [role_id]).get(role_id)
    if role is None:
        raise InvalidRequest([FieldProblem("/role_id", "unknown_role", "there is no such role")])
    return role


def _check_end(actor: Principal, expires_at: datetime | None, now: datetime) -> None:
    problem = None
    if expires_at is not None and expires_at <= now:
        problem = FieldProblem("/expires_at", "in_the_past", "must be in the future")
    elif actor.kind == "key" and actor.expires_at is not None and (expires_at is None or expires_at > actor.expires_at):
        sentence = "must not be later than the end of the key you are using"
        problem = FieldProblem("/expires_at", "outlives_your_key", sentence)
    if problem is not None:
        raise InvalidRequest([problem])


@whole_transaction
def revoke_key(db: Database, actor: Principal, key_id: UUID) -> None:
    """From now on the key opens nothing. Raises KeyNotFound, PermissionDenied."""
    with administering(db, actor, Permission.ROLES_MANAGE) as (session, actor):
        row = session.get(ApiKey, key_id, with_for_update=True, populate_existing=True)
        if row is None or row.revoked_at is not None:
            raise KeyNotFound
        keys.end(session, row, actor, db.now(session))
