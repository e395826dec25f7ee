"""Who looks after a conversation: people take and put down their own, administrators move everybody's."""

from __future__ import annotations

from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient

from inbox.auth.access import Grant, Role
from inbox.clock import utc_now
from inbox.db import Database
from inbox.models import User
from inbox.runtime import runtime_of
from tests.auth.people import local_user, session_of
from tests.builders import ingest, text_message, the_account, the_conversation, webhook


@pytest.fixture
def conversation(app: Flask) -> str:
    runtime = runtime_of(app)
    ingest(runtime, webhook(messages=[text_message()]))
    return str(the_conversation(runtime.db).id)


@pytest.fixture
def anna(db: Database) -> User:
    return local_user(db, "anna@example.com", [Grant(Role.MANAGER)], password=None)


@pytest.fixture
def ben(db: Database) -> User:
    return local_user(db, "ben@example.com", [Grant(Role.MANAGER)], password=None)


def of(app: Flask, user: User) -> FlaskClient:
    """A client that calls as this user."""
    made = app.test_client()
    made.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {session_of(runtime_of(app).db, user.id)}"
    return made


def assign(client: FlaskClient, conversation: str, user_id: UUID | str | None) -> tuple[int, str | None]:
    body = {"user_id": None if user_id is None else str(user_id)}
    response = client.post(f"/conversations/{conversation}/assign", json=body)
    if response.status_code == 200:
        return 200, response.json["conversation"]["assigned_to"]
    return response.status_code, response.json["code"]


def test_a_person_takes_a_conversation_and_puts_it_down(app: Flask, conversation: str, anna: User) -> None:
    client = of(app, anna)
    assert assign(client, conversation, anna.id) == (200, str(anna.id))
    account = client.get(f"/conversations/{conversation}").json["account_id"]
    query = {"account_id": account, "assigned_to": str(anna.id)}
    assert [row["id"] for row in client.get("/conversations", query_string=query).json] == [conversation]
    assert assign(client, conversation, None) == (200, None)
    assert client.get("/conversations", query_string=query).json == []


def test_only_who_may_assign_gives_to_others_or_takes_from_them(
    app: Flask, client: FlaskClient, conversation: str, anna: User, ben: User
) -> None:
    assert assign(of(app, anna), conversation, ben.id) == (403, "permission_denied")
    assert assign(client, conversation, ben.id) == (200, str(ben.id))
    assert assign(of(app, anna), conversation, anna.id) == (403, "permission_denied")
    assert assign(of(app, anna), conversation, None) == (403, "permission_denied")
    assert assign(of(app, ben), conversation, None) == (200, None)


def test_a_conversation_goes_only_to_who_may_answer_in_it(
    app: Flask, client: FlaskClient, db: Database, conversation: str, anna: User
) -> None:
    viewer = local_user(db, "vera@example.com", [Grant(Role.VIEWER)], password=None)
    elsewhere = local_user(db, "eva@example.com", [], password=None)
    with db.writing() as session:
        session.get_one(User, anna.id).disabled_at = utc_now()
    for user_id in (viewer.id, elsewhere.id, anna.id, UUID(int=5)):
        assert assign(client, conversation, user_id) == (400, "validation_error")
    here = local_user(db, "hans@example.com", [Grant(Role.MANAGER, the_account(db).id)], password=None)
    assert assign(client, conversation, here.id) == (200, str(here.id))


def test_the_change_shows_up_in_updated_since(client: FlaskClient, conversation: str, anna: User) -> None:
    before = client.get(f"/conversations/{conversation}").json
    assign(client, conversation, anna.id)
    after = client.get(f"/conversations/{conversation}").json
    assert after["changed_at"] >= before["changed_at"]
    assert assign(client, conversation, anna.id) == (200, str(anna.id))
    assert client.get(f"/conversations/{conversation}").json["changed_at"] == after["changed_at"]


@pytest.mark.parametrize("body", [{}, {"user_id": 5}, {"user_id": "x"}, {"user_id": None, "more": 1}, [], "x"])
def test_bad_bodies_are_refused(client: FlaskClient, conversation: str, body: object) -> None:
    response = client.post(f"/conversations/{conversation}/assign", json=body)
    assert response.status_code == 400
    assert response.json["code"] == "validation_error"
