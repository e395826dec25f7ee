"""Users over HTTP: who there is, inviting, naming, switching off."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select, update

from inbox.auth import members
from inbox.auth.access import Grant, Override, Permission, Role
from inbox.auth.identities import principal_of
from inbox.auth.supabase.tokens import Profile
from inbox.clock import utc_now
from inbox.db import Database
from inbox.models import User, UserSession
from tests.builders import the_account
from tests.users.people import (
    ADMIN,
    another_account,
    as_user,
    assign,
    entries,
    held,
    member,
    pointers,
    refusal,
    role_id,
)

NOBODY = uuid.UUID(int=9)


# --- seeing ------------------------------------------------------------------------------------------------------


def test_a_user_is_shown_with_all_they_were_given_and_no_secret(client: FlaskClient, db: Database) -> None:
    account = the_account(db).id
    anna = member(
        db,
        "anna@example.com",
        [Grant(Role.VIEWER), Grant(Role.MANAGER, account)],
        [Override(Permission.CONTACTS_VIEW, False), Override(Permission.SETTINGS_MANAGE, True, account)],
        name="Anna",
    )
    row = client.get(f"/admin/users/{anna}").json
    assert client.get("/admin/users").json == [row]
    assert row.pop("created_at").endswith("Z")
    assert row == {
        "user_id": str(anna),
        "email": "anna@example.com",
        "name": "Anna",
        "kind": "supabase",
        "is_active": True,
        "roles": [held("manager", account), held("viewer")],
        "overrides": [
            {"permission_code": "contacts.view", "is_allowed": False, "account_id": None},
            {"permission_code": "settings.manage", "is_allowed": True, "account_id": str(account)},
        ],
        "signed_in_at": None,
    }


def test_rights_for_a_deleted_number_are_not_shown_so_that_what_is_shown_can_be_put_back(
    client: FlaskClient, db: Database
) -> None:
    gone = another_account(db, deleted=True)
    anna = member(
        db,
        "anna@example.com",
        [Grant(Role.VIEWER), Grant(Role.MANAGER, gone)],
        [Override(Permission.SETTINGS_MANAGE, True, gone)],
    )
    row = client.get(f"/admin/users/{anna}").json
    assert (row["roles"], row["overrides"]) == ([held("viewer")], [])
    back = [{name: each[name] for name in ("role_id", "account_id")} for each in row["roles"]]
    assert client.put(f"/admin/users/{anna}/roles", json={"assignments": back}).status_code == 200


def test_users_are_paged_newest_first_without_gaps_or_repeats(client: FlaskClient, db: Database) -> None:
    ids = [member(db, f"u{number}@example.com") for number in range(7)]
    with db.writing() as session:  # all in one millisecond: the id decides
        session.execute(update(User).values(created_at=utc_now()))
    url, seen = "/admin/users?limit=3", []
    while url:
        page = client.get(url)
        seen += [row["user_id"] for row in page.json]
        url = page.headers.get("Link", "").partition(">")[0].lstrip("<")
    assert seen == [str(each) for each in sorted(ids, reverse=True)]


def test_users_can_be_looked_for(client: FlaskClient, db: Database) -> None:
    member(db, "anna@example.com", name="Anna B")
    member(db, "ben_100%@example.com", known=False)
    with db.writing() as session:
        session.add(User(email=None, name="Banana", subject="s", created_at=utc_now(), updated_at=utc_now()))
        session.add(
            User(
                email="off@example.com",
                password_hash="x",
                disabled_at=utc_now(),
                created_at=utc_now(),
                updated_at=utc_now(),
            )
        )

    def found(query: dict[str, str]) -> list[str]:
        rows = client.get("/admin/users", query_string=query).json
        return sorted(row["email"] or row["name"] for row in rows)

    assert found({"q": "ANNA"}) == ["anna@example.com"]
    assert found({"q": "ana"}) == ["Banana"]
    assert found({"q": "n_1"}) == ["ben_100%@example.com"]  # no wildcard
    assert found({"q": "%"}) == ["ben_100%@example.com"]
    assert found({"q": "nobody"}) == []
    assert found({"is_active": "true"}) == ["Banana", "anna@example.com", "ben_100%@example.com"]
    assert found({"is_active": "false"}) == ["off@example.com"]
    assert found({"kind": "invited"}) == ["ben_100%@example.com"]
    assert found({"kind": "invited", "q": "anna"}) == []
    kinds = {row["email"]: row["kind"] for row in client.get("/admin/users").json}
    assert (kinds["off@example.com"], kinds["ben_100%@example.com"]) == ("local", "invited")


def test_permissions_and_roles_are_told_in_words(client: FlaskClient) -> None:
    permissions = client.get("/admin/permissions").json
    assert [row["code"] for row in permissions] == list(Permission)
    assert all(row["label"].endswith(".") for row in permissions)
    roles = {row["slug"]: row["permissions"] for row in client.get("/admin/roles").json}
    assert roles["admin"] == sorted(Permission)
    assert set(roles["manager"]) - set(roles["viewer"]) == {"messages.send"}


# --- inviting ----------------------------------------------------------------------------------------------------


def invite(client: FlaskClient, **body: Any) -> Any:
    return client.post("/admin/users", json={"email": "anna@example.com", **body})


def test_an_invited_user_comes_in_at_their_first_sign_in(client: FlaskClient, db: Database) -> None:
    response = invite(client, email=" Anna@Example.com ", name="Anna", assignments=[assign("viewer")])
    assert response.status_code == 201
    row = response.json
    assert (row["email"], row["kind"], row["is_active"]) == ("anna@example.com", "invited", True)
    assert row["roles"] == [held("viewer")]
    profile = Profile("subject-1", "anna@example.com", "Anna from Supabase", invited=False)
    principal = members.admit(db, profile, open_signup=False, load=principal_of)
    assert (principal.id, principal.name) == (row["user_id"], "Anna")
    assert client.get(f"/admin/users/{row['user_id']}").json["kind"] == "supabase"


def test_an_invited_user_may_be_given_a_password_and_signs_in_with_it(
    client: FlaskClient, app: Flask, db: Database
) -> None:
    row = invite(client, name="Anna", assignments=[assign("viewer")]).json
    path = f"/admin/users/{row['user_id']}/password"
    weak = client.put(path, json={"password": "Password1234"})
    assert (weak.status_code, weak.json["errors"][0]["code"]) == (400, "password_guessable")
    assert client.put(path, json={"password": "two loaves, well baked"}).json["kind"] == "local"
    signed_in = app.test_client().post(
        "/auth/login", json={"email": "anna@example.com", "password": "two loaves, well baked"}
    )
    assert signed_in.status_code == 200
    of_supabase = client.put(
        f"/admin/users/{member(db, 'noe@example.com')}/password", json={"password": "two loaves, well baked"}
    )
    assert (of_supabase.status_code, of_supabase.json["code"]) == (409, "has_no_password")


def test_the_same_invitation_again_finds_the_row(client: FlaskClient, db: Database) -> None:
    account = str(the_account(db).id)
    assignments = [assign("viewer"), assign("manager", account)]
    first = invite(client, assignments=assignments)
    again = invite(client, email="ANNA@example.com", assignments=assignments[::-1])
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json == again.json
    assert refusal(invite(client, assignments=[assign("viewer")])) == (409, "user_exists")
    assert refusal(invite(client)) == (409, "user_exists")
    assert [entry.action for entry in entries(db) if entry.action.startswith("user.")] == ["user.invited"]


def test_giving_roles_with_an_invitation_takes_the_right_to_give_them(app: Flask, db: Database) -> None:
    host = as_user(app, member(db, "host@example.com", overrides=[Override(Permission.USERS_MANAGE, True)]))
    assert refusal(invite(host, assignments=[assign("viewer")])) == (403, "permission_denied")
    assert invite(host).status_code == 201
    assert refusal(host.put(f"/admin/users/{NOBODY}/roles", json={"assignments": []})) == (403, "permission_denied")


def test_a_name_can_be_changed_and_taken_away(client: FlaskClient, db: Database) -> None:
    anna = member(db, "anna@example.com")
    assert client.patch(f"/admin/users/{anna}", json={"name": " Anna "}).json["name"] == "Anna"
    assert client.patch(f"/admin/users/{anna}", json={"name": None}).json["name"] is None
    assert [entry.details for entry in entries(db) if entry.action == "user.renamed"] == [
        {"before": None, "after": "Anna"},
        {"before": "Anna", "after": None},
    ]


# --- switching off -----------------------------------------------------------------------------------------------


def test_a_disabled_user_is_out_at_once_and_their_sessions_are_gone(
    app: Flask, client: FlaskClient, db: Database
) -> None:
    anna = member(db, "anna@example.com", [Grant(Role.VIEWER)])
    browser = as_user(app, anna)
    assert browser.get("/accounts").status_code == 200
    row = client.post(f"/admin/users/{anna}/status", json={"is_active": False}).json
    assert row["is_active"] is False
    assert refusal(browser.get("/accounts")) == (401, "invalid_token")
    with db.reading() as session:
        assert session.execute(select(func.count(UserSession.id))).scalar_one() == 0
    assert client.post(f"/admin/users/{anna}/status", json={"is_active": True}).json["is_active"] is True
    assert refusal(browser.get("/accounts")) == (401, "invalid_token")


def test_one_may_switch_oneself_off(app: Flask, db: Database) -> None:
    member(db, "ben@example.com", ADMIN)
    anna = member(db, "anna@example.com", ADMIN)
    browser = as_user(app, anna)
    assert browser.post(f"/admin/users/{anna}/status", json={"is_active": False}).status_code == 200
    assert browser.get("/admin/users").status_code == 401


def test_an_invited_user_who_was_disabled_cannot_come_in(client: FlaskClient, db: Database) -> None:
    row = invite(client).json
    client.post(f"/admin/users/{row['user_id']}/status", json={"is_active": False})
    assert client.get(f"/admin/users/{row['user_id']}").json["is_active"] is False
    client.post(f"/admin/users/{row['user_id']}/status", json={"is_active": True})
    assert client.get(f"/admin/users/{row['user_id']}").json["kind"] == "invited"


# --- bad input ---------------------------------------------------------------------------------------------------

LONG = "x" * 201
BAD_INVITES = [
    ({}, "/email"),
    ({"email": None}, "/email"),
    ({"email": 7}, "/email"),
    ({"email": ""}, "/email"),
    ({"email": "anna"}, "/email"),
    ({"email": "a@b@c"}, "/email"),
    ({"email": "a b@example.com"}, "/email"),
    ({"email": "a\x00@example.com"}, "/email"),
    ({"email": "a\u202e@example.com"}, "/email"),
    ({"email": "a\ud800@example.com"}, "/email"),
    ({"email": f"{'a' * 65}@example.com"}, "/email"),
    ({"email": f"a@{'b' * 400}"}, "/email"),
    ({"name": ""}, "/name"),
    ({"name": "  "}, "/name"),
    ({"name": LONG}, "/name"),
    ({"name": "two\nlines"}, "/name"),
    ({"name": ["Anna"]}, "/name"),
    ({"assignments": "viewer"}, "/assignments"),
    ({"assignments": None}, "/assignments"),
    ({"assignments": [{"role_id": "owner"}]}, "/assignments/0/role_id"),
    ({"assignments": [{"role_id": str(NOBODY)}]}, "/assignments/0/role_id"),
    ({"assignments": ["viewer"]}, "/assignments/0"),
    ({"assignments": [7]}, "/assignments/0"),
    ({"assignments": [{}]}, "/assignments/0/role_id"),
    ({"assignments": [assign("viewer", "x")]}, "/assignments/0/account_id"),
    ({"assignments": [assign("viewer", NOBODY)]}, "/assignments/0/account_id"),
    ({"assignments": [assign("viewer"), {"role_id": role_id("viewer")}]}, "/assignments/1"),
    ({"roles": ["viewer"]}, "/roles"),
    ({"assignments": [assign("viewer")] * 501}, "/assignments"),
    ({"password": "correct horse battery"}, "/password"),
    ({"is_active": True}, "/is_active"),
]


@pytest.mark.parametrize(("body", "pointer"), BAD_INVITES)
def test_a_bad_invitation_names_its_field_and_adds_nobody(
    client: FlaskClient, db: Database, body: dict[str, Any], pointer: str
) -> None:
    sent = body if "email" in body or not body else {"email": "anna@example.com", **body}
    assert pointers(client.post("/admin/users", json=sent)) == [pointer]
    assert client.get("/admin/users").json == []
    assert not [entry for entry in entries(db) if entry.action.startswith("user.")]


@pytest.mark.parametrize(
    ("method", "path", "body", "pointer"),
    [
        ("PATCH", "", {}, "/name"),
        ("PATCH", "", {"name": 7}, "/name"),
        ("PATCH", "", {"name": LONG}, "/name"),
        ("PATCH", "", {"name": "Anna", "email": "b@example.com"}, "/email"),
        ("POST", "/status", {}, "/is_active"),
        ("POST", "/status", {"is_active": "false"}, "/is_active"),
        ("POST", "/status", {"is_active": 0}, "/is_active"),
        ("PUT", "/roles", {}, "/assignments"),
        ("PUT", "/roles", {"assignments": assign("viewer")}, "/assignments"),
        ("PUT", "/roles", {"assignments": [assign("viewer"), assign("viewer")]}, "/assignments/1"),
        ("PUT", "/roles", {"assignments": [assign("viewer"), assign("admin", NOBODY)]}, "/assignments/1/account_id"),
        ("PUT", "/overrides", {}, "/overrides"),
        ("PUT", "/overrides", {"overrides": ["roles.manage"]}, "/overrides/0"),
        (
            "PUT",
            "/overrides",
            {"overrides": [{"permission_code": "all", "is_allowed": True}]},
            "/overrides/0/permission_code",
        ),
        ("PUT", "/overrides", {"overrides": [{"permission_code": "roles.manage"}]}, "/overrides/0/is_allowed"),
        (
            "PUT",
            "/overrides",
            {"overrides": [{"permission_code": "roles.manage", "is_allowed": "yes"}]},
            "/overrides/0/is_allowed",
        ),
        (
            "PUT",
            "/overrides",
            {"overrides": [{"permission_code": "roles.manage", "is_allowed": 1}]},
            "/overrides/0/is_allowed",
        ),
        (
            "PUT",
            "/overrides",
            {"overrides": [{"permission_code": "roles.manage", "is_allowed": each} for each in (True, False)]},
            "/overrides/1",
        ),
        (
            "PUT",
            "/overrides",
            {"overrides": [{"permission_code": "roles.manage", "is_allowed": True, "account_id": str(NOBODY)}]},
            "/overrides/0/account_id",
        ),
    ],
)
def test_a_bad_change_names_its_field_and_changes_nothing(
    client: FlaskClient, db: Database, method: str, path: str, body: Any, pointer: str
) -> None:
    anna = member(db, "anna@example.com", [Grant(Role.MANAGER)])
    before = client.get(f"/admin/users/{anna}").json
    assert pointers(client.open(f"/admin/users/{anna}{path}", method=method, json=body)) == [pointer]
    assert client.get(f"/admin/users/{anna}").json == before


def test_a_deleted_number_is_as_unknown_as_one_that_never_was(client: FlaskClient, db: Database) -> None:
    anna, gone = member(db, "anna@example.com"), str(another_account(db, deleted=True))
    roles = {"assignments": [assign("viewer", gone)]}
    assert pointers(client.put(f"/admin/users/{anna}/roles", json=roles)) == ["/assignments/0/account_id"]
    said = {"overrides": [{"permission_code": "messages.send", "is_allowed": True, "account_id": gone}]}
    assert pointers(client.put(f"/admin/users/{anna}/overrides", json=said)) == ["/overrides/0/account_id"]


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=201",
        "limit=x",
        "cursor=x",
        "cursor=",
        f"q={LONG}",
        "q=%00",
        "is_active=",
        "kind=all",
        "status=active",
        "page=2",
    ],
)
def test_a_bad_query_names_its_field(client: FlaskClient, query: str) -> None:
    assert pointers(client.get(f"/admin/users?{query}")) == ["?" + query.partition("=")[0]]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "", None),
        ("PATCH", "", {"name": "x"}),
        ("POST", "/status", {"is_active": False}),
        ("PUT", "/roles", {"assignments": []}),
        ("PUT", "/overrides", {"overrides": []}),
    ],
)
def test_an_unknown_user_is_404(client: FlaskClient, db: Database, method: str, path: str, body: Any) -> None:
    for unknown in (NOBODY, the_account(db).id):
        response = client.open(f"/admin/users/{unknown}{path}", method=method, json=body)
        assert refusal(response) == (404, "user_not_found")
    assert client.open(f"/admin/users/nobody{path}", method=method, json=body).status_code == 404


@pytest.mark.parametrize("data", [b"", b"{", b"\xff", b"[]", b'"x"', b"NaN"])
def test_what_is_no_json_object_is_400(client: FlaskClient, db: Database, data: bytes) -> None:
    anna = member(db, "anna@example.com")
    for method, path in [("POST", ""), ("PATCH", f"/{anna}"), ("PUT", f"/{anna}/roles"), ("POST", f"/{anna}/status")]:
        response = client.open(f"/admin/users{path}", method=method, data=data, content_type="application/json")
        assert response.status_code == 400
