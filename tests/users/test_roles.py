"""Roles of the installation's own: made, changed and deleted, never stronger than who makes them."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from inbox.auth import keys
from inbox.auth.access import BUILT_IN, Grant, Override, Permission, Role
from inbox.clock import utc_now
from inbox.db import Database
from inbox.runtime import Runtime
from tests.builders import the_account
from tests.users.people import ADMIN, as_user, assign, entries, member, pointers, refusal, role_id

NOBODY = str(uuid.UUID(int=9))
DESK = {"slug": "desk", "name": "Front desk", "description": "Answers.", "permissions": ["messages.view"]}


def make(client: FlaskClient, **changes: Any) -> Any:
    return client.post("/admin/roles", json={**DESK, **changes})


def give(client: FlaskClient, user: uuid.UUID, *roles: str) -> int:
    assignments = [{"role_id": each, "account_id": None} for each in roles]
    return client.put(f"/admin/users/{user}/roles", json={"assignments": assignments}).status_code


def test_a_role_is_made_shown_and_given(app: Flask, client: FlaskClient, db: Database) -> None:
    made = make(client)
    assert made.status_code == 201
    role = made.json
    assert role == {**DESK, "id": role["id"], "is_built_in": False}
    assert client.get("/admin/roles").json[len(BUILT_IN) :] == [role]
    anna = member(db, "anna@example.com")
    browser = as_user(app, anna)
    assert browser.get("/contacts", query_string={"account_id": str(the_account(db).id)}).status_code == 403
    assert give(client, anna, role["id"]) == 200
    me = browser.get("/auth/me").json
    assert me["permissions"]["global"] == ["messages.view"]
    assert [(each["role_slug"], each["role_name"]) for each in me["roles"]] == [("desk", "Front desk")]
    assert entries(db)[-1].details == {"before": [], "after": ["desk"]}


def test_a_changed_role_is_felt_at_once_by_all_who_have_it(app: Flask, client: FlaskClient, db: Database) -> None:
    role = make(client).json
    anna = member(db, "anna@example.com")
    give(client, anna, role["id"])
    browser = as_user(app, anna)
    assert browser.get("/auth/me").json["permissions"]["global"] == ["messages.view"]
    new = {**DESK, "slug": "counter", "permissions": ["contacts.view", "messages.send"]}
    assert client.put(f"/admin/roles/{role['id']}", json=new).status_code == 200
    assert browser.get("/auth/me").json["permissions"]["global"] == ["contacts.view", "messages.send"]
    entry = entries(db)[-1]
    assert (entry.action, entry.details["before"]["slug"], entry.details["after"]["slug"]) == (
        "role.changed",
        "desk",
        "counter",
    )


def test_the_same_change_again_leaves_no_entry(client: FlaskClient, db: Database) -> None:
    role = make(client).json
    log = len(entries(db))
    assert client.put(f"/admin/roles/{role['id']}", json=DESK).status_code == 200
    assert len(entries(db)) == log


@pytest.mark.parametrize("role", BUILT_IN)
def test_the_built_in_roles_stay_as_they_are(client: FlaskClient, role: Role) -> None:
    before = client.get("/admin/roles").json
    for method, body in (("PUT", DESK), ("DELETE", None)):
        assert refusal(client.open(f"/admin/roles/{role.id}", method=method, json=body)) == (409, "role_built_in")
    assert client.get("/admin/roles").json == before


@pytest.mark.parametrize(("method", "body"), [("PUT", DESK), ("DELETE", None)])
def test_an_unknown_role_is_404(client: FlaskClient, method: str, body: Any) -> None:
    assert refusal(client.open(f"/admin/roles/{NOBODY}", method=method, json=body)) == (404, "role_not_found")


def test_two_roles_do_not_share_a_slug(client: FlaskClient) -> None:
    role = make(client).json
    assert refusal(make(client)) == (409, "role_exists")
    assert refusal(make(client, slug="admin")) == (409, "role_exists")
    taken = client.put(f"/admin/roles/{role['id']}", json={**DESK, "slug": "viewer"})
    assert refusal(taken) == (409, "role_exists")


def test_a_permission_twice_is_a_mistake(client: FlaskClient) -> None:
    assert pointers(make(client, permissions=["messages.view", "messages.view"])) == ["/permissions/1"]


# --- no stronger than who makes it -------------------------------------------------------------------------------


def test_nobody_makes_a_role_of_what_they_do_not_hold(app: Flask, client: FlaskClient, db: Database) -> None:
    gives = [Override(Permission.ROLES_MANAGE, True)]
    manager = as_user(app, member(db, "manager@example.com", [Grant(Role.MANAGER)], gives))
    assert refusal(make(manager, permissions=["settings.manage"])) == (403, "permission_denied")
    role = make(manager, permissions=["messages.send"]).json
    more = {**DESK, "permissions": ["messages.send", "settings.manage"]}
    assert refusal(manager.put(f"/admin/roles/{role['id']}", json=more)) == (403, "permission_denied")
    assert client.put(f"/admin/roles/{role['id']}", json=more).status_code == 200
    # What an administrator has put there, the manager may leave and take away, not give.
    assert manager.put(f"/admin/roles/{role['id']}", json={**more, "name": "Desk"}).status_code == 200
    assert give(manager, member(db, "anna@example.com"), role["id"]) == 403


def test_who_is_kept_out_of_one_number_makes_no_role_that_opens_it(app: Flask, db: Database) -> None:
    kept_out = [Override(Permission.MESSAGES_VIEW, False, the_account(db).id)]
    browser = as_user(app, member(db, "me@example.com", ADMIN, kept_out))
    assert refusal(make(browser)) == (403, "permission_denied")


def test_a_role_that_makes_the_last_administrator_keeps_its_permissions(client: FlaskClient, db: Database) -> None:
    owner = make(client, slug="owner", permissions=list(Permission)).json
    anna = member(db, "anna@example.com", ADMIN)
    assert give(client, anna, owner["id"]) == 200
    less = client.put(f"/admin/roles/{owner['id']}", json={**DESK, "slug": "owner"})
    assert refusal(less) == (409, "last_admin")
    assert give(client, anna, owner["id"], role_id("admin")) == 200
    assert client.put(f"/admin/roles/{owner['id']}", json={**DESK, "slug": "owner"}).status_code == 200


# --- deleting ----------------------------------------------------------------------------------------------------


def test_a_role_in_use_is_not_deleted_and_the_answer_says_by_whom(client: FlaskClient, db: Database) -> None:
    role = make(client).json
    anna = member(db, "anna@example.com")
    give(client, anna, role["id"])
    key = client.post("/admin/keys", json={"name": "Till", "role_id": role["id"]}).json
    refused = client.delete(f"/admin/roles/{role['id']}")
    assert refusal(refused) == (409, "role_in_use")
    assert (refused.json["users"], refused.json["keys"]) == (["anna@example.com"], ["Till"])
    give(client, anna)
    assert client.delete(f"/admin/roles/{role['id']}").json["keys"] == ["Till"]
    client.delete(f"/admin/keys/{key['id']}")
    assert client.delete(f"/admin/roles/{role['id']}").json == {"status": "ok"}
    assert entries(db)[-1].action == "role.deleted"
    shown = next(row for row in client.get("/admin/keys").json if row["id"] == key["id"])
    assert (shown["role_id"], shown["role_slug"], shown["status"]) == (None, None, "revoked")
    assert refusal(client.delete(f"/admin/roles/{role['id']}")) == (404, "role_not_found")


def test_an_expired_key_is_in_nobodys_way_and_stays_closed(
    client: FlaskClient, runtime: Runtime, stranger: FlaskClient
) -> None:
    role = make(client).json
    wanted = Role(uuid.UUID(role["id"]), "desk", "", "", frozenset())
    ended = utc_now() - timedelta(seconds=1)
    secret = keys.create(runtime.db, name="old", role=wanted, expires_at=ended).secret
    assert client.delete(f"/admin/roles/{role['id']}").status_code == 200
    answer = stranger.get("/auth/me", headers={"Authorization": f"Bearer {secret}"})
    assert refusal(answer) == (401, "invalid_token")


# --- keys and commands -------------------------------------------------------------------------------------------


def test_a_key_takes_a_role_of_ones_own(app: Flask, client: FlaskClient) -> None:
    role = make(client).json
    made = client.post("/admin/keys", json={"name": "Till", "role_id": role["id"]}).json
    assert (made["role_id"], made["role_slug"], made["role_name"]) == (role["id"], "desk", "Front desk")
    me = app.test_client().get("/auth/me", headers={"Authorization": f"Bearer {made['secret']}"}).json
    assert me["permissions"]["global"] == ["messages.view"]


def test_commands_take_a_role_of_ones_own_and_name_those_there_are(
    app: Flask, client: FlaskClient, db: Database
) -> None:
    make(client)
    member(db, "anna@example.com")
    flask = app.test_cli_runner()
    assert flask.invoke(args=["users", "role", "anna@example.com", "desk"]).output == "Changed.\n"
    assert "anna@example.com: desk\n" in flask.invoke(args=["users", "list"]).output
    assert flask.invoke(args=["keys", "create", "--name", "Till", "--role", "desk"]).output.startswith("inbox_")
    assert "  desk      inbox_" in flask.invoke(args=["keys", "list"]).output
    listed = flask.invoke(args=["roles", "list"]).output.splitlines()
    assert [line.split()[0] for line in listed] == ["admin", "manager", "viewer", "desk"]
    assert listed[-1].endswith("Front desk: messages.view")
    wrong = flask.invoke(args=["users", "role", "anna@example.com", "owner"])
    assert (wrong.exit_code, "There is no role owner. There are: admin, manager, viewer, desk." in wrong.output) == (
        1,
        True,
    )


def test_a_role_for_one_number_is_good_for_that_one(app: Flask, client: FlaskClient, db: Database) -> None:
    role, account = make(client).json, str(the_account(db).id)
    anna = member(db, "anna@example.com")
    body = {"assignments": [{"role_id": role["id"], "account_id": account}, assign("viewer")]}
    assert client.put(f"/admin/users/{anna}/roles", json=body).status_code == 200
    assert [each["role_slug"] for each in client.get(f"/admin/users/{anna}").json["roles"]] == ["desk", "viewer"]
    permissions = as_user(app, anna).get("/auth/me").json["permissions"]
    assert permissions["accounts"][account] == sorted(Role.VIEWER.permissions)
