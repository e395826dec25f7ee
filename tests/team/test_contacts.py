"""What a team keeps of its contacts, whom it blocks, and two contacts who are one person."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from inbox.clock import new_id, utc_now
from inbox.db import Database
from inbox.models import Contact, Conversation, Job, JobKind, Message, WebhookDelivery
from inbox.runtime import Runtime
from tests.builders import CUSTOMER, ingest, text_message, the_account, the_conversation, webhook
from tests.users.people import entries, refusal

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # where the database does not matter


def hears(runtime: Runtime, wa_id: str, text: str = "Bonjour", **sender: Any) -> None:
    at = int(utc_now().timestamp())
    told = text_message(text, wa_id=wa_id, at=at) | sender
    ingest(runtime, webhook(messages=[told], contacts=[{"profile": {"name": "Ana Lima"}, "wa_id": CUSTOMER}]))


@pytest.fixture
def conversation(runtime: Runtime, db: Database) -> str:
    hears(runtime, "wamid.1")
    return f"/conversations/{the_conversation(db).id}"


@pytest.fixture
def contact(db: Database, conversation: str) -> str:
    return f"/contacts/{the_conversation(db).contact_id}"


# --- details -----------------------------------------------------------------------------------------------------


@on_sqlite
def test_details_are_defined_written_and_forgotten(client: FlaskClient, db: Database, contact: str) -> None:
    path = f"/accounts/{the_account(db).id}/contact-fields"
    size = client.post(path, json={"name": "Size", "kind": "choice", "choices": ["S", "L"]}).json
    ids = {kind: client.post(path, json={"name": kind, "kind": kind}).json["id"] for kind in ("text", "number", "date")}
    assert refusal(client.post(path, json={"name": "SIZE", "kind": "text"})) == (409, "contact_field_exists")
    for bad in ({"name": "x", "kind": "choice"}, {"name": "x", "kind": "text", "choices": ["S"]}):
        assert refusal(client.post(path, json=bad)) == (400, "validation_error")
    written = {size["id"]: "L", ids["text"]: "vegan", ids["number"]: 4.5, ids["date"]: "1990-02-28"}
    row = client.patch(contact, json={"fields": written}).json
    assert (row["fields"], row["display_name"]) == (written, "Ana Lima")
    assert client.patch(contact, json={"fields": written}).json == row  # once more: nothing
    wrong = {size["id"]: "XL", ids["text"]: 5, ids["number"]: "4", ids["date"]: "1990-02-30", str(new_id()): "x"}
    refused = client.patch(contact, json={"fields": wrong})
    assert [each["pointer"] for each in refused.json["errors"]] == [f"/fields/{each}" for each in wrong]
    (problem,) = client.patch(contact, json={"fields": {ids["text"]: "x" * 1001}}).json["errors"]
    assert (problem["pointer"], problem["code"]) == (f"/fields/{ids['text']}", "string_too_long")
    assert client.patch(f"/contact-fields/{size['id']}", json={"choices": ["XL"]}).json["choices"] == ["XL"]
    assert refusal(client.patch(f"/contact-fields/{ids['text']}", json={"choices": ["S"]})) == (400, "validation_error")
    assert client.patch(contact, json={"fields": {ids["text"]: None}}).json["fields"].keys() == set(written) - {
        ids["text"]
    }
    client.delete(f"/contact-fields/{size['id']}")
    assert client.get(contact).json["fields"] == {ids["number"]: 4.5, ids["date"]: "1990-02-28"}
    changes = [each for each in entries(db) if each.action == "contact.updated"]
    assert [each.details["fields"] for each in changes] == [["Size", "date", "number", "text"], ["text"]]
    assert "vegan" not in str([each.details for each in entries(db)])


# --- blocking ----------------------------------------------------------------------------------------------------


def jobs_of(db: Database) -> list[str]:
    with db.reading() as session:
        return sorted(session.execute(select(Job.kind)).scalars())


def test_what_a_blocked_contact_writes_is_kept_and_asks_for_nobody(
    client: FlaskClient, runtime: Runtime, db: Database, conversation: str
) -> None:
    hook = {"url": "https://example.com/hook", "events": ["message.received"]}
    client.post(f"/accounts/{the_account(db).id}/webhook-endpoints", json=hook)
    assert jobs_of(db) == [JobKind.ANSWER]
    row = client.post(f"{conversation}/block", json={"blocked": True}).json["conversation"]
    assert (row["unread_count"], row["waiting_since"], row["bot_silent_reason"]) == (0, None, "blocked")
    assert row["blocked_at"] is not None
    assert jobs_of(db) == []
    client.post(f"{conversation}/status", json={"status": "done"})
    hears(runtime, "wamid.2", "Buy now!")
    after = client.get(conversation).json
    quiet = ("unread_count", "waiting_since", "last_message", "needs_human", "blocked_at")
    assert {name: after[name] for name in quiet} == {name: row[name] for name in quiet}
    assert after["status"] == "done"
    assert jobs_of(db) == []
    with db.reading() as session:
        assert "Buy now!" in session.execute(select(Message.content_text)).scalars().all()
        assert session.execute(select(WebhookDelivery.id)).first() is None
    sent = {"conversation_id": conversation.rpartition("/")[2], "content": "Hello"}
    assert refusal(client.post("/messages/send", json=sent)) == (409, "contact_blocked")
    assert client.post(f"{conversation}/block", json={"blocked": False}).json["conversation"]["blocked_at"] is None
    assert client.post("/messages/send", json=sent).status_code == 202
    hears(runtime, "wamid.3")
    assert client.get(conversation).json["unread_count"] == 1
    assert [each.action for each in entries(db)][-2:] == ["contact.blocked", "contact.unblocked"]


# --- one person --------------------------------------------------------------------------------------------------


def another(db: Database, **values: Any) -> str:
    """A contact of the same number with a conversation of their own."""
    now = utc_now()
    with db.writing() as session:
        account_id = the_account(db).id
        made = Contact(id=new_id(), account_id=account_id, created_at=now, updated_at=now, **values)
        session.add(made)
        session.flush()
        talk = Conversation(account_id=account_id, contact_id=made.id, updated_at=now, created_at=now, unread_count=2)
        talk.bot_enabled = True
        session.add(talk)
    return str(made.id)


def test_contacts_who_may_be_one_person_are_suggested_and_made_one(
    client: FlaskClient, db: Database, contact: str
) -> None:
    hidden = another(db, user_id="FR.1", username="ana", display_name="ANA LIMA")
    another(db, phone="33600000009", display_name="Ana Lima")  # a number of her own: somebody else
    another(db, user_id="FR.3", display_name="Bea")
    assert [each["id"] for each in client.get(f"{contact}/duplicates").json] == [hidden]
    stranger = another(db, phone="33600000008")
    assert refusal(client.post(f"{contact}/merge", json={"other_id": stranger})) == (409, "contacts_differ")
    made = client.post(f"{contact}/merge", json={"other_id": hidden}).json
    assert (made["whatsapp_number"], made["username"], made["display_name"]) == (CUSTOMER, "ana", "Ana Lima")
    assert client.get(f"{contact}/duplicates").json == []
    assert client.get(f"/contacts/{hidden}").status_code == 404
    with db.reading() as session:
        one = session.get_one(Contact, UUID(contact.rpartition("/")[2]))
        assert one.user_id == "FR.1"
        query = select(Conversation.unread_count).where(Conversation.contact_id == one.id)
        assert session.execute(query).scalar_one() == 3
        assert session.execute(select(Job.kind)).scalars().all() == [JobKind.ANSWER]
    assert entries(db)[-1].details == {"contact_id": hidden}


def test_another_spelling_of_the_number_is_suggested(client: FlaskClient, db: Database) -> None:
    one = another(db, phone="5511987654321")
    other = another(db, phone="551187654321", display_name="Rui")
    assert [each["id"] for each in client.get(f"/contacts/{one}/duplicates").json] == [other]
