"""One thing done to many conversations at once."""

from __future__ import annotations

import uuid
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient

from inbox.auth.access import Grant, Role
from inbox.db import Database
from inbox.runtime import Runtime
from tests.auth.people import local_user, session_of
from tests.builders import all_conversations, ingest, text_message, the_account, webhook
from tests.plans import caught

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # where the database does not matter
PHONES = [f"3360000000{number}" for number in range(4)]


@pytest.fixture
def ids(runtime: Runtime, db: Database) -> list[str]:
    """Conversations of four customers, not in the order of their ids."""
    told = [text_message("Bonjour", phone=phone, wa_id=f"wamid.{phone}") for phone in PHONES]
    ingest(runtime, webhook(messages=told))
    return sorted((str(each.id) for each in all_conversations(db)), reverse=True)


def person(app: Flask, db: Database, role: Role, account: UUID | None = None) -> tuple[str, FlaskClient]:
    user = local_user(db, f"{role.slug}@example.com", [Grant(role, account)], password=None)
    made = app.test_client()
    made.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {session_of(db, user.id)}"
    return str(user.id), made


def do(client: FlaskClient, ids: list[str], **what: Any) -> Any:
    return client.post("/conversations/bulk", json={"conversation_ids": ids, "do": what}).json["outcomes"]


def told(outcomes: Any) -> list[str | None]:
    return [each["code"] for each in outcomes]


def test_each_says_what_became_of_it(client: FlaskClient, ids: list[str]) -> None:
    nowhere = str(uuid.uuid4())
    outcomes = do(client, [ids[0], nowhere, ids[1]], action="status", status="done")
    assert [each["conversation_id"] for each in outcomes] == [ids[0], nowhere, ids[1]]
    assert told(outcomes) == [None, "conversation_not_found", None]
    assert [each["conversation"] and each["conversation"]["status"] for each in outcomes] == ["done", None, "done"]
    assert outcomes[0]["conversation"] == client.get(f"/conversations/{ids[0]}").json
    again = do(client, ids, action="status", status="open")
    assert [each["conversation"]["waiting_since"] is not None for each in again] == [True] * 4  # taken back


@on_sqlite
def test_labels_are_added_and_taken_away(client: FlaskClient, db: Database, ids: list[str]) -> None:
    path = f"/accounts/{the_account(db).id}/labels"
    one, two = (client.post(path, json={"name": name}).json["id"] for name in ("one", "two"))
    client.put(f"/conversations/{ids[0]}/labels", json={"label_ids": [one]})
    outcomes = do(client, ids[:2], action="label", add=[two], remove=[one])
    assert [each["conversation"]["label_ids"] for each in outcomes] == [[two], [two]]
    refused = do(client, ids[:1], action="label", add=[str(uuid.uuid4())])
    assert refused[0]["title"] == "names a label that this number does not have"
    assert client.get(f"/conversations/{ids[0]}").json["label_ids"] == [two]


@on_sqlite
def test_who_may_do_what(app: Flask, client: FlaskClient, db: Database, ids: list[str]) -> None:
    viewer_id, viewer = person(app, db, Role.VIEWER)
    manager_id, manager = person(app, db, Role.MANAGER)
    assert told(do(viewer, ids, action="status", status="done")) == ["permission_denied"] * 4
    assert [each["conversation"]["my_unread"] for each in do(viewer, ids, action="read")] == [0] * 4
    assert told(do(client, ids, action="assign", user_id=viewer_id)) == ["validation_error"] * 4
    assert told(do(manager, ids[:2], action="assign", user_id=manager_id)) == [None, None]
    assert told(do(client, ids, action="assign", user_id=None)) == [None] * 4
    other = client.post("/accounts", json={"name": "Other", "phone_number_id": "200000000000009"}).json["id"]
    _, elsewhere = person(app, db, Role.ADMIN, UUID(other))
    assert told(do(elsewhere, ids, action="read")) == ["conversation_not_found"] * 4
    read = do(manager, ids, action="read")
    assert [each["conversation"]["unread_count"] for each in read] == [0] * 4


def test_many_take_as_few_locks_and_lists_as_one(client: FlaskClient, db: Database, ids: list[str]) -> None:
    do(client, ids, action="read")  # who calls is known from then on
    counts = []
    for some in (ids[:1], ids):
        with caught(db) as ran:
            assert told(do(client, some, action="assign", user_id=None)) == [None] * len(some)
        counts.append(len(ran))
    assert abs(counts[0] - counts[1]) <= 1  # the clock is asked for now and then
