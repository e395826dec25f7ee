"""Privacy: one contact exported whole and erased without a trace, and messages deleted by age."""

from __future__ import annotations

import io
import json
import zipfile
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select, update

from inbox.clock import new_id, parse_rfc3339
from inbox.media.keeping import Sweep
from inbox.media.store import key_of
from inbox.models import (
    Account,
    Base,
    Contact,
    Conversation,
    DeadLetter,
    Erasure,
    MediaFile,
    Message,
    WebhookEvent,
)
from inbox.privacy import erasing
from inbox.privacy.erasing import continue_erasures
from inbox.privacy.retention import Retention
from inbox.runtime import Runtime, crews_of
from tests.builders import CUSTOMER, all_messages, ingest, text_message, the_account, the_conversation, webhook
from tests.users.people import entries

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # where the database does not matter
OTHER = "33600000099"


def write(runtime: Runtime, text: str, phone: str = CUSTOMER) -> None:
    message = text_message(text, wa_id=f"wamid.{uuid4().hex}", phone=phone)
    ingest(runtime, webhook(messages=[message], contacts=[{"wa_id": phone, "profile": {"name": f"Name {phone}"}}]))


def contact_of(runtime: Runtime, phone: str = CUSTOMER) -> UUID:
    with runtime.db.reading() as session:
        return session.execute(select(Contact.id).where(Contact.phone == phone)).scalar_one()


def keep_file(runtime: Runtime, data: bytes = b"a picture") -> None:
    """A kept file of the newest message."""
    message = all_messages(runtime.db)[-1]
    with runtime.db.writing() as session:
        now = runtime.db.now(session)
        row = MediaFile(id=new_id(), account_id=message.account_id, message_id=message.id, created_at=now)
        row.kept_at, row.mime_type, row.size = now, "image/png", len(data)
        session.add(row)
        session.get_one(Message, message.id).media_id = "1"
        runtime.store.put(key_of(row.account_id, row.id), [data])


def everything(runtime: Runtime) -> str:
    """All that the database holds, as text."""
    with runtime.db.reading() as session:
        rows = [session.execute(select(table)).all() for table in Base.metadata.sorted_tables]
    return repr(rows)


# --- export ------------------------------------------------------------------------------------------------------


