"""API keys over HTTP: shown once, no stronger than their maker, revocable."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, update

from inbox.auth import keys
from inbox.auth.access import BUILT_IN, Override, Permission, Role
from inbox.clock import rfc3339, utc_now
from inbox.db import Database
from inbox.models import ApiKey
from tests.builders import the_account
from tests.users.people import another_account, as_key, as_user, entries, member, pointers, refusal, role_id

NOBODY = str(uuid.UUID(int=9))


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def test_a_key_is_shown_once_and_works_until_it_is_revoked(client: FlaskClient, stranger: FlaskClient) -> None:
    response = client.post("/admin/keys", json={"name": " Till ", "role_id": role_id("viewer")})
    assert (response.status_code, response.headers["Cache-Control"]) == (201, "no-store")
    made = dict(response.json)
    secret = made.pop("secret")
    assert secret.startswith(made["prefix"])
    assert (made["name"], made["accounts"], made["status"], made["expires_at"]) == ("Till", None, "valid", None)
    assert client.get("/admin/keys").json[0] == made
    assert secret not in client.get("/admin/keys").text
    assert stranger.get("/accounts", headers=bearer(secret)).status_code == 200
    assert client.delete(f"/admin/keys/{made['id']}").json == {"status": "ok"}
    assert refusal(stranger.get("/accounts", headers=bearer(secret))) == (401, "invalid_token")
    assert client.get("/admin/keys").json[0]["status"] == "revoked"
    assert refusal(client.delete(f"/admin/keys/{made['id']}")) == (404, "key_not_found")


def test_a_key_for_some_numbers_sees_those_only(client: FlaskClient, stranger: FlaskClient, db: Database) -> None:
    here, elsewhere = str(the_account(db).id), str(another_account(db))
    made = client.post("/admin/keys", json={"name": "k", "role_id": role_id("manager"), "accounts": [elsewhere]}).json
    assert made["accounts"] == [elsewhere]
    seen = stranger.get("/accounts", headers=bearer(made["secret"])).json
    assert [row["id"] for row in seen] == [elsewhere]
    hidden = stranger.get(f"/conversations?account_id={here}", headers=bearer(made["secret"]))
    assert refusal(hidden) == (403, "permission_denied")


def test_a_key_ends_at_its_time(client: FlaskClient, stranger: FlaskClient, db: Database) -> None:
    soon = rfc3339(utc_now() + timedelta(days=1))
    made = client.post("/admin/keys", json={"name": "k", "role_id": role_id("viewer"), "expires_at": soon}).json
    assert made["expires_at"] == soon
    assert stranger.get("/accounts", headers=bearer(made["secret"])).status_code == 200
    with db.writing() as session:
        past = update(ApiKey).where(ApiKey.id == uuid.UUID(made["id"])).values(expires_at=utc_now())
        session.execute(past)
    client.patch(f"/admin/users/{member(db, 'a@example.com')}", json={"name": "x"})  # a change forgets who was known
    assert refusal(stranger.get("/accounts", headers=bearer(made["secret"]))) == (401, "invalid_token")
    assert client.get("/admin/keys").json[0]["status"] == "expired"


def test_keys_are_paged_newest_first(client: FlaskClient, db: Database) -> None:
    made = [keys.create(db, name=f"k{number}", role=Role.VIEWER).id for number in range(4)]
    with db.writing() as session:
        session.execute(update(ApiKey).values(created_at=utc_now()))
    url, seen = "/admin/keys?limit=2", []
    while url:
        page = client.get(url)
        seen += [row["id"] for row in page.json]
        url = page.headers.get("Link", "").partition(">")[0].lstrip("<")
    assert len(seen) == 5
    assert seen[:4] == [str(each) for each in sorted(made, reverse=True)]


# --- no stronger than its maker ----------------------------------------------------------------------------------


def test_whoever_gives_roles_makes_no_key_that_can_do_more_than_they(app: Flask, db: Database) -> None:
    manager = as_user(app, member(db, "m@example.com", overrides=[Override(Permission.ROLES_MANAGE, True)]))
    for role in BUILT_IN:
        for accounts in (None, [str(the_account(db).id)]):
            body = {"name": "k", "role_id": str(role.id), "accounts": accounts}
            assert refusal(manager.post("/admin/keys", json=body)) == (403, "permission_denied")


def test_a_key_for_one_number_makes_none_at_all(app: Flask, db: Database) -> None:
    local = as_key(app, Role.ADMIN, [the_account(db).id])
    assert refusal(local.post("/admin/keys", json={"name": "k", "role_id": role_id("viewer")})) == (
        403,
        "permission_denied",
    )


def test_a_key_does_not_outlive_the_key_that_made_it(app: Flask, stranger: FlaskClient, db: Database) -> None:
    end = utc_now() + timedelta(days=2)
    maker = bearer(keys.create(db, name="k", role=Role.ADMIN, expires_at=end).secret)
    body: dict[str, Any] = {"name": "k", "role_id": role_id("viewer")}
    assert pointers(stranger.post("/admin/keys", json=body, headers=maker)) == ["/expires_at"]
    body["expires_at"] = rfc3339(end + timedelta(seconds=1))
    assert pointers(stranger.post("/admin/keys", json=body, headers=maker)) == ["/expires_at"]
    body["expires_at"] = rfc3339(end)
    assert stranger.post("/admin/keys", json=body, headers=maker).status_code == 201


# --- bad input ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"name": None}, "/name"),
        ({"name": ""}, "/name"),
        ({"name": "x" * 201}, "/name"),
        ({"name": "a\x1b[31m"}, "/name"),
        ({"name": 7}, "/name"),
        ({"role_id": None}, "/role_id"),
        ({"role_id": "viewer"}, "/role_id"),
        ({"role_id": NOBODY}, "/role_id"),
        ({"role": "viewer"}, "/role"),
        ({"accounts": []}, "/accounts"),
        ({"accounts": NOBODY}, "/accounts"),
        ({"accounts": ["x"]}, "/accounts/0"),
        ({"accounts": [7]}, "/accounts/0"),
        ({"accounts": [NOBODY]}, "/accounts/0"),
        ({"accounts": [NOBODY, NOBODY]}, "/accounts/1"),
        ({"accounts": [NOBODY] * 501}, "/accounts"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "/expires_at"),
        ({"expires_at": "2099-01-01T00:00:00"}, "/expires_at"),
        ({"expires_at": "tomorrow"}, "/expires_at"),
        ({"expires_at": 4102444800}, "/expires_at"),
        ({"expires_at": "4102444800"}, "/expires_at"),
        ({"expires_at": "0001-01-01T00:00:00+14:00"}, "/expires_at"),
        ({"expires_at": "9999-12-31T23:59:59-14:00"}, "/expires_at"),
        ({"secret": "inbox_x"}, "/secret"),
    ],
)
def test_a_bad_key_names_its_field_and_is_not_made(
    client: FlaskClient, db: Database, change: dict[str, Any], pointer: str
) -> None:
    log = len(entries(db))
    body = {"name": "k", "role_id": role_id("viewer"), **change}
    assert pointers(client.post("/admin/keys", json=body)) == [pointer]
    assert len(client.get("/admin/keys").json) == 1
    assert len(entries(db)) == log


def test_a_key_for_a_deleted_number_is_not_made(client: FlaskClient, db: Database) -> None:
    accounts = [str(the_account(db).id), str(another_account(db, deleted=True))]
    assert pointers(
        client.post("/admin/keys", json={"name": "k", "role_id": role_id("viewer"), "accounts": accounts})
    ) == ["/accounts/1"]


@pytest.mark.parametrize("query", ["limit=0", "limit=201", "cursor=x", "role=admin"])
def test_a_bad_query_names_its_field(client: FlaskClient, query: str) -> None:
    assert pointers(client.get(f"/admin/keys?{query}")) == ["?" + query.partition("=")[0]]


def test_an_unknown_key_is_404(client: FlaskClient, db: Database) -> None:
    assert refusal(client.delete(f"/admin/keys/{NOBODY}")) == (404, "key_not_found")
    assert client.delete("/admin/keys/x").status_code == 404
    with db.reading() as session:
        assert session.execute(select(ApiKey.revoked_at)).scalars().all() == [None]
