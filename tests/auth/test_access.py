"""Who may call: every route has a decision, keys are shown once and can be revoked."""

from __future__ import annotations

import hashlib

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from inbox.auth import keys
from inbox.auth.access import PERMISSIONS, Permission, Principal, Role
from inbox.db import Database
from inbox.errors import InvalidCredentials
from inbox.models import ApiKey
from tests.builders import the_account

#: The only routes anybody may call.
PUBLIC = {"webhooks.verify", "webhooks.receive", "health.live", "health.ready", "health.health"}


def test_every_route_has_a_decision(app: Flask) -> None:
    for rule in app.url_map.iter_rules():
        view = app.view_functions[rule.endpoint]
        decision = getattr(view, "decision", None)
        assert decision is not None, f"{rule} has no permission decision"
        assert isinstance(decision, Permission) != (rule.endpoint in PUBLIC), rule


def test_every_route_that_is_not_public_refuses_a_stranger(app: Flask, stranger: FlaskClient) -> None:
    some_id = "01a20a6e-1107-7044-8226-b0a52c5aa837"
    for rule in app.url_map.iter_rules():
        if rule.endpoint in PUBLIC:
            continue
        path = rule.rule
        for argument in rule.arguments:
            path = path.replace(f"<uuid:{argument}>", some_id)
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            response = stranger.open(path, method=method)
            assert (path, response.status_code, response.json["code"]) == (path, 401, "missing_token")
            assert response.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    "header", ["Bearer nonsense", "Bearer ", "Bearer", "Basic abc", "inbox_abc", "Bearer inbox_\xe9", "Bearer a b"]
)
def test_bad_credentials_are_401(stranger: FlaskClient, header: str) -> None:
    response = stranger.get("/accounts", headers={"Authorization": header})
    assert (response.status_code, response.json["detail"]) == (401, "invalid_token")


def test_a_key_is_stored_as_a_hash_and_identifies_its_holder(db: Database) -> None:
    made = keys.create(db, name="Till", role=Role.MANAGER)
    with db.reading() as session:
        (row,) = session.execute(select(ApiKey)).scalars()
    assert made.secret.startswith("inbox_")
    assert row.hash == hashlib.sha256(made.secret.encode()).hexdigest()
    assert made.secret not in (row.prefix, row.name)
    principal = keys.identify(db, made.secret)
    assert (principal.name, principal.permissions) == ("Till", PERMISSIONS[Role.MANAGER])


def test_a_revoked_key_is_refused(db: Database) -> None:
    made = keys.create(db, name="Till", role=Role.ADMIN)
    (row,) = keys.listed(db)
    assert keys.revoke(db, row.prefix) == 1
    assert keys.revoke(db, row.prefix) == 0
    with pytest.raises(InvalidCredentials):
        keys.identify(db, made.secret)


def test_a_principal_with_grants_may_touch_its_accounts_only(db: Database) -> None:
    account = the_account(db).id
    other = Principal("p", "P", PERMISSIONS[Role.ADMIN], accounts=frozenset())
    everywhere = Principal("p", "P", PERMISSIONS[Role.VIEWER])
    assert not other.may(Permission.MESSAGES_VIEW, account)
    assert everywhere.may(Permission.MESSAGES_VIEW, account)
    assert not everywhere.may(Permission.MESSAGES_SEND, account)


def test_rows_of_an_account_outside_the_grants_are_as_good_as_missing(
    client: FlaskClient, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    nobody = Principal("p", "P", PERMISSIONS[Role.ADMIN], accounts=frozenset())
    monkeypatch.setattr(keys, "identify", lambda *_: nobody)
    account = the_account(db).id
    assert client.get("/accounts").json == []
    response = client.get("/conversations", query_string={"account_id": str(account)})
    assert (response.status_code, response.json["detail"]) == (403, "permission_denied")
