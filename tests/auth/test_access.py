"""Who may call: every route has a decision, keys are shown once and can be revoked."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from inbox.auth import keys
from inbox.auth.access import BUILT_IN, Grant, Override, Permission, Principal, Role, resolve
from inbox.clock import utc_now
from inbox.db import Database
from inbox.errors import InvalidCredentials
from inbox.models import ApiKey
from inbox.runtime import Runtime
from tests.builders import the_account

#: The only routes anybody may call.
PUBLIC = {
    *(
        "webhooks.verify_webhook",
        "webhooks.receive_webhook",
        "health.get_liveness",
        "health.get_readiness",
        "health.get_health",
        "auth.login",
    ),
    "metrics.get_metrics",
    *("docs.get_openapi", "docs.get_docs", "docs.get_docs_asset"),
    *("page.get_root", "page.get_manifest", "page.get_notifier", "page.get_asset"),
    *("sign_in.get_sign_in", "sign_in.send_sign_in", "workshop.get_page_parts"),
}
#: What every member may do, whatever their role.
MEMBERS = {
    *("auth.who_am_i", "auth.change_me", "auth.logout", "auth.begin_session", "auth.change_password"),
    *("page.get_inbox", "page.get_inbox_conversation", "page.get_settings", "page.get_settings_section"),
    *("page.get_status", "status.get_history"),
}


def test_every_route_has_a_decision(app: Flask) -> None:
    for rule in app.url_map.iter_rules():
        view = app.view_functions[rule.endpoint]
        decision = getattr(view, "decision", None)
        assert decision is not None, f"{rule} has no permission decision"
        assert decision.startswith("public: ") == (rule.endpoint in PUBLIC), rule
        assert (decision == "member") == (rule.endpoint in MEMBERS), rule
        assert isinstance(decision, Permission) != (rule.endpoint in PUBLIC | MEMBERS), rule


def test_every_route_that_is_not_public_refuses_a_stranger(app: Flask, stranger: FlaskClient) -> None:
    some_id = "01a20a6e-1107-7044-8226-b0a52c5aa837"
    for number, rule in enumerate(app.url_map.iter_rules()):
        if rule.endpoint in PUBLIC:
            continue
        someone = {"REMOTE_ADDR": f"192.0.2.{number % 250}"}  # one address may not ask so often
        path = rule.rule
        for argument in rule.arguments:
            path = path.replace(f"<uuid:{argument}>", some_id).replace(f"<{argument}>", "nothing")
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            response = stranger.open(path, method=method, environ_overrides=someone)
            assert (path, response.status_code, response.json["code"]) == (path, 401, "missing_token")
            assert response.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    "header", ["Bearer nonsense", "Bearer ", "Bearer", "Basic abc", "inbox_abc", "Bearer inbox_\xe9", "Bearer a b"]
)
def test_bad_credentials_are_401(stranger: FlaskClient, header: str) -> None:
    response = stranger.get("/accounts", headers={"Authorization": header})
    assert (response.status_code, response.json["detail"]) == (401, "invalid_token")


def test_a_key_is_stored_as_a_hash_and_identifies_its_holder(runtime: Runtime) -> None:
    made = keys.create(runtime.db, name="Till", role=Role.MANAGER)
    with runtime.db.reading() as session:
        (row,) = session.execute(select(ApiKey)).scalars()
    assert made.secret.startswith("inbox_")
    assert row.hash == hashlib.sha256(made.secret.encode()).hexdigest()
    assert made.secret not in (row.prefix, row.name)
    principal = runtime.identities.identify(made.secret)
    assert (principal.name, principal.everywhere, principal.kind) == ("Till", Role.MANAGER.permissions, "key")


def test_a_revoked_key_is_refused(runtime: Runtime) -> None:
    made = keys.create(runtime.db, name="Till", role=Role.ADMIN)
    ((row, _),) = keys.listed(runtime.db)
    assert keys.revoke(runtime.db, row.prefix) == 1
    assert keys.revoke(runtime.db, row.prefix) == 0
    with pytest.raises(InvalidCredentials):
        runtime.identities.identify(made.secret)


def test_a_key_for_some_accounts_touches_those_only(runtime: Runtime) -> None:
    here, elsewhere = the_account(runtime.db).id, UUID(int=7)
    made = keys.create(runtime.db, name="Till", role=Role.VIEWER, accounts=[here])
    principal = runtime.identities.identify(made.secret)
    assert principal.may(Permission.MESSAGES_VIEW, here)
    assert not principal.may(Permission.MESSAGES_SEND, here)
    assert not principal.may(Permission.MESSAGES_VIEW, elsewhere)
    assert principal.may_somewhere(Permission.MESSAGES_VIEW)
    assert not principal.may_everywhere(Permission.MESSAGES_VIEW)


def test_a_key_ends_when_it_expires(runtime: Runtime) -> None:
    made = keys.create(runtime.db, name="Till", role=Role.ADMIN, expires_at=utc_now() - timedelta(seconds=1))
    with pytest.raises(InvalidCredentials):
        runtime.identities.identify(made.secret)


def test_rows_of_an_account_outside_the_grants_are_as_good_as_missing(app: Flask, db: Database) -> None:
    client = app.test_client()
    key = keys.create(db, name="Nobody", role=Role.ADMIN, accounts=[UUID(int=7)])
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {key.secret}"
    assert client.get("/accounts").json == []
    for account_id in (the_account(db).id, UUID(int=8)):  # one that exists, one that does not: no telling
        response = client.get("/conversations", query_string={"account_id": str(account_id)})
        assert (response.status_code, response.json["detail"]) == (403, "permission_denied")


# --- what roles and overrides come to ----------------------------------------------------------------------------

ONE, TWO, OTHER = (UUID(int=number) for number in (1, 2, 3))
places = st.sampled_from([None, ONE, TWO])
grants = st.lists(st.builds(Grant, st.sampled_from(BUILT_IN), places), max_size=6)
overrides = st.lists(
    st.builds(Override, st.sampled_from(Permission), st.booleans(), places),
    max_size=8,
    unique_by=lambda each: (each.permission, each.account_id),
)


@given(grants, overrides, st.sampled_from(Permission), st.sampled_from([ONE, TWO, OTHER]))
def test_the_closest_word_on_a_permission_decides(
    granted: list[Grant], said: list[Override], permission: Permission, account: UUID
) -> None:
    everywhere, by_account = resolve(granted, said)
    principal = Principal("p", "P", everywhere, by_account)
    words = [
        *(each.allowed for each in said if (each.permission, each.account_id) == (permission, account)),
        *(each.allowed for each in said if (each.permission, each.account_id) == (permission, None)),
        any(permission in each.role.permissions for each in granted if each.account_id in (None, account)),
    ]
    assert principal.may(permission, account) == words[0]


@given(grants, overrides, st.sampled_from(Permission))
def test_everywhere_is_what_holds_for_an_account_nobody_has_named(
    granted: list[Grant], said: list[Override], permission: Permission
) -> None:
    everywhere, by_account = resolve(granted, said)
    principal = Principal("p", "P", everywhere, by_account)
    assert principal.may_everywhere(permission) == principal.may(permission, OTHER)
    assert principal.may_somewhere(permission) == any(principal.may(permission, each) for each in (ONE, TWO, OTHER))
