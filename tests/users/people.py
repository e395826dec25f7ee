"""Callers of every kind, without the cost of a password."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID, uuid4

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from inbox.auth import keys
from inbox.auth.access import BUILT_IN, Grant, Override, Principal, Role
from inbox.auth.identities import principal_of
from inbox.clock import new_id, utc_now
from inbox.db import Database
from inbox.models import Account, AuditEntry, PermissionOverride, RoleGrant, User
from inbox.runtime import runtime_of
from tests.auth.people import session_of

ADMIN = [Grant(Role.ADMIN)]


def member(
    db: Database,
    email: str,
    grants: Iterable[Grant] = (),
    overrides: Iterable[Override] = (),
    *,
    known: bool = True,
    name: str | None = None,
) -> UUID:
    """A user of the identity provider; one who was only invited unless `known`."""
    now = utc_now()
    user = User(id=new_id(), email=email, name=name, subject=str(uuid4()) if known else None)
    user.created_at = user.updated_at = now
    with db.writing() as session:
        session.add(user)
        session.flush()
        session.add_all(
            RoleGrant(id=new_id(), user_id=user.id, role_id=each.role.id, account_id=each.account_id) for each in grants
        )
        session.add_all(
            PermissionOverride(
                id=new_id(),
                user_id=user.id,
                permission=each.permission,
                allowed=each.allowed,
                account_id=each.account_id,
            )
            for each in overrides
        )
    return user.id


def as_user(app: Flask, user_id: UUID) -> FlaskClient:
    """A client that is signed in as this user."""
    return _with_token(app, session_of(runtime_of(app).db, user_id))


def as_key(app: Flask, role: Role, accounts: Sequence[UUID] | None = None) -> FlaskClient:
    """A client with an API key of this role."""
    return _with_token(app, keys.create(runtime_of(app).db, name="k", role=role, accounts=accounts).secret)


def _with_token(app: Flask, token: str) -> FlaskClient:
    client = app.test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {token}"
    return client


def principal(db: Database, user_id: UUID) -> Principal:
    with db.reading() as session:
        return principal_of(session, session.get_one(User, user_id))


def another_account(db: Database, *, deleted: bool = False) -> UUID:
    """A second business number."""
    now = utc_now()
    account = Account(id=new_id(), name="other", phone_number_id=f"3{uuid4().int % 10**14:014}")
    account.created_at = account.updated_at = now
    account.deleted_at = now if deleted else None
    with db.writing() as session:
        session.add(account)
    return account.id


def role_id(slug: str) -> str:
    """Of a built-in role."""
    return next(str(role.id) for role in BUILT_IN if role.slug == slug)


def assign(slug: str, account_id: UUID | str | None = None) -> dict[str, str | None]:
    """A built-in role as it is given."""
    return {"role_id": role_id(slug), "account_id": None if account_id is None else str(account_id)}


def held(slug: str, account_id: UUID | str | None = None) -> dict[str, str | None]:
    """A built-in role as it is shown."""
    return {**assign(slug, account_id), "role_slug": slug, "role_name": slug.title()}


def entries(db: Database) -> list[AuditEntry]:
    """The audit log, oldest first."""
    with db.reading() as session:
        return list(session.execute(select(AuditEntry).order_by(AuditEntry.at, AuditEntry.id)).scalars())


def refusal(response: Any) -> tuple[int, str]:
    """The status and the code of an answer that refuses."""
    assert response.mimetype == "application/problem+json"
    return response.status_code, response.json["code"]


def pointers(response: Any) -> list[str]:
    """Where the bad fields are."""
    assert refusal(response) == (400, "validation_error"), response.json
    assert not [error for error in response.json["errors"] if error["problem"].startswith("Value error")]
    return [error["pointer"] for error in response.json["errors"]]