@on_sqlite
def test_an_export_holds_all_of_one_contact_and_nothing_of_another(
    client: FlaskClient, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inbox.privacy.exporting._MESSAGES", 2)
    for text in ("one", "two", "three"):
        write(runtime, text)
    keep_file(runtime)
    write(runtime, "a secret of somebody else", OTHER)
    conversation = next(each.conversation_id for each in all_messages(runtime.db) if each.content_text == "one")
    client.post(f"/conversations/{conversation}/notes", json={"text": "She is allergic to nuts."})
    answer = client.get(f"/contacts/{contact_of(runtime)}/export", buffered=True)
    assert (answer.status_code, answer.mimetype) == (200, "application/zip")
    archive = zipfile.ZipFile(io.BytesIO(answer.data))
    assert archive.testzip() is None
    about, messages = json.loads(archive.read("contact.json")), json.loads(archive.read("messages.json"))
    assert (about["contact"]["phone"], about["notes"][0]["text"]) == (CUSTOMER, "She is allergic to nuts.")
    assert parse_rfc3339(about["contact"]["created_at"])
    assert [each["content_text"] for each in messages] == ["one", "two", "three"]
    (file,) = [name for name in archive.namelist() if name.startswith("files/")]
    assert archive.read(file) == b"a picture"
    assert OTHER not in str(about) + str(messages)
    assert entries(runtime.db)[-1].action == "contact.exported"


# --- erasing -----------------------------------------------------------------------------------------------------


def test_of_an_erased_contact_nothing_is_left_and_of_others_all(
    client: FlaskClient, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inbox.privacy.forgetting.ROWS", 2)
    monkeypatch.setattr(erasing, "ROWS", 2)
    monkeypatch.setattr(erasing, "_EVENTS", 2)
    for text in ("one", "two", "three", "four", "five"):
        write(runtime, text)
    keep_file(runtime)
    write(runtime, "words of another", OTHER)
    with runtime.db.writing() as session:
        letter = DeadLetter(id=new_id(), reason="failed", detail="", raw=b'{"from":"%s"}' % CUSTOMER.encode())
        letter.at = runtime.db.now(session)
        session.add(letter)
    account, contact = the_account(runtime.db).id, contact_of(runtime)
    client.post(f"/conversations/{_thread(runtime, contact)}/notes", json={"text": "She is allergic to nuts."})
    begin = client.get(f"/changes?account_id={account}").json["next"]
    gone = str(_thread(runtime, contact))
    answer = client.delete(f"/contacts/{contact}")
    assert (answer.status_code, answer.json) == (200, {"status": "ok", "id": str(contact)})
    assert [each.content_text for each in all_messages(runtime.db)] == ["words of another"]
    runtime.changes.watcher._seen.clear()
    assert client.get(f"/changes?account_id={account}&since={begin}").json["gone"] == [gone]
    assert client.delete(f"/contacts/{contact}").json["code"] == "contact_not_found"
    continue_erasures(runtime.db)
    crews_of(runtime).keeping.work(Sweep())
    left = everything(runtime)
    assert CUSTOMER not in left
    assert "allergic" not in left
    assert OTHER in left
    assert [path for path in runtime.config.media_path.rglob("*") if path.is_file()] == []
    entry = entries(runtime.db)[-1]
    assert (entry.action, entry.target_id, entry.details) == ("contact.erased", str(contact), {})
    with runtime.db.reading() as session:
        assert session.execute(select(func.count()).select_from(WebhookEvent)).scalar_one() == 1
        assert session.execute(select(Erasure.ended_at)).scalar_one() is not None


def _thread(runtime: Runtime, contact: UUID) -> UUID:
    with runtime.db.reading() as session:
        return session.execute(select(Conversation.id).where(Conversation.contact_id == contact)).scalar_one()


@on_sqlite
def test_who_writes_again_is_somebody_new_whose_words_stay(client: FlaskClient, runtime: Runtime) -> None:
    write(runtime, "before")
    contact = contact_of(runtime)
    assert client.delete(f"/contacts/{contact}").status_code == 200
    write(runtime, "again")
    continue_erasures(runtime.db)
    assert contact_of(runtime) != contact
    assert [each.content_text for each in all_messages(runtime.db)] == ["again"]
    with runtime.db.reading() as session:
        (body,) = session.execute(select(WebhookEvent.body)).scalars()
    assert b"again" in body


@on_sqlite
def test_what_waits_to_be_sent_to_an_erased_contact_is_not_sent(client: FlaskClient, runtime: Runtime) -> None:
    write(runtime, "hello")
    conversation = the_conversation(runtime.db)
    with runtime.db.writing() as session:
        session.get_one(Conversation, conversation.id).last_inbound_at = runtime.db.now(session)
    sent = client.post("/messages/send", json={"conversation_id": str(conversation.id), "content": "Yes?"})
    assert sent.status_code == 202
    assert client.delete(f"/contacts/{conversation.contact_id}").status_code == 200
    assert crews_of(runtime).sends(4) == []


# --- by age ------------------------------------------------------------------------------------------------------


def age(runtime: Runtime, days: int, *conditions: Any) -> None:
    with runtime.db.writing() as session:
        then = runtime.db.now(session) - timedelta(days=days)
        session.execute(update(Message).where(*conditions).values(timestamp=then))


def test_old_messages_go_by_the_age_that_a_number_is_set_to(
    client: FlaskClient, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inbox.privacy.retention._CONVERSATIONS", 1)
    monkeypatch.setattr("inbox.privacy.retention.ROWS", 2)
    monkeypatch.setattr("inbox.privacy.forgetting.ROWS", 2)
    for text in ("old one", "old two", "old three", "new"):
        write(runtime, text)
    write(runtime, "quiet", OTHER)
    write(runtime, "stopped", "33600000077")
    with runtime.db.writing() as session:
        now = runtime.db.now(session)
        session.execute(update(Conversation).values(updated_at=now - timedelta(days=40)))
        mine = Conversation.contact_id == contact_of(runtime)
        session.execute(update(Conversation).where(mine).values(updated_at=now))
        session.execute(update(Contact).where(Contact.phone == "33600000077").values(marketing_stopped_at=now))
    age(runtime, 31, Message.content_text != "new")
    age(runtime, 1, Message.content_text == "new")
    retention = Retention(runtime.db)
    assert not retention.step()  # nobody has asked for it
    account = the_account(runtime.db).id
    changed = client.patch(f"/accounts/{account}", json={"message_retention_days": 30})
    assert changed.json["message_retention_days"] == 30
    while retention.step():
        pass
    assert [each.content_text for each in all_messages(runtime.db)] == ["new"]
    with runtime.db.reading() as session:
        assert sorted(filter(None, session.execute(select(Contact.phone)).scalars())) == [CUSTOMER, "33600000077"]
        assert session.execute(select(func.count()).select_from(Conversation)).scalar_one() == 1
    entry = entries(runtime.db)[-1]
    assert (entry.action, entry.actor_name, entry.details) == (
        "messages.expired",
        "retention",
        {"messages": 5, "conversations": 2},
    )
    assert not retention.step()  # until an hour later
    assert client.patch(f"/accounts/{account}", json={"message_retention_days": None}).status_code == 200
    with runtime.db.reading() as session:
        assert session.execute(select(Account.message_retention_days)).scalar_one() is None


@on_sqlite
def test_a_conversation_is_written_as_a_file_to_read_or_as_json(
    client: FlaskClient, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inbox.privacy.exporting._MESSAGES", 2)
    for text in ("one", "<b>two</b>\nlines", "three"):
        write(runtime, text)
    write(runtime, "another's", OTHER)
    conversation = next(each for each in all_messages(runtime.db) if each.content_text == "one").conversation_id
    path = f"/conversations/{conversation}/export"
    text = client.get(path)
    assert text.headers["Content-Disposition"] == f'attachment; filename="conversation-{conversation}.txt"'
    assert text.text.splitlines()[2] == f"[2026-11-20 09:00 UTC] Name {CUSTOMER}: one"
    assert sorted(line.rpartition(": ")[2] for line in text.text.splitlines()[2:] if "]" in line) == [
        "<b>two</b>",
        "one",
        "three",
    ]
    page = client.get(f"{path}?format=html").text
    assert "&lt;b&gt;two&lt;/b&gt;<br>lines" in page
    assert "<b>" not in page
    found = json.loads(client.get(f"{path}?format=json").data)
    assert found["conversation"]["id"] == str(conversation)
    assert sorted(each["content_text"] for each in found["messages"]) == ["<b>two</b>\nlines", "one", "three"]
    noted = [each.details for each in entries(runtime.db) if each.action == "conversation.exported"]
    assert noted == [{"format": each} for each in ("text", "html", "json")]
