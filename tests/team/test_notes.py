"""Notes: what colleagues tell each other, and never the customer."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select

from inbox.auth.access import Grant, Role
from inbox.contacts.merge import merge_contacts
from inbox.db import Database
from inbox.models import Contact, Job, Message, Note
from inbox.runtime import Runtime
from tests.auth.people import local_user, session_of
from tests.builders import ingest, text_message, the_account, the_conversation, webhook
from tests.users.people import entries, refusal


@pytest.fixture
def conversation(runtime: Runtime, db: Database) -> str:
    ingest(runtime, webhook(messages=[text_message("Bonjour")]))
    return str(the_conversation(db).id)


def signed_in(app: Flask, db: Database, name: str, role: Role = Role.MANAGER) -> FlaskClient:
    user = local_user(db, f"{name}@example.com", [Grant(role)], password=None)
    made = app.test_client()
    made.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {session_of(db, user.id)}"
    return made


@pytest.fixture
def amina(app: Flask, db: Database) -> FlaskClient:
    return signed_in(app, db, "amina")


def note(client: FlaskClient, conversation: str, text: str = "Call her at five", **more: Any) -> Any:
    return client.post(f"/conversations/{conversation}/notes", json={"text": text, **more})


def notes(client: FlaskClient, conversation: str) -> list[Any]:
    return list(client.get(f"/conversations/{conversation}/notes").json)


def test_a_note_names_its_author_and_stays_in_order(amina: FlaskClient, client: FlaskClient, conversation: str) -> None:
    made = note(amina, conversation)
    assert made.status_code == 201
    assert (made.json["author"]["kind"], made.json["author"]["name"]) == ("user", "Amina")
    note(client, conversation, "Done")
    assert [each["text"] for each in notes(client, conversation)] == ["Call her at five", "Done"]
    assert notes(client, conversation)[1]["author"]["kind"] == "key"


@pytest.mark.usefixtures("conversation")
def test_a_note_has_no_road_to_the_customer(amina: FlaskClient, db: Database, conversation: str) -> None:
    with db.reading() as session:
        before = [session.execute(select(func.count()).select_from(table)).scalar_one() for table in (Job, Message)]
    note(amina, conversation)
    with db.reading() as session:
        after = [session.execute(select(func.count()).select_from(table)).scalar_one() for table in (Job, Message)]
    assert before == after


def test_the_same_key_gives_the_same_note(amina: FlaskClient, conversation: str) -> None:
    first, again = (note(amina, conversation, client_key="k-1").json for _ in range(2))
    assert first == again
    assert refusal(note(amina, conversation, "Another", client_key="k-1")) == (422, "idempotency_key_reused")
    amina.patch(f"/notes/{first['id']}", json={"text": "Call her at six"})
    assert note(amina, conversation, client_key="k-1").json["text"] == "Call her at six"
    assert len(notes(amina, conversation)) == 1


def test_only_its_author_changes_a_note(
    app: Flask, db: Database, amina: FlaskClient, client: FlaskClient, conversation: str
) -> None:
    made = note(amina, conversation).json
    for other in (client, signed_in(app, db, "ben", Role.ADMIN)):
        assert refusal(other.patch(f"/notes/{made['id']}", json={"text": "x"})) == (403, "permission_denied")
    changed = amina.patch(f"/notes/{made['id']}", json={"text": "Call her at six"}).json
    assert changed["edited_at"] is not None
    assert notes(client, conversation) == [changed]


def test_a_deleted_note_is_gone_with_its_text(app: Flask, db: Database, amina: FlaskClient, conversation: str) -> None:
    made = note(amina, conversation).json
    ben = signed_in(app, db, "ben")
    assert refusal(ben.delete(f"/notes/{made['id']}")) == (403, "permission_denied")
    gone = amina.delete(f"/notes/{made['id']}").json
    assert (gone["deleted"], gone["text"]) == (True, "")
    assert notes(amina, conversation) == []
    assert refusal(amina.patch(f"/notes/{made['id']}", json={"text": "x"})) == (404, "note_not_found")
    with db.reading() as session:
        assert session.execute(select(Note.text)).scalar_one() == ""


def test_who_manages_the_number_may_delete_any_note_and_the_audit_log_tells(
    amina: FlaskClient, client: FlaskClient, db: Database, conversation: str
) -> None:
    made = note(amina, conversation).json
    assert client.delete(f"/notes/{made['id']}").status_code == 200
    (entry,) = [each for each in entries(db) if each.action == "note.deleted"]
    assert (entry.details["author"], "Call" in str(entry.details)) == ("Amina", False)


def test_the_open_conversation_is_told_of_its_notes(
    monkeypatch: pytest.MonkeyPatch, amina: FlaskClient, client: FlaskClient, db: Database, conversation: str
) -> None:
    monkeypatch.setattr("inbox.live.watcher.LOOK_EVERY", 0.0)
    query = {"account_id": str(the_account(db).id), "conversation_id": conversation}
    position = client.get("/changes", query_string=query).json["next"]
    made = note(amina, conversation).json
    told = client.get("/changes", query_string={**query, "since": position}).json
    assert told["notes"] == [made]
    gone = amina.delete(f"/notes/{made['id']}").json
    assert client.get("/changes", query_string={**query, "since": told["next"]}).json["notes"] == [gone]


def test_two_conversations_that_become_one_keep_notes_labels_and_drafts_of_both(
    runtime: Runtime, amina: FlaskClient, client: FlaskClient, db: Database
) -> None:
    for number in (1, 2):
        ingest(runtime, webhook(messages=[text_message(wa_id=f"wamid.{number}", phone=f"3360000000{number}")]))
    account_id = the_account(db).id
    rows = client.get(f"/conversations?account_id={account_id}").json
    labels = [
        client.post(f"/accounts/{account_id}/labels", json={"name": name}).json["id"] for name in ("one", "two", "both")
    ]
    for row, held, text in zip(rows, ([0, 2], [1, 2]), ("first", "second"), strict=True):
        note(amina, row["id"], text)
        client.put(f"/conversations/{row['id']}/labels", json={"label_ids": [labels[each] for each in held]})
        amina.put(f"/conversations/{row['id']}/drafts/reply", json={"text": text})
    amina.put(f"/conversations/{rows[1]['id']}/drafts/note", json={"text": "only there"})
    with db.writing() as session:
        one, other = (session.get_one(Contact, uuid.UUID(row["contact_id"])) for row in rows)
        assert merge_contacts(session, one, other, db.now(session))
    kept = rows[0]["id"]
    assert sorted(each["text"] for each in notes(client, kept)) == ["first", "second"]
    assert sorted(client.get(f"/conversations/{kept}").json["label_ids"]) == sorted(labels)
    drafts = amina.get(f"/conversations/{kept}/drafts").json
    assert [(each["mode"], each["text"]) for each in drafts] == [("note", "only there"), ("reply", "first\nsecond")]
